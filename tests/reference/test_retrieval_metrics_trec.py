"""Ranking figures against trec_eval itself, through pytrec_eval."""

from __future__ import annotations

import math

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from seektrack.metrics import evaluate

KS = (1, 5, 10)
MEASURES = {"P.1,5,10", "recall.1,5,10", "map", "recip_rank"}
ITEMS = [f"d{i:02d}" for i in range(30)]

# trec_eval breaks ties its own way, so no two items of a query score alike; scores are mostly ≤ 0.
rankings = st.permutations(ITEMS).flatmap(
    lambda order: st.tuples(
        st.integers(1, len(ITEMS)).map(lambda n: order[:n]), st.sampled_from((-2.0, -0.5, 0.0, 1.0))
    )
)
judged = st.tuples(rankings, st.sets(st.sampled_from(ITEMS), max_size=8))


def scored(order: list[str], offset: float) -> dict[str, float]:
    """Falling scores around ``offset``, with 0 and negative ones among them."""
    return {item: offset - 0.125 * rank for rank, item in enumerate(order)}


@given(st.lists(judged, min_size=1, max_size=6))
@settings(max_examples=60)
def test_every_figure_equals_trec_eval(drawn):
    scores = {f"q{i}": scored(*ranking) for i, (ranking, _) in enumerate(drawn)}
    relevant = {f"q{i}": wanted for i, (_, wanted) in enumerate(drawn)}
    ours = evaluate(scores, relevant, ks=KS)
    # trec_eval judges every query it is given; ours names those without an answer and leaves them out.
    answerable = [q for q in relevant if relevant[q]]
    judge = pytrec_eval.RelevanceEvaluator({q: dict.fromkeys(relevant[q], 1) for q in answerable}, MEASURES)
    theirs = judge.evaluate({q: scores[q] for q in answerable})
    assert ours.n_queries == len(theirs) == len(answerable)
    assert set(ours.without_relevant) == set(relevant) - set(answerable)

    def mean(name: str) -> float:
        return sum(t[name] for t in theirs.values()) / len(theirs) if theirs else math.nan

    found = {f"P_{k}": ours.precision_at[k] for k in KS} | {f"recall_{k}": ours.recall_at[k] for k in KS}
    found |= {"map": ours.mean_average_precision, "recip_rank": ours.mean_reciprocal_rank}
    for name, value in found.items():
        assert value == pytest.approx(mean(name), abs=1e-9, nan_ok=True), name
    for query, value in ours.average_precision_of.items():
        assert value == pytest.approx(theirs[query]["map"], abs=1e-9)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(ITEMS), st.sampled_from((-1.5, -1.0, 0.0, 0.5))),
            st.sets(st.sampled_from(ITEMS), min_size=1, max_size=8),
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=60)
def test_ties_count_as_in_trec_eval_told_our_order(drawn):
    """Of equal scores ours takes the first name, trec_eval the last: it is given the names backwards."""
    theirs_of = dict(zip(ITEMS, reversed(ITEMS), strict=True))
    scores = {f"q{i}": found for i, (found, _) in enumerate(drawn)}
    relevant = {f"q{i}": wanted for i, (_, wanted) in enumerate(drawn)}
    judge = pytrec_eval.RelevanceEvaluator(
        {q: {theirs_of[item]: 1 for item in wanted} for q, wanted in relevant.items()}, MEASURES
    )
    theirs = judge.evaluate({q: {theirs_of[i]: s for i, s in of.items()} for q, of in scores.items() if of})
    ours = evaluate(scores, relevant, ks=KS)
    found = {f"P_{k}": ours.precision_at[k] for k in KS} | {f"recall_{k}": ours.recall_at[k] for k in KS}
    found |= {"map": ours.mean_average_precision, "recip_rank": ours.mean_reciprocal_rank}
    for name, value in found.items():
        mean = sum(t[name] for t in theirs.values()) / len(relevant)
        assert value == pytest.approx(mean, abs=1e-9), name


def test_success_at_one_is_precision_at_one():
    """R@1 here, the share of queries whose best answer is right, is trec_eval's success_1."""
    scores = {"a": {"x": -1.0, "y": -2.0}, "b": {"x": 0.0, "y": 1.0}, "c": {}}
    relevant = {"a": {"x"}, "b": {"x"}, "c": {"y"}}
    judge = pytrec_eval.RelevanceEvaluator(
        {q: dict.fromkeys(r, 1) for q, r in relevant.items()}, {"success.1"}
    )
    theirs = judge.evaluate({q: found for q, found in scores.items() if found})
    assert evaluate(scores, relevant, ks=(1,)).precision_at[1] == pytest.approx(
        sum(t["success_1"] for t in theirs.values()) / 3
    )


def test_scores_at_or_below_zero_count_like_any_others():
    """The trap of libraries that drop targets whose score is not positive."""
    scores = {"q": {"a": 0.0, "b": -1.0, "c": -2.0}}
    result = evaluate(scores, {"q": {"a", "b"}}, ks=(2,))
    assert (result.precision_at[2], result.recall_at[2], result.mean_average_precision) == (1.0, 1.0, 1.0)


def test_a_query_that_returned_nothing_counts_as_zero_in_every_mean():
    relevant = {"answered": {"a"}, "silent": {"a"}}
    ours = evaluate({"answered": {"a": -0.5}}, relevant, ks=(1,))
    judge = pytrec_eval.RelevanceEvaluator({q: {"a": 1} for q in relevant}, {"map", "recip_rank"})
    theirs = judge.evaluate({"answered": {"a": -0.5}})
    assert ours.n_queries == 2
    assert ours.mean_average_precision == pytest.approx(sum(t["map"] for t in theirs.values()) / 2)
    assert ours.mean_reciprocal_rank == pytest.approx(sum(t["recip_rank"] for t in theirs.values()) / 2)
