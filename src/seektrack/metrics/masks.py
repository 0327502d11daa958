"""How well a predicted mask agrees with the true one: region, boundary and whole-sequence measures.

Every function takes bool ``(H, W)`` masks of one size. Two empty masks agree perfectly and count 1, as in
DAVIS (``geometry.mask_iou``, which ranks candidates, gives them 0 instead); where exactly one is empty the
score is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import BoolMask

DAVIS_BOUND_TH = 0.008
"""DAVIS' boundary tolerance, as a fraction of the picture's diagonal."""

BOUNDARY_IOU_RATIO = 0.02
"""Width of the band Boundary IoU compares, as a fraction of the picture's diagonal."""

FrameChoice = Literal["all", "inner", "from_first"]


@dataclass(frozen=True)
class MaskScores:
    """Agreement of two masks over their pixels; each value in [0, 1]."""

    iou: float
    precision: float
    recall: float
    f1: float


def mask_scores(gt: BoolMask, pred: BoolMask) -> MaskScores:
    """Region IoU, precision, recall and F1 in one pass.

    Args:
        gt: bool (H, W), the truth.
        pred: bool (H, W), what was predicted.

    Raises:
        InputError: The masks are not bool (H, W) of one size.
    """
    _check_pair(gt, pred)
    both = int(np.count_nonzero(gt & pred))
    n_gt, n_pred = int(np.count_nonzero(gt)), int(np.count_nonzero(pred))
    if n_gt == 0 and n_pred == 0:
        return MaskScores(1.0, 1.0, 1.0, 1.0)
    return MaskScores(
        iou=both / (n_gt + n_pred - both),
        precision=both / n_pred if n_pred else 0.0,
        recall=both / n_gt if n_gt else 0.0,
        f1=2 * both / (n_gt + n_pred),
    )


def iou(gt: BoolMask, pred: BoolMask) -> float:
    """Intersection over union, DAVIS' J; two empty masks give 1."""
    return mask_scores(gt, pred).iou


def precision(gt: BoolMask, pred: BoolMask) -> float:
    """Fraction of the predicted pixels that are right."""
    return mask_scores(gt, pred).precision


def recall(gt: BoolMask, pred: BoolMask) -> float:
    """Fraction of the true pixels that were found."""
    return mask_scores(gt, pred).recall


def f1(gt: BoolMask, pred: BoolMask) -> float:
    """Harmonic mean of precision and recall; for masks it is the Dice coefficient."""
    return mask_scores(gt, pred).f1


def dice(gt: BoolMask, pred: BoolMask) -> float:
    """Dice coefficient, twice the common area over the sum of areas."""
    return mask_scores(gt, pred).f1


def boundary_f(gt: BoolMask, pred: BoolMask, *, bound_th: float = DAVIS_BOUND_TH) -> float:
    """Boundary F-measure: contours matched within a tolerance, DAVIS' F.

    The tolerance is ``ceil(bound_th × diagonal)`` pixels, or ``bound_th`` pixels when it is 1 or more.

    Source: Perazzi et al., CVPR 2016; davis2017-evaluation ``f_measure``.

    Raises:
        InputError: The masks are not bool (H, W) of one size, or ``bound_th`` is not positive.
    """
    _check_pair(gt, pred)
    if bound_th <= 0:
        raise InputError(f"bound_th must be positive, got {bound_th}", hint=f"DAVIS uses {DAVIS_BOUND_TH}")
    radius = int(bound_th if bound_th >= 1 else np.ceil(bound_th * np.hypot(*gt.shape)))
    gt_edge, pred_edge = _contour(gt), _contour(pred)
    n_gt, n_pred = int(gt_edge.sum()), int(pred_edge.sum())
    if n_gt == 0 or n_pred == 0:
        return float(n_gt == n_pred)
    right = float((pred_edge & _dilate(gt_edge, radius)).sum()) / n_pred
    found = float((gt_edge & _dilate(pred_edge, radius)).sum()) / n_gt
    return 2 * right * found / (right + found) if right + found else 0.0


def boundary_iou(gt: BoolMask, pred: BoolMask, *, ratio: float = BOUNDARY_IOU_RATIO) -> float:
    """Intersection over union of the bands of pixels just inside each mask's contour.

    Source: Cheng et al., "Boundary IoU", CVPR 2021; the band is ``max(1, round(ratio × diagonal))`` wide.

    Raises:
        InputError: The masks are not bool (H, W) of one size, or ``ratio`` is not positive.
    """
    _check_pair(gt, pred)
    if ratio <= 0:
        raise InputError(f"ratio must be positive, got {ratio}", hint=f"the paper uses {BOUNDARY_IOU_RATIO}")
    width = max(1, round(ratio * float(np.hypot(*gt.shape))))
    return iou(_inner_band(gt, width), _inner_band(pred, width))


@dataclass(frozen=True, eq=False)
class SequenceScores:
    """Agreement along one object's masks.

    Attributes:
        frames: int (T,), positions in the sequence that were scored.
        j, f: float (T,), region and boundary score of each.
    """

    frames: NDArray[np.int64]
    j: NDArray[np.float64]
    f: NDArray[np.float64]

    @property
    def j_mean(self) -> float:
        """Mean region score."""
        return float(self.j.mean())

    @property
    def f_mean(self) -> float:
        """Mean boundary score."""
        return float(self.f.mean())

    @property
    def j_and_f(self) -> float:
        """Mean of both means."""
        return (self.j_mean + self.f_mean) / 2

    @property
    def j_recall(self) -> float:
        """Fraction of frames with a region score above one half."""
        return float((self.j > 0.5).mean())

    @property
    def f_recall(self) -> float:
        """Fraction of frames with a boundary score above one half."""
        return float((self.f > 0.5).mean())

    @property
    def j_decay(self) -> float:
        """Region score lost from the first quarter of the frames to the last."""
        quarters = np.array_split(self.j, 4)
        return float(quarters[0].mean() - quarters[-1].mean()) if len(self.j) >= 4 else 0.0


def sequence_scores(
    gt_THW: Sequence[BoolMask],
    pred_THW: Sequence[BoolMask],
    *,
    frames: FrameChoice = "all",
    bound_th: float = DAVIS_BOUND_TH,
) -> SequenceScores:
    """J and F of one object over a video.

    Args:
        gt_THW: T true masks, bool (H, W) each.
        pred_THW: As many predicted ones.
        frames: ``all``; ``inner`` leaves out the first and last frame, as semi-supervised DAVIS does;
            ``from_first`` starts where the object first appears, as SA-V does. Frames where both masks are
            empty count 1 in each.
        bound_th: Tolerance of the boundary measure, see `boundary_f`.

    Raises:
        InputError: Lengths differ, sizes differ, or no frame is left to score.
    """
    if len(gt_THW) != len(pred_THW):
        raise InputError(
            f"{len(gt_THW)} true masks but {len(pred_THW)} predicted ones",
            hint="pass one mask a frame on both sides, empty where the object is absent",
        )
    chosen = _chosen_frames(gt_THW, frames)
    if not chosen:
        raise InputError(f"no frame of {len(gt_THW)} is left to score with frames={frames!r}")
    pairs = [(gt_THW[t], pred_THW[t]) for t in chosen]
    return SequenceScores(
        frames=np.asarray(chosen, dtype=np.int64),
        j=np.array([iou(g, p) for g, p in pairs]),
        f=np.array([boundary_f(g, p, bound_th=bound_th) for g, p in pairs]),
    )


def j_and_f(
    gt: Mapping[int, Sequence[BoolMask]],
    pred: Mapping[int, Sequence[BoolMask]],
    *,
    frames: FrameChoice = "all",
    bound_th: float = DAVIS_BOUND_TH,
) -> dict[int, SequenceScores]:
    """Scores of every true object, by id; the same id names the same object on both sides.

    An object that was not predicted is scored against empty masks, never left out.
    """
    scores = {}
    for obj_id, gt_THW in gt.items():
        pred_THW = pred.get(obj_id, [np.zeros_like(m) for m in gt_THW])
        scores[obj_id] = sequence_scores(gt_THW, pred_THW, frames=frames, bound_th=bound_th)
    return scores


def match_objects(
    gt: Mapping[int, Sequence[BoolMask]], pred: Mapping[int, Sequence[BoolMask]]
) -> dict[int, int]:
    """Pair true with predicted objects so that the summed mean J is largest (unsupervised DAVIS).

    Returns:
        Predicted id of each true id that got one; pairs that share no pixel are left out.
    """
    from scipy.optimize import linear_sum_assignment

    gt_ids, pred_ids = list(gt), list(pred)
    mean_j = np.zeros((len(gt_ids), len(pred_ids)))
    overlap = np.zeros_like(mean_j, dtype=bool)
    for r, g in enumerate(gt_ids):
        for c, p in enumerate(pred_ids):
            pairs = list(zip(gt[g], pred[p], strict=True))
            mean_j[r, c] = np.mean([iou(a, b) for a, b in pairs]) if pairs else 0.0
            overlap[r, c] = any(bool((a & b).any()) for a, b in pairs)
    rows, cols = linear_sum_assignment(-mean_j)
    return {gt_ids[r]: pred_ids[c] for r, c in zip(rows, cols, strict=True) if overlap[r, c]}


def _check_pair(gt: BoolMask, pred: BoolMask) -> None:
    for name, mask in (("gt", gt), ("pred", pred)):
        if mask.ndim != 2 or mask.dtype != np.bool_:
            raise InputError(f"{name} must be a bool array (H, W), got {mask.dtype} {mask.shape}")
    if gt.shape != pred.shape:
        raise InputError(
            f"masks of different size: gt {gt.shape}, pred {pred.shape}",
            hint="bring both to the source resolution with geometry.resize_mask",
        )


def _chosen_frames(gt_THW: Sequence[BoolMask], frames: FrameChoice) -> list[int]:
    if frames == "all":
        return list(range(len(gt_THW)))
    if frames == "inner":
        return list(range(1, len(gt_THW) - 1))
    if frames == "from_first":
        first = next((t for t, m in enumerate(gt_THW) if m.any()), len(gt_THW))
        return list(range(first, len(gt_THW)))
    raise InputError(f"unknown choice of frames {frames!r}", hint="use 'all', 'inner' or 'from_first'")


def _contour(mask: BoolMask) -> BoolMask:
    """Contour one pixel wide, shifted half a pixel to the origin (Martin's seg2bmap, as DAVIS uses)."""
    east, south, south_east = mask.copy(), mask.copy(), mask.copy()
    east[:, :-1] = mask[:, 1:]
    south[:-1] = mask[1:]
    south_east[:-1, :-1] = mask[1:, 1:]
    # seg2bmap compares the last row only with its east neighbour and the last column only with its south.
    south_east[-1] = east[-1]
    south_east[:, -1] = south[:, -1]
    return (mask ^ east) | (mask ^ south) | (mask ^ south_east)


def _dilate(mask: BoolMask, radius: int) -> BoolMask:
    """Grow a mask by a disk of a radius in pixels."""
    import cv2

    reach = np.arange(-radius, radius + 1)
    disk = (reach[:, None] ** 2 + reach[None, :] ** 2 <= radius**2).astype(np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disk), dtype=bool)


def _inner_band(mask: BoolMask, width: int) -> BoolMask:
    """Pixels of a mask nearer to its outside than ``width``; the picture's border counts as outside."""
    import cv2

    padded = np.pad(mask.astype(np.uint8), 1)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
    inside: BoolMask = np.asarray(eroded, dtype=bool)
    return np.logical_and(mask, ~inside)
