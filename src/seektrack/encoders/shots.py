"""Where one shot ends and the next begins, and the stretches a shot is cut into, while a video is read."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

_TINY = (16, 16)
Timed = tuple[float, NDArray[np.float32]]
"""Seconds, and what a frame shows."""


class CutFinder:
    """Tells where one shot ends and the next begins, frame by frame, from tiny copies of the pictures.

    Args:
        least: Mean difference in grey levels from one frame to the next that a cut makes.
        times: … and how often the difference before, so that a fast pan is none.
    """

    def __init__(self, *, least: float = 16.0, times: float = 2.5) -> None:
        self._least, self._times = least, times
        self._before: NDArray[np.float32] | None = None
        self._usual = 0.0

    def __call__(self, image: NDArray[np.uint8]) -> bool:
        """Whether this RGB uint8 (H, W, 3) frame is the first of a new shot; the first of all is none."""
        small = np.asarray(cv2.resize(image, _TINY, interpolation=cv2.INTER_AREA), dtype=np.float32)
        before, self._before = self._before, small
        if before is None:
            return False
        change = float(np.abs(small - before).mean())
        usual, self._usual = self._usual, change
        return change > max(self._least, self._times * usual)


class Shot:
    """Frames of one shot as they come, given out in stretches.

    Args:
        length_s: From the first to the last frame of a stretch, seconds.
        stride_s: From one stretch to the next, seconds.
    """

    def __init__(self, length_s: float, stride_s: float) -> None:
        self._length_s, self._stride_s = length_s, stride_s
        self._held: list[Timed] = []
        self._start = self._covered = -math.inf

    def add(self, now: float, features: NDArray[np.float32]) -> list[Timed]:
        """One frame more; the frames of the stretch it completes, if it does."""
        if not self._held:
            self._start = now
        self._held.append((now, features))
        earliest = min(self._start, now - self._length_s) - 1e-6
        self._held = [h for h in self._held if h[0] >= earliest]
        if now - self._start < self._length_s - 1e-6:
            return []
        full = [h for h in self._held if h[0] >= self._start - 1e-6]
        self._start, self._covered = self._start + self._stride_s, now
        return full

    def last(self) -> list[Timed]:
        """The frames up to the end of the shot, unless the last stretch reached it."""
        if not self._held or self._covered == self._held[-1][0]:
            return []
        first = self._held[-1][0] - self._length_s - 1e-6
        return [h for h in self._held if h[0] >= first]
