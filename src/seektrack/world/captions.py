"""What can be said of a scene: objects, frames, motions, and the world's whole vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seektrack.world.palette import COLOURS
from seektrack.world.shapes import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seektrack.world.scene import Actor

_MOTION = {0: "standing still", 1: "moving right", -1: "moving left"}

BACKGROUND_TEXTS = (
    "an empty street",
    "the sky",
    "a road",
    "a building",
    "grass",
    "a tree",
    "nothing",
    "a picture with no object",
)
"""What a region shows when it shows no object."""


def noun(colour: str | None, category: str | None) -> str:
    """``a red car``, ``a car`` or ``a red object``."""
    words = [w for w in (colour, category or "object") if w]
    article = "an" if words[0][0] in "aeiou" else "a"
    return " ".join([article, *words])


def actor_caption(actor: Actor, *, motion: bool = False) -> str:
    """``a red car``, with its motion relative to the ground when asked: ``a red car moving left``."""
    text = noun(actor.colour, actor.category)
    return f"{text} {_MOTION[actor.direction]}" if motion else text


def join(parts: Sequence[str]) -> str:
    """``a, b and c``; an empty list reads ``an empty street``."""
    if not parts:
        return BACKGROUND_TEXTS[0]
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def frame_caption(actors: Sequence[Actor]) -> str:
    """All given actors in one sentence."""
    return join([actor_caption(a) for a in actors])


def vocabulary() -> dict[str, list[str]]:
    """Every object name the world has, and what a region without an object is called."""
    return {
        "labels": [noun(colour, category) for category in CATEGORIES for colour in COLOURS],
        "background": list(BACKGROUND_TEXTS),
    }
