"""A film without sound, given the sound of the video it was made of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import OutputError, VideoError
from seektrack.files import new_file
from seektrack.video.sound import read_sound

SOUND_RATE = 48_000
_STRETCH_S = 10.0
_SAMPLES = 1024


def dub(
    silent: Path, video: str | os.PathLike[str], path: Path, *, start_s: float = 0.0, end_s: float
) -> bool:
    """Write the pictures of one file with the sound of a stretch of another, AAC of one channel.

    Args:
        silent: What `VideoWriter` wrote, from 0 s; its packets are copied.
        video: Where the sound comes from.
        path: The file to write, which may be ``silent`` itself; a .mov is QuickTime, else it is MP4.
        start_s, end_s: The stretch of ``video``, in seconds; its sound is at 0 s of the new file.

    Returns:
        Whether there was sound; nothing is written where there was none.

    Raises:
        OutputError: The file cannot be written.
    """
    sound = _sound(video, start_s, end_s)
    first = next(sound, None)
    if first is None:
        return False
    with new_file(path, sources=(video,)) as temporary:
        try:
            _join(silent, chain([first], sound), temporary, "mov" if path.suffix.lower() == ".mov" else "mp4")
        except av.FFmpegError as error:
            raise OutputError(f"cannot write {path}: {error}") from error
    return True


def _sound(
    video: str | os.PathLike[str], start_s: float, end_s: float
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Samples and the place of the first, in samples from ``start_s``; nothing without sound."""
    low, high = (round(s * SOUND_RATE) for s in (start_s, end_s))
    try:
        for held in read_sound(video, rate=SOUND_RATE, length_s=_STRETCH_S, hop_s=_STRETCH_S):
            at = round(held.timestamp * SOUND_RATE)
            if at >= high:
                return
            part = held.samples[max(low - at, 0) : high - at]
            if len(part):
                yield max(at - low, 0), part
    except (VideoError, OSError):
        return


def _join(
    silent: Path, sound: Iterator[tuple[int, NDArray[np.float32]]], path: Path, container: str = "mp4"
) -> None:
    options = {"movflags": "+faststart"}
    with av.open(str(silent)) as pictures, av.open(str(path), "w", format=container, options=options) as made:
        stream = made.add_stream_from_template(pictures.streams.video[0])
        voice = made.add_stream("aac", rate=SOUND_RATE, layout="mono")
        frames = _frames(sound)
        waiting = next(frames, None)
        for packet in pictures.demux(pictures.streams.video[0]):
            if packet.dts is None or packet.time_base is None:
                continue
            until = packet.dts * packet.time_base
            while waiting is not None and Fraction(waiting.pts or 0, SOUND_RATE) <= until:
                made.mux(voice.encode(waiting))
                waiting = next(frames, None)
            packet.stream = stream
            made.mux(packet)
        while waiting is not None:
            made.mux(voice.encode(waiting))
            waiting = next(frames, None)
        made.mux(voice.encode(None))


def _frames(sound: Iterator[tuple[int, NDArray[np.float32]]]) -> Iterator[av.AudioFrame]:
    """The samples in frames of `_SAMPLES`, silence where there is a gap."""
    place, held = 0, np.zeros(0, np.float32)
    for at, samples in sound:
        gap = at - place - len(held)
        held = np.concatenate([held, np.zeros(max(gap, 0), np.float32), samples])
        whole = len(held) // _SAMPLES * _SAMPLES
        for start in range(0, whole, _SAMPLES):
            yield _frame(held[start : start + _SAMPLES], place + start)
        place, held = place + whole, held[whole:]
    if len(held):
        yield _frame(held, place)


def _frame(samples: NDArray[np.float32], pts: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, pts, Fraction(1, SOUND_RATE)
    return frame
