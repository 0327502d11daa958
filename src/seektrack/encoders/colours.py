"""Which of nine colours a picture's middle has, by its pixels: nothing to learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.base import l2_normalise
from seektrack.encoders.preprocess import CLIP_MEAN, CLIP_STD, resampled

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black")
_HUES = {"red": 0, "orange": 28, "yellow": 54, "green": 120, "blue": 220, "purple": 280, "pink": 325}
"""Middles in degrees."""
SIDE = 28
_VIVID, _DARK, _BRIGHT, _PALE = 0.35, 0.22, 0.78, 0.16

Floats = NDArray[np.float32]


def colour_rows(pixels: Floats) -> Floats:
    """Square roots of the shares of the nine colours, and of none of them, (B, 10): unit rows.

    The middle of the picture counts most: there the thing is.

    Args:
        pixels: Normalised pictures (B, 3, S, S).
    """
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    rgb = (resampled(pixels, SIDE) * std + mean).clip(0, 1)
    weight = _middle(SIDE)
    shares = np.einsum("bchw,hw->bc", np.eye(len(COLOURS) + 1)[_named(rgb)].transpose(0, 3, 1, 2), weight)
    return l2_normalise(np.sqrt(shares / weight.sum()).astype(np.float32))


def _middle(side: int) -> NDArray[np.float64]:
    bell = np.exp(-0.5 * (np.linspace(-1, 1, side) / 0.45) ** 2)
    return np.asarray(np.outer(bell, bell))


def _named(rgb: Floats) -> NDArray[np.intp]:
    """Which colour each pixel of (B, 3, S, S) has, by number, (B, S, S)."""
    value, darkest = rgb.max(1), rgb.min(1)
    chroma = value - darkest
    saturation = chroma / value.clip(1e-3)
    middles = np.array(list(_HUES.values()), np.float32).reshape(1, -1, 1, 1)
    away = np.abs(_hue(rgb, value, chroma)[:, None] - middles)
    nearest = np.minimum(away, 360 - away).argmin(1)
    vivid = (saturation > _VIVID) & (value > _DARK) & (chroma > 0.15)
    name = np.full_like(nearest, len(COLOURS))
    name = np.where((value > _BRIGHT) & (saturation < _PALE), COLOURS.index("white"), name)
    name = np.where(value <= _DARK, COLOURS.index("black"), name)
    name = np.where(vivid, nearest, name)
    brown = vivid & (nearest == 1) & (value < 0.55)
    return np.asarray(np.where(brown, len(COLOURS), name))


def _hue(rgb: Floats, value: Floats, chroma: Floats) -> Floats:
    """Degrees, 0 to 360."""
    r, g, b = rgb[:, 0], rgb[:, 1], rgb[:, 2]
    safe = chroma.clip(1e-6)
    hue = np.where(
        value == r, (g - b) / safe % 6, np.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4)
    )
    return np.asarray(60 * hue, np.float32)
