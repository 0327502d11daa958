"""The networks as the passes over a video see them; tests put others in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder
from seektrack.encoders.prompts import Templates
from seektrack.grounding import (
    Grounding,
    GroundSettings,
    TextScorer,
    embed_objects,
    ground_proposals,
    join_parts,
    touch,
)
from seektrack.grounding.ground import ProposalLike
from seektrack.query import Concept, Query
from seektrack.tracking.settings import EngineSettings
from seektrack.types import Mask, Prompt

if TYPE_CHECKING:
    from seektrack.segmentation import Sam2

Image = NDArray[np.uint8]
_SEPARATE_IOU = 0.2


class MasksLike(Protocol):
    """What a session answers for one frame; `seektrack.segmentation.FrameMasks` has it."""

    @property
    def obj_ids(self) -> list[int]: ...  # noqa: D102
    @property
    def object_scores(self) -> Any: ...  # noqa: D102
    def masks(self) -> NDArray[np.bool_]: ...  # noqa: D102


class SessionLike(Protocol):
    """What follows masks from frame to frame; `seektrack.segmentation.VideoSession` does."""

    @property
    def obj_ids(self) -> list[int]: ...  # noqa: D102
    def add(self, prompt: Prompt) -> None: ...  # noqa: D102
    def remove(self, obj_id: int) -> None: ...  # noqa: D102
    def step(self, image: Any, frame_index: int) -> MasksLike: ...  # noqa: D102


class Engine(Protocol):
    """Segmentation networks: features of a picture, sessions that follow masks, and proposals."""

    def encode(self, image: Image) -> Any:
        """Features of a picture, for ``step`` and ``propose``."""
        ...

    def session(self) -> SessionLike:
        """A fresh session."""
        ...

    def propose(self, features: Any, settings: GroundSettings) -> Sequence[ProposalLike]:
        """Masks of what could be objects."""
        ...


@dataclass(frozen=True)
class Sam2Engine:
    """SAM 2 as an `Engine`.

    Attributes:
        sam2: The network.
        settings: How masks are made.
    """

    sam2: Sam2
    settings: EngineSettings = field(default_factory=EngineSettings)

    def __post_init__(self) -> None:
        if self.settings.precision is not None:
            object.__setattr__(self, "sam2", self.sam2.at(self.settings.precision))

    def encode(self, image: Image) -> Any:
        """Features of a picture, for ``step`` and ``propose``; computed when they are needed."""
        from seektrack.segmentation import LazyFeatures

        return LazyFeatures(self.sam2, image)

    def session(self) -> SessionLike:
        """A fresh session."""
        from seektrack.segmentation import Finish, FinishedSession, open_session

        s = self.settings
        session = open_session(self.sam2, s.propagation, max_objects_per_batch=s.max_objects_per_batch)
        finish = Finish.of(
            self.sam2,
            refine=s.refine,
            post=s.post or None,
            threshold=s.mask_threshold,
            exclusive=s.exclusive,
        )
        return FinishedSession(session, finish)

    def propose(self, features: Any, settings: GroundSettings) -> Sequence[ProposalLike]:
        """Masks of what could be objects."""
        from seektrack.segmentation import propose

        found: Sequence[ProposalLike] = propose(
            self.sam2, features.features(), points_per_side=settings.points_per_side, **settings.propose
        )
        return found


@dataclass(frozen=True)
class Eyes:
    """Finds a target in pictures and judges the looks of objects by it.

    Attributes:
        scorer: Holds the embedded text.
        settings: What counts as found, and how objects are cropped.
    """

    scorer: TextScorer
    settings: GroundSettings = field(default_factory=GroundSettings)

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        target: Concept | Query | str,
        settings: GroundSettings,
        templates: Templates = "auto",
    ) -> Eyes:
        """Eyes for one concept."""
        return cls(TextScorer(encoder, target, templates=templates), settings)

    def find(self, image: Image, proposals: Sequence[ProposalLike]) -> list[Grounding]:
        """Proposals that are what was asked for."""
        return ground_proposals(self.scorer, image, proposals, settings=self.settings)

    def complete(self, image: Image, found: Sequence[Grounding], followed: Sequence[Mask]) -> list[Grounding]:
        """Join what was found with followed masks it touches, where both together look more like the target.

        Args:
            image: uint8 (H, W, 3), RGB.
            found: Groundings of the picture.
            followed: Masks the engine follows on it.

        Returns:
            As many groundings, each as it was or joined.
        """
        out = []
        for grounding in found:
            near = [m for m in followed if touch(m, grounding.mask)] if self.settings.join_gain > 0 else []
            near = [m for m in near if m.iou(grounding.mask) < _SEPARATE_IOU]
            if near:
                embeddings, confidence = self.look(image, near)
                parts = [
                    Grounding(m, m.box or grounding.box, float(c), grounding.quality, e, grounding.label)
                    for m, e, c in zip(near, embeddings, confidence, strict=True)
                ]
                joined = join_parts(self.scorer, image, [grounding, *parts], settings=self.settings)
                known = {id(grounding), *map(id, parts)}
                grounding = next((g for g in joined if id(g) not in known), grounding)
            out.append(grounding)
        return out

    def look(self, image: Image, masks: Sequence[Mask]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Embeddings (N, D) of objects with non-empty masks, and confidence (N,) in the target."""
        boxes = [m.box or (0.0, 0.0, 1.0, 1.0) for m in masks]
        embeddings = embed_objects(
            self.scorer.encoder, image, boxes, masks, crop=self.settings.crop, margin=self.settings.margin
        )
        return embeddings, self.scorer.confidence(embeddings)
