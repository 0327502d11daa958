"""The sound track of a video, cut into stretches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, VideoError
from seektrack.types import VideoInfo
from seektrack.video.container import chosen, open_container, origin
from seektrack.video.wall import wall

_GAP_S = 0.1  # stamps may waver by less without anything missing


@dataclass(frozen=True, eq=False)
class Sound:
    """A stretch of sound.

    Attributes:
        index: 0-based count of stretches.
        timestamp: Seconds where it begins, on the clock of the file's pictures.
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
    with wall(path), _opened(Path(path)) as container:
        video = chosen(container.streams.video)
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
    with wall(path), _opened(path) as container:
        for at, samples in _samples(container, rate):
            if index == 0 and not len(held):
                first = at
            held = np.concatenate([held, samples])
            while len(held) >= length:
                yield Sound(index, Fraction(first, rate), held[:length])
                held, first, index = held[hop:], first + hop, index + 1
    if len(held) and (index == 0 or len(held) > length - hop):
        yield Sound(index, Fraction(first, rate), held)


def _samples(container: av.container.InputContainer, rate: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Samples and the place of the first of them, in samples from the file's zero.

    Sound before zero is dropped, and where stamps leave a gap there is silence, so that all keeps its time.
    """
    stream = _sound_stream(container)
    zero = origin(container, chosen(container.streams.video))
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    place: int | None = None
    for frame in _frames(container, stream):
        told = (
            None if frame is None or frame.pts is None or not frame.time_base else frame.pts * frame.time_base
        )
        for out in resampler.resample(frame):
            samples = np.asarray(out.to_ndarray(), dtype=np.float32).reshape(-1)
            if place is None:
                place = 0 if told is None else round((told - zero) * rate)
            elif told is not None and (gap := round((told - zero) * rate) - place) > _GAP_S * rate:
                for start in range(0, gap, rate):
                    yield place + start, np.zeros(min(rate, gap - start), np.float32)
                place += gap
            told = None
            before = min(max(-place, 0), len(samples))
            if before < len(samples):
                yield place + before, samples[before:]
            place += len(samples)


def _frames(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame | None]:
    """Decoded sound, then None; a stretch that is damaged is passed over, as with pictures."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else packet.decode()
        except Exception:
            continue
        yield from frames
        if packet is None:
            yield None
            return


def _opened(path: Path) -> av.container.InputContainer:
    try:
        container = open_container(path)
    except VideoError as error:
        raise VideoError(f"cannot read {path}: {error.message}", hint="give a video or sound file") from error
    if not container.streams.audio:
        container.close()
        raise VideoError(f"no sound in {path}", hint="a model that hears needs files with a sound track")
    return container


def _sound_stream(container: av.container.InputContainer) -> av.AudioStream:
    stream = chosen(container.streams.audio)
    if stream is None or stream.codec_context is None:
        raise VideoError(f"no decoder for the sound of {container.name}", hint="convert it")
    return stream
