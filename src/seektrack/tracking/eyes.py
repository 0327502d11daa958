"""What is asked for, as the passes over a video see it: it judges looks and completes what is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder
from seektrack.grounding import (
    Grounding,
    GroundSettings,
    TextScorer,
    embed_objects,
    join_parts,
    masked_confidence,
    touch,
)
from seektrack.types import Mask

Image = NDArray[np.uint8]
_SEPARATE_IOU = 0.2


@dataclass(frozen=True)
class Eyes:
    """Judges the looks of objects by what is asked for.

    Attributes:
        scorers: Hold the embedded texts, one a concept.
        settings: What counts as found, and how objects are cropped.
        judges: Whether the looks say what an object is; where a detector of its own found it, that does.
        embeds: Embeds what is looked at, where no text is asked for.
    """

    scorers: tuple[TextScorer, ...]
    settings: GroundSettings = field(default_factory=GroundSettings)
    judges: bool = True
    embeds: Encoder | None = None

    @classmethod
    def that_know_again(cls, encoder: Encoder, settings: GroundSettings) -> Eyes:
        """Eyes of one who was asked for nothing by name: they know objects again, and judge nothing."""
        return cls((), settings, judges=False, embeds=encoder)

    @property
    def encoder(self) -> Encoder:
        """Embeds what is looked at."""
        return self.scorers[0].encoder if self.embeds is None else self.embeds

    @property
    def labels(self) -> tuple[str, ...]:
        """What is asked for, in the words that were said."""
        return tuple(scorer.target.said for scorer in self.scorers)

    def scorer(self, label: str) -> TextScorer:
        """That of a label; the first where there is none."""
        return next((s for s in self.scorers if s.target.said == label), self.scorers[0])

    def look(self, image: Image, masks: Sequence[Mask]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Embeddings (N, D) of objects with non-empty masks, and each concept's claim on them (N, K)."""
        boxes = [m.box or (0.0, 0.0, 1.0, 1.0) for m in masks]
        embeddings = embed_objects(
            self.encoder, image, boxes, masks, crop=self.settings.crop, margin=self.settings.margin
        )
        return embeddings, self.claims(embeddings)

    def claims(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Belief (N, K) that each embedding (N, D) shows each concept."""
        if not self.scorers:
            return np.zeros((len(embeddings), 0))
        return np.stack([s.confidence(embeddings) for s in self.scorers], axis=1)

    def share(self, label: str, claims: Sequence[float]) -> float:
        """The claim of a label's concept, the surest where several are called so."""
        own = [c for c, known in zip(claims, self.labels, strict=True) if known == label]
        return float(max(own or claims))

    def complete(
        self, image: Image, found: Sequence[Grounding], followed: Sequence[tuple[str, Mask]]
    ) -> list[Grounding]:
        """Join what was found with followed masks it touches, where both together look more like the target.

        Args:
            image: uint8 (H, W, 3), RGB.
            found: Groundings of the picture.
            followed: Labels and masks the engine follows on it; only those of the same label are joined.

        Returns:
            As many groundings, each as it was or joined.
        """
        if self.settings.join_gain <= 0 or not self.judges:
            return list(found)
        return [self._completed(image, g, [m for label, m in followed if label == g.label]) for g in found]

    def _completed(self, image: Image, grounding: Grounding, followed: Sequence[Mask]) -> Grounding:
        near = [m for m in followed if touch(m, grounding.mask) and m.iou(grounding.mask) < _SEPARATE_IOU]
        if not near:
            return grounding
        scorer = self.scorer(grounding.label)
        boxes = [m.box or grounding.box for m in near]
        embeddings = embed_objects(
            self.encoder, image, boxes, near, crop=self.settings.crop, margin=self.settings.margin
        )
        parts = [
            Grounding(m, b, float(c), grounding.quality, e, grounding.label)
            for m, b, e, c in zip(near, boxes, embeddings, scorer.confidence(embeddings), strict=True)
        ]
        joined = join_parts(scorer, image, [grounding, *parts], settings=self.settings)
        known = {id(grounding), *map(id, parts)}
        return next((g for g in joined if id(g) not in known), grounding)

    def gain(self, image: Image, label: str, candidate: Mask, mask: Mask) -> float:
        """How many times as much a candidate looks like a concept as another mask does."""
        sure, before = masked_confidence(
            self.scorer(label), image, [candidate, mask], margin=self.settings.margin
        )
        return float(sure) / max(float(before), 1e-9)
