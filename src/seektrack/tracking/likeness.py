"""How much a detection is like what is remembered of an object, from every cue both have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from seektrack.tracking.cues import Cue
from seektrack.tracking.memory import Detection, TrackMemory

_LOOKS = 4


@dataclass(frozen=True)
class CueRange:
    """How one cue is read.

    Attributes:
        low, high: Similarities of what are surely different objects, and surely the same one; between them
            likeness rises from 0 to 1.
        weight: How much it counts beside the others.
    """

    low: float
    high: float
    weight: float = 1.0


@dataclass(frozen=True)
class LikenessSettings:
    """When looks say that two are one.

    Attributes:
        ranges: How each cue is read; a cue that is not there does not count.
        same: Likeness from which something seen may be an object that was gone.
        other: Likeness below which it is another, wherever it is.
        slack: What always looks the same must go on to: it is not itself where it is less like itself than
            usually by more than this, and another by more than thrice this.
    """

    ranges: Mapping[Cue, CueRange] = field(
        default_factory=lambda: {
            "clip": CueRange(0.4, 1.0, 1.0),
            "colour": CueRange(0.55, 0.95, 1.0),
            "pointer": CueRange(0.9, 1.0, 0.25),
            "shape": CueRange(0.3, 0.9, 0.35),
        }
    )
    same: float = 0.6
    other: float = 0.3
    slack: float = 0.15

    def with_range(self, cue: Cue, low: float, high: float) -> LikenessSettings:
        """The same for a cue of another range, as of another encoder."""
        weight = self.ranges[cue].weight if cue in self.ranges else 1.0
        return replace(self, ranges={**self.ranges, cue: CueRange(low, high, weight)})

    def least(self, memory: TrackMemory, *, asked_for: bool = False) -> float:
        """Likeness that something must have to be a certain object.

        Args:
            memory: What is remembered of the object.
            asked_for: Whether it is known to be what was asked for, as the object was. In another shot that
                need not look as it always did: it is lit, turned and of another size.
        """
        slack = 2 * self.slack if asked_for and memory.elsewhere else self.slack
        return max(self.same, usual - slack) if (usual := usual_likeness(memory)) else self.same

    def denied(self, memory: TrackMemory) -> float:
        """Likeness below which something is not that object."""
        return max(self.other, usual - 3 * self.slack) if (usual := usual_likeness(memory)) else self.other


def usual_likeness(memory: TrackMemory) -> float:
    """How like itself an object mostly is; 0 while too few looks tell."""
    return float(np.median(memory.alikes)) if len(memory.alikes) >= _LOOKS else 0.0


def may_be_taken_for(memory: TrackMemory, other: TrackMemory, settings: LikenessSettings) -> bool:
    """Whether an object looks so much like another that a mask of the one could pass for the other."""
    known = {cue: mean for cue, gallery in other.cues.items() if (mean := gallery.mean) is not None}
    usual = Detection(other.kalman.box, embedding=other.appearance.mean, cues=known)
    alike = likeness(memory, usual, settings)
    return alike is None or alike >= settings.denied(memory)


def likeness(memory: TrackMemory, detection: Detection, settings: LikenessSettings) -> float | None:
    """Likeness in [0, 1], or None where they have no cue in common."""
    total = weight = 0.0
    for cue, gallery in (("clip", memory.appearance), *memory.cues.items()):
        vector = detection.embedding if cue == "clip" else detection.cues.get(cue)
        how = settings.ranges.get(cue)
        similarity = None if vector is None or how is None else gallery.similarity(vector)
        if similarity is not None and how is not None:
            stretched = (similarity - how.low) / max(how.high - how.low, 1e-9)
            total += how.weight * min(max(stretched, 0.0), 1.0)
            weight += how.weight
    return total / weight if weight else None
