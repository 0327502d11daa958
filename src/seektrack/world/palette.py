"""The nine colours objects are named by, and the tones derived from each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (205, 35, 35),
    "orange": (240, 135, 20),
    "yellow": (240, 220, 40),
    "green": (40, 150, 50),
    "blue": (40, 80, 210),
    "purple": (130, 50, 170),
    "pink": (245, 140, 190),
    "white": (240, 240, 240),
    "black": (35, 35, 38),
}
"""Name → RGB in 0..255."""


def tones(base: NDArray[np.floating]) -> dict[str, tuple[float, float, float]]:
    """Fill colour of every part role of an object of colour ``base`` (RGB).

    Roles: B body, D darker body, L lighter body, K black, G grey, W window, S skin, Y lamp, O orange.
    """
    fixed = {
        "K": (28, 28, 30),
        "G": (150, 150, 155),
        "W": (175, 210, 230),
        "S": (225, 180, 145),
        "Y": (250, 225, 90),
        "O": (235, 140, 30),
    }
    own = {"B": base, "D": base * 0.62, "L": base * 0.5 + 120}
    out = {role: (float(c[0]), float(c[1]), float(c[2])) for role, c in own.items()}
    out.update({role: (float(r), float(g), float(b)) for role, (r, g, b) in fixed.items()})
    return out
