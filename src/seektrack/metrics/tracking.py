"""How well predicted tracks follow the true ones: the CLEAR and identity measures.

Both take one `FrameMatch` a frame, so boxes and masks are scored by the same code. Counts are integers
equal to TrackEval's; ratios are properties of the counts, so results of several sequences add up with
``combine`` the way the benchmarks do it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from seektrack.metrics.matching import DenseSequence, FrameMatch

_EPS = np.finfo(np.float64).eps
_KEEP_BONUS = 1000.0
"""Outweighs any similarity, so that a match of the previous frame is kept while it holds (TrackEval)."""


@dataclass(frozen=True)
class ClearScores:
    """Counts of the CLEAR measures.

    Attributes:
        tp, fp, fn: Matched, superfluous and missed detections.
        idsw: Times a true object changed its predicted identity.
        frag: Times a true object was lost and found again.
        mt, pt, ml: True objects covered more than 80 %, in between, less than 20 %.
        similarity_sum: Summed similarity of the matches.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    idsw: int = 0
    frag: int = 0
    mt: int = 0
    pt: int = 0
    ml: int = 0
    similarity_sum: float = 0.0

    @property
    def mota(self) -> float:
        """Tracking accuracy, 1 − (fp + fn + idsw) / true detections; can be negative, NaN without truth."""
        return 1 - _ratio(self.fp + self.fn + self.idsw, self.tp + self.fn)

    @property
    def motp(self) -> float:
        """Mean similarity of the matches (motmetrics reports 1 minus this); NaN without matches."""
        return _ratio(self.similarity_sum, self.tp)

    @property
    def precision(self) -> float:
        """Fraction of the predicted detections that are right."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Fraction of the true detections that were found."""
        return _ratio(self.tp, self.tp + self.fn)

    @classmethod
    def combine(cls, parts: Iterable[ClearScores]) -> ClearScores:
        """The scores of several sequences taken as one."""
        parts = list(parts)
        return cls(**{f.name: sum(getattr(p, f.name) for p in parts) for f in fields(cls)})


def clear(frames: Sequence[FrameMatch], *, threshold: float = 0.5) -> ClearScores:
    """CLEAR MOT measures.

    A pair matched on the previous frame stays matched while its similarity holds; the rest is matched for
    the largest similarity.

    Source: Bernardin & Stiefelhagen, 2008; TrackEval ``metrics/clear.py``, whose counts these equal.

    Args:
        frames: The frames of one sequence, in order.
        threshold: Least similarity of a match.
    """
    from scipy.optimize import linear_sum_assignment

    present: dict[int, int] = {}
    matched: dict[int, int] = {}
    stretches: dict[int, int] = {}
    last: dict[int, int] = {}
    previous: dict[int, int] = {}
    tp = fp = fn = idsw = 0
    similarity_sum = 0.0
    for frame in frames:
        n_gt, n_pred = frame.similarity.shape
        for g in frame.gt_ids:
            present[int(g)] = present.get(int(g), 0) + 1
        if n_gt == 0 or n_pred == 0:
            fp, fn = fp + n_pred, fn + n_gt
            continue
        kept = np.array([[previous.get(int(g)) == p for p in frame.pred_ids] for g in frame.gt_ids])
        score = np.where(frame.similarity >= threshold - _EPS, _KEEP_BONUS * kept + frame.similarity, 0.0)
        pairs = [(r, c) for r, c in zip(*linear_sum_assignment(-score), strict=True) if score[r, c] > _EPS]
        current = {int(frame.gt_ids[r]): int(frame.pred_ids[c]) for r, c in pairs}
        for g, p in current.items():
            idsw += g in last and last[g] != p
            matched[g] = matched.get(g, 0) + 1
            stretches[g] = stretches.get(g, 0) + (g not in previous)
        last.update(current)
        previous = current
        tp, fn, fp = tp + len(pairs), fn + n_gt - len(pairs), fp + n_pred - len(pairs)
        similarity_sum += float(sum(frame.similarity[r, c] for r, c in pairs))
    covered = [matched.get(g, 0) / n for g, n in present.items()]
    mt, lost = sum(c > 0.8 for c in covered), sum(c < 0.2 for c in covered)
    return ClearScores(
        tp=tp,
        fp=fp,
        fn=fn,
        idsw=idsw,
        frag=sum(n - 1 for n in stretches.values()),
        mt=mt,
        pt=len(covered) - mt - lost,
        ml=lost,
        similarity_sum=similarity_sum,
    )


@dataclass(frozen=True)
class IdentityScores:
    """Counts of the identity measures: detections explained by one global pairing of identities."""

    idtp: int = 0
    idfp: int = 0
    idfn: int = 0

    @property
    def idf1(self) -> float:
        """F1 of detections under the best pairing of identities; NaN without any detection."""
        return _ratio(2 * self.idtp, 2 * self.idtp + self.idfp + self.idfn)

    @property
    def idp(self) -> float:
        """Precision under that pairing."""
        return _ratio(self.idtp, self.idtp + self.idfp)

    @property
    def idr(self) -> float:
        """Recall under that pairing."""
        return _ratio(self.idtp, self.idtp + self.idfn)

    @classmethod
    def combine(cls, parts: Iterable[IdentityScores]) -> IdentityScores:
        """The scores of several sequences taken as one."""
        parts = list(parts)
        return cls(*(sum(getattr(p, f.name) for p in parts) for f in fields(cls)))


def identity(frames: Sequence[FrameMatch], *, threshold: float = 0.5) -> IdentityScores:
    """Identity measures: which predicted track explains which true one best, over the whole sequence.

    Source: Ristani et al., 2016; TrackEval ``metrics/identity.py``. Pairing identities for the most
    common detections gives the same optimum as its assignment over false positives and negatives.

    Args:
        frames: The frames of one sequence.
        threshold: Least similarity for two detections to count as common.
    """
    from scipy.optimize import linear_sum_assignment

    seq = DenseSequence.of(frames)
    common = np.zeros((len(seq.gt_count), len(seq.pred_count)))
    for g, p, similarity in seq.frames:
        common[np.ix_(g, p)] += similarity >= threshold
    rows, cols = linear_sum_assignment(-common)
    idtp = int(common[rows, cols].sum())
    return IdentityScores(
        idtp=idtp, idfp=int(seq.pred_count.sum()) - idtp, idfn=int(seq.gt_count.sum()) - idtp
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
