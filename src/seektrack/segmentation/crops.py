"""Layers of overlapping crops, for finding small things in a picture, and the points to ask for in them."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from seektrack.segmentation.propose import point_grid
from seektrack.segmentation.windows import Window


def crop_layers(hw: tuple[int, int], n_layers: int, overlap_ratio: float) -> list[tuple[int, Window]]:
    """The whole picture as layer 0, then layer i of ``2**i`` crops along each side.

    Args:
        hw: Height and width of the picture.
        n_layers: Layers beside the whole picture.
        overlap_ratio: Overlap in the first layer as a fraction of the shorter side; halved in each further.

    Returns:
        ``(layer, window)``; windows in pixels of the picture.

    Source: ``generate_crop_boxes`` of Segment Anything (Kirillov et al., arXiv:2304.02643).
    """
    height, width = hw
    out: list[tuple[int, Window]] = [(0, (0, 0, width, height))]
    for layer in range(1, n_layers + 1):
        per_side = 2**layer
        overlap = int(overlap_ratio * min(hw) * (2 / per_side))
        w, h = (math.ceil((overlap * (per_side - 1) + size) / per_side) for size in (width, height))
        starts = [[int((length - overlap) * i) for i in range(per_side)] for length in (w, h)]
        out += [(layer, (x, y, min(x + w, width), min(y + h, height))) for x, y in product(*starts)]
    return out


def layer_grids(per_side: int, n_layers: int, downscale: int) -> list[NDArray[np.float64]]:
    """A grid of points for each layer, ``downscale`` times fewer along a side from one to the next."""
    return [point_grid(max(int(per_side / downscale**layer), 1)) for layer in range(n_layers + 1)]


def cut_edges(window: Window, hw: tuple[int, int], *, tolerance: float) -> tuple[bool, bool, bool, bool]:
    """Which edges of a crop are not, within a tolerance in pixels, the picture's own."""
    height, width = hw
    x0, y0, x1, y1 = window
    return x0 > tolerance, y0 > tolerance, width - x1 > tolerance, height - y1 > tolerance
