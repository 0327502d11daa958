"""Drawings of things that have no name: they teach what an object is, whatever it is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from seektrack.world.drawing import Drawing, Part, Polygon, ellipse, limb, rect
from seektrack.world.shapes import random_thing

_ROLES = tuple("BBDLKGWYO")


def _role(rng: np.random.Generator) -> str:
    return str(rng.choice(_ROLES))


def _star(rng: np.random.Generator) -> Drawing:
    """A jagged outline with deep bays."""
    n = int(rng.integers(5, 15))
    angle = np.sort(rng.uniform(0, 2 * np.pi, n)) if rng.random() < 0.5 else np.arange(n) / n * 2 * np.pi
    radius = rng.uniform(0.3, 1.0, n) if rng.random() < 0.6 else np.where(np.arange(n) % 2, 0.45, 1.0)
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1) * (
        1.0,
        rng.uniform(0.5, 1.0),
    )
    return lambda phase: [("B", outline)]


def _lathe(rng: np.random.Generator) -> Drawing:
    """Something turned: the same profile left and right, in bands."""
    n = int(rng.integers(3, 8))
    ys = np.sort(rng.uniform(-1, 1, n))
    ys[0], ys[-1] = -1, 1
    half = rng.uniform(0.12, 0.8, n)
    bands: list[Part] = []
    for i in range(n - 1):
        a, b = half[i], half[i + 1] if rng.random() < 0.8 else half[i]
        corners = np.array([[-a, ys[i]], [a, ys[i]], [b, ys[i + 1]], [-b, ys[i + 1]]])
        bands.append((_role(rng) if rng.random() < 0.4 else "B", corners))
    return lambda phase: bands


def _stroke(rng: np.random.Generator) -> Drawing:
    """A thick bent line that swings at its joints: a worm, a branch, a letter."""
    n = int(rng.integers(2, 6))
    turns, lengths = rng.normal(0, 0.9, n), rng.uniform(0.4, 1.0, n)
    width, swing = float(rng.uniform(0.12, 0.5)), float(rng.uniform(0, 0.5))
    start = rng.uniform(0, 2 * np.pi)

    def draw(phase: float) -> list[Part]:
        heading = start + np.cumsum(turns + swing * np.sin(phase + np.arange(n)))
        steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * lengths[:, None]
        joints = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
        joints = joints - (joints.max(0) + joints.min(0)) / 2
        parts: list[Part] = []
        for (x0, y0), (x1, y1) in itertools.pairwise(joints):
            parts.append(("B", limb(float(x0), float(y0), float(x1), float(y1), width)))
        parts += [("B", ellipse(float(x), float(y), width / 2, width / 2, 12)) for x, y in joints]
        return parts

    return draw


def _ring(rng: np.random.Generator) -> Drawing:
    """A hoop or an arc; what shows through its hole is not its own."""
    flat, thin = float(rng.uniform(0.5, 1.0)), float(rng.uniform(0.35, 0.8))
    sweep, first = float(rng.choice([360, rng.uniform(150, 330)])), float(rng.uniform(0, 360))
    outer = ellipse(0, 0, 1, flat, 34, first, first + sweep)
    inner = ellipse(0, 0, thin, thin * flat, 34, first + sweep, first)
    return lambda phase: [("B", np.concatenate([outer, inner]))]


def _creature(rng: np.random.Generator) -> Drawing:
    """A body with limbs and lumps, often the same on both sides, moving."""
    body = ellipse(0, 0, float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.3, 0.7)), 22)
    if rng.random() < 0.4:
        body = rect(*(float(v) for v in (*rng.uniform(-0.7, -0.3, 2), *rng.uniform(0.3, 0.7, 2))))
    mirrored, swing = bool(rng.random() < 0.6), float(rng.uniform(0, 0.4))
    grown = [
        (
            _role(rng),
            float(rng.uniform(0, 2 * np.pi)),
            float(rng.uniform(0.6, 1.2)),
            float(rng.uniform(0.08, 0.4)),
        )
        for _ in range(int(rng.integers(1, 6)))
    ]
    lumps = rng.random(len(grown)) < 0.4

    def draw(phase: float) -> list[Part]:
        parts: list[Part] = []
        for (role, where, reach, thick), lump in zip(grown, lumps, strict=True):
            turn = where + swing * math.sin(phase + where)
            for side in (1, -1) if mirrored else (1,):
                x, y = side * reach * math.cos(turn), reach * math.sin(turn)
                shape: Polygon = (
                    ellipse(0.6 * x, 0.6 * y, thick, thick, 14) if lump else limb(0, 0, x, y, thick)
                )
                parts.append((role, shape))
        return [*parts, ("B", body)]

    return draw


_KINDS: tuple[Callable[[np.random.Generator], Drawing], ...] = (
    random_thing,
    _star,
    _lathe,
    _stroke,
    _ring,
    _creature,
)


def nameless(rng: np.random.Generator) -> Drawing:
    """A thing of no kind: a blob, a star, something turned, a stroke, a ring or a creature."""
    return _KINDS[int(rng.integers(len(_KINDS)))](rng)
