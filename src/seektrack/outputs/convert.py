"""From one format of tracks to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from seektrack.errors import InputError
from seektrack.outputs.registry import FORMATS, load_tracks, save_tracks
from seektrack.types import Tracks, VideoInfo


def convert(
    source: str | Path,
    target: str | Path,
    *,
    from_format: str | None = None,
    to_format: str | None = None,
    video: VideoInfo | None = None,
    times: Mapping[int, float] | None = None,
) -> Tracks:
    """Read tracks in one format and write them in another.

    Args:
        source: File or folder to read.
        target: File or folder to write.
        from_format: Of the source; recognised from it when None.
        to_format: Of the target; taken from its name when None.
        video: The video they belong to, for formats that do not say.
        times: Seconds of each frame of that video, in place of what the source says.

    Returns:
        What was read.

    Raises:
        InputError: The source cannot be read, or a format cannot be told.
        OutputError: The target cannot be written.
    """
    chosen = to_format or named_for(target)
    tracks = load_tracks(source, from_format, video=video)
    if times is not None:
        tracks = retimed(tracks, times)
    save_tracks(tracks, target, chosen)
    return tracks


def named_for(target: str | Path) -> str:
    """The format a file is to be written in, by its name: ``x.coco.json``, ``x.parquet``, ``davis``.

    Raises:
        InputError: The name does not tell.
    """
    name = Path(target).name.lower()
    endings = {f.filename: f.name for f in FORMATS.values()}
    for f in FORMATS.values():
        if not f.is_folder:
            endings.setdefault(f.filename[f.filename.index(".") :], f.name)
    fitting = [end for end in endings if name.endswith(end)]
    if not fitting:
        told = ", ".join(f"*{end}" for end in endings if end.startswith("."))
        raise InputError(
            f"the name {name!r} does not say which format is meant",
            hint=f"say it with --to ({', '.join(FORMATS)}), or end the name as {told}",
        )
    return endings[max(fitting, key=len)]


def retimed(tracks: Tracks, times: Mapping[int, float]) -> Tracks:
    """The same tracks with the times of the frames of a video.

    Raises:
        InputError: A frame lies behind the end of the video.
    """
    used = set(tracks.frame_times) | {o.frame_index for t in tracks for o in t.observations}
    behind = sorted(used - set(times))
    if behind:
        raise InputError(
            f"frame {behind[0]} is not in the video, which has {len(times)} frames",
            hint="is it another video, or are frames counted from another number?",
        )
    moved = tuple(
        replace(t, observations=tuple(replace(o, time_s=times[o.frame_index]) for o in t.observations))
        for t in tracks
    )
    return replace(tracks, tracks=moved, frame_times={i: times[i] for i in sorted(used)})
