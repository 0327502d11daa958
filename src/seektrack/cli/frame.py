"""``seektrack frame``: one picture of a video, with coordinates to point by."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from seektrack.cli.common import AsJson, FrameFilter, Quiet, Screen, clock, quoted
from seektrack.cli.source_options import Fps, Interpolate, Window, opening
from seektrack.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seektrack.types import Frame
    from seektrack.video import Opening, VideoSource

_SUFFIXES = (".png", ".jpg", ".jpeg")
_NUMBER = re.compile(r"\d{1,12}")
_TIME = re.compile(r"(?:(?:(?P<h>\d{1,4}):)?(?P<m>\d{1,4}):)?(?P<s>\d{1,9}(?:\.\d{1,9})?)(?P<unit>s?)")


@dataclass(frozen=True)
class Place:
    """Which frame: by its number, or the nearest to a time; the first where both are None."""

    index: int | None = None
    time_s: float | None = None


def frame(
    video: Annotated[
        str,
        typer.Argument(
            metavar="VIDEO[@PLACE]",
            help="Any source, and which frame: @312 by its number as in --point, @12.5 or @1:02 by time.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The picture, .png or .jpg; VIDEO-FRAME.png in this folder when left out."
        ),
    ] = None,
    grid: Annotated[bool, typer.Option("--grid", help="Draw lines with their pixel coordinates.")] = False,
    step: Annotated[
        int | None, typer.Option("--step", min=1, help="With --grid: pixels from line to line.")
    ] = None,
    filters: FrameFilter = None,
    fps: Fps = None,
    window: Window = None,
    interpolate: Interpolate = 1,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write one frame of a video as a picture, and say how to point into it.

    A picture too small to hold the numbers of its grid is drawn larger; the numbers are its own pixels.
    """
    name, place = split_place(video)
    if out is not None and out.suffix.lower() not in _SUFFIXES:
        raise InputError(f"cannot write a picture called {out}", hint=f"end it in {', '.join(_SUFFIXES)}")
    if step is not None and not grid:
        raise InputError("--step goes with --grid", hint="add --grid")
    how = opening(fps=fps, window=window, interpolate=interpolate)
    screen = Screen(quiet=quiet, as_json=as_json)
    with screen.progress() as progress, _opened(name, place, how).open(name, progress=progress) as source:
        found = _found(source, place)
        target = out or Path(f"{_stem(source.info.path)}-{found.index}.png")
        picture = found.image
        if filters is not None:
            from seektrack.video.filters import parse_filter

            picture = parse_filter(filters)(picture)
        scale = 1
        if grid:
            from seektrack.outputs.grid import draw_grid, grid_scale, grid_step

            scale, step = grid_scale(found.hw), step or grid_step(found.hw)
            picture = draw_grid(picture, step=step)
        _write(picture, target, source.info.path)
    value = {
        "video": source.info.path,
        "frame_index": found.index,
        "time_s": found.time_s,
        "width": found.hw[1],
        "height": found.hw[0],
        "written": target,
        "grid_step": step,
        "scale": scale,
    }
    screen.result(value, lambda console: _print(console, value))
    screen.note(f"point into it with: seektrack track {quoted(name)} --point X,Y@{found.index}")


def split_place(text: str) -> tuple[str, Place]:
    """A source and which frame of it: ``film.mp4@12.5`` by time, ``film.mp4@312`` by number.

    A name that exists as it stands is never split; nor is what follows an ``@`` without being a place, as
    in ``rtsp://me@host/1``.

    >>> split_place("film.mp4@1:02.5")
    ('film.mp4', Place(index=None, time_s=62.5))
    """
    name, at, where = text.rpartition("@")
    if not at or not name or os.path.lexists(text):
        return text, Place()
    if _NUMBER.fullmatch(where):
        return name, Place(index=int(where))
    time = _TIME.fullmatch(where)
    if time is None:
        return text, Place()
    return name, Place(time_s=3600 * int(time["h"] or 0) + 60 * int(time["m"] or 0) + float(time["s"]))


def _opened(name: str, place: Place, how: Opening | None) -> Opening:
    """How the source is opened; of a camera or stream, so much of it is taken as holds the frame."""
    from dataclasses import replace

    from seektrack.pipeline.sources import named_videos
    from seektrack.video import Opening

    how = how or Opening()
    named = named_videos(name, on_error=lambda path, error: None)
    if not any(video.live for video in named):
        return how
    if place.time_s is not None:
        return replace(how, end_s=place.time_s + 0.5)
    return replace(how, frames=(place.index or 0) // how.interpolate + 2)


def _found(source: VideoSource, place: Place) -> Frame:
    if place.time_s is None:
        return source.frame_at(source.first_index if place.index is None else place.index)
    length = source.info.duration_s
    if length is not None and place.time_s > length > 0:
        raise InputError(
            f"second {place.time_s:g} lies behind the end of {source.info.path} ({length:.3f} s)",
            hint="give an earlier time, or a frame's number",
        )
    return source.frame_near(place.time_s)


def _stem(path: str) -> str:
    from seektrack.pipeline.folders import folder_names

    return next(folder_names(path))


def _write(picture: NDArray[np.uint8], target: Path, video: str) -> None:
    from PIL import Image

    from seektrack import files

    kind = "PNG" if target.suffix.lower() == ".png" else "JPEG"
    with files.new_file(target, sources=(video,)) as temporary:
        Image.fromarray(picture).save(temporary, kind, **({} if kind == "PNG" else {"quality": 95}))


def _print(console: Console, value: dict[str, object]) -> None:
    time_s = float(str(value["time_s"]))
    size = f"{value['width']}x{value['height']}"
    console.print(
        f"frame {value['frame_index']} at {clock(time_s)} ({time_s:.3f} s) of {value['video']}, {size}"
    )
    lines = f", a line every {value['grid_step']} pixels" if value["grid_step"] else ""
    larger = f", {value['scale']} times as large" if value["scale"] != 1 else ""
    console.print(f"written to {value['written']}{lines}{larger}")
