from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seektrack.errors import InputError
from seektrack.metrics import evaluate
from seektrack.metrics.retrieval import average_precision, precision_at_k, recall_at_k, reciprocal_rank

items = st.integers(0, 15).map(str)
scores_of_items = st.dictionaries(items, st.floats(-1, 1), max_size=16)
queries = st.dictionaries(
    st.integers(0, 5).map("q{}".format), st.tuples(scores_of_items, st.sets(items)), max_size=5
)


@given(queries, st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_evaluate_equals_the_textbook_on_any_scores(drawn, k):
    """Recomputed by sets of "items ranked no lower", without walking a list."""
    scores = {q: s for q, (s, _) in drawn.items()}
    relevant = {q: r for q, (_, r) in drawn.items()}
    result = evaluate(scores, relevant, ks=(k,))
    answerable = [q for q in relevant if relevant[q]]
    assert set(result.without_relevant) == set(relevant) - set(answerable)
    assert result.n_queries == len(answerable)
    ps, rs, aps, rrs = [], [], [], []
    for q in answerable:
        s = scores[q]

        def above(item, s=s):
            return {o for o in s if s[o] > s[item] or (s[o] == s[item] and o <= item)}

        top = {i for i in s if len(above(i)) <= k}
        ps.append(len(top & relevant[q]) / k)
        rs.append(len(top & relevant[q]) / len(relevant[q]))
        aps.append(
            sum(len(above(i) & relevant[q]) / len(above(i)) for i in relevant[q] & set(s)) / len(relevant[q])
        )
        rrs.append(1 / min((len(above(i)) for i in relevant[q] & set(s)), default=math.inf))
    means = [sum(v) / len(v) if v else math.nan for v in (ps, rs, aps, rrs)]
    got = [
        result.precision_at[k],
        result.recall_at[k],
        result.mean_average_precision,
        result.mean_reciprocal_rank,
    ]
    assert got == pytest.approx(means, nan_ok=True)


def test_known_ranking():
    relevance = [True, False, True, False, False]
    assert precision_at_k(relevance, 2) == 0.5
    assert precision_at_k(relevance, 10) == 0.2
    assert recall_at_k(relevance, 3, n_relevant=4) == 0.5
    assert average_precision(relevance, n_relevant=4) == pytest.approx((1 + 2 / 3) / 4)
    assert reciprocal_rank([False, False, True]) == pytest.approx(1 / 3)
    assert reciprocal_rank([False]) == 0.0


def test_items_scored_zero_or_less_still_count():
    result = evaluate({"q": {"a": -0.5, "b": 0.0, "c": -0.1}}, {"q": {"c"}}, ks=(1, 2))
    assert result.recall_at == {1: 0.0, 2: 1.0}
    assert result.mean_reciprocal_rank == 0.5


def test_queries_are_never_dropped_silently():
    result = evaluate(
        {"hit": {"a": 1.0}, "no answer": {"a": 1.0}}, {"hit": ["a"], "no answer": [], "mute": ["b"]}
    )
    assert result.without_relevant == ("no answer",)
    assert result.n_queries == 2
    assert result.average_precision_of == {"hit": 1.0, "mute": 0.0}
    assert result.mean_average_precision == 0.5


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="no judgement"):
        evaluate({"q": {"a": 1.0}}, {})
    with pytest.raises(InputError, match="NaN"):
        evaluate({"q": {"a": math.nan}}, {"q": ["a"]})
    with pytest.raises(InputError, match="at least 1"):
        precision_at_k([True], 0)
    with pytest.raises(InputError, match="n_relevant"):
        average_precision([True, True], n_relevant=1)
