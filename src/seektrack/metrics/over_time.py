"""How masks behave from frame to frame: whether they flicker, drift away, or are lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from seektrack.errors import InputError
from seektrack.geometry import BoolMask
from seektrack.metrics.masks import iou

LOST_IOU = 0.1
"""Below this IoU an object that shows counts as lost on a frame."""


@dataclass(frozen=True)
class OverTimeScores:
    """One object over time; NaN where nothing can be said.

    Attributes:
        consistency: In [0, 1]: 1 less the mean difference between how far the mask changes from one frame to
            the next (as IoU) and how far the true one does. A mask that flickers changes when the truth does
            not; one that is stuck does not change when the truth does.
        drift: Distance of the mask's centroid from the true one, in sides of the object (√area): the mean
            over the last quarter of the frames with both, less the first quarter's.
        lost: Share of the frames that show the object on which it is lost, see `LOST_IOU`.
    """

    consistency: float
    drift: float
    lost: float


def over_time(gt_THW: Sequence[BoolMask], pred_THW: Sequence[BoolMask]) -> OverTimeScores:
    """Consistency, drift and loss of one object's masks.

    Args:
        gt_THW: T true masks, bool (H, W) each.
        pred_THW: As many predicted ones.

    Raises:
        InputError: Lengths differ.
    """
    if len(gt_THW) != len(pred_THW):
        raise InputError(
            f"{len(gt_THW)} true masks but {len(pred_THW)} predicted ones",
            hint="pass one mask a frame on both sides, empty where the object is absent",
        )
    pairs = list(zip(gt_THW, pred_THW, strict=True))
    changes = [abs(iou(a, b) - iou(p, q)) for (a, p), (b, q) in pairwise(pairs)]
    away = [_distance(g, p) for g, p in pairs if g.any() and p.any()]
    quarters = np.array_split(np.array(away), 4)
    lost = [iou(g, p) < LOST_IOU for g, p in pairs if g.any()]
    return OverTimeScores(
        1 - float(np.mean(changes)) if changes else float("nan"),
        float(quarters[-1].mean() - quarters[0].mean()) if len(away) >= 4 else float("nan"),
        float(np.mean(lost)) if lost else float("nan"),
    )


def _distance(gt: BoolMask, pred: BoolMask) -> float:
    (gy, gx), (py, px) = (np.argwhere(m).mean(axis=0) for m in (gt, pred))
    return float(np.hypot(gy - py, gx - px) / np.sqrt(gt.sum()))
