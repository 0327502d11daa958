"""Stretches of video as files of their own, with their sound."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, OutputError, VideoError
from seektrack.files import new_file
from seektrack.retrieval.sequence import Chain
from seektrack.types import Hit, Moment
from seektrack.video import VideoWriter, open_video
from seektrack.video.sound import read_sound

SOUND_RATE = 48_000
_STRETCH_S = 10.0
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
    with tempfile.TemporaryDirectory() as folder:
        silent = _pictures(video, start_s, end_s, Path(folder) / "silent.mp4")
        sound = _sound(video, start_s, end_s)
        with new_file(target, sources=(video,)) as temporary:
            try:
                _join(silent, sound, temporary)
            except av.FFmpegError as error:
                raise OutputError(f"cannot write {target}: {error}") from error
    return target


def _pictures(video: str | os.PathLike[str], start_s: float, end_s: float, path: Path) -> Path:
    with open_video(video) as source:
        frames = source.frames(start_s=start_s, end_s=end_s)
        first = next(frames, None)
        if first is None:
            raise VideoError(f"{video} has no picture from {start_s:g} to {end_s:g} s")
        height, width = first.hw
        with VideoWriter(path, width=width, height=height, fps=source.info.fps) as writer:
            writer.write(first.image, Fraction(0))
            for frame in frames:
                writer.write(frame.image, frame.timestamp - first.timestamp)
    return path


def _sound(video: str | os.PathLike[str], start_s: float, end_s: float) -> NDArray[np.float32] | None:
    """Samples of the stretch at `SOUND_RATE`, or None without sound."""
    parts = []
    try:
        for held in read_sound(video, rate=SOUND_RATE, length_s=_STRETCH_S, hop_s=_STRETCH_S):
            at = float(held.timestamp)
            if at >= end_s:
                break
            low, high = (round((t - at) * SOUND_RATE) for t in (start_s, end_s))
            parts.append(held.samples[max(low, 0) : max(high, 0)])
    except (VideoError, OSError):
        return None
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return samples if len(samples) else None


def _join(silent: Path, sound: NDArray[np.float32] | None, path: Path) -> None:
    options = {"movflags": "+faststart"}
    with av.open(str(silent)) as pictures, av.open(str(path), "w", format="mp4", options=options) as made:
        stream = made.add_stream_from_template(pictures.streams.video[0])
        voice = None
        if sound is not None:
            voice = made.add_stream("aac", rate=SOUND_RATE, layout="mono")
        for packet in pictures.demux(pictures.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
        if voice is None or sound is None:
            return
        for start in range(0, len(sound), 1024):
            frame = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
            for packet in voice.encode(frame):
                made.mux(packet)
        for packet in voice.encode(None):
            made.mux(packet)
