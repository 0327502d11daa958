"""How well whole tables of scores rank: the figures of `seektrack.metrics.retrieval`, for thousands at once.

Of equal scores the item that comes first in the table is ranked first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError

Floats = NDArray[np.float64]
_AT_ONCE = 4_000_000
"""Scores sorted at once."""


@dataclass(frozen=True, eq=False)
class Rankings:
    """How each of Q queries was answered.

    Attributes:
        first_Q: int64 (Q,), rank of the first relevant item, from 1.
        ap_Q: float64 (Q,), average precision.
        precision_at, recall_at: By k, float64 (Q,): share of the first k that is relevant, and share of what
            is relevant among the first k.
    """

    first_Q: NDArray[np.int64]
    ap_Q: Floats
    precision_at: dict[int, Floats]
    recall_at: dict[int, Floats]

    def hit_at(self, k: int) -> Floats:
        """Float64 (Q,): 1 where something relevant is among the first k, the R@k that papers print."""
        return (self.first_Q <= k).astype(np.float64)

    @property
    def reciprocal_rank_Q(self) -> Floats:
        """Float64 (Q,): one over the rank of the first relevant item."""
        return np.asarray(1.0 / self.first_Q, dtype=np.float64)


def rank_tables(
    scores_QN: NDArray[np.floating],
    relevant: Sequence[NDArray[np.integer]],
    *,
    ks: Sequence[int] = (1, 5, 10),
) -> Rankings:
    """Judge the rankings of Q queries over the same N items.

    Args:
        scores_QN: Any real numbers, higher is better.
        relevant: For each query the numbers of its relevant items, at least one.
        ks: Ranks of precision and recall.

    Raises:
        InputError: A score is no number, a query has nothing relevant, or the sizes do not agree.
    """
    scores = np.asarray(scores_QN)
    if scores.ndim != 2 or len(relevant) != len(scores):
        raise InputError(f"scores are {scores.shape}, judgements of {len(relevant)} queries")
    if not np.isfinite(scores).all():
        raise InputError("scores hold values that are not numbers", hint="leave items without a score out")
    if any(len(one) == 0 for one in relevant) or min(ks, default=1) < 1:
        raise InputError("every query needs a relevant item, and every k is 1 or more")
    count, items = scores.shape
    first, ap = np.zeros(count, np.int64), np.zeros(count)
    precision, recall = ({k: np.zeros(count) for k in ks} for _ in range(2))
    step = max(1, _AT_ONCE // max(items, 1))
    for begin in range(0, count, step):
        order = np.argsort(-scores[begin : begin + step], axis=1, kind="stable")
        places = np.empty_like(order)
        np.put_along_axis(places, order, np.arange(1, items + 1)[None], axis=1)
        for row, place in enumerate(places, start=begin):
            ranks = np.sort(place[np.unique(relevant[row])])
            first[row] = ranks[0]
            ap[row] = (np.arange(1, len(ranks) + 1) / ranks).mean()
            for k in ks:
                found = int(np.searchsorted(ranks, k, side="right"))
                precision[k][row], recall[k][row] = found / k, found / len(ranks)
    return Rankings(first, ap, precision, recall)
