"""Which of nine colours a picture's middle has, by its pixels: nothing to learn."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from seektrack.encoders.preprocess import CLIP_MEAN, CLIP_STD

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black")
_HUES = {"red": 0, "orange": 28, "yellow": 54, "green": 120, "blue": 220, "purple": 280, "pink": 325}
"""Middles in degrees."""
SIDE = 28
_VIVID, _DARK, _BRIGHT, _PALE = 0.35, 0.22, 0.78, 0.16


def colour_rows(pixels: Tensor) -> Tensor:
    """Square roots of the shares of the nine colours, and of none of them, (B, 10): unit rows.

    The middle of the picture counts most: there the thing is.

    Args:
        pixels: Normalised pictures (B, 3, S, S).
    """
    small = F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
    mean, std = (small.new_tensor(values).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    rgb = (small * std + mean).clamp(0, 1)
    weight = _middle(SIDE).to(rgb)
    shares = (_named(rgb) * weight).sum((2, 3)) / weight.sum()
    return F.normalize(shares.clamp(min=0).sqrt(), dim=-1)


def _middle(side: int) -> Tensor:
    along = torch.linspace(-1, 1, side)
    bell = torch.exp(-0.5 * (along / 0.45) ** 2)
    return torch.outer(bell, bell)


def _named(rgb: Tensor) -> Tensor:
    """Which colour each pixel has, one-hot (B, 10, S, S)."""
    value, darkest = rgb.max(1).values, rgb.min(1).values
    chroma = value - darkest
    saturation = chroma / value.clamp(min=1e-3)
    hue = _hue(rgb, value, chroma)
    middles = rgb.new_tensor(list(_HUES.values())).view(1, -1, 1, 1)
    away = (hue[:, None] - middles).abs()
    nearest = torch.minimum(away, 360 - away).argmin(1)
    vivid = (saturation > _VIVID) & (value > _DARK) & (chroma > 0.15)
    name = torch.full_like(nearest, len(COLOURS))
    name = torch.where((value > _BRIGHT) & (saturation < _PALE), COLOURS.index("white"), name)
    name = torch.where(value <= _DARK, COLOURS.index("black"), name)
    name = torch.where(vivid, nearest, name)
    brown = vivid & (nearest == 1) & (value < 0.55)
    name = torch.where(brown, len(COLOURS), name)
    return F.one_hot(name, len(COLOURS) + 1).permute(0, 3, 1, 2).to(rgb)


def _hue(rgb: Tensor, value: Tensor, chroma: Tensor) -> Tensor:
    """Degrees, 0 to 360."""
    r, g, b = rgb.unbind(1)
    safe = chroma.clamp(min=1e-6)
    hue = torch.where(
        value == r, (g - b) / safe % 6, torch.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4)
    )
    return 60 * hue
