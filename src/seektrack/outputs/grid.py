"""A picture with a grid of pixel coordinates over it, to point into."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from seektrack.errors import InputError

_STEPS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000)
_LINES = 16
"""Most lines along the longer side that one step is chosen for."""
_READABLE = 640
"""A shorter picture is shown larger by a whole number, so that numbers fit between its lines."""


def grid_step(hw: tuple[int, int]) -> int:
    """Pixels from line to line that suit a picture of size (H, W)."""
    return next((step for step in _STEPS if max(hw) / step <= _LINES), _STEPS[-1])


def grid_scale(hw: tuple[int, int]) -> int:
    """How many times as large as its (H, W) a picture is drawn."""
    return max(1, math.ceil(_READABLE / max(hw)))


def draw_grid(image: NDArray[np.uint8], *, step: int | None = None) -> NDArray[np.uint8]:
    """Lines at multiples of ``step`` pixels over a picture, each with its coordinate at both ends.

    Args:
        image: uint8 (H, W, 3), RGB; left as it is.
        step: Pixels of the picture from line to line; `grid_step` when None.

    Returns:
        uint8 RGB, `grid_scale` times as large; the numbers are pixels of ``image``.

    Raises:
        InputError: ``step`` is below 1.
    """
    hw = image.shape[0], image.shape[1]
    step = grid_step(hw) if step is None else step
    if step < 1:
        raise InputError(f"a grid's step must be a whole number of pixels ≥ 1, got {step}")
    scale = grid_scale(hw)
    large = Image.fromarray(np.ascontiguousarray(image))
    large = large.resize((hw[1] * scale, hw[0] * scale), Image.Resampling.NEAREST)
    lines = Image.new("RGBA", large.size)
    draw = ImageDraw.Draw(lines)
    width, height = large.size
    for x in range(0, hw[1], step):
        _line(draw, (x * scale, 0, x * scale, height))
    for y in range(0, hw[0], step):
        _line(draw, (0, y * scale, width, y * scale))
    points = max(11, min(width, height) // 48)
    font = ImageFont.load_default(points)
    for x in range(0, hw[1], step):
        for y in (0, height):
            _number(draw, str(x), (x * scale, y), (width, height), font)
    for y in range(step, hw[0], step):
        if (hw[0] - y) * scale < 3 * points:
            continue  # the numbers along the lower edge are there
        for x in (0, width):
            _number(draw, str(y), (x, y * scale), (width, height), font)
    drawn = Image.alpha_composite(large.convert("RGBA"), lines).convert("RGB")
    return np.asarray(drawn, dtype=np.uint8)


def _line(draw: ImageDraw.ImageDraw, ends: tuple[int, int, int, int]) -> None:
    """A light line with a dark one beside it, seen on any picture."""
    sideways = ends[0] == ends[2]
    beside = (ends[0] + sideways, ends[1] + (not sideways), ends[2] + sideways, ends[3] + (not sideways))
    draw.line(beside, fill=(0, 0, 0, 90))
    draw.line(ends, fill=(255, 255, 255, 130))


def _number(
    draw: ImageDraw.ImageDraw, text: str, at: tuple[int, int], size: tuple[int, int], font: object
) -> None:
    """A number beside the end of its line, inside the picture, on a dark ground."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)  # type: ignore[arg-type]
    wide, high = int(right - left) + 6, int(bottom - top) + 4
    x = min(max(at[0], 0), size[0] - wide)
    y = min(max(at[1], 0), size[1] - high)
    draw.rectangle((x, y, x + wide, y + high), fill=(0, 0, 0, 170))
    draw.text((x + 3 - left, y + 2 - top), text, fill=(255, 255, 255, 255), font=font)  # type: ignore[arg-type]
