"""A colour for every object: stable by its id, and far from its neighbours'."""

from __future__ import annotations

import math
from functools import cache

GOLDEN_RATIO = (math.sqrt(5) - 1) / 2

_FIRST_HUE = 0.07
_LIGHTNESS = (0.74, 0.66, 0.82)
_CHROMA = 0.19


@cache
def object_colour(obj_id: int) -> tuple[int, int, int]:
    """Colour of an object, sRGB (R, G, B), 0 to 255.

    Hues step by the golden ratio around OKLCH's circle, so that any few ids in a row lie far apart; the
    lightness alternates so that hues which come close after a full turn still differ.
    Source of the colour space: Björn Ottosson, "A perceptual color space for image processing", 2020.
    """
    hue = 2 * math.pi * ((obj_id * GOLDEN_RATIO + _FIRST_HUE) % 1)
    lightness = _LIGHTNESS[obj_id % len(_LIGHTNESS)]
    chroma = _CHROMA
    while True:
        rgb = _oklab_to_linear(lightness, chroma * math.cos(hue), chroma * math.sin(hue))
        if all(-1e-4 <= v <= 1 + 1e-4 for v in rgb):
            red, green, blue = (round(255 * _gamma(min(max(v, 0.0), 1.0))) for v in rgb)
            return red, green, blue
        chroma *= 0.95


def hex_colour(obj_id: int) -> str:
    """The same colour as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*object_colour(obj_id))


def _oklab_to_linear(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
