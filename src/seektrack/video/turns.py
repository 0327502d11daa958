"""Where, between two frames that were looked at, the picture turned from the one into the other.

A moment found on sampled frames ends somewhere between the last that shows the thing and the first that does
not. Every picture passes while frames are sampled, so the place costs next to nothing: small grey copies four
times a second, and where two of these differ a search by halves among the pictures between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seektrack.video.source import Picture

SMALL_HW = (36, 64)
MIN_CHANGE = 0.04
"""Pictures that differ by less look alike; as for adaptive sampling."""
LOOK_S = Fraction(1, 4)
_BLOCK = 4
_LEAST_HELD = 2


def small(picture: Picture) -> NDArray[np.int16]:
    """A small grey copy, (36, 64), made once a picture."""
    kept: NDArray[np.int16] | None = getattr(picture, "_small", None)
    if kept is None:
        kept = picture.luma(SMALL_HW).astype(np.int16)
        picture._small = kept  # type: ignore[attr-defined]
    return kept


def change(a: NDArray[np.int16], b: NDArray[np.int16]) -> float:
    """Mean absolute difference of the block of 4x4 that differs most, in [0, 1]."""
    h, w = SMALL_HW
    blocks = np.abs(a - b).reshape(h // _BLOCK, _BLOCK, w // _BLOCK, _BLOCK)
    return float(blocks.mean(axis=(1, 3)).max()) / 255


class _Look(NamedTuple):
    """A picture that was looked at, and when the pictures before it began to look like it."""

    small: NDArray[np.int16]
    begins: Fraction


class Turns:
    """Notes where pictures turn while frames are sampled; hand it to `seektrack.video.sampling.sample`.

    Args:
        frame_s: Length of a frame in seconds, for the end of the last one.
        min_change: Frames that differ by less are taken to be alike: nothing turned between them.
        most_held: Pictures held between two looks, at least 2.

    Attributes:
        begins: Seconds at which the picture began to be the one of a sampled frame, by its index; only where
            it differs from the sampled frame before it.
        end_s: Seconds at which the picture of the last sampled frame ended; None until all pictures passed.
    """

    def __init__(self, *, frame_s: float = 0.0, min_change: float = MIN_CHANGE, most_held: int = 16) -> None:
        self.begins: dict[int, float] = {}
        self.end_s: float | None = None
        self._frame_s, self._min_change = Fraction(frame_s), min_change
        self._most_held = max(most_held, _LEAST_HELD)
        self._taken: NDArray[np.int16] | None = None
        self._looks: list[_Look] = []
        self._looked: Picture | None = None
        self._held: list[Picture] = []

    def passing(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        """The same pictures, noted as they pass."""
        last: Picture | None = None
        for picture in pictures:
            last = picture
            if self._looked is not None and picture.timestamp - self._looked.timestamp < LOOK_S:
                self._hold(picture)
            else:
                self._look(picture)
            yield picture
        if last is not None and self._taken is not None:
            self._look(last)
            others = (one for one in self._looks if change(one.small, self._taken) >= self._min_change)
            other = next(others, None)
            self.end_s = float(last.timestamp + self._frame_s if other is None else other.begins)

    def taken(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        """The pictures that were chosen, each set against the one before it."""
        for picture in pictures:
            self._look(picture)
            now = small(picture)
            if self._taken is not None and change(now, self._taken) >= self._min_change:
                self.begins[picture.index] = float(self._split(self._taken, now))
            self._taken, self._looks = now, []
            yield picture

    def _hold(self, picture: Picture) -> None:
        self._held.append(picture)
        if len(self._held) > self._most_held:
            del self._held[::2]

    def _look(self, picture: Picture) -> None:
        """Look at a picture; where it differs from the last look, find the first between that is like it."""
        before = self._looked
        if before is picture:
            return
        now, begins = small(picture), picture.timestamp
        if before is not None and change(now, small(before)) >= self._min_change:
            between = [p for p in self._held if before.timestamp < p.timestamp < picture.timestamp]
            low, high = 0, len(between)
            while low < high:
                middle = (low + high) // 2
                there = small(between[middle])
                if change(there, now) < change(there, small(before)):
                    high = middle
                else:
                    low = middle + 1
            begins = between[low].timestamp if low < len(between) else picture.timestamp
        self._looked, self._held = picture, []
        self._looks.append(_Look(now, begins))

    def _split(self, old: NDArray[np.int16], new: NDArray[np.int16]) -> Fraction:
        """When the looks since a frame stop being like it and are like the next one; the best single cut."""
        like_new = np.array([change(one.small, new) < change(one.small, old) for one in self._looks])
        wrong = np.concatenate([[0], np.cumsum(like_new)]) + np.concatenate(
            [np.cumsum(~like_new[::-1])[::-1], [0]]
        )  # looks on the wrong side, were the cut before look k
        at = int(np.argmin(wrong[:-1]))
        return self._looks[at].begins
