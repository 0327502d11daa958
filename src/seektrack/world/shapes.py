"""The categories: each a drawing made of coloured polygons, animated by a phase.

Coordinates are in units of the object's scale, y down, facing right, within about ``|y| <= 1``. A part
is ``(role, polygon)``: roles are explained in :func:`seektrack.world.palette.tones`, polygons are float
(P, 2). Later parts cover earlier ones.
"""

from __future__ import annotations

import math

import numpy as np

from seektrack.world.drawing import Drawing, Part, ellipse, limb, poly, rect, wheel
from seektrack.world.everyday import EVERYDAY, HELD_OUT


def _car(phase: float) -> list[Part]:
    return [
        ("B", poly(-1.1, -0.1, -0.75, -0.85, 0.45, -0.85, 0.85, -0.12)),
        ("W", poly(-0.88, -0.12, -0.65, -0.68, -0.15, -0.68, -0.15, -0.12)),
        ("W", poly(-0.02, -0.12, -0.02, -0.68, 0.38, -0.68, 0.66, -0.12)),
        ("B", poly(-1.75, -0.05, 1.2, -0.15, 1.75, 0.1, 1.8, 0.6, -1.8, 0.6, -1.85, 0.1)),
        ("Y", ellipse(1.62, 0.2, 0.12, 0.12, 8)),
        ("D", rect(-1.8, 0.45, 1.78, 0.62)),
        *wheel(-1.0, 0.4),
        *wheel(1.05, 0.4),
    ]


def _truck(phase: float) -> list[Part]:
    return [
        ("B", rect(-1.9, -1.0, 0.75, 0.5)),
        ("D", rect(-1.9, 0.4, 1.6, 0.6)),
        ("L", rect(-1.75, -0.85, 0.6, -0.7)),
        ("D", poly(0.85, 0.5, 0.85, -0.55, 1.35, -0.55, 1.7, -0.05, 1.8, 0.55)),
        ("W", poly(1.0, -0.05, 1.0, -0.42, 1.28, -0.42, 1.52, -0.05)),
        *wheel(-1.4),
        *wheel(-0.6),
        *wheel(1.3),
    ]


def _bus(phase: float) -> list[Part]:
    windows: list[Part] = [("W", rect(x, -0.65, x + 0.5, -0.1)) for x in (-1.8, -1.15, -0.5, 0.15, 0.8, 1.42)]
    return [
        ("B", poly(-2.0, -0.8, -1.9, -0.9, 1.9, -0.9, 2.0, -0.75, 2.05, 0.6, -2.05, 0.6)),
        ("D", rect(-2.03, 0.15, 2.03, 0.3)),
        *windows,
        *wheel(-1.2, 0.36),
        *wheel(1.2, 0.36),
    ]


def _boat(phase: float) -> list[Part]:
    return [
        ("D", rect(-0.08, -1.1, 0.08, 0.3)),
        ("L", poly(0.12, -1.05, 1.15, 0.15, 0.12, 0.15)),
        ("B", poly(-0.12, -0.95, -0.12, 0.15, -0.9, 0.15)),
        ("B", poly(-1.6, 0.3, 1.75, 0.3, 1.1, 0.95, -1.15, 0.95)),
        ("D", poly(-1.6, 0.3, 1.75, 0.3, 1.68, 0.42, -1.52, 0.42)),
    ]


def _person(phase: float) -> list[Part]:
    s = math.sin(phase)
    return [
        ("D", limb(0, 0.2, 0.32 * s, 0.98, 0.2)),
        ("D", limb(0, 0.2, -0.32 * s, 0.98, 0.2)),
        ("S", limb(0, -0.4, -0.38 * s, 0.15, 0.13)),
        ("B", poly(-0.28, -0.5, 0.28, -0.5, 0.24, 0.3, -0.24, 0.3)),
        ("B", limb(0.0, -0.42, 0.3 * s, 0.02, 0.18)),
        ("S", ellipse(0.3 * s, 0.06, 0.07, 0.07, 8)),
        ("S", ellipse(0, -0.74, 0.21, 0.24, 16)),
        ("K", ellipse(0, -0.82, 0.22, 0.18, 12, 180, 360)),
    ]


def _dog(phase: float) -> list[Part]:
    s = math.sin(phase)
    return [
        ("D", limb(-0.7, 0.2, -0.7 + 0.22 * s, 0.9, 0.17)),
        ("D", limb(0.55, 0.2, 0.55 + 0.22 * s, 0.9, 0.17)),
        ("B", limb(-0.55, 0.2, -0.55 - 0.22 * s, 0.92, 0.18)),
        ("B", limb(0.7, 0.2, 0.7 - 0.22 * s, 0.92, 0.18)),
        ("B", limb(-0.85, 0, -1.25, -0.45 + 0.12 * s, 0.15)),
        ("B", ellipse(-0.05, 0.1, 0.95, 0.4)),
        ("B", ellipse(0.95, -0.38, 0.38, 0.32, 16)),
        ("B", ellipse(1.3, -0.28, 0.24, 0.17, 10)),
        ("D", ellipse(0.78, -0.4, 0.13, 0.32, 10)),
        ("K", ellipse(1.48, -0.32, 0.08, 0.07, 8)),
        ("K", ellipse(1.05, -0.47, 0.06, 0.06, 8)),
    ]


def _bird(phase: float) -> list[Part]:
    s = math.sin(phase)
    return [
        ("D", poly(-0.7, -0.05, -1.4, -0.3, -1.35, 0.2)),
        ("B", ellipse(0, 0.05, 0.85, 0.42)),
        ("B", ellipse(0.75, -0.28, 0.33, 0.31, 14)),
        ("O", poly(1.03, -0.38, 1.4, -0.22, 1.03, -0.12)),
        ("K", ellipse(0.82, -0.34, 0.07, 0.07, 8)),
        ("D", poly(0.3, -0.05, -0.45, 0.05, -0.35, -0.95 * s)),
        ("O", limb(-0.05, 0.4, -0.05, 0.75, 0.07)),
        ("O", limb(0.15, 0.4, 0.15, 0.75, 0.07)),
    ]


def _ball(phase: float) -> list[Part]:
    c, s = math.cos(phase), math.sin(phase)
    spin = np.array([[c, -s], [s, c]])
    return [
        ("B", ellipse(0, 0, 0.9, 0.9, 28)),
        ("L", ellipse(0, 0, 0.86, 0.86, 12, -25, 25) @ spin.T),
        ("L", ellipse(0, 0, 0.86, 0.86, 12, 155, 205) @ spin.T),
        ("D", ellipse(0, 0, 0.2, 0.2, 10)),
    ]


def _robot(phase: float) -> list[Part]:
    s = math.sin(phase)
    return [
        ("D", limb(0, -0.95, 0, -0.7, 0.06)),
        ("Y", ellipse(0, -1.0, 0.09, 0.09, 8)),
        ("B", rect(-0.42, -0.72, 0.42, -0.2)),
        ("W", rect(-0.3, -0.58, -0.06, -0.36)),
        ("W", rect(0.06, -0.58, 0.3, -0.36)),
        ("D", rect(-0.12, -0.2, 0.12, -0.1)),
        ("B", rect(-0.52, -0.1, 0.52, 0.55)),
        ("L", rect(-0.25, 0.05, 0.25, 0.3)),
        ("D", limb(-0.55, 0, -0.78, 0.35 + 0.15 * s, 0.15)),
        ("D", limb(0.55, 0, 0.78, 0.35 - 0.15 * s, 0.15)),
        ("D", rect(-0.36, 0.55, -0.12, 0.95 + 0.05 * s)),
        ("D", rect(0.12, 0.55, 0.36, 0.95 - 0.05 * s)),
    ]


def _bicycle(phase: float) -> list[Part]:
    """Rider and bicycle as one; the frame and the rider's shirt carry the colour, tyres are thick."""
    s, c = math.sin(phase), math.cos(phase)
    parts: list[Part] = []
    for x in (-0.75, 0.75):
        parts += [("K", ellipse(x, 0.55, 0.45, 0.45, 22)), ("G", ellipse(x, 0.55, 0.3, 0.3, 16))]
        parts += [("K", limb(x - 0.3 * c, 0.55 - 0.3 * s, x + 0.3 * c, 0.55 + 0.3 * s, 0.06))]
    for x0, y0, x1, y1 in (
        (-0.75, 0.55, -0.2, 0.05),
        (-0.2, 0.05, 0.55, 0.0),
        (0.75, 0.55, 0.5, -0.2),
        (-0.05, 0.55, 0.55, 0.0),
        (-0.75, 0.55, -0.05, 0.55),
        (-0.05, 0.55, -0.3, -0.1),
    ):
        parts.append(("B", limb(x0, y0, x1, y1, 0.14)))
    parts += [
        ("K", limb(0.4, -0.22, 0.62, -0.22, 0.09)),
        ("D", limb(-0.3, -0.1, -0.05 + 0.15 * c, 0.5 + 0.15 * s, 0.16)),
        ("B", limb(-0.3, -0.12, 0.05, -0.65, 0.34)),
        ("S", limb(0.05, -0.55, 0.5, -0.24, 0.11)),
        ("S", ellipse(0.15, -0.85, 0.18, 0.2, 14)),
    ]
    return parts


def _cup(phase: float) -> list[Part]:
    return [
        ("D", ellipse(0.72, 0.0, 0.34, 0.38, 18)),
        ("G", ellipse(0.72, 0.0, 0.17, 0.21, 14)),
        ("B", poly(-0.75, -0.8, 0.75, -0.8, 0.55, 0.85, -0.55, 0.85)),
        ("B", ellipse(0, 0.85, 0.55, 0.13, 16)),
        ("L", ellipse(0, -0.8, 0.75, 0.2, 20)),
        ("D", ellipse(0, -0.78, 0.62, 0.14, 18)),
    ]


def _block(phase: float) -> list[Part]:
    return [
        ("D", poly(0.6, -0.6, 0.95, -0.9, 0.95, 0.45, 0.6, 0.8)),
        ("L", poly(-0.8, -0.6, -0.45, -0.9, 0.95, -0.9, 0.6, -0.6)),
        ("B", rect(-0.8, -0.6, 0.6, 0.8)),
        ("L", rect(-0.45, -0.25, 0.25, 0.45)),
        ("D", poly(-0.3, 0.35, -0.1, -0.15, 0.1, 0.35)),
    ]


CATEGORIES: dict[str, Drawing] = {
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

ALL_CATEGORIES: dict[str, Drawing] = CATEGORIES | EVERYDAY | HELD_OUT
"""Everything that can be drawn by name."""

WIDE = frozenset({"car", "truck", "bus", "boat"})
FLYING = frozenset({"bird", "ball"})


def random_thing(rng: np.random.Generator) -> Drawing:
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
        return body + [(role, ellipse(c[0], c[1] * aspect, r[0], r[1] * aspect, 12)) for role, c, r in marks]

    return draw
