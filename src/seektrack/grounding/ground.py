"""From a text and one picture to masks: SAM 2 proposes what could be an object, CLIP says which is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.encoders import Encoder, l2_normalise
from seektrack.geometry import Box
from seektrack.grounding.scoring import TextScorer, masked_crop, object_crop
from seektrack.grounding.target import Target
from seektrack.types import Mask

if TYPE_CHECKING:
    from seektrack.segmentation import ImageFeatures, Sam2

Image = NDArray[np.uint8]
_COPY_IOU = 0.8
CropKind = Literal["plain", "masked", "both"]


class ProposalLike(Protocol):
    """What grounding needs of a proposal; `seektrack.segmentation.Proposal` has it."""

    @property
    def mask(self) -> Any: ...  # noqa: D102
    @property
    def box(self) -> Box: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class GroundSettings:
    """What counts as found.

    Attributes:
        min_confidence: Least confidence of CLIP in the text.
        min_quality: Least IoU the segmenter predicts for the mask.
        max_objects: Most groundings of one picture.
        crop: What CLIP looks at: the ``plain`` square around the box, the ``masked`` one with its surrounding
            blurred, or ``both`` averaged.
        margin: Around the box, as a fraction of half its longer side.
        nms_iou: Two masks overlapping by this IoU are one object.
        part_cover: A mask with this share inside a larger one is a part of it.
        group_cover: A mask of which this share is covered by several smaller ones is a group of them.
        group_ratio: Members of a group are at least this fraction of their largest; smaller ones are parts.
        group_score: The members of a group score on average at least this fraction of its own score; a whole
            that scores less than this fraction of one of its parts is none.
        points_per_side: Grid of the proposals.
        propose: More keyword arguments of `seektrack.segmentation.propose`.
    """

    min_confidence: float = 0.5
    min_quality: float = 0.3
    max_objects: int = 20
    crop: CropKind = "plain"
    margin: float = 0.45
    nms_iou: float = 0.5
    part_cover: float = 0.75
    group_cover: float = 0.75
    group_ratio: float = 0.35
    group_score: float = 0.8
    points_per_side: int = 16
    propose: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Grounding:
    """One object a text was grounded in.

    Attributes:
        mask: Its pixels.
        box: ``xyxy`` pixels.
        confidence: Belief in [0, 1] that it is what was asked for.
        quality: IoU in [0, 1] the segmenter predicts for the mask.
        embedding: Its appearance, float32 (D,) of unit length.
        label: The text.
    """

    mask: Mask
    box: Box
    confidence: float
    quality: float
    embedding: NDArray[np.float32]
    label: str = ""

    @property
    def score(self) -> float:
        """Confidence times quality: what groundings are ranked by."""
        return self.confidence * self.quality


def ground(
    sam2: Sam2,
    encoder: Encoder,
    image: Image,
    target: Target | str,
    *,
    min_confidence: float | None = None,
    max_objects: int | None = None,
    settings: GroundSettings | None = None,
    features: ImageFeatures | None = None,
) -> list[Grounding]:
    """Find everything in one picture that a text asks for.

    Args:
        sam2: Proposes masks.
        encoder: Scores them.
        image: uint8 (H, W, 3), RGB.
        target: What is asked for.
        min_confidence: Overrides that of ``settings``.
        max_objects: Overrides that of ``settings``.
        settings: What counts as found.
        features: ``sam2.encode(image)`` where it exists already.

    Returns:
        Groundings, best first; empty when the picture shows nothing of the kind.

    Raises:
        QueryError: The text is empty.
    """
    from seektrack.segmentation import propose

    settings = settings or GroundSettings()
    if min_confidence is not None:
        settings = replace(settings, min_confidence=min_confidence)
    if max_objects is not None:
        settings = replace(settings, max_objects=max_objects)
    proposals = propose(
        sam2,
        image if features is None else features,
        points_per_side=settings.points_per_side,
        **settings.propose,
    )
    return ground_proposals(TextScorer(encoder, target), image, proposals, settings=settings)


def ground_proposals(
    scorer: TextScorer,
    image: Image,
    proposals: Sequence[ProposalLike],
    *,
    settings: GroundSettings | None = None,
) -> list[Grounding]:
    """Choose among proposals by text; see `ground`.

    Args:
        scorer: Holds the embedded text.
        image: uint8 (H, W, 3), RGB.
        proposals: Masks with boxes and predicted IoU.
        settings: What counts as found.

    Returns:
        Groundings, best first.
    """
    settings = settings or GroundSettings()
    usable = [p for p in proposals if p.score >= settings.min_quality]
    if not usable:
        return []
    masks = [
        p.mask if isinstance(p.mask, Mask) else Mask.from_array(np.asarray(p.mask, dtype=bool))
        for p in usable
    ]
    boxes = [p.box for p in usable]
    embeddings = embed_objects(
        scorer.encoder, image, boxes, masks, crop=settings.crop, margin=settings.margin
    )
    confidence = scorer.confidence(embeddings)
    label = scorer.target.text
    found = [
        Grounding(m, b, float(c), float(min(max(p.score, 0.0), 1.0)), e, label)
        for m, b, c, p, e in zip(masks, boxes, confidence, usable, embeddings, strict=True)
        if c >= settings.min_confidence
    ]
    return distinct(found, settings=settings)[: settings.max_objects]


def embed_objects(
    encoder: Encoder,
    image: Image,
    boxes: Sequence[Box],
    masks: Sequence[Mask | None],
    *,
    crop: CropKind = "plain",
    margin: float = 0.45,
) -> NDArray[np.float32]:
    """Appearance of objects of one picture, float32 (N, D) of unit length.

    Args:
        encoder: Embeds the crops.
        image: uint8 (H, W, 3), RGB.
        boxes: ``xyxy`` pixels.
        masks: Pixels of each, used unless ``crop`` is ``plain``; a None mask is cropped plainly.
        crop: See `GroundSettings`.
        margin: See `GroundSettings`.
    """
    size = encoder.image_size
    plain = [object_crop(image, b, size, margin=margin) for b in boxes]
    if crop == "plain" or not plain:
        return encoder.embed_images(plain)
    masked = [
        p if m is None else masked_crop(image, m.to_array(), b, size, margin=margin)
        for p, b, m in zip(plain, boxes, masks, strict=True)
    ]
    if crop == "masked":
        return encoder.embed_images(masked)
    both = encoder.embed_images([*plain, *masked])
    return l2_normalise(both[: len(plain)] + both[len(plain) :])


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
