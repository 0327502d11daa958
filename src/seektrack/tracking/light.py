"""A stream that comes back in other light, as exposure begins anew, is brought to the light it had."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_TINY = (32, 32)
_DARK, _BRIGHT = 8, 247
"""Grey levels beyond which a channel may be cut off, and tells no ratio."""
_MOST = 2.0
"""Light that changed by more than this factor is not made up for."""
_LEFT = 6.0
"""Grey levels that at least half of the picture may still differ by, where it shows the same place."""


class SameLight:
    """Multiplies each channel of the pictures by what makes them look as before the stream was away.

    The factors are medians, over a tiny copy of the picture, of before to after (the diagonal, or von Kries,
    model of a change of light), so that what moved meanwhile does not count. A picture that shows another
    place stays as it is.
    """

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None
        self._table: NDArray[np.uint8] | None = None
        self._anew = False

    def restart(self) -> None:
        """Take in that the next picture is the first after a break."""
        self._anew = True

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture, uint8 (H, W, 3) RGB, in the light of the first."""
        if self._anew:
            self._table = None if self._before is None else _table(self._before, _tiny(image))
            self._anew = False
        if self._table is not None:
            image = np.asarray(cv2.LUT(image, self._table), dtype=np.uint8)
        self._before = _tiny(image)
        return image


def _tiny(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(image, _TINY, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _table(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    """What each level of each channel becomes, uint8 (1, 256, 3); None where nothing is to be made up for."""
    factors = np.ones(3, dtype=np.float32)
    for c in range(3):
        was, now = before[..., c].ravel(), after[..., c].ravel()
        told = (np.minimum(was, now) > _DARK) & (np.maximum(was, now) < _BRIGHT)
        if told.any():
            factors[c] = np.median(was[told] / now[told])
    left = np.median(np.abs(np.clip(after * factors, 0, 255) - before).mean(axis=-1))
    changed = np.abs(np.log(factors)).max()
    if left > _LEFT or not 0.02 < changed <= np.log(_MOST):
        return None
    levels = np.arange(256, dtype=np.float32)[:, None] * factors
    return np.asarray(np.clip(np.rint(levels), 0, 255), dtype=np.uint8)[None]
