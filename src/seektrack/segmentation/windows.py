"""Parts of a picture to be looked at by themselves, and putting answers on them back together.

A window is ``(x0, y0, x1, y1)`` in whole pixels of the source, half-open, inside the picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import Box

Window = tuple[int, int, int, int]


def window_around(box: Box, hw: tuple[int, int], *, margin: float, min_side: int = 32) -> Window:
    """The square around a box, moved and cut to lie inside the picture.

    Args:
        box: ``xyxy`` pixels.
        hw: Height and width of the picture.
        margin: Added on each side, as a fraction of the box's longer side.
        min_side: Smallest side in pixels.
    """
    side = max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * margin)
    side = max(math.ceil(side), min_side)
    out = []
    for low, high, size in ((box[0], box[2], hw[1]), (box[1], box[3], hw[0])):
        length = min(side, size)
        start = min(max(round((low + high - length) / 2), 0), size - length)
        out.append((start, start + length))
    return out[0][0], out[1][0], out[0][1], out[1][1]


def tile_windows(hw: tuple[int, int], tile: int, *, overlap: float = 0.25) -> list[Window]:
    """Windows of one size that cover a picture evenly, row by row.

    Args:
        hw: Height and width of the picture.
        tile: Side of a window in pixels; cut to the picture where that is smaller.
        overlap: Neighbours share at least this fraction of the side.

    Raises:
        InputError: The side is not positive, or the overlap not in [0, 1).
    """
    if tile < 1 or not 0 <= overlap < 1:
        raise InputError(f"tile must be positive and overlap in [0, 1), got {tile} and {overlap}")
    ys, xs = (_starts(size, tile, overlap) for size in hw)
    height, width = min(tile, hw[0]), min(tile, hw[1])
    return [(x, y, x + width, y + height) for y in ys for x in xs]


def _starts(size: int, tile: int, overlap: float) -> list[int]:
    if tile >= size:
        return [0]
    count = math.ceil((size - tile) / max(tile * (1 - overlap), 1)) + 1
    return [round(i * (size - tile) / (count - 1)) for i in range(count)]


def feather(window: Window, hw: tuple[int, int], *, share: float = 0.25) -> NDArray[np.float32]:
    """Weights (h, w) of a window's pixels: 1 inside, falling smoothly to near 0 at edges within the picture.

    Edges that are the picture's own keep their weight, since there is nothing beyond them.

    Args:
        window: Of the picture.
        hw: Height and width of the picture.
        share: Fraction of the side over which the weight falls.
    """
    x0, y0, x1, y1 = window
    ramps = [
        _ramp(high - low, share, fade_low=low > 0, fade_high=high < size)
        for low, high, size in ((y0, y1, hw[0]), (x0, x1, hw[1]))
    ]
    return np.asarray(ramps[0][:, None] * ramps[1][None, :], dtype=np.float32)


def _ramp(length: int, share: float, *, fade_low: bool, fade_high: bool) -> NDArray[np.float64]:
    width = max(length * share, 1e-6)
    ticks = np.arange(length) + 0.5
    rising = np.sin(np.clip(ticks / width, 0, 1) * np.pi / 2) ** 2
    falling = rising[::-1]
    out = (rising if fade_low else 1.0) * (falling if fade_high else np.ones(length))
    return np.maximum(out, 1e-3)


def blend(
    parts: Iterable[tuple[Window, NDArray[np.float32], float]],
    base: NDArray[np.float32],
    *,
    share: float = 0.25,
) -> NDArray[np.float32]:
    """Merge logits given on overlapping windows without seams.

    Args:
        parts: Windows, their logits (h, w) in source resolution, and how much each counts.
        base: float32 (H, W), logits where no window lies.
        share: See ``feather``.

    Returns:
        float32 (H, W), the weighted mean of what the windows say.
    """
    total, weight = np.zeros_like(base), np.zeros_like(base)
    for window, logits, counts in parts:
        x0, y0, x1, y1 = window
        w = feather(window, base.shape, share=share) * np.float32(counts)
        total[y0:y1, x0:x1] += w * logits
        weight[y0:y1, x0:x1] += w
    return np.where(weight > 0, total / np.maximum(weight, 1e-9), base)
