"""What can be said of a scene: objects, frames, pairs, motions, events, and the world's whole vocabulary."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from seektrack.world import phrases
from seektrack.world.languages import join_in, noun_phrase
from seektrack.world.palette import COLOURS
from seektrack.world.shapes import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seektrack.world.events import Event
    from seektrack.world.scene import Actor
    from seektrack.world.setting import Setting

_MOTION = {0: "still", 1: "right", -1: "left"}

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

_NOTHING = {
    "en": BACKGROUND_TEXTS[0],
    "de": "eine leere Straße",
    "fr": "une rue vide",
    "es": "una calle vacía",
}


def noun(colour: str | None, category: str | None) -> str:
    """``a red car``, ``a car`` or ``a red object``."""
    return noun_phrase(category, colour, "en")


def actor_caption(actor: Actor, *, motion: bool = False, language: str = "en") -> str:
    """``a red car``, with its motion relative to the ground when asked: ``a red car moving left``."""
    if motion:
        return motion_caption(actor, _MOTION[actor.direction], language=language)
    return noun_phrase(actor.category, actor.colour, language)


def join(parts: Sequence[str]) -> str:
    """``a, b and c``; an empty list reads ``an empty street``."""
    return join_in(list(parts), "en") if parts else BACKGROUND_TEXTS[0]


def frame_caption(
    actors: Sequence[Actor],
    setting: Setting | None = None,
    *,
    language: str = "en",
    everything: bool = False,
) -> str:
    """All given actors in one sentence, and where they are.

    Args:
        actors: Who is seen; nobody makes it ``an empty street``, or whatever the setting is.
        setting: Of the scene: ``a red car and a blue dog on a meadow at dusk in the rain``.
        language: One of :data:`seektrack.world.languages.LANGUAGES`.
        everything: Also say ``by day`` and ``in clear weather``.
    """
    parts = [actor_caption(a, language=language) for a in actors]
    if setting is None:
        return join_in(parts, language) if parts else _NOTHING[language]
    if not parts:
        return phrases.empty(setting, language, everything=everything)
    return f"{join_in(parts, language)} {phrases.where(setting, language, everything=everything)}"


def motion_caption(actor: Actor, motion: str, *, language: str = "en") -> str:
    """``a red car turning``; ``motion`` is one that :func:`seektrack.world.events.motions` tells."""
    return phrases.moving(_named(actor), motion, language)


def pair_caption(one: Actor, relation: str, other: Actor, *, language: str = "en") -> str:
    """``a red car left of a blue dog``; see :func:`seektrack.world.events.relations`."""
    return phrases.beside(_named(one), relation, _named(other), language)


def order_caption(happened: Iterable[Event], actors: Sequence[Actor], *, language: str = "en") -> str:
    """``a red car appears, then a blue dog leaves``: events in the order of their times.

    Events of one frame are joined by ``and``; an object told of before is ``the red car``.

    Args:
        happened: At least one; see :func:`seektrack.world.events.events`.
        actors: Of the scene.
        language: One of :data:`seektrack.world.languages.LANGUAGES`.
    """
    who = {a.obj_id: _named(a) for a in actors}
    told: set[int] = set()
    steps: list[str] = []
    for _, group in itertools.groupby(sorted(happened), key=lambda event: event.frame_index):
        said: list[str] = []
        for event in group:
            after = bool(steps) and not said
            known = event.obj_id in told
            said.append(
                phrases.happening(who[event.obj_id], event.kind, language, definite=known, after=after)
            )
            told.add(event.obj_id)
        steps.append(join_in(said, language))
    return f", {phrases.then(language)} ".join(steps)


def vocabulary(categories: Iterable[str] | None = None) -> dict[str, list[str]]:
    """Every object name the world has, and what a region without an object is called.

    Args:
        categories: Which; the twelve of :data:`seektrack.world.CATEGORIES` unless given.
    """
    chosen = CATEGORIES if categories is None else categories
    return {
        "labels": [noun(colour, category) for category in chosen for colour in COLOURS],
        "background": list(BACKGROUND_TEXTS),
    }


def _named(actor: Actor) -> phrases.Named:
    return actor.category, actor.colour
