"""Looks of cameras that no training of the pocket models saw, put on scenes of the world.

``thermal``: warmth for light, in false colours, at a third of the resolution, with little contrast, noise and
the fixed columns of an uncooled sensor. ``phase``: a phase-contrast microscope's picture: nothing but edges,
with their halos, and noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Look = Callable[[Picture], Picture]


def thermal(seed: int) -> Look:
    """A thermal camera for one film; pictures are RGB uint8 (H, W, 3)."""
    rng = np.random.default_rng((seed, 1))
    fixed: list[NDArray[np.float64]] = []

    def look(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        if not fixed:
            fixed.append(rng.normal(0, 5, (1, width)))
        warm = 255 - cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        small = cv2.resize(warm, None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA)
        warm = cv2.GaussianBlur(cv2.resize(small, (width, height)), (0, 0), 1)
        seen = 100 + 0.45 * (warm - 128) + rng.normal(0, 6, warm.shape) + fixed[0]
        coloured = cv2.applyColorMap(np.clip(seen, 0, 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
        return np.ascontiguousarray(coloured[..., ::-1], np.uint8)

    return look


def phase(seed: int) -> Look:
    """A phase-contrast microscope for one film; pictures are RGB uint8 (H, W, 3)."""
    rng = np.random.default_rng((seed, 2))

    def look(picture: Picture) -> Picture:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        edges = grey - cv2.GaussianBlur(grey, (0, 0), 3)
        seen = np.clip(128 + 1.6 * edges + rng.normal(0, 8, edges.shape), 0, 255).astype(np.uint8)
        return np.repeat(seen[..., None], 3, axis=2)

    return look


CAMERAS: Mapping[str, Callable[[int], Look]] = {"thermal": thermal, "phase": phase}
"""From a film's seed to what its camera makes of each picture."""
