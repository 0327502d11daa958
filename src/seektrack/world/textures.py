"""Textures made by formulas: no two alike, none of anything, so that only outlines and motion tell objects.

Training on textures without meaning to see objects follows the idea of formula-driven learning (Kataoka et
al., "Pre-training without Natural Images", 2020).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.float32]
Picture = NDArray[np.uint8]


def palette(rng: np.random.Generator, n: int, *, saturation: float) -> Field:
    """Colours float (n, 3) in 0..255; ``saturation`` 0 is grey, 1 as the dice fall."""
    colours = rng.uniform(15, 245, (n, 3)).astype(np.float32)
    grey = colours.mean(1, keepdims=True)
    return np.asarray(grey + (colours - grey) * saturation, dtype=np.float32)


def _unit(field: ArrayLike) -> Field:
    values = np.asarray(field, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    return (values - np.float32(low)) / np.float32(max(high - low, 1e-6))


def _grid(h: int, w: int) -> tuple[Field, Field]:
    xs = np.broadcast_to(np.arange(w, dtype=np.float32), (h, w))
    ys = np.broadcast_to(np.arange(h, dtype=np.float32)[:, None], (h, w))
    return xs, ys


def fbm(rng: np.random.Generator, h: int, w: int, cell: float, *, octaves: int = 4) -> Field:
    """Fractal noise (h, w) in 0..1, its largest features ``cell`` pixels."""
    out = np.zeros((h, w), np.float32)
    for octave in range(octaves):
        size = cell / 2**octave
        if size < 2 and octave:
            break
        coarse = rng.random((int(h / size) + 3, int(w / size) + 3), dtype=np.float32)
        out += cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC) * 0.5**octave
    return _unit(out)


def _turned(rng: np.random.Generator, h: int, w: int) -> tuple[Field, Field]:
    """Two coordinates along random orthogonal directions, sometimes bent."""
    xs, ys = _grid(h, w)
    turn = float(rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)]))
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    u, v = xs * cos + ys * sin, ys * cos - xs * sin
    if rng.random() < 0.3:
        u = u + np.float32(rng.uniform(2, 10)) * np.sin(v / np.float32(rng.uniform(6, 25)))
    return u, v


def _stripes(rng: np.random.Generator, h: int, w: int, period: float) -> Field:
    u, _ = _turned(rng, h, w)
    wave = np.sin(u * np.float32(2 * np.pi / period) + np.float32(rng.uniform(0, 6)))
    return _unit(np.clip(wave * np.float32(rng.choice([1, 8])), -1, 1))


def _plaid(rng: np.random.Generator, h: int, w: int, period: float) -> Field:
    u, v = _turned(rng, h, w)
    k = np.float32(2 * np.pi / period)
    return _unit(
        (np.sin(u * k) > rng.uniform(-0.6, 0.6)) * 1.0 + (np.sin(v * k) > rng.uniform(-0.6, 0.6)) * 1.0
    )


def _dots(rng: np.random.Generator, h: int, w: int, period: float) -> Field:
    u, v = _turned(rng, h, w)
    k = np.float32(2 * np.pi / period)
    return _unit((np.sin(u * k) * np.sin(v * k) > rng.uniform(0.1, 0.6)).astype(np.float32))


def _checks(rng: np.random.Generator, h: int, w: int, period: float) -> Field:
    u, v = _turned(rng, h, w)
    return np.asarray(
        ((u // np.float32(period / 2)).astype(int) + (v // np.float32(period / 2)).astype(int)) % 2,
        np.float32,
    )


def _bricks(rng: np.random.Generator, h: int, w: int, period: float) -> Field:
    xs, ys = _grid(h, w)
    tall = max(4.0, period / 2)
    wide = tall * float(rng.uniform(1, 3))
    row = np.floor(ys / tall)
    x = xs + (row % 2) * wide / 2
    shade = rng.random((int(h / tall) + 2, int((w + wide) / wide) + 2), dtype=np.float32)
    out = 0.4 + 0.6 * shade[row.astype(int), (x / wide).astype(int)]
    joint = (ys % tall < max(1.0, tall * 0.12)) | (x % wide < max(1.0, tall * 0.12))
    return np.where(joint, np.float32(0), out).astype(np.float32)


def _voronoi(rng: np.random.Generator, h: int, w: int, period: float) -> Field:
    count = int(np.clip(h * w / (period * period), 4, 600))
    blank = np.full((h, w), 255, np.uint8)
    blank[rng.integers(0, h, count), rng.integers(0, w, count)] = 0
    distance, labels = cv2.distanceTransformWithLabels(blank, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    if rng.random() < 0.3:
        return _unit(distance)
    return np.asarray(rng.random(count + 1, dtype=np.float32)[labels], dtype=np.float32)


def _marble(rng: np.random.Generator, h: int, w: int, period: float) -> Field:
    u, _ = _turned(rng, h, w)
    swirl = fbm(rng, h, w, period * 3) * np.float32(rng.uniform(4, 14))
    return _unit(np.sin(u * np.float32(3 / period) + swirl))


def _ridges(rng: np.random.Generator, h: int, w: int, period: float) -> Field:
    return _unit(np.abs(fbm(rng, h, w, period * 2) - 0.5))


def _fractal(rng: np.random.Generator, h: int, w: int, period: float) -> Field:
    """An iterated function system's attractor by the chaos game, as density."""
    maps = rng.uniform(-0.85, 0.85, (int(rng.integers(2, 5)), 2, 2))
    shifts = rng.uniform(-1, 1, (len(maps), 2))
    points = rng.uniform(-1, 1, (600, 2))
    seen = []
    for step in range(22):
        pick = rng.integers(len(maps), size=len(points))
        points = np.clip(np.einsum("pij,pj->pi", maps[pick], points) + shifts[pick], -3, 3)
        if step > 4:
            seen.append(points)
    cloud = np.concatenate(seen)
    low, high = np.percentile(cloud, 1, axis=0), np.percentile(cloud, 99, axis=0)
    cells = ((cloud - low) / np.maximum(high - low, 1e-6) * (w, h)).astype(int)
    cells = cells[((cells >= 0) & (cells < (w, h))).all(1)]
    density = np.bincount(cells[:, 1] * w + cells[:, 0], minlength=h * w).reshape(h, w).astype(np.float32)
    return _unit(np.log1p(cv2.GaussianBlur(density, (0, 0), max(0.6, period / 24)) * 8))


def _collage(rng: np.random.Generator, h: int, w: int, period: float) -> Field:
    """Random polygons over each other, blurred."""
    out = np.full((h, w), rng.random(), np.float32)
    for _ in range(int(rng.integers(8, 40))):
        corners = (
            rng.uniform(-0.1, 1.1, 2) * (w, h) + rng.normal(0, 1, (int(rng.integers(3, 8)), 2)) * period * 2
        )
        cv2.fillPoly(out, [corners.astype(np.int32)], float(rng.random()))
    sigma = float(rng.choice([0, 1, 4])) * period / 24
    return _unit(cv2.GaussianBlur(out, (0, 0), sigma) if sigma else out)


def _noise(rng: np.random.Generator, h: int, w: int, period: float) -> Field:
    return fbm(rng, h, w, period * 3)


FORMULAS: dict[str, Callable[[np.random.Generator, int, int, float], Field]] = {
    "noise": _noise,
    "stripes": _stripes,
    "plaid": _plaid,
    "dots": _dots,
    "checks": _checks,
    "bricks": _bricks,
    "voronoi": _voronoi,
    "marble": _marble,
    "ridges": _ridges,
    "fractal": _fractal,
    "collage": _collage,
}
"""Name → field (h, w) in 0..1, drawn with features of about ``period`` pixels."""


def paint(field: Field, colours: Field, *, smooth: bool) -> Picture:
    """Colour a field (h, w) in 0..1 by a ramp through ``colours`` (n, 3), stepped or smooth."""
    steps = np.linspace(0, len(colours) - 1, 256)
    if not smooth:
        steps = np.round(steps)
    below = np.minimum(steps.astype(int), len(colours) - 2)
    part = (steps - below)[:, None]
    ramp = (colours[below] * (1 - part) + colours[below + 1] * part).astype(np.uint8)
    return np.asarray(ramp[(field * 255).astype(np.uint8)], dtype=np.uint8)


def pattern(
    rng: np.random.Generator, h: int, w: int, *, period: float, saturation: float, kind: str | None = None
) -> Picture:
    """A random texture, uint8 (h, w, 3), with features of about ``period`` pixels.

    Args:
        rng: Where chance comes from.
        h, w: Size in pixels.
        period: Size of its features in pixels.
        saturation: Of its colours, 0 grey to 1.
        kind: One of :data:`FORMULAS`; None picks one.
    """
    name = kind or str(rng.choice(list(FORMULAS)))
    field = FORMULAS[name](rng, h, w, max(period, 3.0))
    colours = palette(rng, int(rng.integers(2, 6)), saturation=saturation)
    return paint(field, colours, smooth=bool(rng.random() < 0.6))
