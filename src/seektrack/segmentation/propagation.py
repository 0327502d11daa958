"""How masks get from frame to frame: through the network, along the optical flow, or both in turn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seektrack import defaults
from seektrack.errors import InputError
from seektrack.segmentation.features import ImageFeatures
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.memory import Remember, check_remember
from seektrack.segmentation.model import Sam2

Mode = Literal["memory", "hybrid", "flow"]
MODES: tuple[Mode, ...] = ("memory", "hybrid", "flow")


@dataclass(frozen=True, kw_only=True)
class PropagationSettings:
    """How masks get from frame to frame.

    Attributes:
        mode: ``memory``, every frame through the network; ``hybrid``, every so many and those that changed
            much, the flow carrying masks between; ``flow``, prompted frames alone.
        every: In hybrid mode, the network sees one frame in so many.
        flow: The optical flow method, see ``seektrack.segmentation.flow``.
        side: Of the square the flow is computed on, in pixels.
        two_way: Judge the flow by following it there and back, at twice the cost, not by the looks of pixels.
        max_lost: In hybrid mode the network looks at once when more than this share of an object's carried
            mask is not to be trusted any more.
        max_residual: In hybrid mode it looks at once when the picture differs from the one carried to it by
            more grey levels on average: a cut.
        device: Where RAFT runs.
        remember: Which followed frames the network's memory keeps: those the object was ``seen`` on, or
            ``all``, as the reference does; see :class:`~seektrack.segmentation.memory.MemorySettings`.
    """

    mode: Mode = "memory"
    every: int = defaults.EVERY
    flow: str = defaults.FLOW
    side: int = 128
    two_way: bool = False
    max_lost: float = 0.1
    max_residual: float = 30.0
    device: str = "cpu"
    remember: Remember = "seen"

    def __post_init__(self) -> None:
        check_remember(self.remember)
        if self.mode not in MODES:
            raise InputError(
                f"there is no propagation mode {self.mode!r}", hint=f"take one of {', '.join(MODES)}"
            )
        if self.every < 1:
            raise InputError(f"every must be at least 1, got {self.every}")
        if not 32 <= self.side <= 1024:
            raise InputError(f"side must be from 32 to 1024, got {self.side}")


class LazyFeatures:
    """A picture whose features are computed when someone asks for them, and then kept.

    Attributes:
        image: uint8 (H, W, 3), RGB.
    """

    def __init__(self, sam2: Sam2, image: NDArray[np.uint8]) -> None:
        self.image = image
        self._sam2 = sam2
        self._features: ImageFeatures | None = None

    def features(self) -> ImageFeatures:
        """Features of the picture."""
        if self._features is None:
            self._features = self._sam2.encode(self.image)
        return self._features


def only(answer: FrameMasks, obj_ids: Iterable[int]) -> FrameMasks:
    """An answer without the objects not named."""
    wanted = set(obj_ids)
    rows = [slot for slot, obj_id in enumerate(answer.obj_ids) if obj_id in wanted]
    return replace(
        answer,
        obj_ids=[answer.obj_ids[slot] for slot in rows],
        logits=answer.logits[rows],
        object_scores=answer.object_scores[rows],
        iou_scores=answer.iou_scores[rows],
        pointers=answer.pointers[rows],
    )
