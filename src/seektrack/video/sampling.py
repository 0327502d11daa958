"""Choosing frames: every n-th, at a rate, key frames, or only where something changed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Self

import numpy as np

from seektrack.errors import InputError
from seektrack.types import Frame
from seektrack.video.source import Picture, VideoSource, exact_fps

Mode = Literal["every", "fps", "keyframes", "adaptive"]

_ALLOWED = "fps=2, every=5, keyframes, adaptive, or adaptive=0.05"
_SMALL_HW = (36, 64)


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video to look at. Made by one of the constructors below, or by `parse`.

    Attributes:
        mode: ``every``, ``fps``, ``keyframes`` or ``adaptive``.
        step: For ``every``: take one frame in so many.
        rate: For ``fps``: frames per second.
        min_change: For ``adaptive``: mean absolute change of brightness, in [0, 1], from the last frame
            taken that makes a frame worth taking.
        max_gap_s: For ``adaptive``: take a frame after so many seconds even if nothing changed.
        max_fps: For ``adaptive``: never more frames per second than this.
    """

    mode: Mode
    step: int = 1
    rate: Fraction = Fraction(1)
    min_change: float = 0.03
    max_gap_s: float = 2.0
    max_fps: Fraction = Fraction(4)

    def __post_init__(self) -> None:
        if self.step < 1:
            raise InputError(f"every must be a whole number ≥ 1, got {self.step}")
        if not 0 < self.min_change <= 1:
            raise InputError(f"min_change must lie in (0, 1], got {self.min_change}")
        if not self.max_gap_s > 0:
            raise InputError(f"max_gap_s must be seconds > 0, got {self.max_gap_s}")

    @classmethod
    def every(cls, n: int) -> Self:
        """Every ``n``-th frame, the first included."""
        return cls("every", step=n)

    @classmethod
    def fps(cls, rate: float | Fraction) -> Self:
        """At most ``rate`` frames per second, evenly: the first frame at or after each tick."""
        return cls("fps", rate=exact_fps(rate))

    @classmethod
    def keyframes(cls) -> Self:
        """Only frames the codec stored whole; nothing else is decoded."""
        return cls("keyframes")

    @classmethod
    def adaptive(
        cls, *, min_change: float = 0.03, max_gap_s: float = 2.0, max_fps: float | Fraction = 4
    ) -> Self:
        """Frames that differ from the last one taken, seldom where the picture stands still."""
        return cls("adaptive", min_change=min_change, max_gap_s=max_gap_s, max_fps=exact_fps(max_fps))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the command line's form: ``fps=2``, ``every=5``, ``keyframes``, ``adaptive[=0.05]``.

        Raises:
            InputError: Another word, or a number out of range.
        """
        name, given, value = (part.strip() for part in text.strip().lower().partition("="))
        try:
            if name == "every":
                return cls.every(int(value))
            if name == "fps":
                return cls.fps(Fraction(value) if "/" in value else float(value))
            if name == "keyframes" and not given:
                return cls.keyframes()
            if name == "adaptive":
                return cls.adaptive(min_change=float(value)) if given else cls.adaptive()
        except InputError:
            raise
        except (ValueError, ZeroDivisionError) as error:
            raise InputError(f"not a number in sampling {text!r}", hint=f"allowed: {_ALLOWED}") from error
        raise InputError(f"unknown sampling {text!r}", hint=f"allowed: {_ALLOWED}")

    def __str__(self) -> str:
        """The form `parse` reads."""
        value = {"every": f"={self.step}", "fps": f"={self.rate}", "adaptive": f"={self.min_change:g}"}
        return self.mode + value.get(self.mode, "")


def sample(source: VideoSource, sampling: Sampling) -> Iterator[Frame]:
    """The chosen frames of a source, in order; pixels of the others are never converted to RGB.

    Indices and times stay those of the video.
    """
    return (picture.frame() for picture in sample_pictures(source, sampling))


def sample_pictures(source: VideoSource, sampling: Sampling) -> Iterator[Picture]:
    """Like `sample`, before conversion to RGB."""
    if sampling.mode == "keyframes":
        return source.key_pictures()
    if sampling.mode == "every":
        return (p for i, p in enumerate(source.pictures()) if i % sampling.step == 0)
    if sampling.mode == "fps":
        return _at_rate(source.pictures(), sampling.rate)
    return _changed(source.pictures(), sampling)


def _at_rate(pictures: Iterator[Picture], rate: Fraction) -> Iterator[Picture]:
    start: Fraction | None = None
    tick = 0
    for picture in pictures:
        start = picture.timestamp if start is None else start
        passed = (picture.timestamp - start) * rate
        if passed >= tick:
            tick = math.floor(passed) + 1
            yield picture


def _changed(pictures: Iterator[Picture], sampling: Sampling) -> Iterator[Picture]:
    taken_at: Fraction | None = None
    taken = np.empty(0, np.int16)
    closest = 1 / sampling.max_fps
    for picture in pictures:
        gap = None if taken_at is None else picture.timestamp - taken_at
        if gap is not None and gap < closest:
            continue
        small = picture.luma(_SMALL_HW).astype(np.int16)
        if gap is not None and gap < sampling.max_gap_s:
            change = float(np.abs(small - taken).mean()) / 255
            if change < sampling.min_change:
                continue
        taken_at, taken = picture.timestamp, small
        yield picture
