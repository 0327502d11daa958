"""What the identity layer is settling on the frame at hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seektrack.tracking.claims import Depth
from seektrack.tracking.memory import Detection
from seektrack.tracking.seek import Glance

_OWN = 0.8
"""Share of a mask that must be its object's own for the frame to be remembered."""


@dataclass
class Step:
    """One frame on its way to `FrameIdentities`.

    Attributes:
        frame_index, time_s: Which frame.
        seen: By id, what is believed to be seen.
        restarts: Ids whose motion so far does not count any more.
        new, revived, merged, dropped, retracted, swapped: As in `FrameIdentities`.
        contested: Ids that contest pixels with another: where they go cannot be told from masks.
        corrected: Ids that are seen where the engine does not see them.
        denied: Ids whose engine's mask is not believed, or not all of it.
        glance: To look closer at the frame, or None.
        image: The frame, uint8 (H, W, 3) RGB, or None.
        share: By id, what is shown of those whose pixels another claims too.
        depth: Of the frame, made when it is asked for; None where there is no source.
    """

    frame_index: int
    time_s: float
    seen: dict[int, Detection] = field(default_factory=dict)
    restarts: set[int] = field(default_factory=set)
    new: list[int] = field(default_factory=list)
    revived: list[int] = field(default_factory=list)
    merged: list[tuple[int, int]] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    retracted: list[tuple[int, int]] = field(default_factory=list)
    contested: set[int] = field(default_factory=set)
    corrected: set[int] = field(default_factory=set)
    swapped: list[tuple[int, int]] = field(default_factory=list)
    denied: set[int] = field(default_factory=set)
    glance: Glance | None = None
    image: NDArray[np.uint8] | None = None
    share: dict[int, Detection] = field(default_factory=dict)
    depth: Depth | None = None

    @property
    def bled(self) -> set[int]:
        """Ids whose masks lie on another's pixels to a good part: they show both, and teach nothing."""
        shared = ((i, d.mask, self.seen[i].mask) for i, d in self.share.items() if i in self.seen)
        return {
            i for i, mine, all_of_it in shared if mine and all_of_it and mine.area < _OWN * all_of_it.area
        }

    def shown(self, obj_id: int) -> Detection:
        """What is shown of one that is seen."""
        return self.share.get(obj_id, self.seen[obj_id])
