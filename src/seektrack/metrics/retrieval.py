"""How well a ranking puts what is relevant first: precision@k, recall@k, AP, MRR.

The functions on one ranking take its relevance in rank order; `evaluate` does whole sets of queries from
scores. Scores may have any sign. Queries without a relevant item have no recall and no average precision:
they are named in the result and left out of the means, openly.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from seektrack.errors import InputError

Query = TypeVar("Query", bound=Hashable)
Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True)
class RetrievalScores:
    """Means over the queries that have something relevant.

    Attributes:
        precision_at, recall_at: By k.
        mean_average_precision, mean_reciprocal_rank: Each in [0, 1]; NaN when no query was scored.
        n_queries: Queries the means are over.
        without_relevant: Queries left out of the means because nothing is relevant to them.
        average_precision_of: Average precision of each scored query.
    """

    precision_at: dict[int, float]
    recall_at: dict[int, float]
    mean_average_precision: float
    mean_reciprocal_rank: float
    n_queries: int
    without_relevant: tuple[Hashable, ...]
    average_precision_of: dict[Hashable, float]


def precision_at_k(relevance: Sequence[bool], k: int) -> float:
    """Fraction of the first k ranks that are relevant; ranks never filled count as irrelevant (trec_eval).

    Args:
        relevance: Whether each ranked item is relevant, best first.
        k: Ranks to look at, ≥ 1.

    Raises:
        InputError: ``k`` is below 1.
    """
    _check_k(k)
    return sum(map(bool, relevance[:k])) / k


def recall_at_k(relevance: Sequence[bool], k: int, *, n_relevant: int) -> float:
    """Fraction of all relevant items found in the first k ranks.

    Args:
        relevance: Whether each ranked item is relevant, best first.
        k: Ranks to look at, ≥ 1.
        n_relevant: Relevant items there are, ranked or not.

    Raises:
        InputError: ``k`` is below 1, or ``n_relevant`` is below 1 or below the number ranked.
    """
    _check_k(k)
    _check_n_relevant(relevance, n_relevant)
    return sum(map(bool, relevance[:k])) / n_relevant


def average_precision(relevance: Sequence[bool], *, n_relevant: int) -> float:
    """Mean over all relevant items of the precision at their rank; 0 for one never ranked.

    Raises:
        InputError: ``n_relevant`` is below 1 or below the number ranked.
    """
    _check_n_relevant(relevance, n_relevant)
    found, total = 0, 0.0
    for rank, is_relevant in enumerate(relevance, start=1):
        if is_relevant:
            found += 1
            total += found / rank
    return total / n_relevant


def reciprocal_rank(relevance: Sequence[bool]) -> float:
    """One over the rank of the first relevant item; 0 when none was ranked."""
    return next((1 / rank for rank, is_relevant in enumerate(relevance, start=1) if is_relevant), 0.0)


def rank_items(scores: Mapping[Item, float]) -> list[Item]:
    """Items by falling score; ties by the items' text, so that a result never hangs on insertion order.

    Raises:
        InputError: A score is NaN.
    """
    for item, score in scores.items():
        if math.isnan(score):
            raise InputError(f"the score of {item!r} is NaN", hint="leave items without a score out")
    return sorted(scores, key=lambda item: (-scores[item], str(item)))


def evaluate(
    scores: Mapping[Query, Mapping[Item, float]],
    relevant: Mapping[Query, Collection[Item]],
    *,
    ks: Sequence[int] = (1, 5, 10),
) -> RetrievalScores:
    """Score the rankings of a set of queries.

    Args:
        scores: By query, the score of each item it returned; any real number, higher is better.
        relevant: By query, the items that are relevant. A query that is here but not in ``scores`` returned
            nothing and counts 0.
        ks: The ranks of precision@k and recall@k.

    Raises:
        InputError: A query in ``scores`` is not in ``relevant``, a score is NaN, or a k is below 1.
    """
    unknown = [q for q in scores if q not in relevant]
    if unknown:
        raise InputError(
            f"{len(unknown)} queries have scores but no judgement, first {unknown[0]!r}",
            hint="give them an empty set of relevant items if nothing is relevant",
        )
    precision: dict[int, list[float]] = {k: [] for k in ks}
    recall: dict[int, list[float]] = {k: [] for k in ks}
    ap: dict[Hashable, float] = {}
    rr: list[float] = []
    for query, wanted in relevant.items():
        if not wanted:
            continue
        wanted = set(wanted)
        relevance = [item in wanted for item in rank_items(scores.get(query, {}))]
        for k in ks:
            precision[k].append(precision_at_k(relevance, k))
            recall[k].append(recall_at_k(relevance, k, n_relevant=len(wanted)))
        ap[query] = average_precision(relevance, n_relevant=len(wanted))
        rr.append(reciprocal_rank(relevance))
    return RetrievalScores(
        precision_at={k: _mean(v) for k, v in precision.items()},
        recall_at={k: _mean(v) for k, v in recall.items()},
        mean_average_precision=_mean(list(ap.values())),
        mean_reciprocal_rank=_mean(rr),
        n_queries=len(ap),
        without_relevant=tuple(q for q, wanted in relevant.items() if not wanted),
        average_precision_of=ap,
    )


def _check_k(k: int) -> None:
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")


def _check_n_relevant(relevance: Sequence[bool], n_relevant: int) -> None:
    found = sum(map(bool, relevance))
    if n_relevant < max(1, found):
        raise InputError(
            f"n_relevant must be at least 1 and the {found} relevant items ranked, got {n_relevant}",
            hint="a query with nothing relevant has no recall: report it apart",
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
