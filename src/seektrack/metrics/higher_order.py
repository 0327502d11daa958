"""Higher-order tracking accuracy: detection and association judged together.

Source: Luiten et al., IJCV 2020; TrackEval ``metrics/hota.py``, whose figures these equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.metrics.matching import DenseSequence, FrameMatch

_EPS = np.finfo(np.float64).eps

ALPHAS: NDArray[np.float64] = np.arange(0.05, 0.99, 0.05)
"""The localisation thresholds HOTA averages over: 0.05, 0.10 … 0.95."""


@dataclass(frozen=True, eq=False)
class HotaScores:
    """HOTA over localisation thresholds.

    Attributes:
        alphas: float (A,), the thresholds.
        tp, fp, fn: int (A,), detections at each.
        ass_a_A, ass_re_A, ass_pr_A: float (A,), association accuracy, recall, precision at each.
        similarity_sum: float (A,), summed similarity of the matches.
    """

    alphas: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]
    ass_a_A: NDArray[np.float64]
    ass_re_A: NDArray[np.float64]
    ass_pr_A: NDArray[np.float64]
    similarity_sum: NDArray[np.float64]

    @property
    def det_a_A(self) -> NDArray[np.float64]:
        """Detection accuracy at each threshold."""
        total = self.tp + self.fp + self.fn
        return np.asarray(self.tp / np.maximum(1, total), dtype=np.float64)

    @property
    def hota_A(self) -> NDArray[np.float64]:
        """HOTA at each threshold: the geometric mean of detection and association."""
        return np.asarray(np.sqrt(self.det_a_A * self.ass_a_A), dtype=np.float64)

    @property
    def hota(self) -> float:
        """HOTA, the mean over thresholds."""
        return float(self.hota_A.mean())

    @property
    def det_a(self) -> float:
        """DetA, the mean over thresholds."""
        return float(self.det_a_A.mean())

    @property
    def ass_a(self) -> float:
        """AssA, the mean over thresholds."""
        return float(self.ass_a_A.mean())

    @property
    def loc_a(self) -> float:
        """LocA, the mean over thresholds of the matches' mean similarity; 1 where nothing matched."""
        means = np.where(self.tp > 0, self.similarity_sum / np.maximum(1, self.tp), 1.0)
        return float(means.mean())

    @classmethod
    def combine(cls, parts: Iterable[HotaScores]) -> HotaScores:
        """The scores of several sequences taken as one; association is weighted by its detections.

        Raises:
            InputError: No part was given, or the parts were measured at different thresholds.
        """
        parts = list(parts)
        if not parts or any(not np.array_equal(p.alphas, parts[0].alphas) for p in parts):
            raise InputError("HOTA results to combine must be at least one, all at the same alphas")
        summed = {n: sum(getattr(p, n) for p in parts) for n in ("tp", "fp", "fn", "similarity_sum")}
        weighted = {
            n: sum(getattr(p, n) * p.tp for p in parts) / np.maximum(1, summed["tp"])
            for n in ("ass_a_A", "ass_re_A", "ass_pr_A")
        }
        return cls(alphas=parts[0].alphas, **summed, **weighted)


def hota(frames: Sequence[FrameMatch], *, alphas: NDArray[np.float64] = ALPHAS) -> HotaScores:
    """Higher-order tracking accuracy of one sequence.

    Args:
        frames: The frames of one sequence.
        alphas: (A,) localisation thresholds.
    """
    from scipy.optimize import linear_sum_assignment

    seq = DenseSequence.of(frames)
    gt_count, pred_count = seq.gt_count[:, None], seq.pred_count[None, :]
    potential = np.zeros((len(seq.gt_count), len(seq.pred_count)))
    for g, p, similarity in seq.frames:
        total = similarity.sum(0)[None, :] + similarity.sum(1)[:, None] - similarity
        potential[np.ix_(g, p)] += np.where(total > _EPS, similarity / np.where(total > _EPS, total, 1), 0)
    alignment = potential / (gt_count + pred_count - potential)

    matches_AGP = np.zeros((len(alphas), *potential.shape), dtype=np.int64)
    similarity_sum = np.zeros(len(alphas))
    for g, p, similarity in seq.frames:
        rows, cols = linear_sum_assignment(-alignment[np.ix_(g, p)] * similarity)
        paired = similarity[rows, cols]
        enough_AM = paired[None, :] >= alphas[:, None] - _EPS
        matches_AGP[:, g[rows], p[cols]] += enough_AM
        similarity_sum += (enough_AM * paired).sum(1)

    tp = matches_AGP.sum((1, 2))
    at_least_one = np.maximum(1, tp)
    unions = {
        "ass_a_A": gt_count + pred_count - matches_AGP,
        "ass_re_A": gt_count,
        "ass_pr_A": pred_count,
    }
    association = {
        name: (matches_AGP * matches_AGP / np.maximum(1, union)).sum((1, 2)) / at_least_one
        for name, union in unions.items()
    }
    return HotaScores(
        alphas=alphas,
        tp=tp,
        fp=seq.pred_count.sum() - tp,
        fn=seq.gt_count.sum() - tp,
        similarity_sum=similarity_sum,
        **association,
    )
