"""Textured backgrounds: streets, patchworks, gradients, waves and plain noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


def noise_field(rng: np.random.Generator, h: int, w: int, cell: int, amplitude: float) -> Image:
    """Smooth colour noise (h, w, 3) with features of about ``cell`` pixels."""
    coarse = rng.normal(0, 1, (max(2, h // cell), max(2, w // cell), 3)).astype(np.float32)
    coarse += rng.normal(0, 1, (*coarse.shape[:2], 1)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC) * amplitude, dtype=np.float32)


def _muted_palette(rng: np.random.Generator) -> Image:
    palette = rng.uniform(60, 215, (6, 3)).astype(np.float32)
    grey = rng.uniform(0.3, 0.7)
    return np.asarray(palette * (1 - grey) + palette.mean(1, keepdims=True) * grey, dtype=np.float32)


def _street(rng: np.random.Generator, h: int, w: int, k: float) -> Image:
    image = np.empty((h, w, 3), np.float32)
    palette = _muted_palette(rng)
    horizon = int(h * rng.uniform(0.28, 0.5))
    sky = rng.uniform((120, 160, 190), (190, 210, 235)).astype(np.float32)
    image[:horizon] = np.linspace(0, 1, horizon, dtype=np.float32)[:, None, None] * 25 + sky
    image[horizon:] = rng.uniform((85, 120, 70), (150, 165, 120)).astype(np.float32)
    for _ in range(rng.integers(2, 10)):
        x, width = int(rng.integers(-20, w)), int(rng.integers(20, 90) * k)
        top, colour = int(rng.integers(horizon // 4, horizon + 1)), palette[rng.integers(6)]
        left, right = max(0, x), max(0, min(w, x + width))
        image[top:horizon, left:right] = colour
        step = max(4, int(14 * k))
        for y in range(top + step // 2, horizon - step // 2, step):
            for xx in range(left + step // 3, right - step // 2, step):
                image[y : y + step // 2, xx : xx + step // 2] = colour * 0.6 + 60 * rng.random()
    road0 = int(horizon + (h - horizon) * rng.uniform(0.05, 0.3))
    road1 = min(h, int(road0 + (h - horizon) * rng.uniform(0.35, 0.7)))
    image[road0:road1] = rng.uniform(75, 130)
    middle, dash = (road0 + road1) // 2, max(4, int(28 * k))
    for x in range(0, w, dash):
        image[middle - 2 : middle + 2, x : x + dash // 2] = 215
    return image


def _patchwork(rng: np.random.Generator, h: int, w: int, k: float) -> Image:
    palette = _muted_palette(rng)
    image = np.empty((h, w, 3), np.float32)
    image[:] = palette[0]
    for _ in range(rng.integers(6, 30)):
        centre = rng.uniform(-0.1, 1.1, 2) * (w, h)
        points = centre + rng.normal(0, 1, (rng.integers(3, 8), 2)) * rng.uniform(10, 90) * k
        hull = cv2.convexHull(points.astype(np.int32))
        cv2.fillPoly(image, [hull], [float(v) for v in palette[rng.integers(6)]])
    return image


def _gradient(rng: np.random.Generator, h: int, w: int, k: float) -> Image:
    palette, (gx, gy) = _muted_palette(rng), rng.uniform(-1, 1, 2)
    ramp = np.linspace(-1, 1, w)[None] * gx + np.linspace(-1, 1, h)[:, None] * gy
    t = ((ramp - ramp.min()) / max(float(np.ptp(ramp)), 1e-6))[..., None].astype(np.float32)
    return np.asarray(palette[0] * (1 - t) + palette[1] * t, dtype=np.float32)


def _waves(rng: np.random.Generator, h: int, w: int, k: float) -> Image:
    palette, field = _muted_palette(rng), np.zeros((h, w))
    ys, xs = np.mgrid[0:h, 0:w]
    for _ in range(rng.integers(1, 4)):
        fx, fy = rng.normal(0, 0.12, 2) / k
        field += np.sin(xs * fx + ys * fy + rng.uniform(0, 6.28))
    if rng.random() < 0.5:
        field = np.sign(field)
    t = ((field - field.min()) / max(float(np.ptp(field)), 1e-6))[..., None].astype(np.float32)
    return np.asarray(palette[0] * (1 - t) + palette[1] * t, dtype=np.float32)


def background(
    rng: np.random.Generator, h: int, w: int, *, scale: float, street_only: bool = False
) -> NDArray[np.uint8]:
    """A background picture, uint8 (h, w, 3); ``scale`` is the clip's size over 256."""
    kinds = (_street, _street, _street, _patchwork, _gradient, _waves)
    draw = _street if street_only else kinds[rng.integers(len(kinds))]
    image = draw(rng, h, w, scale)
    for cell, amplitude in ((48, 14), (12, 9), (3, 6)):
        image += noise_field(rng, h, w, max(2, int(cell * scale)), float(rng.uniform(0, amplitude)))
    return np.clip(image, 0, 255).astype(np.uint8)
