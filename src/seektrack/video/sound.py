"""The sound track of a video, cut into stretches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from seektrack.errors import InputError, VideoError
from seektrack.types import VideoInfo


@dataclass(frozen=True, eq=False)
class Sound:
    """A stretch of sound.

    Attributes:
        index: 0-based count of stretches.
        timestamp: Seconds where it begins.
        samples: float32 (S,), mono, in [-1, 1].
    """

    index: int
    timestamp: Fraction
    samples: NDArray[np.float32]


def sound_info(path: str | os.PathLike[str]) -> VideoInfo:
    """What is known of a file with sound; width and height are 0 where it has no pictures.

    Raises:
        VideoError: It cannot be read, or has no sound.
    """
    with _opened(Path(path)) as container:
        video = next(iter(container.streams.video), None)
        fps = Fraction((video.average_rate if video is not None else None) or 25)
        seconds = None if container.duration is None else container.duration / av.time_base
        width, height = (video.width, video.height) if video is not None else (0, 0)
        return VideoInfo(path=str(path), width=width, height=height, fps=fps, duration_s=seconds)


def read_sound(
    path: str | os.PathLike[str], *, rate: int, length_s: float = 4.0, hop_s: float = 2.0
) -> Iterator[Sound]:
    """Stretches of ``length_s`` that begin every ``hop_s``; the last may be shorter.

    Args:
        path: A video or sound file.
        rate: Samples a second to resample to.
        length_s, hop_s: Seconds.

    Raises:
        InputError: A length or rate that is not > 0, or a hop longer than the length.
        VideoError: It cannot be read, or has no sound.
    """
    if rate < 1 or not 0 < hop_s <= length_s:
        raise InputError(f"rate and 0 < hop_s ≤ length_s are needed, got {rate}, {hop_s}, {length_s}")
    return _stretches(Path(path), rate, round(length_s * rate), round(hop_s * rate))


def _stretches(path: Path, rate: int, length: int, hop: int) -> Iterator[Sound]:
    held, first, index = np.empty(0, np.float32), 0, 0
    with _opened(path) as container:
        for samples in _samples(path, container, rate):
            held = np.concatenate([held, samples])
            while len(held) >= length:
                yield Sound(index, Fraction(first, rate), held[:length])
                held, first, index = held[hop:], first + hop, index + 1
    if len(held) and (index == 0 or len(held) > length - hop):
        yield Sound(index, Fraction(first, rate), held)


def _samples(path: Path, container: av.container.InputContainer, rate: int) -> Iterator[NDArray[np.float32]]:
    stream = container.streams.audio[0]
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else packet.decode()
        except FFmpegError:  # a damaged stretch is passed over, as with pictures
            continue
        for frame in [*frames, None] if packet is None else frames:
            for out in resampler.resample(frame):
                yield np.asarray(out.to_ndarray(), dtype=np.float32).reshape(-1)
        if packet is None:
            return


def _opened(path: Path) -> av.container.InputContainer:
    try:
        container = av.open(str(path), "r", container_options={"protocol_whitelist": "file"})
    except (FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VideoError(f"cannot read {path}: {reason}", hint="give a video or sound file") from error
    if not container.streams.audio:
        container.close()
        raise VideoError(f"no sound in {path}", hint="a model that hears needs files with a sound track")
    return container
