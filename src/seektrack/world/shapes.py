"""The categories: each a drawing made of coloured polygons, animated by a phase.

Coordinates are in units of the object's scale, y down, facing right, within about ``|y| <= 1``. A part
is ``(role, polygon)``: roles are explained in :func:`seektrack.world.palette.tones`, polygons are float
(P, 2). Later parts cover earlier ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]
Part = tuple[str, Polygon]


def _poly(*xy: float) -> Polygon:
    return np.array(xy, dtype=np.float64).reshape(-1, 2)


def _rect(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return _poly(x0, y0, x1, y0, x1, y1, x0, y1)


def _ellipse(
    cx: float, cy: float, rx: float, ry: float, n: int = 20, start: float = 0, end: float = 360
) -> Polygon:
    angle = np.radians(np.linspace(start, end, n))
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=1)


def _limb(x0: float, y0: float, x1: float, y1: float, width: float) -> Polygon:
    along = np.array([x1 - x0, y1 - y0])
    across = np.array([-along[1], along[0]]) / (float(np.linalg.norm(along)) + 1e-6) * width / 2
    a, b = np.array([x0, y0]), np.array([x1, y1])
    return np.stack([a + across, b + across, b - across, a - across])


def _wheel(x: float, r: float = 0.34, y: float = 0.66) -> list[Part]:
    return [("K", _ellipse(x, y, r, r)), ("G", _ellipse(x, y, r * 0.45, r * 0.45, 10))]


def _car(phase: float) -> list[Part]:
    return [
        ("B", _poly(-1.1, -0.1, -0.75, -0.85, 0.45, -0.85, 0.85, -0.12)),
        ("W", _poly(-0.88, -0.12, -0.65, -0.68, -0.15, -0.68, -0.15, -0.12)),
        ("W", _poly(-0.02, -0.12, -0.02, -0.68, 0.38, -0.68, 0.66, -0.12)),
        ("B", _poly(-1.75, -0.05, 1.2, -0.15, 1.75, 0.1, 1.8, 0.6, -1.8, 0.6, -1.85, 0.1)),
        ("Y", _ellipse(1.62, 0.2, 0.12, 0.12, 8)),
        ("D", _rect(-1.8, 0.45, 1.78, 0.62)),
        *_wheel(-1.0, 0.4),
        *_wheel(1.05, 0.4),
    ]


def _truck(phase: float) -> list[Part]:
    return [
        ("B", _rect(-1.9, -1.0, 0.75, 0.5)),
        ("D", _rect(-1.9, 0.4, 1.6, 0.6)),
        ("L", _rect(-1.75, -0.85, 0.6, -0.7)),
        ("D", _poly(0.85, 0.5, 0.85, -0.55, 1.35, -0.55, 1.7, -0.05, 1.8, 0.55)),
        ("W", _poly(1.0, -0.05, 1.0, -0.42, 1.28, -0.42, 1.52, -0.05)),
        *_wheel(-1.4),
        *_wheel(-0.6),
        *_wheel(1.3),
    ]


def _bus(phase: float) -> list[Part]:
    windows: list[Part] = [
        ("W", _rect(x, -0.65, x + 0.5, -0.1)) for x in (-1.8, -1.15, -0.5, 0.15, 0.8, 1.42)
    ]
    return [
        ("B", _poly(-2.0, -0.8, -1.9, -0.9, 1.9, -0.9, 2.0, -0.75, 2.05, 0.6, -2.05, 0.6)),
        ("D", _rect(-2.03, 0.15, 2.03, 0.3)),
        *windows,
        *_wheel(-1.2, 0.36),
        *_wheel(1.2, 0.36),
    ]


def _boat(phase: float) -> list[Part]:
    return [
        ("D", _rect(-0.08, -1.1, 0.08, 0.3)),
        ("L", _poly(0.12, -1.05, 1.15, 0.15, 0.12, 0.15)),
        ("B", _poly(-0.12, -0.95, -0.12, 0.15, -0.9, 0.15)),
        ("B", _poly(-1.6, 0.3, 1.75, 0.3, 1.1, 0.95, -1.15, 0.95)),
        ("D", _poly(-1.6, 0.3, 1.75, 0.3, 1.68, 0.42, -1.52, 0.42)),
    ]


def _person(phase: float) -> list[Part]:
    s = math.sin(phase)
    return [
        ("D", _limb(0, 0.2, 0.32 * s, 0.98, 0.2)),
        ("D", _limb(0, 0.2, -0.32 * s, 0.98, 0.2)),
        ("S", _limb(0, -0.4, -0.38 * s, 0.15, 0.13)),
        ("B", _poly(-0.28, -0.5, 0.28, -0.5, 0.24, 0.3, -0.24, 0.3)),
        ("B", _limb(0.0, -0.42, 0.3 * s, 0.02, 0.18)),
        ("S", _ellipse(0.3 * s, 0.06, 0.07, 0.07, 8)),
        ("S", _ellipse(0, -0.74, 0.21, 0.24, 16)),
        ("K", _ellipse(0, -0.82, 0.22, 0.18, 12, 180, 360)),
    ]


def _dog(phase: float) -> list[Part]:
    s = math.sin(phase)
    return [
        ("D", _limb(-0.7, 0.2, -0.7 + 0.22 * s, 0.9, 0.17)),
        ("D", _limb(0.55, 0.2, 0.55 + 0.22 * s, 0.9, 0.17)),
        ("B", _limb(-0.55, 0.2, -0.55 - 0.22 * s, 0.92, 0.18)),
        ("B", _limb(0.7, 0.2, 0.7 - 0.22 * s, 0.92, 0.18)),
        ("B", _limb(-0.85, 0, -1.25, -0.45 + 0.12 * s, 0.15)),
        ("B", _ellipse(-0.05, 0.1, 0.95, 0.4)),
        ("B", _ellipse(0.95, -0.38, 0.38, 0.32, 16)),
        ("B", _ellipse(1.3, -0.28, 0.24, 0.17, 10)),
        ("D", _ellipse(0.78, -0.4, 0.13, 0.32, 10)),
        ("K", _ellipse(1.48, -0.32, 0.08, 0.07, 8)),
        ("K", _ellipse(1.05, -0.47, 0.06, 0.06, 8)),
    ]


def _bird(phase: float) -> list[Part]:
    s = math.sin(phase)
    return [
        ("D", _poly(-0.7, -0.05, -1.4, -0.3, -1.35, 0.2)),
        ("B", _ellipse(0, 0.05, 0.85, 0.42)),
        ("B", _ellipse(0.75, -0.28, 0.33, 0.31, 14)),
        ("O", _poly(1.03, -0.38, 1.4, -0.22, 1.03, -0.12)),
        ("K", _ellipse(0.82, -0.34, 0.07, 0.07, 8)),
        ("D", _poly(0.3, -0.05, -0.45, 0.05, -0.35, -0.95 * s)),
        ("O", _limb(-0.05, 0.4, -0.05, 0.75, 0.07)),
        ("O", _limb(0.15, 0.4, 0.15, 0.75, 0.07)),
    ]


def _ball(phase: float) -> list[Part]:
    c, s = math.cos(phase), math.sin(phase)
    spin = np.array([[c, -s], [s, c]])
    return [
        ("B", _ellipse(0, 0, 0.9, 0.9, 28)),
        ("L", _ellipse(0, 0, 0.86, 0.86, 12, -25, 25) @ spin.T),
        ("L", _ellipse(0, 0, 0.86, 0.86, 12, 155, 205) @ spin.T),
        ("D", _ellipse(0, 0, 0.2, 0.2, 10)),
    ]


def _robot(phase: float) -> list[Part]:
    s = math.sin(phase)
    return [
        ("D", _limb(0, -0.95, 0, -0.7, 0.06)),
        ("Y", _ellipse(0, -1.0, 0.09, 0.09, 8)),
        ("B", _rect(-0.42, -0.72, 0.42, -0.2)),
        ("W", _rect(-0.3, -0.58, -0.06, -0.36)),
        ("W", _rect(0.06, -0.58, 0.3, -0.36)),
        ("D", _rect(-0.12, -0.2, 0.12, -0.1)),
        ("B", _rect(-0.52, -0.1, 0.52, 0.55)),
        ("L", _rect(-0.25, 0.05, 0.25, 0.3)),
        ("D", _limb(-0.55, 0, -0.78, 0.35 + 0.15 * s, 0.15)),
        ("D", _limb(0.55, 0, 0.78, 0.35 - 0.15 * s, 0.15)),
        ("D", _rect(-0.36, 0.55, -0.12, 0.95 + 0.05 * s)),
        ("D", _rect(0.12, 0.55, 0.36, 0.95 - 0.05 * s)),
    ]


def _bicycle(phase: float) -> list[Part]:
    """Rider and bicycle as one; the frame and the rider's shirt carry the colour, tyres are thick."""
    s, c = math.sin(phase), math.cos(phase)
    parts: list[Part] = []
    for x in (-0.75, 0.75):
        parts += [("K", _ellipse(x, 0.55, 0.45, 0.45, 22)), ("G", _ellipse(x, 0.55, 0.3, 0.3, 16))]
        parts += [("K", _limb(x - 0.3 * c, 0.55 - 0.3 * s, x + 0.3 * c, 0.55 + 0.3 * s, 0.06))]
    for x0, y0, x1, y1 in (
        (-0.75, 0.55, -0.2, 0.05),
        (-0.2, 0.05, 0.55, 0.0),
        (0.75, 0.55, 0.5, -0.2),
        (-0.05, 0.55, 0.55, 0.0),
        (-0.75, 0.55, -0.05, 0.55),
        (-0.05, 0.55, -0.3, -0.1),
    ):
        parts.append(("B", _limb(x0, y0, x1, y1, 0.14)))
    parts += [
        ("K", _limb(0.4, -0.22, 0.62, -0.22, 0.09)),
        ("D", _limb(-0.3, -0.1, -0.05 + 0.15 * c, 0.5 + 0.15 * s, 0.16)),
        ("B", _limb(-0.3, -0.12, 0.05, -0.65, 0.34)),
        ("S", _limb(0.05, -0.55, 0.5, -0.24, 0.11)),
        ("S", _ellipse(0.15, -0.85, 0.18, 0.2, 14)),
    ]
    return parts


def _cup(phase: float) -> list[Part]:
    return [
        ("D", _ellipse(0.72, 0.0, 0.34, 0.38, 18)),
        ("G", _ellipse(0.72, 0.0, 0.17, 0.21, 14)),
        ("B", _poly(-0.75, -0.8, 0.75, -0.8, 0.55, 0.85, -0.55, 0.85)),
        ("B", _ellipse(0, 0.85, 0.55, 0.13, 16)),
        ("L", _ellipse(0, -0.8, 0.75, 0.2, 20)),
        ("D", _ellipse(0, -0.78, 0.62, 0.14, 18)),
    ]


def _block(phase: float) -> list[Part]:
    return [
        ("D", _poly(0.6, -0.6, 0.95, -0.9, 0.95, 0.45, 0.6, 0.8)),
        ("L", _poly(-0.8, -0.6, -0.45, -0.9, 0.95, -0.9, 0.6, -0.6)),
        ("B", _rect(-0.8, -0.6, 0.6, 0.8)),
        ("L", _rect(-0.45, -0.25, 0.25, 0.45)),
        ("D", _poly(-0.3, 0.35, -0.1, -0.15, 0.1, 0.35)),
    ]


CATEGORIES: dict[str, Callable[[float], list[Part]]] = {
    "car": _car,
    "truck": _truck,
    "bus": _bus,
    "person": _person,
    "dog": _dog,
    "bird": _bird,
    "boat": _boat,
    "ball": _ball,
    "robot": _robot,
    "bicycle": _bicycle,
    "cup": _cup,
    "block": _block,
}
"""Name → drawing at an animation phase (radians)."""

WIDE = frozenset({"car", "truck", "bus", "boat"})
FLYING = frozenset({"bird", "ball"})


def random_thing(rng: np.random.Generator) -> Callable[[float], list[Part]]:
    """A nameless object: a lobed, slowly deforming outline with a few marks; teaches objectness."""
    n = 28
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    orders = rng.integers(2, 7, 3)
    amps, phases = rng.uniform(0, 0.22, 3), rng.uniform(0, 2 * np.pi, 3)
    aspect = float(rng.uniform(0.5, 1.0))
    spiky = rng.random() < 0.3
    marks = [
        (str(rng.choice(list("DLKGWYO"))), rng.uniform(-0.4, 0.4, 2), rng.uniform(0.08, 0.35, 2))
        for _ in range(rng.integers(0, 4))
    ]

    def draw(phase: float) -> list[Part]:
        wobble = 0.25 * math.sin(phase * 0.5)
        radius = 0.85 + sum(
            a * np.sin(o * angle + p + wobble) for o, a, p in zip(orders, amps, phases, strict=True)
        )
        outline = np.stack([radius * np.cos(angle), aspect * radius * np.sin(angle)], axis=1)
        if spiky:
            outline = outline[::4]
        body: list[Part] = [("B", outline)]
        return body + [(role, _ellipse(c[0], c[1] * aspect, r[0], r[1] * aspect, 12)) for role, c, r in marks]

    return draw
