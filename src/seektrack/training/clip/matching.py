"""Which text answers for which picture, and how well; texts that almost do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seektrack.training.clip.names import ANY, COLOUR_NAMES, NOWHERE, Item, Where
from seektrack.world.setting import INDOORS, LIGHTS, PLACES, WEATHERS

REJECT, NO_LABEL = -1, -2
UNCLEAR = -1.0
"""In a matrix of matches: nobody can tell."""
_DAY, _CLEAR = LIGHTS.index("day"), WEATHERS.index("clear")
_PLACES = tuple(i for i, place in enumerate(PLACES) if place != "scan")
_LIGHTS = tuple(i for i in range(len(LIGHTS)) if i != _DAY)
_WEATHERS = tuple(i for i in range(len(WEATHERS)) if i != _CLEAR)
_TRIES = 6


class Ask(NamedTuple):
    """What a text asks for: ``items``, each an object of its own, ``where``."""

    items: list[Item]
    where: Where = NOWHERE


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture, the objects it answers for, and what is asked of it.

    Attributes:
        image: uint8 (S, S, 3).
        objects: Names it matches; a nameless thing is ``(ANY, ANY)``.
        asked: The items its text names.
        label: Category × colour number for a crop of one object, ``REJECT`` for a crop of none, ``NO_LABEL``
            for a scene.
        where: Where it was taken, as far as the picture shows.
        asked_where: What its text says of that.
        patches: Of a fine frame, int (G, G): what each patch shows, as in ``label``; ``NO_LABEL`` where
            that is not clear.
    """

    image: NDArray[np.uint8]
    objects: list[Item]
    asked: list[Item]
    label: int
    where: Where = NOWHERE
    asked_where: Where = NOWHERE
    patches: NDArray[np.int64] | None = None

    @property
    def ask(self) -> Ask:
        """What its text asks for."""
        return Ask(self.asked, self.asked_where)


class Batch(NamedTuple):
    """What a step sees.

    Attributes:
        samples: Pictures with what they show.
        texts: One of each sample, then one of each ``extra``, then some that match nothing.
        extra: What further texts ask for.
    """

    samples: list[Sample]
    texts: list[str]
    extra: list[Ask]


def matches(asked: list[Item], objects: list[Item]) -> bool:
    """Whether each item can be met by an object of its own; nothing asked matches only an empty scene."""
    if not asked:
        return not objects
    return _assignable(asked, objects)


def _assignable(asked: list[Item], objects: list[Item]) -> bool:
    if not asked:
        return True
    (category, colour), rest = asked[0], asked[1:]
    return any(
        category in (ANY, c) and colour in (ANY, k) and _assignable(rest, objects[:i] + objects[i + 1 :])
        for i, (c, k) in enumerate(objects)
    )


def match_matrix(
    samples: Sequence[Sample], n_texts: int, *, extra: Sequence[Ask] = ()
) -> NDArray[np.float32]:
    """How well each image row answers each text column, (B, n_texts).

    0 where it does not; else the share of what the picture shows that the text speaks of, so that a text
    belongs first to the picture it tells in full; ``UNCLEAR`` where the text names a place and the picture,
    which has all the objects asked for, does not show which place it is.

    Args:
        samples: Pictures; their texts are the first columns.
        n_texts: Columns.
        extra: What the next columns ask for. Columns beyond these match nothing.
    """
    asks = [*(s.ask for s in samples), *extra]
    out = np.zeros((len(samples), n_texts), np.float32)
    if not asks:
        return out
    fits = _fitting(samples, asks)
    wanted = np.array([ask.where for ask in asks])[None]
    known = np.array([s.where for s in samples])[:, None]
    differs = ((wanted != ANY) & (known != ANY) & (wanted != known)).any(2)
    unclear = ((wanted != ANY) & (known == ANY)).any(2)
    said = np.array([len(ask.items) + sum(v != ANY for v in ask.where) for ask in asks], np.float32)[None]
    shown = np.array([_details(s) for s in samples], np.float32)[:, None]
    share = np.maximum(said, 1) / np.maximum(np.maximum(shown, said), 1)
    value = np.where(unclear, UNCLEAR, share)
    out[:, : len(asks)] = np.where(fits & ~differs, value, 0)
    return out


def _details(sample: Sample) -> int:
    """How many things could be said of a picture."""
    place, light, weather = sample.where
    named = sum(item[0] != ANY for item in sample.objects)
    return named + (place != ANY) + (light not in (ANY, _DAY)) + (weather not in (ANY, _CLEAR))


def _fitting(samples: Sequence[Sample], asks: Sequence[Ask]) -> NDArray[np.bool_]:
    """Whether the picture has the objects that the text names, (B, T)."""
    named = {item for s in samples for item in s.objects} | {item for ask in asks for item in ask.items}
    column = {item: i for i, item in enumerate(sorted(named))}
    have, want = np.zeros((len(samples), len(column)), np.int8), np.zeros((len(asks), len(column)), np.int8)
    for table, rows in ((have, [s.objects for s in samples]), (want, [ask.items for ask in asks])):
        for i, items in enumerate(rows):
            for item in items:
                table[i, column[item]] += 1
    fits: NDArray[np.bool_] = np.all(want[None] <= have[:, None], axis=2)
    for j, (items, where) in enumerate(asks):
        if not items:
            fits[:, j] = [where != NOWHERE or not s.objects for s in samples]
        elif any(ANY in item for item in items):
            fits[:, j] = [matches(items, s.objects) for s in samples]
    return fits


def present_labels(samples: Sequence[Sample], n_labels: int, n_background: int) -> NDArray[np.bool_]:
    """Which labels each picture shows, (B, n_labels + n_background).

    A picture without objects shows all the backgrounds; one of nameless things only has no label.
    """
    out = np.zeros((len(samples), n_labels + n_background), bool)
    for row, sample in enumerate(samples):
        out[row, n_labels:] = not sample.objects
        for category, colour in sample.objects:
            if category != ANY:
                out[row, category * len(COLOUR_NAMES) + colour] = True
    return out


def near_miss(sample: Sample, rng: np.random.Generator, n_categories: int) -> Ask | None:
    """What the sample's text asks for with one thing changed, so that the picture no longer answers it.

    Another colour, another category, two colours exchanged, or another place, light or weather; None where
    no such change was found.

    Args:
        sample: A scene.
        rng: Decides.
        n_categories: Categories to choose from.
    """
    for _ in range(_TRIES):
        items, where = list(sample.asked), sample.asked_where
        full = [i for i, item in enumerate(items) if ANY not in item]
        roll = rng.random()
        if where != NOWHERE and (roll < 0.25 or not full):
            where = _elsewhere(where, rng)
        elif len(full) > 1 and roll < 0.5:
            i, j = (int(v) for v in rng.choice(full, 2, replace=False))
            items[i], items[j] = (items[i][0], items[j][1]), (items[j][0], items[i][1])
        elif full:
            i = full[int(rng.integers(len(full)))]
            category, colour = items[i]
            if roll < 0.75:
                items[i] = category, int(rng.integers(len(COLOUR_NAMES)))
            else:
                items[i] = int(rng.integers(n_categories)), colour
        else:
            return None
        if where != sample.asked_where or (items and not matches(items, sample.objects)):
            return Ask(items, where)
    return None


def _elsewhere(where: Where, rng: np.random.Generator) -> Where:
    """Another place; or the same at another time of day or in other weather, where the text speaks of it."""
    place, light, weather = where
    said = [0, *([1] if light != ANY else []), *([2] if weather != ANY else [])]
    part = said[int(rng.integers(len(said)))]
    options = (_PLACES, _LIGHTS, _WEATHERS)[part]
    others = [v for v in options if v != where[part]]
    chosen = others[int(rng.integers(len(others)))]
    if part == 0:
        return chosen, light, ANY if PLACES[chosen] in INDOORS else weather
    return (place, chosen, weather) if part == 1 else (place, light, chosen)
