"""All that could be an object on a picture, held against who is out of sight.

Where a text is followed, grounding looks over whole frames at intervals and finds who comes back. What was
pointed at by hand has no text; its segmenter is asked for everything there is, as for grounding, and each
mask is judged by the looks of those who are missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from seektrack.grounding import GroundSettings
from seektrack.tracking.cues import cues_of
from seektrack.tracking.engine import Engine
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.likeness import LikenessSettings, likeness
from seektrack.tracking.memory import Detection, TrackMemory
from seektrack.tracking.seek import is_of_size
from seektrack.types import Frame, Mask

_SHORTLIST = 3
"""Masks for an object that the encoder looks at."""


@dataclass
class Surroundings:
    """One frame, every mask of which is made once and looked at once.

    Attributes:
        frame: The frame.
        features: The engine's, of it.
        engine: Proposes masks.
        eyes: Look; colours and shape alone tell where there are none.
        settings: How masks are proposed.
        belief: Score of what is found.
    """

    frame: Frame
    features: Any
    engine: Engine
    eyes: Eyes | None
    settings: GroundSettings
    belief: float
    _all: list[Detection] | None = field(default=None, repr=False)

    def like(self, memory: TrackMemory, settings: LikenessSettings) -> list[Detection]:
        """What is of an object's size and looks most like it, looked at; a few masks at most.

        Args:
            memory: What is remembered of it.
            settings: How looks are read.
        """
        if self._all is None:
            self._all = self._proposed()
        near = [(d, likeness(memory, d, settings)) for d in self._all if is_of_size(memory, d.box)]
        told = [(d, alike) for d, alike in near if alike is not None and alike >= settings.denied(memory)]
        best = [d for d, _ in sorted(told, key=lambda pair: -pair[1])[:_SHORTLIST]]
        if self.eyes is None or not best:
            return best
        looks = self.eyes.look(self.frame.image, [d.mask for d in best if d.mask is not None])[0]
        return [replace(d, embedding=look) for d, look in zip(best, looks, strict=True)]

    def _proposed(self) -> list[Detection]:
        out = []
        for proposal in self.engine.propose(self.features, self.settings):
            if proposal.score < self.settings.min_quality:
                continue
            given = proposal.mask
            pixels = given.to_array() if isinstance(given, Mask) else np.asarray(given, dtype=bool)
            mask = given if isinstance(given, Mask) else Mask.from_array(pixels)
            cues = cues_of(self.frame.image, pixels)
            out.append(Detection(proposal.box, mask, self.belief, cues=cues))
        return out
