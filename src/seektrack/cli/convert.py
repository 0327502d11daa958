"""``seektrack convert``: tracks from one format to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from seektrack.cli.common import AsJson, Quiet, Screen
from seektrack.cli.values import complete_format
from seektrack.errors import InputError
from seektrack.types import Tracks, VideoInfo


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Tracks: a file or folder of any format.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="What to write, such as out.coco.json.")],
    from_format: Annotated[
        str | None,
        typer.Option(
            "--from", help="Format of IN; recognised from it when left out.", autocompletion=complete_format
        ),
    ] = None,
    to_format: Annotated[
        str | None,
        typer.Option(
            "--to", help="Format of OUT; taken from its name when left out.", autocompletion=complete_format
        ),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option("--video", help="The video they belong to: its size, rate and the time of each frame."),
    ] = None,
    fps: Annotated[
        str | None, typer.Option("--fps", help="Without --video: frames a second, such as 25 or 30000/1001.")
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="WxH", help="Without --video: the size of a frame.")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Read tracks in one format and write them in another; what IN says is checked first."""
    from seektrack.outputs import convert as converted

    screen = Screen(quiet=quiet, as_json=as_json)
    if video is not None and (fps is not None or size is not None):
        raise InputError("--video says the size and the rate", hint="leave out --fps and --size")
    info, times = _of_video(video) if video is not None else (None, None)
    if fps is not None or size is not None:
        info = _described(source, from_format, fps, size)
    tracks = converted(source, target, from_format=from_format, to_format=to_format, video=info, times=times)
    screen.result(_summary(tracks, target), lambda console: console.print(_told(tracks, target)))


def _of_video(path: Path) -> tuple[VideoInfo, dict[int, float]]:
    from seektrack.video import open_video

    with open_video(path) as opened:
        times = dict(enumerate(map(float, opened.times()), start=opened.first_index))
        return opened.info, times


def _described(source: Path, from_format: str | None, fps: str | None, size: str | None) -> VideoInfo:
    from seektrack.outputs import load_tracks, reading

    rate = None if fps is None else reading.frame_rate(fps, "--fps")
    if size is None:
        return replace(load_tracks(source, from_format).video, fps=rate or reading.ASSUMED_FPS)
    width, _, height = size.lower().partition("x")
    if not width.isdecimal() or not height.isdecimal():
        raise InputError(f"--size must be WxH, got {size!r}", hint="for example --size 1920x1080")
    wide, high = reading.side(width, "--size"), reading.side(height, "--size")
    return VideoInfo(str(source), wide, high, rate or reading.ASSUMED_FPS)


def _summary(tracks: Tracks, target: Path) -> dict[str, object]:
    return {
        "written": str(target),
        "video": tracks.video.path,
        "tracks": len(tracks),
        "observations": sum(len(t) for t in tracks),
        "frames": len(tracks.frame_times),
    }


def _told(tracks: Tracks, target: Path) -> str:
    count = sum(len(t) for t in tracks)
    return f"{target}: {len(tracks)} tracks, {count} observations on {len(tracks.frame_times)} frames"
