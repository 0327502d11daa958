"""Staged clips: one scene or several with cuts between, and what they show of their objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.world.render import frames
from seektrack.world.scene import Floats, Scene
from seektrack.world.setting import MIN_PIXELS

Image = NDArray[np.uint8]

MAIN = 1
"""``obj_id`` of the object a staged scene is about."""
_CLEAR = 0.6
"""Share of an object that shows, from which it counts as in sight."""


@dataclass(frozen=True, eq=False)
class Staged:
    """A clip of one condition.

    Attributes:
        condition: One of :data:`seektrack.world.staged.CONDITIONS`.
        seed: It was drawn from.
        label: Name of its main object, to be asked for.
        shots: Scenes one after another, with a cut between two.
        numbers: For each shot, the identity of each of its objects: ``numbers[shot][obj_id - 1]``. The same
            object has the same number in every shot.
    """

    condition: str
    seed: int
    label: str
    shots: tuple[Scene, ...]
    numbers: tuple[tuple[int, ...], ...]

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        s = self.shots[0].settings
        return s.height, s.width

    @property
    def n_frames(self) -> int:
        """Frames of all shots."""
        return sum(shot.settings.n_frames for shot in self.shots)

    @property
    def cuts(self) -> tuple[int, ...]:
        """First frame of each shot but the first."""
        return tuple(np.cumsum([shot.settings.n_frames for shot in self.shots])[:-1].tolist())


def staged_frames(staged: Staged) -> Iterator[tuple[Image, int, Image, NDArray[np.int64]]]:
    """Draw a clip: picture (H, W, 3), shot, the shot's own ids (H, W) and full areas (N,) of each frame."""
    for shot, scene in enumerate(staged.shots):
        for picture, ids, full in frames(scene):
            yield picture, shot, ids, full


@dataclass(frozen=True, eq=False)
class Sights:
    """What a clip shows of its objects.

    Attributes:
        area: Visible pixels, int (T, N), by number from 1 at column 0.
        full: Pixels inside the picture if nothing covered it, int (T, N).
        centres: Middle of what is visible, float (T, N, 2), NaN where nothing is.
        widths: Of the box of what is visible, pixels (T, N), 0 where nothing is.
    """

    area: NDArray[np.int64]
    full: NDArray[np.int64]
    centres: Floats
    widths: Floats

    @classmethod
    def of(cls, staged: Staged) -> Sights:
        """Draw a clip and look."""
        count = max(max(numbers) for numbers in staged.numbers)
        shape = (staged.n_frames, count)
        area, full = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        centres, widths = np.full((*shape, 2), np.nan), np.zeros(shape)
        for t, (_, shot, ids, areas) in enumerate(staged_frames(staged)):
            for local, number in enumerate(staged.numbers[shot]):
                ys, xs = np.nonzero(ids == local + 1)
                full[t, number - 1] = areas[local]
                area[t, number - 1] = len(xs)
                if len(xs):
                    centres[t, number - 1] = xs.mean(), ys.mean()
                    widths[t, number - 1] = np.ptp(xs) + 1
        return cls(area, full, centres, widths)

    @property
    def visibility(self) -> Floats:
        """Visible over full area, (T, N); 0 outside the picture."""
        return np.where(self.full > 0, self.area / np.maximum(self.full, 1), 0.0)

    def seen(self, number: int) -> NDArray[np.bool_]:
        """Frames (T,) with enough of an object to count as a sight."""
        return np.asarray(self.area[:, number - 1] >= MIN_PIXELS)

    def clear(self, number: int) -> NDArray[np.bool_]:
        """Frames (T,) that show most of an object."""
        return np.asarray(self.seen(number) & (self.visibility[:, number - 1] >= _CLEAR))


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open stretches of frames on which a flag (T,) holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
