"""Keeping the best of what overlaps, without torchvision."""

from __future__ import annotations

import numpy as np

from seektrack.segmentation.arrays import floats, namespace
from seektrack.segmentation.features import Array


def mask_iou_matrix(masks: Array) -> Array:
    """Intersection over union of every pair of bool masks (N, ...): float (N, N); empty pairs give 0."""
    xp = namespace(masks)
    flat = xp.astype(xp.reshape(masks, (masks.shape[0], int(np.prod(masks.shape[1:])))), xp.float32)
    inter = flat @ flat.T
    area = xp.sum(flat, axis=1)
    union = area[:, None] + area[None, :] - inter
    return inter / xp.clip(union, 1, None)


def mask_boxes(masks: Array) -> Array:
    """Tight half-open ``xyxy`` boxes of bool masks (N, h, w): float (N, 4); zeros where empty."""
    height, width = masks.shape[-2:]
    xp = namespace(masks)
    columns, rows = (xp.astype(xp.any(masks, axis=axis), xp.int32) for axis in (1, 2))
    x0, y0 = xp.argmax(columns, axis=1), xp.argmax(rows, axis=1)
    x1 = width - xp.argmax(xp.flip(columns, axis=1), axis=1)
    y1 = height - xp.argmax(xp.flip(rows, axis=1), axis=1)
    return xp.astype(xp.stack([x0, y0, x1, y1], axis=1), xp.float32) * xp.max(columns, axis=1)[:, None]


def box_iou_matrix(boxes: Array, *, slack: float = 0.0) -> Array:
    """Intersection over union of every pair of ``xyxy`` boxes (N, 4): float (N, N).

    With ``slack``, the least it can be where each edge may lie so far off, in pixels.
    """
    xp = namespace(boxes)
    low = xp.maximum(boxes[:, None, :2], boxes[None, :, :2]) + slack
    high = xp.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - slack
    inter = xp.prod(xp.clip(high - low, 0, None), axis=2)
    area = xp.prod(xp.clip(boxes[:, 2:] - boxes[:, :2] + 2 * slack, 0, None), axis=1)
    union = area[:, None] + area[None, :] - inter
    return xp.where(union > 0, inter / xp.clip(union, 1e-9, None), xp.zeros_like(union))


def suppress(overlap: Array, scores: Array, threshold: float) -> Array:
    """Greedy non-maximum suppression.

    Args:
        overlap: float (N, N).
        scores: float (N,).
        threshold: What overlaps a better one by more is dropped.

    Returns:
        ints (K,), indices of what is kept, best first.
    """
    xp = namespace(overlap, scores)
    order = xp.argsort(scores, descending=True, stable=True)
    clashes = floats(overlap > threshold)[floats(order).astype(int)][:, floats(order).astype(int)] > 0
    alive = np.ones(len(clashes), dtype=bool)
    kept = []
    for i in range(len(alive)):
        if alive[i]:
            kept.append(i)
            alive &= ~clashes[i]
    return order[xp.asarray(np.array(kept, dtype=np.int64), device=order.device)]
