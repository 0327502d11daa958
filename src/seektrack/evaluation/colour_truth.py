"""Truth about real footage without annotators: things of one strong colour, cut out by a threshold.

Where alike things touch or pass in front of each other their pixels are one region and only the union is
known. Which is which when they stand apart again is told by the order from left to right, written down once
by someone who looked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError

BoolMask = NDArray[np.bool_]
Image = NDArray[np.uint8]

_SMALLEST, _LARGEST = 0.55, 1.25
"""Areas of a region that is one thing, in median areas of the first frame."""


@dataclass(frozen=True)
class ColourRange:
    """A range of colours in OpenCV's 8-bit HSV, hue 0 to 179 around a circle.

    Attributes:
        hue, spread: The middle, and how far on both sides of it, exclusive.
        saturation, value: Exclusive lower bounds.
    """

    hue: int = 179
    spread: int = 7
    saturation: int = 150
    value: int = 70

    def __call__(self, image: Image) -> BoolMask:
        """Pixels of an RGB picture that lie within, specks below 5 pixels across left out; bool (H, W)."""
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.int16)
        away = np.abs(hsv[..., 0] - self.hue)
        inside = (np.minimum(away, 180 - away) < self.spread) & (hsv[..., 1] > self.saturation)
        inside &= hsv[..., 2] > self.value
        opened = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        return np.asarray(opened > 0)


RED = ColourRange()


@dataclass(frozen=True, eq=False)
class Known:
    """What the colour tells of one frame.

    Attributes:
        union: All pixels of the colour, bool (H, W).
        apart: Thing → its pixels; empty where they do not all stand apart.
    """

    union: BoolMask
    apart: dict[int, BoolMask]


class ColourTruth:
    """Cuts alike things out of frames.

    Args:
        first: RGB uint8 (H, W, 3), where they stand apart.
        orders: From which frame on they stand in which order from left to right, whenever they stand apart;
            the first for frame 0.
        colour: Theirs.

    Raises:
        InputError: The orders are not of the same things, or the first frame does not show them apart.
    """

    def __init__(
        self, first: Image, orders: Mapping[int, Sequence[int]], *, colour: ColourRange = RED
    ) -> None:
        things = {tuple(sorted(order)) for order in orders.values()}
        if len(things) != 1 or 0 not in orders:
            raise InputError(
                f"orders {dict(orders)} are not of the same things from frame 0 on",
                hint="write {0: (1, 2, 3), 59: (2, 1, 3)}",
            )
        self.colour, self._orders = colour, dict(sorted(orders.items()))
        self.count = len(self._orders[0])
        sizes = sorted((float(mask.sum()) for _, mask in _regions(colour(first))), reverse=True)
        self._area = float(np.median(sizes[: self.count])) if len(sizes) >= self.count else 0.0
        if len(self(first, 0).apart) != self.count:
            raise InputError(f"the first frame does not show {self.count} things of the colour apart")

    def __call__(self, image: Image, index: int) -> Known:
        """What frame ``index`` shows, RGB uint8 (H, W, 3)."""
        union = self.colour(image)
        least, most = _SMALLEST * self._area, _LARGEST * self._area
        found = [r for r in _regions(union) if least <= r[1].sum() <= most]
        apart = sorted(found, key=lambda region: region[0])
        if len(apart) != self.count:
            return Known(union, {})
        order = next(o for start, o in reversed(self._orders.items()) if start <= index)
        return Known(union, {thing: mask for thing, (_, mask) in zip(order, apart, strict=True)})


def _regions(mask: BoolMask) -> list[tuple[float, BoolMask]]:
    """Connected regions: the middle from left to right, in pixels, and the pixels."""
    count, labels, _, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return [(float(centres[i][0]), labels == i) for i in range(1, count)]
