from __future__ import annotations

import itertools

import numpy as np
import pytest

from seektrack.training.clip.matching import (
    NO_LABEL,
    REJECT,
    UNCLEAR,
    Ask,
    Sample,
    match_matrix,
    matches,
    near_miss,
    present_labels,
)
from seektrack.training.clip.names import ANY, NOWHERE, Item, Where
from seektrack.world.setting import LIGHTS, PLACES, WEATHERS

PICTURE = np.zeros((2, 2, 3), np.uint8)
DAY, CLEAR = LIGHTS.index("day"), WEATHERS.index("clear")
NIGHT_BEACH: Where = (PLACES.index("beach"), LIGHTS.index("night"), CLEAR)
DAY_BEACH: Where = (PLACES.index("beach"), DAY, CLEAR)
RAINY_MEADOW: Where = (PLACES.index("meadow"), DAY, WEATHERS.index("rain"))
THING: Item = (ANY, ANY)


def scene(objects: list[Item], where: Where = NOWHERE, ask: Ask | None = None) -> Sample:
    asked = ask or Ask(list(objects))
    return Sample(PICTURE, objects, asked.items, NO_LABEL, where=where, asked_where=asked.where)


def value(picture: Sample, ask: Ask) -> float:
    return float(match_matrix([picture], 2, extra=[ask])[0, 1])


def _every_assignment(asked: list[Item], objects: list[Item]) -> bool:
    return any(
        all(a in (ANY, c) and b in (ANY, k) for (a, b), (c, k) in zip(asked, chosen, strict=True))
        for chosen in itertools.permutations(objects, len(asked))
    )


def test_matching_agrees_with_trying_every_assignment() -> None:
    rng = np.random.default_rng(0)
    outcomes = []
    for _ in range(400):
        objects = [(int(c), int(k)) for c, k in rng.integers(0, 2, (rng.integers(1, 4), 2))]
        wanted = [(int(c), int(k)) for c, k in rng.integers(0, 2, (rng.integers(1, 4), 2))]
        wanted = [(ANY if rng.random() < 0.2 else c, ANY if rng.random() < 0.2 else k) for c, k in wanted]
        outcomes.append(matches(wanted, objects))
        assert outcomes[-1] == _every_assignment(wanted, objects), (wanted, objects)
        assert (value(scene(objects), Ask(wanted)) > 0) == outcomes[-1]
    assert 0.2 < np.mean(outcomes) < 0.8
    assert matches([], []) and not matches([], [(0, 0)]) and not matches([(0, 0)], [])


def test_the_fuller_text_matches_better() -> None:
    three = scene([(0, 0), (1, 1), (2, 2)])
    assert value(three, Ask([(0, 0), (1, 1), (2, 2)])) == 1
    assert value(three, Ask([(1, 1)])) == pytest.approx(1 / 3)
    assert value(scene([(1, 1)]), Ask([(1, 1)])) == 1
    assert value(three, Ask([(1, 2)])) == 0


@pytest.mark.parametrize(
    ("where", "asked", "expected"),
    [
        (NIGHT_BEACH, NIGHT_BEACH, "yes"),
        (NIGHT_BEACH, (NIGHT_BEACH[0], ANY, ANY), "yes"),
        (DAY_BEACH, NIGHT_BEACH, "no"),
        (RAINY_MEADOW, (NIGHT_BEACH[0], ANY, ANY), "no"),
        (NOWHERE, NIGHT_BEACH, "unclear"),
        (NOWHERE, NOWHERE, "yes"),
    ],
)
def test_places_agree_differ_or_are_unclear(where: Where, asked: Where, expected: str) -> None:
    told = {"yes": lambda v: 0 < v <= 1, "no": lambda v: v == 0, "unclear": lambda v: v == UNCLEAR}
    assert told[expected](value(scene([(0, 0)], where), Ask([(0, 0)], asked)))
    # Whatever the place, a picture without the object is no answer.
    assert value(scene([(3, 3)], where), Ask([(0, 0)], asked)) == 0


def test_a_place_alone_is_answered_by_every_picture_of_it_and_nothing_by_empty_ones() -> None:
    assert value(scene([(0, 0), THING], RAINY_MEADOW), Ask([], (RAINY_MEADOW[0], ANY, ANY))) > 0
    assert value(scene([], RAINY_MEADOW), Ask([], RAINY_MEADOW)) == 1
    assert value(scene([], RAINY_MEADOW), Ask([])) > 0
    assert value(scene([THING], RAINY_MEADOW), Ask([])) == 0


def test_columns_beyond_the_texts_match_nothing() -> None:
    crop = Sample(PICTURE, [], [], REJECT)
    assert match_matrix([crop], 4).tolist() == [[1, 0, 0, 0]]


def test_a_near_miss_differs_in_one_thing_and_no_longer_fits() -> None:
    rng = np.random.default_rng(0)
    objects = [(0, 1), (4, 2), (7, 1)]
    picture = scene(objects, NIGHT_BEACH, Ask(objects, NIGHT_BEACH))
    kinds = set()
    for _ in range(200):
        missed = near_miss(picture, rng, 12)
        assert missed is not None
        assert value(picture, missed) == 0
        changed = [(old, new) for old, new in zip(objects, missed.items, strict=True) if old != new]
        if missed.where != NIGHT_BEACH:
            kinds.add("where")
            assert not changed and sum(a != b for a, b in zip(missed.where, NIGHT_BEACH, strict=True)) <= 2
        elif len(changed) == 2:
            kinds.add("exchanged")
            assert sorted(k for (_, k), _ in changed) == sorted(k for _, (_, k) in changed)
        else:
            ((old, new),) = changed
            kinds.add("category" if old[0] != new[0] else "colour")
            assert (old[0] == new[0]) != (old[1] == new[1])
    assert kinds == {"where", "exchanged", "category", "colour"}
    assert near_miss(scene([], NOWHERE, Ask([])), rng, 12) is None


def test_present_labels_are_those_of_the_named_objects() -> None:
    shown = present_labels([scene([(1, 2), (1, 2), THING]), scene([]), scene([THING])], 108, 3)
    assert np.flatnonzero(shown[0]).tolist() == [11]
    assert np.flatnonzero(shown[1]).tolist() == [108, 109, 110]
    assert not shown[2].any()
