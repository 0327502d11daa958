"""Places without weather: a room, a table, a studio, pure patterns, and the tissue of a scan."""

from __future__ import annotations

import cv2
import numpy as np

from seektrack.world.outdoors import Canvas, Planes, pick, planes, ramp
from seektrack.world.textures import fbm, palette, pattern


def room(rng: np.random.Generator, h: int, w: int, k: float, split: int) -> Planes:
    """A wall with furniture, a floor."""
    wall = palette(rng, 1, saturation=0.5)[0] * 0.6 + 85
    far = np.broadcast_to(ramp(h, wall + 12, wall - 12), (h, w, 3)).copy()
    if rng.random() < 0.5:
        paper = pattern(rng, h, w, period=rng.uniform(10, 34) * k, saturation=0.4).astype(np.float32)
        far += (paper - paper.mean((0, 1))) * np.float32(rng.uniform(0.1, 0.5))
    for _ in range(int(rng.integers(1, 7))):
        x, y = rng.uniform(0, w), split * rng.uniform(0.1, 1.0)
        wide, tall = rng.uniform(12, 70, 2) * k
        if rng.random() < 0.5:
            y = split - tall
        lo, hi = (int(x), int(max(0, y))), (int(x + wide), int(min(split, y + tall)))
        colour = palette(rng, 2, saturation=0.7)
        cv2.rectangle(far, lo, hi, [float(v) for v in colour[0]], -1)
        inner = max(1, int(3 * k))
        cv2.rectangle(
            far,
            (lo[0] + inner, lo[1] + inner),
            (hi[0] - inner, hi[1] - inner),
            [float(v) for v in colour[1]],
            -1 if rng.random() < 0.4 else 1,
        )
    ground = _planks(rng, h - split, w, k)
    cv2.line(ground, (0, 0), (w, 0), [float(v) for v in wall * 0.6], max(1, int(3 * k)))
    return planes(far, ground, split)


def _planks(rng: np.random.Generator, h: int, w: int, k: float) -> Canvas:
    """Wood, carpet or tiles."""
    kind = rng.choice(["wood", "carpet", "tiles"], p=(0.5, 0.25, 0.25))
    if kind == "wood":
        grain = cv2.resize(fbm(rng, h, max(8, w // 8), 10 * k), (w, h), interpolation=cv2.INTER_LINEAR)
        base = pick(rng, (110, 70, 35), (200, 150, 100))
        image = base * (0.75 + 0.5 * grain[..., None])
        step = max(5, int(rng.uniform(12, 40) * k))
        image[::step] *= 0.6
        return np.asarray(image, dtype=np.float32)
    kind = "bricks" if kind == "tiles" else None
    return (
        pattern(rng, h, w, period=rng.uniform(14, 40) * k, saturation=0.5, kind=kind).astype(np.float32) * 0.6
        + 50
    )


def table(rng: np.random.Generator, h: int, w: int, k: float, split: int) -> Planes:
    """A table top, seen from above or before a blurred room."""
    if rng.random() < 0.4:
        return _planks(rng, h, w, k), None, split
    far = cv2.GaussianBlur(pattern(rng, h, w, period=50 * k, saturation=0.6), (0, 0), 7 * k).astype(
        np.float32
    )
    return planes(far, _planks(rng, h - split, w, k), split)


def studio(rng: np.random.Generator, h: int, w: int, k: float, split: int) -> Planes:
    """One colour, or two running into each other."""
    colours = palette(rng, 2, saturation=float(rng.uniform(0, 1)))
    if rng.random() < 0.4:
        colours[1] = colours[0] * rng.uniform(0.6, 0.9)
    image = np.broadcast_to(ramp(h, colours[0], colours[1]), (h, w, 3)).copy()
    return (image if rng.random() < 0.7 else np.broadcast_to(colours[0], (h, w, 3)).copy()), None, split


def patterned(rng: np.random.Generator, h: int, w: int, k: float, split: int) -> Planes:
    """Pure texture."""
    image = pattern(
        rng,
        h,
        w,
        period=float(np.exp(rng.uniform(np.log(5), np.log(70)))) * k,
        saturation=float(rng.uniform(0, 1.2)),
    ).astype(np.float32)
    image = np.clip(image, 0, 255)
    if rng.random() < 0.35:
        other = pattern(rng, h, w, period=rng.uniform(6, 60) * k, saturation=float(rng.uniform(0, 1)))
        share = np.clip(fbm(rng, h, w, 80 * k) * 6 - 2.5, 0, 1)[..., None] if rng.random() < 0.5 else 0.5
        image = image * (1 - share) + other * share
    grey = image.mean((0, 1))
    return np.asarray(grey + (image - grey) * rng.uniform(0.25, 1.0), dtype=np.float32), None, split


def scan(rng: np.random.Generator, h: int, w: int, k: float, split: int) -> Planes:
    """Tissue."""
    tissue = fbm(rng, h, w, rng.uniform(30, 90) * k, octaves=5) * np.float32(
        rng.uniform(25, 60)
    ) + np.float32(rng.uniform(10, 45))
    for _ in range(int(rng.integers(0, 6))):
        centre, axes = rng.uniform(0, 1, 2) * (w, h), rng.uniform(10, 60, 2) * k
        mask = np.zeros((h, w), np.float32)
        cv2.ellipse(
            mask,
            (int(centre[0]), int(centre[1])),
            (int(axes[0]) + 1, int(axes[1]) + 1),
            float(rng.uniform(0, 180)),
            0,
            360,
            1.0,
            -1,
        )
        tissue += cv2.GaussianBlur(mask, (0, 0), 4 * k) * np.float32(rng.uniform(-25, 35))
    return np.repeat(tissue[..., None], 3, axis=2), None, split
