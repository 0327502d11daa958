"""What the pocket CLIP can name, by number: categories, colours, places, lights and weathers."""

from __future__ import annotations

from seektrack.world import CATEGORIES, COLOURS, EVERYDAY, Scene
from seektrack.world.setting import LIGHTS, PLACES, WEATHERS

N_PLAIN = len(CATEGORIES)
"""The plain world has the first so many categories."""
CATEGORY_NAMES = (*CATEGORIES, *EVERYDAY)
COLOUR_NAMES = tuple(COLOURS)

ANY = -1
"""In an item or a place: whichever."""

Item = tuple[int, int]
"""Category and colour by number; ``ANY`` where the text leaves it open."""

Where = tuple[int, int, int]
"""Place, light and weather by number; ``ANY`` where unknown or left open."""

NOWHERE: Where = (ANY, ANY, ANY)


def where_of(scene: Scene) -> Where:
    """Where a scene plays; nowhere that can be told if it is plain."""
    at = scene.setting
    if at is None:
        return NOWHERE
    return PLACES.index(at.place), LIGHTS.index(at.light), WEATHERS.index(at.weather)
