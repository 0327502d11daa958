"""What grounding gives, and what it counts as found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box
from seektrack.types import Mask

CropKind = Literal["plain", "masked", "both"]


@dataclass(frozen=True)
class GroundSettings:
    """What counts as found.

    Attributes:
        min_confidence: Least confidence of CLIP in the text.
        min_quality: Least IoU the segmenter predicts for the mask.
        max_objects: Most groundings of one picture.
        crop: What CLIP looks at: the ``plain`` square around the box, the ``masked`` one with its surrounding
            blurred, or ``both`` averaged.
        margin: Around the box, as a fraction of half its longer side; what the encoder wants to see where it
            is None (`seektrack.encoders.PictureView`).
        nms_iou: Two masks overlapping by this IoU are one object.
        part_cover: A mask with this share inside a larger one is a part of it.
        group_cover: A mask of which this share is covered by several smaller ones is a group of them.
        group_ratio: Members of a group are at least this fraction of their largest; smaller ones are parts.
        group_score: The members of a group score on average at least this fraction of its own score; a whole
            that scores less than this fraction of one of its parts is none.
        join_gain: Two touching masks are parts of one object where both together are this many times as sure
            as the surer one; 0 never joins.
        points_per_side: Grid of the proposals.
        propose: More keyword arguments of `seektrack.segmentation.propose`.
    """

    min_confidence: float = 0.5
    min_quality: float = 0.3
    max_objects: int = 20
    crop: CropKind = "both"
    margin: float | None = None
    nms_iou: float = 0.5
    part_cover: float = 0.75
    group_cover: float = 0.75
    group_ratio: float = 0.35
    group_score: float = 0.8
    join_gain: float = 1.05
    points_per_side: int = 16
    propose: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Found:
    """One object a grounder found; what it does not tell is added for it.

    Attributes:
        box: ``xyxy`` pixels.
        confidence: Belief in [0, 1] that it is what was asked for.
        label: The words of the concept it was found for, `seektrack.query.Concept.said`.
        mask: Its pixels; None where the grounder knows boxes only, and SAM 2 makes a mask of the box.
        quality: IoU in [0, 1] predicted for the mask.
        embedding: Its appearance by the encoder, float32 (D,) of unit length; None where not looked at.
    """

    box: Box
    confidence: float
    label: str = ""
    mask: Mask | None = None
    quality: float = 1.0
    embedding: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Grounding:
    """One object a text was grounded in, with all that is known of it.

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
