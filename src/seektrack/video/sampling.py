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
from seektrack.video.turns import MIN_CHANGE, Turns, change, small

Mode = Literal["every", "fps", "keyframes", "adaptive"]

_ALLOWED = "fps=2, every=5, keyframes, adaptive, adaptive=0.05, or adaptive=0.05,gap=10,fps=2"


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video to look at. Made by one of the constructors below, or by `parse`.

    Attributes:
        mode: ``every``, ``fps``, ``keyframes`` or ``adaptive``.
        step: For ``every``: take one frame in so many.
        rate: For ``fps``: frames per second.
        min_change: For ``adaptive``: change of brightness, in [0, 1], from the last frame taken that makes a
            frame worth taking; that of the most changed of 9x16 blocks, so a small thing that moves counts.
        max_gap_s: For ``adaptive``: take a frame after so many seconds even if nothing changed.
        max_fps: For ``adaptive``: never more frames per second than this.
    """

    mode: Mode
    step: int = 1
    rate: Fraction = Fraction(1)
    min_change: float = MIN_CHANGE
    max_gap_s: float = 5.0
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
        cls, *, min_change: float = MIN_CHANGE, max_gap_s: float = 5.0, max_fps: float | Fraction = 4
    ) -> Self:
        """Frames that differ from the last one taken, seldom where the picture stands still."""
        return cls("adaptive", min_change=min_change, max_gap_s=max_gap_s, max_fps=exact_fps(max_fps))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the command line's form: ``fps=2``, ``every=5``, ``keyframes``, ``adaptive[=0.05]``.

        What ``adaptive`` may do besides is said behind commas: ``adaptive=0.05,gap=10,fps=2`` takes at least
        one frame in ten seconds and at most two a second.

        Raises:
            InputError: Another word, or a number out of range.
        """
        first, *others = text.strip().lower().split(",")
        name, given, value = (part.strip() for part in first.partition("="))
        try:
            if name == "adaptive":
                return cls._parse_adaptive(value if given else None, others)
            if others:
                raise ValueError
            if name == "every":
                return cls.every(int(value))
            if name == "fps":
                return cls.fps(Fraction(value) if "/" in value else float(value))
            if name == "keyframes" and not given:
                return cls.keyframes()
        except InputError:
            raise
        except (ValueError, ZeroDivisionError) as error:
            raise InputError(f"not a number in sampling {text!r}", hint=f"allowed: {_ALLOWED}") from error
        raise InputError(f"unknown sampling {text!r}", hint=f"allowed: {_ALLOWED}")

    @classmethod
    def _parse_adaptive(cls, change: str | None, others: list[str]) -> Self:
        names = {"gap": "max_gap_s", "fps": "max_fps"}
        options = {} if change is None else {"min_change": float(change)}
        for other in others:
            name, _, value = (part.strip() for part in other.partition("="))
            options[names.get(name, name)] = float(value)
        try:
            return cls.adaptive(**options)
        except TypeError as error:  # another word than those of `names`
            raise ValueError from error

    def __str__(self) -> str:
        """The form `parse` reads."""
        if self.mode == "adaptive":
            gap = "" if self.max_gap_s == Sampling.max_gap_s else f",gap={self.max_gap_s:g}"
            fps = "" if self.max_fps == Sampling.max_fps else f",fps={float(self.max_fps):g}"
            return f"adaptive={self.min_change:g}{gap}{fps}"
        value = {"every": f"={self.step}", "fps": f"={self.rate}"}
        return self.mode + value.get(self.mode, "")


def sample(source: VideoSource, sampling: Sampling, *, turns: Turns | None = None) -> Iterator[Frame]:
    """The chosen frames of a source, in order; pixels of the others are never converted to RGB.

    Indices and times stay those of the video.

    Args:
        source: The video.
        sampling: Which frames.
        turns: Notes where the picture turns from one chosen frame into the next; not with key frames, as
            nothing between them is decoded.
    """
    return (picture.frame() for picture in sample_pictures(source, sampling, turns=turns))


def sample_pictures(
    source: VideoSource, sampling: Sampling, *, turns: Turns | None = None
) -> Iterator[Picture]:
    """Like `sample`, before conversion to RGB."""
    if sampling.mode == "keyframes":
        return source.key_pictures()
    if turns is None:
        return _chosen(source.pictures(), sampling)
    return turns.taken(_chosen(turns.passing(source.pictures()), sampling))


def _chosen(pictures: Iterator[Picture], sampling: Sampling) -> Iterator[Picture]:
    if sampling.mode == "every":
        return (p for i, p in enumerate(pictures) if i % sampling.step == 0)
    if sampling.mode == "fps":
        return _at_rate(pictures, sampling.rate)
    return _changed(pictures, sampling)


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
        now = small(picture)
        if gap is not None and gap < sampling.max_gap_s and change(now, taken) < sampling.min_change:
            continue
        taken_at, taken = picture.timestamp, now
        yield picture
