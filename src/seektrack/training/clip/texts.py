"""Every way the trained model hears an object named: synonyms, sentence forms, templates, four languages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seektrack.training.clip.languages import foreign_phrase
from seektrack.training.clip.words import (
    EMPTY,
    FILLERS,
    NUMBERS,
    PLURALS,
    SHADES,
    SYLLABLES,
    SYNONYMS,
    TEMPLATES,
    UNKNOWN_NOUNS,
)
from seektrack.world import CATEGORIES, COLOURS, vocabulary

CATEGORY_NAMES = tuple(CATEGORIES)
COLOUR_NAMES = tuple(COLOURS)
ANY = -1
"""In an item: any category, or any colour."""

Item = tuple[int, int]
"""Category and colour by number; ``ANY`` where the text leaves it open."""


def _article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def canonical(item: Item) -> str:
    """``a red car``, ``a car``, ``a red object`` or ``an object``."""
    category = CATEGORY_NAMES[item[0]] if item[0] != ANY else "object"
    return _article(category if item[1] == ANY else f"{COLOUR_NAMES[item[1]]} {category}")


def _plural(noun: str) -> str:
    return PLURALS.get(noun, noun + "s")


def phrase(item: Item, rng: np.random.Generator, *, foreign: float = 0.0) -> str:
    """One of the ways to say an item; ``foreign`` is the chance of German, French or Spanish."""
    category, colour = item
    if category != ANY and rng.random() < foreign:
        return foreign_phrase(CATEGORY_NAMES[category], COLOUR_NAMES[colour] if colour != ANY else None, rng)
    if rng.random() < 0.4:
        return canonical(item)
    noun = CATEGORY_NAMES[category] if category != ANY else _pick(rng, ("object", "object", "thing", "item"))
    if category != ANY and rng.random() < 0.35:
        noun = _pick(rng, SYNONYMS[noun])
    hue = COLOUR_NAMES[colour] if colour != ANY else ""
    if hue and rng.random() < 0.2:
        hue = _pick(rng, SHADES[hue])
    filler = _pick(rng, FILLERS) + " " if rng.random() < 0.12 else ""
    name = filler + (f"{hue} {noun}" if hue else noun)
    form = rng.random()
    if form < 0.4:
        return _article(name)
    if form < 0.6:
        return name
    if form < 0.72:
        return f"the {name}"
    if form < 0.84:
        count = _pick(rng, NUMBERS) + " " if rng.random() < 0.3 else ""
        return count + filler + (f"{hue} {_plural(noun)}" if hue else _plural(noun))
    if not hue:
        return f"one {name}"
    if category == ANY:
        return f"something {hue}"
    return _pick(
        rng, ("{a} that is {h}", "the {n} that is {h}", "{n} which is {h}", "{a} in {h}", "{a}, {h}")
    ).format(a=_article(noun), n=noun, h=hue)


def in_template(text: str, rng: np.random.Generator) -> str:
    """The text inside a random template."""
    return _pick(rng, TEMPLATES).format(text)


def join(parts: list[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def query(items: list[Item], rng: np.random.Generator) -> str:
    """A text asking for all items at once; no items ask for an empty scene."""
    if not items:
        return _pick(rng, EMPTY)
    if len(items) == 1:
        text = phrase(items[0], rng, foreign=0.12)
    elif rng.random() < 0.6:
        text = join([canonical(i) for i in items])
    else:
        text = join([phrase(i, rng) for i in items])
    return in_template(text, rng) if rng.random() < 0.4 else text


def unknown(rng: np.random.Generator) -> str:
    """A text about something the world does not have."""
    if rng.random() < 0.7:
        noun = _pick(rng, UNKNOWN_NOUNS)
    else:
        noun = "".join(_pick(rng, SYLLABLES) for _ in range(int(rng.integers(2, 5))))
    name = f"{_pick(rng, COLOUR_NAMES)} {noun}" if rng.random() < 0.4 else noun
    text = _article(name) if rng.random() < 0.7 else name
    return in_template(text, rng) if rng.random() < 0.3 else text


def bank(rng: np.random.Generator) -> list[str]:
    """The whole vocabulary as a classifier sees it this time.

    108 labels, the background texts, the 12 bare categories and the 9 bare colours, in that order:
    half the time in the words of :func:`seektrack.world.vocabulary`, else in one template or in many forms.
    """
    named = [(c, k) for c in range(len(CATEGORY_NAMES)) for k in range(len(COLOUR_NAMES))]
    bare = [(c, ANY) for c in range(len(CATEGORY_NAMES))] + [(ANY, k) for k in range(len(COLOUR_NAMES))]
    style = rng.random()
    if style < 0.5:
        template, say = "{}", canonical
    elif style < 0.75:
        template, say = _pick(rng, TEMPLATES), canonical
    else:
        foreign = 0.5 if style > 0.9 else 0.0
        template, say = "{}", lambda item: phrase(item, rng, foreign=foreign)
    background = vocabulary()["background"]
    return [template.format(say(i)) for i in named] + background + [template.format(say(i)) for i in bare]


def corpus(rng: np.random.Generator) -> Iterator[str]:
    """Texts for the tokenizer to learn its pieces from: ours many times, common English once."""
    named = [(c, k) for c in range(len(CATEGORY_NAMES)) for k in range(len(COLOUR_NAMES))]
    for _ in range(30):
        for item in named:
            yield phrase(item, rng, foreign=0.3)
        yield from EMPTY
        yield from (t.format("object") for t in TEMPLATES)
        yield from FILLERS
    for words in (*SYNONYMS.values(), *SHADES.values()):
        yield from words * 10
    for _ in range(1500):
        yield unknown(rng)
