"""Temporal queries against brute force, and against a library whose events are known."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seektrack.errors import InputError, QueryError
from seektrack.library import Where
from seektrack.query import Query
from seektrack.retrieval import (
    FrameScorer,
    SegmentScores,
    SequenceSettings,
    find_sequences,
    steps_of,
)
from seektrack.retrieval.sequence import best_chains, event_belief
from seektrack.types import Hit


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ('"a red car appears" -> "a dog runs"', [("a red car", "appears"), ("a dog runs", "shows")]),
        ("a car -> a dog leaves → a bird", [("a car", "shows"), ("a dog", "leaves"), ("a bird", "shows")]),
        ("a car comes into view -> then the car disappears.", [("a car", "appears"), ("the car", "leaves")]),
        ('"a sign with -> on it" -> "a dog"', [("a sign with -> on it", "shows"), ("a dog", "shows")]),
        ("a bus enters the scene", [("a bus", "appears")]),
        ("first a dog, then a cat leaves", [("a dog", "shows"), ("a cat", "leaves")]),
        ('"a dog" then "a dog"', [("a dog", "shows"), ("a dog", "appears")]),
        ("a dog and a cat -> a bus", [("a dog and a cat", "shows"), ("a bus", "shows")]),
    ],
)
def test_steps_are_read_with_their_events(text: str, steps: list[tuple[str, str]]):
    assert [(step.query.text, step.event) for step in steps_of(text)] == steps


probabilities = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=7)


@given(
    st.lists(probabilities, min_size=1, max_size=4),
    st.floats(0, 6),
    st.floats(0, 0.1),
    st.lists(st.floats(0.1, 2.0), min_size=7, max_size=7),
)
@settings(max_examples=150)
def test_the_programme_finds_the_best_chain_of_all(beliefs, within_s, haste, gaps):
    """Every choice of stretches is tried; nothing of the running maximum is used."""
    arrays = [np.array(b) for b in beliefs]
    edges = np.concatenate([[0.0], np.cumsum(gaps)])
    starts = [edges[: len(b)] for b in beliefs]
    ends = [edges[1 : len(b) + 1] for b in beliefs]
    value, back = best_chains(arrays, starts, ends, within_s=within_s, haste=haste)

    def worth(path: tuple[int, ...]) -> float:
        total = sum(math.log(b[i]) for b, i in zip(arrays, path, strict=True))
        for step, (i, j) in enumerate(itertools.pairwise(path)):
            wait = starts[step + 1][j] - starts[step][i]
            if wait <= 0 or starts[step + 1][j] - ends[step][i] > within_s:
                return -math.inf
            total -= haste * wait
        return total

    for last in range(len(arrays[-1])):
        heads = itertools.product(*(range(len(b)) for b in arrays[:-1]))
        best = max((worth((*head, last)) for head in heads), default=-math.inf)
        assert value[last] == pytest.approx(best, abs=1e-9)
        if best > -math.inf:
            path = [last]
            for came in reversed(back):
                path.append(int(came[path[-1]]))
            assert worth(tuple(reversed(path))) == pytest.approx(best, abs=1e-9)


def test_coming_and_going_are_told_from_being_there():
    there = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(event_belief(there, "shows"), there)
    np.testing.assert_allclose(event_belief(there, "appears"), [0, 0, 1, 0, 0, 0])
    np.testing.assert_allclose(event_belief(there, "leaves"), [0, 0, 0, 0, 0, 1])
    assert event_belief(np.ones(3), "appears", at_start=0.3)[0] == pytest.approx(0.3)


VIDEOS = {
    "car-then-dog.mp4": {"a red car": [(3, 7)], "a blue dog": [(9, 14)]},
    "dog-then-car.mp4": {"a blue dog": [(3, 7)], "a red car": [(9, 14)]},
    "far-apart.mp4": {"a red car": [(0, 2)], "a blue dog": [(18, 20)]},
    "car-only.mp4": {"a red car": [(0, 20)]},
}


def test_only_videos_with_the_right_order_are_found(make_library, sums):
    scorer = FrameScorer(make_library(VIDEOS), sums)
    within = SequenceSettings(within_s=6)  # from the car's coming, 3.5 s at the latest, to the dog's at 9
    found = find_sequences(scorer, '"a red car appears" -> "a blue dog appears"', settings=within)
    assert [Path(c.video).name for c in found] == ["car-then-dog.mp4"]
    (chain,) = found
    assert [m.start_s for m in chain.moments] == [3.0, 9.0]
    assert [m.end_s for m in chain.moments] == [7.0, 14.0]
    assert (chain.start_s, chain.end_s) == (3.0, 14.0)
    assert all(m.key.box is not None for m in chain.moments)
    assert chain.confidence > 0.8
    back = find_sequences(scorer, "a blue dog -> a red car", settings=within)
    assert [Path(c.video).name for c in back] == ["dog-then-car.mp4"]


def test_the_window_decides_what_belongs_together(make_library, sums):
    scorer = FrameScorer(make_library(VIDEOS), sums)

    def videos(within_s: float) -> set[str]:
        found = find_sequences(
            scorer, "a red car -> a blue dog", settings=SequenceSettings(within_s=within_s)
        )
        return {Path(c.video).name for c in found}

    assert videos(5) == {"car-then-dog.mp4"}
    assert videos(17) == {"car-then-dog.mp4", "far-apart.mp4"}


def test_a_chain_may_have_any_number_of_steps_and_repeat_one(make_library, sums):
    shown = {"a red car": [(1, 3), (9, 11)], "a blue dog": [(4, 6)], "a green bird": [(6, 8)]}
    scorer = FrameScorer(make_library({"long.mp4": shown, "car.mp4": {"a red car": [(0, 20)]}}), sums)
    (chain,) = find_sequences(
        scorer, "a red car appears -> a blue dog leaves -> a green bird leaves -> a red car appears"
    )
    assert [m.start_s for m in chain.moments] == [1.0, 5.5, 7.5, 9.0]
    assert chain.moments[1].end_s == 6.0, "it is seen last in the frame before"
    assert find_sequences(scorer, "a green bird -> a blue dog") == []


def test_several_chains_of_one_video_do_not_overlap(make_library, sums):
    shown = {"a red car": [(1, 2), (11, 12)], "a blue dog": [(3, 4), (13, 14)]}
    scorer = FrameScorer(make_library({"twice.mp4": shown}), sums)
    found = find_sequences(scorer, "a red car -> a blue dog", settings=SequenceSettings(within_s=4))
    assert sorted((c.start_s, c.end_s) for c in found) == [(1.0, 4.0), (11.0, 14.0)]
    window = find_sequences(scorer, "a red car -> a blue dog", where=Where(start_s=8.0))
    assert [c.start_s for c in window] == [11.0]


def test_anything_that_scores_stretches_can_be_searched():
    """Overlapping stretches of three seconds, as an encoder of clips gives them."""
    starts = np.arange(0.0, 20.0, 1.0)

    def scorer(query: Query, where: Where) -> list[SegmentScores]:
        belief = np.zeros(20)
        belief[4 if "left" in str(query) else 12] = 0.9
        key = Hit("v", 0, 0.0, 0.0, 0.9)
        return [SegmentScores("v", starts, starts + 3, belief, lambda i: key)]

    (chain,) = find_sequences(scorer, "a car moving left -> a car moving right")
    assert [(m.start_s, m.end_s) for m in chain.moments] == [(4.0, 7.0), (12.0, 15.0)]
    assert chain.confidence == pytest.approx(0.9)


def test_stretches_out_of_order_are_refused():
    with pytest.raises(InputError, match="not in order"):
        SegmentScores("v", np.array([1.0, 0.0]), np.array([2.0, 3.0]), np.zeros(2), lambda i: None)
    with pytest.raises(InputError, match="differ in length"):
        SegmentScores("v", np.zeros(2), np.zeros(2), np.zeros(3), lambda i: None)
    with pytest.raises(QueryError, match="nothing to look for"):
        find_sequences(lambda text, where: [], [])
    with pytest.raises(InputError, match="k must be"):
        find_sequences(lambda text, where: [], "a -> b", k=0)
