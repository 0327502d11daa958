"""From a text and one picture to masks: SAM 2 proposes what could be an object, CLIP says which is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder
from seektrack.geometry import Box
from seektrack.grounding.found import Grounding, GroundSettings
from seektrack.grounding.merging import distinct, join_parts
from seektrack.grounding.scoring import TextScorer, embed_objects
from seektrack.query import Concept, Query
from seektrack.types import Mask

if TYPE_CHECKING:
    from seektrack.segmentation import ImageFeatures, Sam2

Image = NDArray[np.uint8]


class ProposalLike(Protocol):
    """What grounding needs of a proposal; `seektrack.segmentation.Proposal` has it."""

    @property
    def mask(self) -> Any: ...  # noqa: D102
    @property
    def box(self) -> Box: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102


def ground(
    sam2: Sam2,
    encoder: Encoder,
    image: Image,
    target: Concept | Query | str,
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
    scorer: TextScorer | Sequence[TextScorer],
    image: Image,
    proposals: Sequence[ProposalLike],
    *,
    settings: GroundSettings | None = None,
) -> list[Grounding]:
    """Choose among proposals by text; see `ground`.

    Args:
        scorer: Holds the embedded text; several ask for several concepts, and an object goes to the one that
            claims it best.
        image: uint8 (H, W, 3), RGB.
        proposals: Masks with boxes and predicted IoU.
        settings: What counts as found.

    Returns:
        Groundings, best first, ``max_objects`` of each concept at most.
    """
    settings = settings or GroundSettings()
    scorers = [scorer] if isinstance(scorer, TextScorer) else list(scorer)
    usable = [p for p in proposals if p.score >= settings.min_quality]
    if not usable or not scorers:
        return []
    masks = [
        p.mask if isinstance(p.mask, Mask) else Mask.from_array(np.asarray(p.mask, dtype=bool))
        for p in usable
    ]
    boxes = [p.box for p in usable]
    embeddings = embed_objects(
        scorers[0].encoder, image, boxes, masks, crop=settings.crop, margin=settings.margin
    )
    found: list[Grounding] = []
    for one in scorers:
        likely = [
            Grounding(m, b, float(c), float(min(max(p.score, 0.0), 1.0)), e, one.target.said)
            for m, b, c, p, e in zip(
                masks, boxes, one.confidence(embeddings), usable, embeddings, strict=True
            )
            if c >= settings.min_confidence
        ]
        whole = join_parts(one, image, distinct(likely, settings=settings), settings=settings)
        found += whole[: settings.max_objects]
    return found if len(scorers) == 1 else claimed(found, settings=settings)


def claimed(groundings: Sequence[Grounding], *, settings: GroundSettings) -> list[Grounding]:
    """Each object under the concept that is surest of it; a part asked for beside its whole stays.

    Args:
        groundings: Of several concepts, those of each distinct.
        settings: ``nms_iou`` says when two are one object.

    Returns:
        The kept ones, best first.
    """
    kept: list[Grounding] = []
    for one in sorted(groundings, key=lambda g: g.score, reverse=True):
        if all(k.label == one.label or k.mask.iou(one.mask) < settings.nms_iou for k in kept):
            kept.append(one)
    return kept
