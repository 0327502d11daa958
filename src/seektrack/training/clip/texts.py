"""Every way the trained model hears an object named: synonyms, sentence forms, templates, four languages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seektrack.training.clip.languages import LANGUAGES, foreign_phrase
from seektrack.training.clip.names import (
    ANY,
    CATEGORY_NAMES,
    COLOUR_NAMES,
    N_PLAIN,
    NOWHERE,
    Item,
    Where,
)
from seektrack.training.clip.words import (
    EMPTY,
    FILLERS,
    LIGHTS_SAID,
    NUMBERS,
    PLACES_SAID,
    PLURALS,
    SHADES,
    SYLLABLES,
    SYNONYMS,
    TEMPLATES,
    UNKNOWN_NOUNS,
    WEATHERS_SAID,
)
from seektrack.world import phrases, vocabulary
from seektrack.world.languages import join_in, noun_phrase
from seektrack.world.setting import LIGHTS, PLACES, WEATHERS, Setting

FOREIGN = 0.12
"""Chance that a text is German, French or Spanish."""


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


def _setting(where: Where) -> Setting:
    place, light, weather = where
    return Setting(PLACES[place], LIGHTS[max(light, 0)], WEATHERS[max(weather, 0)])


def usual_place(where: Where) -> str:
    """``on a meadow at dusk in the rain``; daylight and clear weather go unsaid."""
    return phrases.where(_setting(where), "en")


def scenery(where: Where, rng: np.random.Generator) -> str:
    """The same, often in other words."""
    at = _setting(where)
    if rng.random() < 0.6:
        return usual_place(where)
    said = ((at.place, PLACES_SAID), (at.light, LIGHTS_SAID), (at.weather, WEATHERS_SAID))
    return " ".join(_pick(rng, words[name]) for name, words in said if name in words)


def query(items: list[Item], rng: np.random.Generator, where: Where = NOWHERE) -> str:
    """A text asking for all items at once.

    Args:
        items: What it names. None ask for an empty scene, or where a place is given for that place alone.
        rng: Decides on the words.
        where: A place, and light and weather unless left open; its place left open says nothing of it.
    """
    placed = where[0] != ANY
    if not items and not placed:
        return _pick(rng, EMPTY)
    if (placed and rng.random() < FOREIGN) or (len(items) > 1 and rng.random() < FOREIGN):
        return _foreign_query(items, rng, where)
    around = scenery(where, rng) if placed else ""
    if not items:
        text = f"a scene {around}" if rng.random() < 0.7 else around
    elif len(items) == 1:
        text = phrase(items[0], rng, foreign=0.0 if placed else FOREIGN)
    elif rng.random() < 0.6:
        text = join([canonical(i) for i in items])
    else:
        text = join([phrase(i, rng) for i in items])
    text = f"{text} {around}" if items and placed else text
    return in_template(text, rng) if rng.random() < 0.4 else text


def _foreign_query(items: list[Item], rng: np.random.Generator, where: Where) -> str:
    language = _pick(rng, LANGUAGES)
    around = phrases.where(_setting(where), language) if where[0] != ANY else ""
    named = [
        noun_phrase(CATEGORY_NAMES[c] if c != ANY else None, COLOUR_NAMES[k] if k != ANY else None, language)
        for c, k in items
    ]
    return " ".join(part for part in (join_in(named, language) if named else "", around) if part)


def unknown(rng: np.random.Generator) -> str:
    """A text about something the world does not have."""
    if rng.random() < 0.7:
        noun = _pick(rng, UNKNOWN_NOUNS)
    else:
        noun = "".join(_pick(rng, SYLLABLES) for _ in range(int(rng.integers(2, 5))))
    name = f"{_pick(rng, COLOUR_NAMES)} {noun}" if rng.random() < 0.4 else noun
    text = _article(name) if rng.random() < 0.7 else name
    return in_template(text, rng) if rng.random() < 0.3 else text


def labels_of(n_categories: int) -> list[str]:
    """Every name of the first categories, in order; the plain world has the first 12."""
    return [canonical((c, k)) for c in range(n_categories) for k in range(len(COLOUR_NAMES))]


def bank(rng: np.random.Generator, n_categories: int = N_PLAIN) -> list[str]:
    """The whole vocabulary as a classifier sees it this time.

    The labels of the first categories, the background texts, the bare categories and the 9 bare colours, in
    that order: half the time in the words of :func:`seektrack.world.vocabulary`, else in one template or in
    many forms.
    """
    named = [(c, k) for c in range(n_categories) for k in range(len(COLOUR_NAMES))]
    bare = [(c, ANY) for c in range(n_categories)] + [(ANY, k) for k in range(len(COLOUR_NAMES))]
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
        for place in range(len(PLACES) - 1):
            yield query([], rng, (place, int(rng.integers(len(LIGHTS))), int(rng.integers(len(WEATHERS)))))
    for words in (*SYNONYMS.values(), *SHADES.values()):
        yield from words * 10
    for _ in range(1500):
        yield unknown(rng)
