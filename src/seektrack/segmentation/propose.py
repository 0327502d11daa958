"""Masks of everything in a picture: a grid of points, and the answers the network stands by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.segmentation.arrays import floats, like, namespace, stability
from seektrack.segmentation.features import Array, ImageFeatures
from seektrack.segmentation.masks import upsample
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.suppression import box_iou_matrix, mask_boxes, mask_iou_matrix, suppress
from seektrack.types import Mask

Answers = Literal["all", "several", "single"]
"""Which of the decoder's masks are candidates: all four, the three for an ambiguous prompt, or the one."""

MAX_CANDIDATES = 1024
"""The surest candidates that overlaps are computed among."""


EDGE = 20.0
"""Source pixels from a cut edge within which a mask counts as cut by it."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A mask that could be an object.

    Attributes:
        mask: In the source picture.
        box: Its tight ``xyxy`` box in source pixels.
        score: Predicted overlap with the truth, in [0, 1].
        stability: Overlap of the mask cut a little tighter and a little looser, in [0, 1].
        point: ``(x, y)`` in source pixels it was asked for at.
    """

    mask: Mask
    box: Box
    score: float
    stability: float
    point: tuple[float, float]


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Low-resolution answers: logits (N, h, h), score and stability (N,), point (N, 2) in the input."""

    logits: Array
    score: Array
    stability: Array
    point: Array

    def rows(self, index: Array) -> _Candidates:
        return _Candidates(*(getattr(self, n)[index] for n in ("logits", "score", "stability", "point")))


def propose(
    sam2: Sam2,
    image: NDArray[np.uint8] | ImageFeatures,
    *,
    points_per_side: int = 16,
    points_per_batch: int = 64,
    pred_iou_thresh: float = 0.4,
    stability_score_thresh: float = 0.2,
    stability_score_offset: float | None = None,
    mask_threshold: float = 0.0,
    nms_thresh: float = 0.7,
    nms_on: Literal["mask", "box"] = "mask",
    min_area: float = 64.0,
    max_area_fraction: float = 0.9,
    answers: Answers = "all",
    require_point: bool = True,
    points: NDArray[np.float64] | None = None,
    refine_once: bool = False,
    cut_edges: tuple[bool, bool, bool, bool] = (False, False, False, False),
) -> list[Proposal]:
    """Propose a mask for everything that could be an object.

    The method is the automatic mask generator of Segment Anything (Kirillov et al., arXiv:2304.02643), with
    every filter and the suppression on low-resolution masks; only what is kept is brought to source size. The
    thresholds are lower than the reference's, because what follows chooses among proposals.

    Args:
        sam2: The network.
        image: uint8 (H, W, 3) RGB, or its features.
        points_per_side: Points along each side of the grid.
        points_per_batch: Points decoded at once; lower needs less memory.
        pred_iou_thresh: Lowest predicted overlap kept.
        stability_score_thresh: Lowest stability kept.
        stability_score_offset: How far, in logits, the cut is moved to see whether the mask changes. If not
            given, a tenth of the mask's mean absolute logit: about 1, the reference's value, for logits on
            the published checkpoints' scale, and in proportion on another.
        mask_threshold: Logit above which a pixel is inside.
        nms_thresh: A proposal that overlaps a surer one by more is dropped.
        nms_on: Whether overlap is of masks, or the least that of their boxes can be: edges of low-resolution
            masks lie up to half a pixel off.
        min_area: Smallest mask kept, in source pixels.
        max_area_fraction: Largest mask kept, as a fraction of the picture.
        answers: Which of the decoder's masks are candidates.
        require_point: Drop a mask that does not hold the point it was asked for at.
        points: float (P, 2), ``(x, y)`` in [0, 1] of the picture's sides, in place of the grid.
        refine_once: Ask again with each answer as a dense prompt beside its point.
        cut_edges: Which edges, left, top, right and bottom, go on in a larger picture: what comes within
            ``EDGE`` pixels of one of them is only a part, and dropped.

    Returns:
        Proposals, surest first.

    Raises:
        InputError: The picture or a count is not usable.
    """
    if points_per_side < 1 or points_per_batch < 1:
        raise InputError(
            "points_per_side and points_per_batch must be at least 1,"
            f" got {points_per_side} and {points_per_batch}"
        )
    features = image if isinstance(image, ImageFeatures) else sam2.encode(image)
    sam2 = sam2.made(features)
    grid = point_grid(points_per_side) if points is None else np.asarray(points, dtype=np.float64)
    if grid.ndim != 2 or grid.shape[1] != 2 or not len(grid):
        raise InputError(f"points must be (P, 2) with P > 0, got {grid.shape}")
    where = grid.astype(np.float32) * np.float32(sam2.resolution)
    height, width = features.hw
    cell = height * width / (sam2.resolution // 4) ** 2
    areas = (min_area / cell / 2, max_area_fraction * height * width / cell)
    found: list[_Candidates] = []
    for start in range(0, len(where), points_per_batch):
        chunk = where[start : start + points_per_batch]
        candidates = _decode(sam2, features, chunk, answers)
        if refine_once:
            candidates = _refined(sam2, features, candidates, points_per_batch)
        candidates = candidates.rows(candidates.score >= pred_iou_thresh)
        delta: float | Array | None = stability_score_offset
        xp = namespace(candidates.logits)
        if delta is None:
            delta = 0.1 * xp.mean(xp.abs(candidates.logits), axis=(1, 2), keepdims=True)
        stable = stability(candidates.logits, delta=delta, threshold=mask_threshold)
        inside = candidates.logits > mask_threshold
        area = xp.sum(xp.astype(inside, xp.int32), axis=(1, 2))
        keep = (stable >= stability_score_thresh) & (area > areas[0]) & (area <= areas[1])
        if require_point:
            keep &= _holds(inside, candidates.point)
        if any(cut_edges):
            keep &= ~_at_edge(mask_boxes(inside), inside.shape[-1], features.hw, cut_edges)
        found.append(_Candidates(candidates.logits, candidates.score, stable, candidates.point).rows(keep))
        if sum(len(c.score) for c in found) > 2 * MAX_CANDIDATES:
            found = [_surest(found)]
    pool = _surest(found)
    inside = pool.logits > mask_threshold
    overlap = mask_iou_matrix(inside) if nms_on == "mask" else box_iou_matrix(mask_boxes(inside), slack=0.5)
    pool = pool.rows(suppress(overlap, pool.score, nms_thresh))
    full = [_full_size(sam2, pool, i, features.hw, mask_threshold) for i in range(len(pool.score))]
    largest = max_area_fraction * height * width
    return [p for p in full if p is not None and min_area <= p.mask.area <= largest]


def point_grid(per_side: int) -> NDArray[np.float64]:
    """Centres of a grid of ``per_side`` squared cells: float (P, 2), ``(x, y)`` in [0, 1]."""
    ticks = (np.arange(per_side) + 0.5) / per_side
    xs, ys = np.meshgrid(ticks, ticks)
    return np.stack([xs.ravel(), ys.ravel()], axis=1)


_FIELDS = ("logits", "score", "stability", "point")
_MASK_RANGE = {"all": slice(0, 4), "several": slice(1, 4), "single": slice(0, 1)}


def _decode(
    sam2: Sam2, features: ImageFeatures, points: NDArray[np.float32], answers: Answers
) -> _Candidates:
    """Every wanted mask for every point; stability is not yet known and holds zeros."""
    labels = np.ones((len(points), 1), dtype=np.int32)
    decoded = sam2.network.decode(features, points=points[:, None], labels=labels)
    wanted = _MASK_RANGE[answers]
    logits = decoded.logits[:, wanted]
    xp = namespace(logits)
    score = xp.astype(xp.reshape(decoded.iou[:, wanted], (-1,)), xp.float32)
    return _Candidates(
        xp.reshape(logits, (-1, *logits.shape[2:])),
        score,
        xp.zeros_like(score),
        like(np.repeat(points, logits.shape[1], axis=0), score),
    )


def _refined(sam2: Sam2, features: ImageFeatures, candidates: _Candidates, batch: int) -> _Candidates:
    """One answer for each, asked for with its point and its own logits."""
    xp = namespace(candidates.score)
    where = floats(candidates.point)[:, None]
    logits, score = [], []
    for start in range(0, candidates.score.shape[0], batch):
        rows = slice(start, start + batch)
        labels = np.ones((len(where[rows]), 1), dtype=np.int32)
        dense = xp.clip(candidates.logits[rows, None], -32.0, 32.0)
        decoded = sam2.network.decode(features, points=where[rows], labels=labels, mask=dense)
        chosen = sam2.network.choose(decoded, multimask=False)
        logits.append(chosen.logits)
        score.append(xp.astype(chosen.iou, xp.float32))
    return _Candidates(xp.concat(logits), xp.concat(score), candidates.stability, candidates.point)


def _surest(found: list[_Candidates]) -> _Candidates:
    """The surest of all candidates, as many as are looked at further; of equal ones the earlier."""
    xp = namespace(found[0].score)
    pool = _Candidates(*(xp.concat([getattr(c, n) for c in found]) for n in _FIELDS))
    return pool.rows(xp.argsort(pool.score, descending=True, stable=True)[:MAX_CANDIDATES])


def _at_edge(boxes: Array, side: int, hw: tuple[int, int], edges: tuple[bool, bool, bool, bool]) -> Array:
    """Whether low-resolution boxes (N, 4) come near one of the edges named: bool (N,)."""
    height, width = hw
    xp = namespace(boxes)
    scale, whole = (
        like(np.array(v), boxes) for v in ([width / side, height / side] * 2, [0, 0, width, height])
    )
    near = xp.abs(boxes * scale - whole) <= EDGE
    return xp.any(near[:, np.flatnonzero(edges)], axis=1)


def _holds(inside: Array, points: Array) -> Array:
    """Whether each mask (N, h, h) holds its point (N, 2), given in the square input: bool (N,)."""
    xp = namespace(inside)
    cell = xp.clip(xp.astype(points / 4, xp.int64), 0, inside.shape[-1] - 1)
    return inside[xp.arange(inside.shape[0], device=inside.device), cell[:, 1], cell[:, 0]]


def _full_size(
    sam2: Sam2, pool: _Candidates, slot: int, hw: tuple[int, int], threshold: float
) -> Proposal | None:
    """A candidate in source pixels, or None when nothing is left of it."""
    mask = Mask.from_array(upsample(pool.logits[slot], hw) > threshold)
    if mask.box is None:
        return None
    x, y = (pool.point[slot] / sam2.resolution).tolist()
    return Proposal(
        mask=mask,
        box=mask.box,
        score=float(pool.score[slot]),
        stability=float(pool.stability[slot]),
        point=(x * hw[1], y * hw[0]),
    )
