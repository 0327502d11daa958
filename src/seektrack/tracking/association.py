"""Who is who between two sets: cues fused into one cost, gates, and the Hungarian assignment.

Pure functions over arrays; rows are what is known (tracks), columns what is seen (detections).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.errors import InputError
from seektrack.types import Mask

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CueWeights:
    """How much each cue counts where it is known.

    Attributes:
        mask: Overlap of masks.
        box: Overlap of the predicted box with the seen one.
        appearance: Cosine similarity of embeddings.
    """

    mask: float = 1.0
    box: float = 0.6
    appearance: float = 1.0


@dataclass(frozen=True)
class Matches:
    """Result of an assignment.

    Attributes:
        pairs: ``(row, column, cost)``, in order of rows.
        unmatched_rows, unmatched_columns: Sorted indices of the rest.
    """

    pairs: tuple[tuple[int, int, float], ...]
    unmatched_rows: tuple[int, ...]
    unmatched_columns: tuple[int, ...]


def mask_iou_matrix(rows: Sequence[Mask | None], columns: Sequence[Mask | None]) -> Array:
    """IoU of every row mask with every column mask, NaN where either is None: (N, M)."""
    out = np.full((len(rows), len(columns)), np.nan)
    known_rows = [i for i, m in enumerate(rows) if m is not None]
    known_columns = [j for j, m in enumerate(columns) if m is not None]
    if known_rows and known_columns:
        out[np.ix_(known_rows, known_columns)] = geometry.rle_iou(
            [(m.size, m.counts) for m in rows if m is not None],
            [(m.size, m.counts) for m in columns if m is not None],
        )
    return out


def overlaps(masks: Sequence[Mask | None]) -> tuple[Array, Array]:
    """IoU of every two masks, and the share of the smaller that lies in the other: (N, N) and (N, N).

    The diagonal, and what None stands in, is 0.
    """
    iou = np.nan_to_num(mask_iou_matrix(masks, masks))
    np.fill_diagonal(iou, 0.0)
    areas = np.array([0 if m is None else m.area for m in masks], dtype=np.float64)
    shared = iou / (1 + iou) * (areas[:, None] + areas[None, :])
    return iou, shared / np.maximum(np.minimum(areas[:, None], areas[None, :]), 1)


def cosine_matrix(
    rows: Sequence[NDArray[np.floating] | None], columns: Sequence[NDArray[np.floating] | None]
) -> Array:
    """Cosine similarity of every row vector with every column vector, NaN where either is None: (N, M).

    A row may be one vector (D,) or a gallery (E, D); a gallery counts with its best member.
    """
    out = np.full((len(rows), len(columns)), np.nan)
    for i, row in enumerate(rows):
        if row is None:
            continue
        gallery = np.atleast_2d(np.asarray(row, dtype=np.float64))
        gallery = gallery / np.maximum(np.linalg.norm(gallery, axis=1, keepdims=True), 1e-12)
        for j, column in enumerate(columns):
            if column is not None:
                vector = np.asarray(column, dtype=np.float64)
                out[i, j] = float((gallery @ vector).max() / max(float(np.linalg.norm(vector)), 1e-12))
    return out


def fuse_costs(
    *,
    mask_iou: Array | None = None,
    box_iou: Array | None = None,
    appearance: Array | None = None,
    weights: CueWeights | None = None,
    appearance_range: tuple[float, float] = (0.0, 1.0),
) -> Array:
    """Fuse similarity cues into one cost per pair.

    Each cue is a similarity; the cost is one minus the mean of those known for the pair (not NaN), weighted.

    Args:
        mask_iou: (N, M) in [0, 1], or None.
        box_iou: (N, M) in [0, 1], or None.
        appearance: (N, M) cosine similarity, or None.
        weights: Weight of each cue.
        appearance_range: Cosines stretched linearly from this range to [0, 1] and clipped: embeddings of
            different objects of one model rarely come near 0.

    Returns:
        (N, M) costs in [0, 1]; infinite where nothing is known of a pair.

    Raises:
        InputError: No cue is given, or their shapes differ.
    """
    weights = weights or CueWeights()
    low, high = appearance_range
    stretched = None if appearance is None else np.clip((appearance - low) / max(high - low, 1e-9), 0, 1)
    cues = [
        (np.asarray(cue, dtype=np.float64), weight)
        for cue, weight in ((mask_iou, weights.mask), (box_iou, weights.box), (stretched, weights.appearance))
        if cue is not None
    ]
    if not cues or any(cue.shape != cues[0][0].shape for cue, _ in cues):
        raise InputError(f"cues must share one (N, M) shape, got {[cue.shape for cue, _ in cues]}")
    total, weight_sum = np.zeros(cues[0][0].shape), np.zeros(cues[0][0].shape)
    for cue, weight in cues:
        known = ~np.isnan(cue)
        total += np.where(known, cue, 0.0) * weight
        weight_sum += known * weight
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight_sum > 0, 1 - total / weight_sum, np.inf)


def assign(cost: Array, *, max_cost: float, allowed: NDArray[np.bool_] | None = None) -> Matches:
    """Pair rows with columns at the least total cost, where leaving a pair apart costs ``max_cost``.

    Args:
        cost: (N, M); infinite or NaN pairs are never matched.
        max_cost: Pairs at or above it are left apart.
        allowed: bool (N, M) gates, or None.

    Returns:
        The matches. The sum over pairs of ``cost − max_cost`` is the least of all one-to-one assignments.
    """
    from scipy.optimize import linear_sum_assignment

    cost = np.asarray(cost, dtype=np.float64)
    if cost.ndim != 2:
        raise InputError(f"costs must be (N, M), got {cost.shape}")
    usable = np.isfinite(cost) & (cost < max_cost)
    if allowed is not None:
        usable &= np.asarray(allowed, dtype=bool)
    rows, columns = linear_sum_assignment(np.where(usable, cost, max_cost))
    pairs = tuple(
        (int(r), int(c), float(cost[r, c])) for r, c in zip(rows, columns, strict=True) if usable[r, c]
    )
    taken_rows, taken_columns = {r for r, _, _ in pairs}, {c for _, c, _ in pairs}
    return Matches(
        pairs,
        tuple(i for i in range(cost.shape[0]) if i not in taken_rows),
        tuple(j for j in range(cost.shape[1]) if j not in taken_columns),
    )
