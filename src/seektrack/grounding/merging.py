"""One grounding per object: duplicates, parts, groups and halves told apart."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.geometry import Box
from seektrack.grounding.found import Grounding, GroundSettings
from seektrack.grounding.scoring import TextScorer, embed_objects
from seektrack.types import Mask

Image = NDArray[np.uint8]
_COPY_IOU = 0.8


def distinct(groundings: Sequence[Grounding], *, settings: GroundSettings | None = None) -> list[Grounding]:
    """One grounding per object: no duplicates, no parts beside their whole, no groups beside their members.

    Args:
        groundings: In any order, masks of one picture.
        settings: When masks are duplicates, parts and groups.

    Returns:
        The kept ones, best first.
    """
    settings = settings or GroundSettings()
    ranked = sorted(groundings, key=lambda g: g.score, reverse=True)
    if len(ranked) < 2:
        return ranked
    codes = [(g.mask.size, g.mask.counts) for g in ranked]
    iou = geometry.rle_iou(codes, codes)
    area = np.array([g.mask.area for g in ranked], dtype=np.float64)
    shared = iou / (1 + iou) * (area[:, None] + area[None, :])
    inside = shared / np.maximum(area[:, None], 1)  # share of row i that lies in column j

    alive = _suppress(iou, np.ones(len(ranked), dtype=bool), max(settings.nms_iou, _COPY_IOU))
    score = [g.score for g in ranked]
    for i in (int(k) for k in np.argsort(-area)):
        smaller = alive & (area < area[i]) & (inside[:, i] >= settings.part_cover)
        members = [int(j) for j in np.flatnonzero(smaller)]
        if not alive[i] or not members:
            continue
        poor = score[i] < settings.group_score * max(score[j] for j in members)
        if poor or _is_group(i, members, area, inside, score, settings):
            alive[i] = False
        else:
            alive[[j for j in members if iou[i, j] < settings.nms_iou]] = False
    alive = _suppress(iou, alive, settings.nms_iou)
    return [g for g, keep in zip(ranked, alive, strict=True) if keep]


def join_parts(
    scorer: TextScorer, image: Image, groundings: Sequence[Grounding], *, settings: GroundSettings
) -> list[Grounding]:
    """Join touching groundings that CLIP takes for one object when it sees them together.

    Where the segmenter halves an object, each half may pass for the whole; together they look more like it.
    Two objects side by side look less like one. Compared are masked crops: a plain crop of a half shows the
    other half too.

    Args:
        scorer: Holds the embedded text.
        image: uint8 (H, W, 3), RGB.
        groundings: Distinct ones of the picture.
        settings: See `GroundSettings`.

    Returns:
        Groundings, best first.
    """
    kept = list(groundings)
    while settings.join_gain > 0:
        pairs = [(a, b) for i, a in enumerate(kept) for b in kept[i + 1 :] if touch(a.mask, b.mask)]
        if not pairs:
            break
        masks = [Mask.from_array(a.mask.to_array() | b.mask.to_array()) for a, b in pairs]
        boxes = [_hull(a.box, b.box) for a, b in pairs]
        sure = masked_confidence(scorer, image, masks, margin=settings.margin)
        alone = masked_confidence(scorer, image, [g.mask for g in kept], margin=settings.margin)
        by_id = {id(g): c for g, c in zip(kept, alone, strict=True)}
        gain = [s / max(by_id[id(a)], by_id[id(b)], 1e-9) for s, (a, b) in zip(sure, pairs, strict=True)]
        best = int(np.argmax(gain))
        if gain[best] < settings.join_gain:
            break
        a, b = pairs[best]
        quality = (a.quality * a.mask.area + b.quality * b.mask.area) / (a.mask.area + b.mask.area)
        seen = embed_objects(
            scorer.encoder, image, [boxes[best]], [masks[best]], crop=settings.crop, margin=settings.margin
        )
        confidence = float(scorer.confidence(seen)[0])
        whole = Grounding(masks[best], boxes[best], confidence, quality, seen[0], a.label)
        kept = [g for g in kept if g is not a and g is not b] + [whole]
    return sorted(kept, key=lambda g: g.score, reverse=True)


def masked_confidence(
    scorer: TextScorer, image: Image, masks: Sequence[Mask], *, margin: float | None
) -> NDArray[np.float64]:
    """Confidence (N,) in the target of non-empty masks, by what lies inside them alone."""
    boxes = [m.box or (0.0, 0.0, 1.0, 1.0) for m in masks]
    seen = embed_objects(scorer.encoder, image, boxes, masks, crop="masked", margin=margin)
    return scorer.confidence(seen)


def suppress_boxes(boxes: Sequence[Box], threshold: float) -> list[int]:
    """Which of boxes ranked best first stay, where two that overlap by an IoU are one object."""
    held = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    alive = _suppress(geometry.box_iou(held, held), np.ones(len(held), dtype=bool), threshold)
    return [int(k) for k in np.flatnonzero(alive)]


def touch(a: Mask, b: Mask, *, gap: float = 2.0) -> bool:
    """Whether two masks of one picture come within ``gap`` pixels of each other, or overlap."""
    first, second = a.box, b.box
    if first is None or second is None:
        return False
    low = [max(p, q) for p, q in zip(first[:2], second[:2], strict=True)]
    high = [min(p, q) for p, q in zip(first[2:], second[2:], strict=True)]
    if low[0] > high[0] + gap or low[1] > high[1] + gap:
        return False
    side = 2 * int(gap) + 1
    grown = cv2.dilate(a.to_array().astype(np.uint8), np.ones((side, side), dtype=np.uint8))
    return bool((grown.astype(bool) & b.to_array()).any())


def _hull(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _suppress(iou: NDArray[np.float64], alive: NDArray[np.bool_], threshold: float) -> NDArray[np.bool_]:
    """Greedy non-maximum suppression of rows ranked best first."""
    alive = alive.copy()
    for i in range(len(alive)):
        if alive[i]:
            alive[i + 1 :] &= iou[i, i + 1 :] < threshold
    return alive


def _is_group(
    whole: int,
    members: Sequence[int],
    area: NDArray[np.float64],
    inside: NDArray[np.float64],
    score: Sequence[float],
    settings: GroundSettings,
) -> bool:
    """Whether a mask is several objects taken together: disjoint members of like size, as good, fill it."""
    largest = max(area[j] for j in members)
    equals: list[int] = []
    for j in sorted(members, key=lambda j: -area[j]):
        if area[j] >= settings.group_ratio * largest and all(
            inside[j, k] < settings.part_cover for k in equals
        ):
            equals.append(j)
    covered = sum(area[j] * inside[j, whole] for j in equals) / max(area[whole], 1)
    as_good = (
        bool(equals) and float(np.mean([score[j] for j in equals])) >= settings.group_score * score[whole]
    )
    return len(equals) > 1 and bool(covered >= settings.group_cover) and as_good
