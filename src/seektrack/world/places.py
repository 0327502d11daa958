"""Backdrops of rich scenes: a far layer and the ground before it, which move at different speeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seektrack.world.backgrounds import noise_field
from seektrack.world.indoors import patterned, room, scan, studio, table
from seektrack.world.outdoors import Canvas, Planes, beach, meadow, snow_field, street, water
from seektrack.world.scene import Scenery
from seektrack.world.textures import Picture


@dataclass(frozen=True, eq=False)
class Backdrop:
    """What lies behind all objects.

    Attributes:
        far: uint8 (h, w, 3).
        ground: uint8 (h, w, 3), drawn over ``far`` from ``split`` down; None when all is one plane.
        split: Row where the ground begins.
    """

    far: Picture
    ground: Picture | None
    split: int


_DRAW: dict[str, Callable[[np.random.Generator, int, int, float, int], Planes]] = {
    "street": street,
    "meadow": meadow,
    "beach": beach,
    "water": water,
    "snow field": snow_field,
    "room": room,
    "table": table,
    "studio": studio,
    "pattern": patterned,
    "scan": scan,
}


def backdrop(
    rng: np.random.Generator, scenery: Scenery, h: int, w: int, *, margin: int, scale: float
) -> Backdrop:
    """Draw a place.

    Args:
        rng: Where chance comes from.
        scenery: Which place, and where its horizon lies.
        h, w: Size in pixels, margins included.
        margin: Pixels around the picture.
        scale: The picture's size over 256.
    """
    split = int(np.clip(margin + scenery.horizon * (h - 2 * margin), 8, h - 8))
    far, ground, split = _DRAW[scenery.setting.place](rng, h, w, scale, split)
    rough = {"studio": 0.0, "scan": 0.0, "snow field": 2.0}.get(scenery.setting.place, 4.0)

    def finished(plane: Canvas) -> Picture:
        if rough:
            cell = max(2, int(rng.choice([3, 12, 48]) * scale))
            plane = plane + noise_field(rng, h, w, cell, float(rng.uniform(0, rough)))
        return np.clip(plane, 0, 255).astype(np.uint8)

    return Backdrop(finished(far), None if ground is None else finished(ground), split)
