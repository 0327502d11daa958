"""Polygons that objects are drawn with.

Coordinates are in units of the object's scale, y down, facing right, within about ``|y| <= 1``. A part
is ``(role, polygon)``: roles are explained in :func:`seektrack.world.palette.tones`, polygons are float
(P, 2).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]
Part = tuple[str, Polygon]
Drawing = Callable[[float], list[Part]]
"""The parts of an object at an animation phase in radians."""


def poly(*xy: float) -> Polygon:
    """Corners from a flat list of x, y."""
    return np.array(xy, dtype=np.float64).reshape(-1, 2)


def rect(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    """An upright rectangle."""
    return poly(x0, y0, x1, y0, x1, y1, x0, y1)


def ellipse(
    cx: float, cy: float, rx: float, ry: float, n: int = 20, start: float = 0, end: float = 360
) -> Polygon:
    """``n`` points on an ellipse around (cx, cy), from ``start`` to ``end`` degrees."""
    angle = np.radians(np.linspace(start, end, n))
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=1)


def limb(x0: float, y0: float, x1: float, y1: float, width: float) -> Polygon:
    """A straight bar from one point to another."""
    along = np.array([x1 - x0, y1 - y0])
    across = np.array([-along[1], along[0]]) / (float(np.linalg.norm(along)) + 1e-6) * width / 2
    a, b = np.array([x0, y0]), np.array([x1, y1])
    return np.stack([a + across, b + across, b - across, a - across])


def wheel(x: float, r: float = 0.34, y: float = 0.66) -> list[Part]:
    """A tyre and its hub."""
    return [("K", ellipse(x, y, r, r)), ("G", ellipse(x, y, r * 0.45, r * 0.45, 10))]
