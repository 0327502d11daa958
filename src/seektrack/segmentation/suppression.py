"""Keeping the best of what overlaps, without torchvision."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def mask_iou_matrix(masks: Tensor) -> Tensor:
    """Intersection over union of every pair of bool masks (N, ...): float (N, N); empty pairs give 0."""
    flat = masks.flatten(1).float()
    inter = flat @ flat.T
    area = flat.sum(dim=1)
    union = area[:, None] + area[None, :] - inter
    return inter / union.clamp(min=1)


def mask_boxes(masks: Tensor) -> Tensor:
    """Tight half-open ``xyxy`` boxes of bool masks (N, h, w): float (N, 4); zeros where empty."""
    height, width = masks.shape[-2:]
    columns, rows = masks.any(dim=1), masks.any(dim=2)
    x0, y0 = columns.int().argmax(dim=1), rows.int().argmax(dim=1)
    x1 = width - columns.flip(1).int().argmax(dim=1)
    y1 = height - rows.flip(1).int().argmax(dim=1)
    return torch.stack([x0, y0, x1, y1], dim=1).float() * columns.any(dim=1)[:, None]


def box_iou_matrix(boxes: Tensor, *, slack: float = 0.0) -> Tensor:
    """Intersection over union of every pair of ``xyxy`` boxes (N, 4): float (N, N).

    With ``slack``, the least it can be where each edge may lie so far off, in pixels.
    """
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2]) + slack
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - slack
    inter = (high - low).clamp(min=0).prod(dim=2)
    area = (boxes[:, 2:] - boxes[:, :2] + 2 * slack).clamp(min=0).prod(dim=1)
    union = area[:, None] + area[None, :] - inter
    return torch.where(union > 0, inter / union.clamp(min=1e-9), torch.zeros_like(union))


def suppress(overlap: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        overlap: float (N, N).
        scores: float (N,).
        threshold: What overlaps a better one by more is dropped.

    Returns:
        long (K,), indices of what is kept, best first.
    """
    order = scores.argsort(descending=True, stable=True)
    clashes = (overlap > threshold)[order][:, order].cpu().numpy()
    alive = np.ones(len(clashes), dtype=bool)
    kept = []
    for i in range(len(alive)):
        if alive[i]:
            kept.append(i)
            alive &= ~clashes[i]
    return order[torch.tensor(kept, dtype=torch.long, device=order.device)]
