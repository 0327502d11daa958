"""Facts in words: the world's own captions in four languages, and English as people vary it."""

from __future__ import annotations

import numpy as np

from seektrack.training.temporal.facts import Fact
from seektrack.world import phrases
from seektrack.world.languages import LANGUAGES, noun_phrase

OTHER_LANGUAGES = tuple(name for name in LANGUAGES if name != "en")

_OTHERWISE = {
    "left": ("going left", "moving to the left", "heading left", "moves left", "goes to the left"),
    "right": ("going right", "moving to the right", "heading right", "moves right", "goes to the right"),
    "still": ("not moving", "stands still", "that does not move", "at rest"),
    "approaching": ("approaching", "getting bigger", "comes closer", "coming nearer"),
    "receding": ("moving away", "getting smaller", "goes away", "receding"),
    "up": ("going up", "rising", "moves up"),
    "down": ("going down", "sinking", "moves down"),
    "appears": ("comes in", "enters", "shows up", "comes into view", "appearing"),
    "leaves": ("exits", "goes out of view", "disappears", "drives off", "leaving"),
    "returns": ("comes back", "is back again", "returning"),
    "stops": ("comes to a halt", "halts", "stopping"),
    "starts": ("sets off", "begins to move", "starts"),
}
_ORDERS = (
    "{a} and then {b}",
    "first {a}, then {b}",
    "{a} before {b}",
    "{b} after {a}",
    "after {a}, {b}",
    "{a}, afterwards {b}",
)


def say(fact: Fact, *, language: str = "en") -> str:
    """A fact in the world's own words: ``a red car appears, then a blue dog leaves``."""
    if fact.then is not None:
        same = fact.then.who == fact.who
        second = phrases.happening(fact.then.who, fact.then.what, language, definite=same, after=True)
        return f"{phrases.happening(fact.who, fact.what, language)}, {phrases.then(language)} {second}"
    if not fact.what:
        return noun_phrase(*fact.who, language)
    if fact.kind == "motion":
        return phrases.moving(fact.who, fact.what, language)
    return phrases.happening(fact.who, fact.what, language)


def say_otherwise(fact: Fact, rng: np.random.Generator) -> str:
    """The same in other English words."""
    if fact.then is None:
        return f"{noun_phrase(*fact.who, 'en')} {_verb(fact.what, rng)}".strip()
    first = f"{noun_phrase(*fact.who, 'en')} {_verb(fact.what, rng)}"
    if fact.then.who == fact.who and rng.random() < 0.5:
        return f"{first}, then {_verb(fact.then.what, rng)}"
    who = noun_phrase(*fact.then.who, "en", definite=fact.then.who == fact.who)
    order = str(rng.choice(_ORDERS))
    return order.format(a=first, b=f"{who} {_verb(fact.then.what, rng)}")


def vary(fact: Fact, rng: np.random.Generator, *, translated: float, paraphrased: float) -> str:
    """A fact in words drawn at random.

    Args:
        fact: What is said.
        rng: Draws the words.
        translated: Chance of a language other than English.
        paraphrased: Chance, in English, of other words than the world's own.
    """
    if rng.random() < translated:
        return say(fact, language=str(rng.choice(OTHER_LANGUAGES)))
    return say_otherwise(fact, rng) if rng.random() < paraphrased else say(fact)


def _verb(what: str, rng: np.random.Generator) -> str:
    """One of the English ways to say what is done, the world's own among them for events."""
    own = []
    if what in phrases.EVENTS:
        nobody = noun_phrase(None, None, "en")
        own = [phrases.happening((None, None), what, "en").removeprefix(nobody).strip()]
    choices = [*own, *_OTHERWISE.get(what, ())]
    return str(rng.choice(choices)) if choices else ""
