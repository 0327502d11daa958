"""What SAM 2 is trained to minimise: focal, Dice, balanced cross-entropy, predicted overlap, object score."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from seektrack.segmentation.network import Decoded


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weight of each term; 0 switches it off.

    Attributes:
        focal, dice, iou, score: SAM 2's own (arXiv:2408.00714, appendix D.2.2), focal averaged over pixels.
        balanced: Cross-entropy averaged over the object and over the rest apart; carries small objects.
        others: Extra weight of pixels of other objects; keeps the model from answering "any foreground".
        alternatives: Of the best of the three multimask answers, and a tenth of it for the other two.
    """

    focal: float = 10.0
    dice: float = 1.0
    balanced: float = 0.3
    iou: float = 0.3
    score: float = 0.5
    others: float = 3.0
    alternatives: float = 0.3


def _shrink(x: Tensor, side: int) -> Tensor:
    return F.interpolate(x[:, None], size=(side, side), mode="area")


def mask_loss(
    decoded: Decoded, target: Tensor, others: Tensor, visible: Tensor, weights: LossWeights
) -> tuple[Tensor, Tensor]:
    """Loss of a batch of answers.

    Args:
        decoded: logits (B, 4, h, h), iou (B, 4), score (B, 1).
        target: float (B, S, S), 0 or 1.
        others: float (B, S, S), pixels of other objects.
        visible: bool (B,); an object not on the frame only trains the object score.
        weights: Of the terms.

    Returns:
        The loss, and the mean IoU of mask 0 over visible objects (no gradient).
    """
    side = 2 * decoded.logits.shape[-1]
    logits = F.interpolate(decoded.logits.float(), size=(side, side), mode="bilinear", align_corners=False)
    goal = _shrink(target, side).expand_as(logits)
    p = logits.sigmoid()
    ce = F.binary_cross_entropy_with_logits(logits, goal, reduction="none") * (
        1 + weights.others * _shrink(others, side)
    )
    wrong = (1 - (p * goal + (1 - p) * (1 - goal))).square()
    focal = (ce * wrong).mean((2, 3))
    dice = 1 - (2 * (p * goal).sum((2, 3)) + 1) / (p.sum((2, 3)) + goal.sum((2, 3)) + 1)
    balanced = (ce * goal).sum((2, 3)) / (goal.sum((2, 3)) + 8) + (ce * (1 - goal) * wrong).mean((2, 3))
    terms = weights.focal * focal + weights.dice * dice + weights.balanced * balanced
    with torch.no_grad():
        answer, truth = logits > 0, goal > 0.5
        overlap = (answer & truth).sum((2, 3)) / (answer | truth).sum((2, 3)).clamp(min=1)
    iou = (decoded.iou.float() - overlap).abs().mean(1)
    best = terms[:, 1:].min(1).values
    each = terms[:, 0] + weights.alternatives * (best + terms[:, 1:].mean(1) / 3) + weights.iou * iou
    there = visible.float()
    loss = (each * there).sum() / there.sum().clamp(min=1)
    loss = loss + weights.score * F.binary_cross_entropy_with_logits(decoded.score[:, 0].float(), there)
    return loss, (overlap[:, 0] * there).sum() / there.sum().clamp(min=1)


def nothing_loss(decoded: Decoded, weights: LossWeights) -> Tensor:
    """Loss of clicks on the background: no overlap is predicted and no object is there."""
    score = decoded.score[:, 0].float()
    absent = F.binary_cross_entropy_with_logits(score, torch.zeros_like(score))
    return weights.iou * decoded.iou.float().abs().mean() + weights.score * absent


def dense_loss(prediction: Tensor, ids: Tensor) -> Tensor:
    """Loss of the dense auxiliary head: foreground, and the offset to the object's centre.

    Args:
        prediction: float (C, 3, h, h): foreground logit, then x and y offset in eighths of a cell.
        ids: long (C, h, h), 0 background.
    """
    prediction = prediction.float()
    count, _, h, w = prediction.shape
    foreground = (ids > 0).float()
    n = int(ids.max()) + 1
    flat = (ids + n * torch.arange(count)[:, None, None]).flatten()
    ys, xs = torch.meshgrid(torch.arange(h).float(), torch.arange(w).float(), indexing="ij")
    size = torch.bincount(flat, minlength=count * n).clamp(min=1)
    offsets = []
    for grid in (xs, ys):
        values = grid.expand(count, h, w).flatten()
        centre = torch.bincount(flat, weights=values, minlength=count * n) / size
        offsets.append(((centre[flat] - values) / 8).reshape(count, h, w))
    target = torch.stack(offsets, 1)
    miss = ((prediction[:, 1:] - target).abs().sum(1) * foreground).sum() / foreground.sum().clamp(min=1)
    return 0.5 * F.binary_cross_entropy_with_logits(prediction[:, 0], foreground) + 0.3 * miss
