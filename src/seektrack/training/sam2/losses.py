"""What SAM 2 is trained to minimise.

Focal, Dice, soft IoU, balanced cross-entropy, boundary, change over time, which of several targets, predicted
overlap, object score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from seektrack.errors import InputError
from seektrack.segmentation.network import Decoded


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weight of each term; 0 switches it off.

    Attributes:
        focal, dice, iou, score: SAM 2's own (arXiv:2408.00714, appendix D.2.2), focal averaged over pixels.
        balanced: Cross-entropy averaged over the object and over the rest apart; carries small objects.
        others: Extra weight of pixels of other objects; keeps the model from answering "any foreground".
        alternatives: Of the best of the three multimask answers, and a tenth of it for the other two.
        boundary: See :func:`boundary_loss`.
        consistency: See :func:`change_loss`; of clips only.
        clicked: See :func:`click_loss`.
        soft_iou: One minus the IoU of probabilities; unlike Dice it weighs errors in small and large answers
            as the measured IoU does.
        targets: See :func:`target_loss`; where a clip has several objects.
        inside: Probability from which a pixel counts as inside, whose logit is then 0. By a half the answer
            has the fewest wrong pixels, but not the best overlap: that has J / (1 + J) for an expected IoU of
            J, as for F1 in Lipton et al., Optimal Thresholding to Maximize F1 Measure, arXiv:1402.1892.
    """

    focal: float = 10.0
    dice: float = 1.0
    balanced: float = 0.3
    iou: float = 0.3
    score: float = 0.5
    others: float = 3.0
    alternatives: float = 0.3
    boundary: float = 0.0
    consistency: float = 0.0
    clicked: float = 0.0
    soft_iou: float = 0.0
    targets: float = 0.0
    inside: float = 0.5

    @property
    def lower(self) -> float:
        """What logits are lowered by before they are taken for log odds."""
        return math.log((1 - self.inside) / self.inside)

    def __post_init__(self) -> None:
        if not 0 < self.inside < 1:
            raise InputError(f"a pixel is inside from a probability in (0, 1), got {self.inside}")
        for name, value in vars(self).items():
            if not value >= 0:
                raise InputError(f"the weight of the loss {name!r} must not be negative, got {value}")


def _shrink(x: Tensor, side: int) -> Tensor:
    factor, rest = divmod(x.shape[-1], side)
    if rest:
        return F.interpolate(x[:, None], size=(side, side), mode="area")
    # The same means, without the slow adaptive pooling that "area" comes down to.
    return F.avg_pool2d(x[:, None], factor)


def mask_loss(
    decoded: Decoded,
    target: Tensor,
    others: Tensor,
    visible: Tensor,
    weights: LossWeights,
    *,
    known: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss of a batch of answers.

    Args:
        decoded: logits (B, 4, h, h), iou (B, 4), score (B, 1).
        target: float (B, S, S), 0 or 1.
        others: float (B, S, S), pixels of other objects.
        visible: bool (B,); an object not on the frame only trains the object score.
        weights: Of the terms.
        known: float (B, S, S), 0 on pixels of which nobody knows what they show; they count nowhere, and an
            object not seen beside them may be there.

    Returns:
        The loss, and the mean IoU of mask 0 over visible objects (no gradient).
    """
    side = 2 * decoded.logits.shape[-1]
    logits = F.interpolate(decoded.logits.float(), size=(side, side), mode="bilinear", align_corners=False)
    goal = _shrink(target, side).expand_as(logits)
    odds = logits - weights.lower
    p = odds.sigmoid()
    if known is not None:
        counts = (_shrink(known, side) > 0.5).float()
        logits, odds = (x * counts - 30 * (1 - counts) for x in (logits, odds))
        p, goal = p * counts, goal * counts
    ce = F.binary_cross_entropy_with_logits(odds, goal, reduction="none") * (
        1 + weights.others * _shrink(others, side)
    )
    wrong = (1 - (p * goal + (1 - p) * (1 - goal))).square()
    focal = (ce * wrong).mean((2, 3))
    dice = 1 - (2 * (p * goal).sum((2, 3)) + 1) / (p.sum((2, 3)) + goal.sum((2, 3)) + 1)
    balanced = (ce * goal).sum((2, 3)) / (goal.sum((2, 3)) + 8) + (ce * (1 - goal) * wrong).mean((2, 3))
    terms = weights.focal * focal + weights.dice * dice + weights.balanced * balanced
    if weights.soft_iou:
        terms = terms + weights.soft_iou * soft_iou_loss(p, goal)
    if weights.boundary:
        terms = terms + weights.boundary * boundary_loss(p, goal)
    with torch.no_grad():
        answer, truth = logits > 0, goal > 0.5
        overlap = (answer & truth).sum((2, 3)) / (answer | truth).sum((2, 3)).clamp(min=1)
    iou = (decoded.iou.float() - overlap).abs().mean(1)
    best = terms[:, 1:].min(1).values
    each = terms[:, 0] + weights.alternatives * (best + terms[:, 1:].mean(1) / 3) + weights.iou * iou
    there = visible.float()
    loss = (each * there).sum() / there.sum().clamp(min=1)
    score = F.binary_cross_entropy_with_logits(decoded.score[:, 0].float(), there, reduction="none")
    # What is not seen may lie where nobody knows.
    told = there if known is None else torch.maximum(there, known.flatten(1).amin(1))
    loss = loss + weights.score * (score * told).sum() / told.sum().clamp(min=1)
    return loss, (overlap[:, 0] * there).sum() / there.sum().clamp(min=1)


def soft_iou_loss(p: Tensor, goal: Tensor) -> Tensor:
    """One minus intersection over union of probabilities and truth (..., h, w): (...,), in [0, 1].

    Rahman & Wang, Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation, 2016.
    """
    both = (p * goal).sum((-2, -1))
    return 1 - (both + 1) / (p.sum((-2, -1)) + goal.sum((-2, -1)) - both + 1)


def target_loss(logits: Tensor, target: Tensor, owner: Tensor) -> Tensor:
    """Which of several targets a pixel belongs to, or to none: cross-entropy over all objects of a frame.

    Answers alone never hear of each other, so two may claim the same pixels. A softmax over them, background
    having logit 0, is the soft aggregation of Oh et al., arXiv:1904.00607. Each target, and the background,
    counts the same, however large.

    Args:
        logits: float (B, h, h), one answer an object.
        target: float (B, S, S), 0 or 1.
        owner: long (B,), the clip of each object.

    Returns:
        Scalar; 0 where no clip has two objects.
    """
    goal = F.interpolate(target[:, None], size=logits.shape[-2:], mode="area")[:, 0]
    losses = []
    for clip in torch.unique(owner):
        rows = (owner == clip).nonzero()[:, 0]
        if len(rows) < 2:
            continue
        scores = torch.cat([torch.zeros_like(logits[:1]), logits[rows]]).float()
        much, which = goal[rows].max(0)
        labels = torch.where(much > 0.5, which + 1, 0)
        each = F.cross_entropy(scores[None], labels[None], reduction="none")[0]
        shown = [each[labels == n].mean() for n in torch.unique(labels)]
        losses.append(torch.stack(shown).mean())
    return torch.stack(losses).mean() if losses else logits.sum() * 0


def click_loss(decoded: Decoded, points: Tensor, labels: Tensor, side: int) -> Tensor:
    """Cross-entropy at the very pixels that were clicked, of every answer: a click is to be obeyed.

    Averaged over a mask, one pixel counts for nothing.

    Args:
        decoded: logits (B, 4, h, h).
        points: float (B, K, 2), in pixels of a square of ``side``.
        labels: int (B, K), 1 on the object, 0 off it; corners of boxes and padding do not count.
        side: Of the picture.

    Returns:
        Scalar; 0 where nothing was clicked.
    """
    logits, count = decoded.logits.float(), decoded.logits.shape[1]
    places = (2 * points / side - 1)[:, None]
    said = F.grid_sample(logits, places, mode="bilinear", padding_mode="border", align_corners=False)[:, :, 0]
    wanted = labels[:, None].expand(-1, count, -1)
    clicked = ((wanted == 0) | (wanted == 1)).float()
    ce = F.binary_cross_entropy_with_logits(said, wanted.clamp(0, 1).float(), reduction="none")
    return (ce * clicked).sum() / clicked.sum().clamp(min=1)


def boundary_loss(p: Tensor, goal: Tensor, *, width: int = 3, tolerance: int = 7) -> Tensor:
    """One minus a differentiable boundary F: the outlines of answer and truth, each found near the other.

    Outlines are what a max-pool adds to the outside; "near" is a second max-pool. Bokhovkin & Burnaev,
    Boundary Loss for Remote Sensing Imagery Semantic Segmentation, arXiv:1905.07852.

    Args:
        p: float (..., h, w), probabilities.
        goal: Same shape, the truth.
        width: Of the pool an outline comes from, odd, in pixels.
        tolerance: Of the pool around it.

    Returns:
        (...,), in [0, 1].
    """
    shape = p.shape[:-2]
    outline = _outline(p.reshape(-1, 1, *p.shape[-2:]), width)
    truth = _outline((goal > 0.5).to(p.dtype).reshape(-1, 1, *p.shape[-2:]), width)
    precision = (outline * _spread(truth, tolerance)).sum((1, 2, 3)) / (outline.sum((1, 2, 3)) + 1e-6)
    recall = (truth * _spread(outline, tolerance)).sum((1, 2, 3)) / (truth.sum((1, 2, 3)) + 1e-6)
    f = 2 * precision * recall / (precision + recall + 1e-6)
    empty = truth.sum((1, 2, 3)) == 0
    return torch.where(empty, outline.mean((1, 2, 3)), 1 - f).reshape(shape)


def _spread(x: Tensor, width: int) -> Tensor:
    return F.max_pool2d(x, width, stride=1, padding=width // 2)


def _outline(p: Tensor, width: int) -> Tensor:
    return _spread(1 - p, width) - (1 - p)


def change_loss(logits: Tensor, target: Tensor, visible: Tensor) -> Tensor:
    """Temporal consistency: the answer should change from frame to frame as the truth does, and no more.

    Squared difference of the two changes, over the area the truth has: the temporal-coherence loss of Lin et
    al., Robust Video Matting, arXiv:2108.11515, after the dtSSD measure of video matting.

    Args:
        logits: float (B, T, h, h), one answer a frame.
        target: float (B, T, S, S), 0 or 1.
        visible: bool (B, T); a pair of frames counts where the object shows on both.
    """
    p, goal = logits.float().sigmoid(), F.interpolate(target, size=logits.shape[-2:], mode="area")
    apart = ((p[:, 1:] - p[:, :-1]) - (goal[:, 1:] - goal[:, :-1])).square().sum((2, 3))
    area = 0.5 * (goal[:, 1:] + goal[:, :-1]).sum((2, 3))
    both = (visible[:, 1:] & visible[:, :-1]).float()
    return (apart / (area + 4) * both).sum() / both.sum().clamp(min=1)


def nothing_loss(decoded: Decoded, weights: LossWeights) -> Tensor:
    """Loss of clicks on the background: no overlap is predicted and no object is there."""
    score = decoded.score[:, 0].float()
    absent = F.binary_cross_entropy_with_logits(score, torch.zeros_like(score))
    overlap: Tensor = decoded.iou.float().abs().mean()
    return weights.iou * overlap + weights.score * absent


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
    flat = (ids + n * torch.arange(count, device=ids.device)[:, None, None]).flatten()
    ys, xs = torch.meshgrid(
        torch.arange(h, device=ids.device).float(), torch.arange(w, device=ids.device).float(), indexing="ij"
    )
    size = torch.bincount(flat, minlength=count * n).clamp(min=1)
    offsets = []
    for grid in (xs, ys):
        values = grid.expand(count, h, w).flatten()
        centre = torch.bincount(flat, weights=values, minlength=count * n) / size
        offsets.append(((centre[flat] - values) / 8).reshape(count, h, w))
    target = torch.stack(offsets, 1)
    miss = ((prediction[:, 1:] - target).abs().sum(1) * foreground).sum() / foreground.sum().clamp(min=1)
    return 0.5 * F.binary_cross_entropy_with_logits(prediction[:, 0], foreground) + 0.3 * miss
