"""Stretches of video as files of their own, with their sound."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from seektrack.errors import InputError, VideoError
from seektrack.retrieval.sequence import Chain
from seektrack.types import Hit, Moment
from seektrack.video import VideoWriter, open_video
from seektrack.video.dubbing import dub

_SHORTEST_S = 1.0
"""A clip of a single picture is at least this long, so that a player shows it."""


def spans(found: Sequence[Hit | Moment | Chain]) -> list[tuple[str, float, float]]:
    """Video, start and end in seconds of each result; of a chain, one for each step."""
    all_spans: list[tuple[str, float, float]] = []
    for one in found:
        if isinstance(one, Hit):
            all_spans.append((one.video, one.time_s, one.time_s + _SHORTEST_S))
        else:
            moments = one.moments if isinstance(one, Chain) else [one]
            all_spans += [(m.video, m.start_s, max(m.end_s, m.start_s + 0.04)) for m in moments]
    return all_spans


def save_clips(found: Sequence[Hit | Moment | Chain], folder: str | os.PathLike[str]) -> list[Path]:
    """Write each result as MP4, ``001-holiday-12.480s.mp4`` and on, best first.

    Returns:
        The files, in order of the results.

    Raises:
        VideoError: A video is gone or cannot be read.
        OutputError: A file cannot be written.
    """
    written = []
    for n, (video, start_s, end_s) in enumerate(spans(found), 1):
        stem = re.sub(r"[^\w.-]+", "_", Path(video).stem)[:80]
        written.append(write_clip(video, start_s, end_s, Path(folder) / f"{n:03d}-{stem}-{start_s:.3f}s.mp4"))
    return written


def write_clip(
    video: str | os.PathLike[str], start_s: float, end_s: float, path: str | os.PathLike[str]
) -> Path:
    """Write the pictures from ``start_s`` up to ``end_s``, each for as long as it was shown, and their sound.

    H.264 and, where the video has sound, AAC of one channel; times begin at 0.

    Raises:
        InputError: The stretch is empty.
        VideoError: The video is gone or cannot be read, or has no picture there.
        OutputError: The file cannot be written.
    """
    if not end_s > start_s:
        raise InputError(f"a clip from {start_s:g} to {end_s:g} s is empty")
    target = Path(path)
    _pictures(video, start_s, end_s, target)
    dub(target, video, target, start_s=start_s, end_s=end_s)
    return target


def _pictures(video: str | os.PathLike[str], start_s: float, end_s: float, path: Path) -> None:
    with open_video(video) as source:
        frames = source.frames(start_s=start_s, end_s=end_s)
        first = next(frames, None)
        if first is None:
            raise VideoError(f"{video} has no picture from {start_s:g} to {end_s:g} s")
        height, width = first.hw
        rate = source.info.fps
        with VideoWriter(path, width=width, height=height, fps=rate, sources=(video,)) as writer:
            writer.write(first.image, Fraction(0))
            for frame in frames:
                writer.write(frame.image, frame.timestamp - first.timestamp)
