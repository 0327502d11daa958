"""Places under the sky: each a far plane and the ground before it, drawn as float (h, w, 3)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.world.textures import Field, fbm, palette

Canvas = NDArray[np.float32]
Planes = tuple[Canvas, Canvas | None, int]
"""The far plane, the ground or None when there is but one plane, and the row where the ground begins."""


def ramp(h: int, top: Field, bottom: Field) -> Canvas:
    """A column (h, 1, 3) from one colour to another."""
    t = np.linspace(0, 1, h, dtype=np.float32)[:, None, None]
    return np.asarray(top * (1 - t) + bottom * t, dtype=np.float32)


def pick(rng: np.random.Generator, low: tuple[float, ...], high: tuple[float, ...]) -> Field:
    """A colour between two, float (3,)."""
    return rng.uniform(low, high).astype(np.float32)


def _sky(rng: np.random.Generator, h: int, w: int, k: float) -> Canvas:
    image = np.broadcast_to(
        ramp(h, pick(rng, (70, 120, 180), (150, 190, 240)), pick(rng, (170, 190, 205), (225, 230, 240))),
        (h, w, 3),
    ).copy()
    if rng.random() < 0.6:
        clouds = np.clip(fbm(rng, h, w, rng.uniform(50, 140) * k) * 3 - rng.uniform(1.2, 2.2), 0, 1)[
            ..., None
        ]
        image += (245 - image) * clouds * np.float32(rng.uniform(0.3, 0.9))
    return image


def _hills(
    rng: np.random.Generator,
    image: Canvas,
    split: int,
    k: float,
    low: tuple[float, ...],
    high: tuple[float, ...],
) -> None:
    h, w = image.shape[:2]
    for layer in range(int(rng.integers(0, 4))):
        knots = rng.uniform(0, 0.45, int(rng.integers(4, 12))) * split * (1 - 0.25 * layer)
        line = np.interp(np.arange(w), np.linspace(0, w, len(knots)), knots)
        outline = np.stack([np.arange(w), split - line], axis=1)
        hill = np.concatenate([outline, [[w, h], [0, h]]]).astype(np.int32)
        cv2.fillPoly(image, [hill], [float(v) for v in pick(rng, low, high)])


def _ground(
    rng: np.random.Generator,
    h: int,
    w: int,
    k: float,
    low: tuple[float, ...],
    high: tuple[float, ...],
    contrast: float,
) -> Canvas:
    """A plane seen at a slant: its texture shrinks towards the top."""
    base = pick(rng, low, high)
    texture = fbm(rng, max(h, 8), w, rng.uniform(8, 40) * k)
    rows = (np.linspace(0, 1, h, dtype=np.float32) ** 0.6 * (len(texture) - 1)).astype(int)
    shade = (texture[rows] - 0.5) * np.float32(contrast)
    return np.asarray(base + shade[..., None] * (1.0, 1.0, 0.8), dtype=np.float32)


def planes(far: Canvas, ground: Canvas, split: int) -> Planes:
    """A far plane (h, w, 3), and the ground (h - split, w, 3) put at its place below it."""
    full = np.empty_like(far)
    full[:split] = 0
    full[split:] = ground
    return far, full, split


def street(rng: np.random.Generator, h: int, w: int, k: float, split: int) -> Planes:
    """Houses, a road."""
    far = _sky(rng, h, w, k)
    colours = palette(rng, 6, saturation=float(rng.uniform(0.2, 1.0)))
    x = -int(rng.integers(0, 40))
    while x < w:
        width, top = int(rng.integers(24, 100) * k), int(split * rng.uniform(0.05, 0.85))
        if rng.random() < 0.85:
            colour = colours[rng.integers(6)]
            left, right = max(0, x), max(0, x + width)
            far[top:, left:right] = colour
            step, lit = max(4, int(rng.uniform(9, 18) * k)), rng.uniform(-70, 70)
            for y in range(top + step // 2, split - step // 2, step):
                far[y : y + step // 2, left + step // 3 : right - step // 3 : step] = np.clip(
                    colour + lit, 0, 255
                )
                far[y : y + step // 2, left + step // 3 + 1 : right - step // 3 : step] = np.clip(
                    colour + lit, 0, 255
                )
        x += width + int(rng.integers(0, 30) * k)
    ground = _ground(rng, h - split, w, k, (85, 100, 75), (165, 165, 150), 30)
    tall = len(ground)
    road0 = int(tall * rng.uniform(0.05, 0.3))
    road1 = int(road0 + tall * rng.uniform(0.35, 0.7))
    ground[road0:road1] = ground[road0:road1] * 0.1 + rng.uniform(65, 130) * np.float32(0.9)
    middle, dash = (road0 + road1) // 2, max(4, int(28 * k))
    for x in range(0, w, dash):
        ground[middle - 1 : middle + 2, x : x + dash // 2] = 215
    return planes(far, ground, split)


def meadow(rng: np.random.Generator, h: int, w: int, k: float, split: int) -> Planes:
    """Grass and flowers, hills behind."""
    far = _sky(rng, h, w, k)
    _hills(rng, far, split, k, (50, 90, 50), (140, 170, 130))
    ground = _ground(rng, h - split, w, k, (55, 110, 35), (140, 175, 80), 60)
    for _ in range(int(rng.integers(0, 160))):
        x, y = int(rng.integers(w)), int(rng.integers(max(1, len(ground))))
        near = 0.4 + 0.9 * y / len(ground)
        if rng.random() < 0.6:
            cv2.line(
                ground,
                (x, y),
                (x + int(rng.integers(-3, 4) * k), y - int(7 * k * near)),
                [float(v) for v in pick(rng, (40, 90, 20), (150, 190, 90))],
                1,
            )
        else:
            cv2.circle(
                ground,
                (x, y),
                max(1, int(1.6 * k * near)),
                [float(v) for v in pick(rng, (120, 60, 60), (255, 240, 200))],
                -1,
            )
    return planes(far, ground, split)


def water(rng: np.random.Generator, h: int, w: int, k: float, split: int) -> Planes:
    """A lake."""
    far = _sky(rng, h, w, k)
    _hills(rng, far, split, k, (60, 90, 90), (140, 160, 150))
    return planes(far, _sea(rng, h - split, w, k), split)


def _sea(rng: np.random.Generator, h: int, w: int, k: float) -> Canvas:
    image = _ground(rng, h, w, k, (20, 70, 100), (80, 150, 190), 20)
    ripples = cv2.resize(
        rng.normal(0, 1, (max(2, int(h / (2.5 * k))), max(2, int(w / (22 * k))))).astype(np.float32),
        (w, h),
        interpolation=cv2.INTER_CUBIC,
    )
    return np.asarray(image + ripples[..., None] * np.float32(rng.uniform(5, 16)), dtype=np.float32)


def beach(rng: np.random.Generator, h: int, w: int, k: float, split: int) -> Planes:
    """Sand, the sea behind."""
    far = _sky(rng, h, w, k)
    ground = _ground(rng, h - split, w, k, (185, 160, 105), (235, 215, 165), 34)
    shore = int(len(ground) * rng.uniform(0.15, 0.5))
    edge = shore + (fbm(rng, 1, w, 60 * k)[0] - 0.5) * 14 * k
    rows = np.arange(len(ground), dtype=np.float32)[:, None]
    sea = _sea(rng, len(ground), w, k)
    ground = np.where((rows < edge)[..., None], sea, ground)
    ground[np.abs(rows - edge) < 1.8 * k] = 240
    return planes(far, ground.astype(np.float32), split)


def snow_field(rng: np.random.Generator, h: int, w: int, k: float, split: int) -> Planes:
    """Snow, firs at its end."""
    far = _sky(rng, h, w, k) * 0.6 + 85
    _hills(rng, far, split, k, (150, 160, 175), (235, 238, 245))
    ground = _ground(rng, h - split, w, k, (205, 212, 225), (242, 245, 250), 24)
    for _ in range(int(rng.integers(0, 9))):
        x, tall = int(rng.integers(w)), rng.uniform(8, 34) * k
        for part in (0.0, 0.3, 0.55):
            y = split - part * tall
            tree = np.array(
                [[x - tall * 0.28 * (1 - part), y], [x + tall * 0.28 * (1 - part), y], [x, y - tall * 0.5]]
            )
            cv2.fillPoly(far, [tree.astype(np.int32)], [45.0, 75.0, 65.0])
    return planes(far, ground, split)
