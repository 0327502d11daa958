"""What says who is who among the detections of a video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.tracking.memory import Detection, FrameIdentities
from seektrack.tracking.settings import IdentitySettings

Image = NDArray[np.uint8]
Need = Literal["image", "embedding"]


class Tracker(Protocol):
    """Gives the detections of one frame after another identities.

    It is stepped through the frames in one direction, either one; ``reset`` begins anew.
    """

    def update(
        self,
        frame_index: int,
        time_s: float,
        detections: Sequence[Detection],
        *,
        image: Image | None = None,
    ) -> FrameIdentities:
        """Take in everything detected on one frame.

        Args:
            frame_index: The frame. Frames may be left out.
            time_s: Its time in seconds.
            detections: What was detected, without ids.
            image: uint8 (H, W, 3), RGB; given to a tracker that needs it.

        Returns:
            By id an observation of each detection that has one, by its second sight at the latest, and in
            ``candidate_ids`` the id of every detection in the order they came, -1 for one that has none. An
            id is never on two detections of a frame. An observation without a detection is a prediction,
            ``visible=False``.
        """
        ...

    def reset(self) -> None:
        """Forget everything, as for another video."""
        ...


@dataclass(frozen=True)
class TrackerContext:
    """What a tracker is made for.

    Attributes:
        hw: Height and width of the frames, pixels.
        fps: Frames a second.
        identity: When identities are kept and given up.
    """

    hw: tuple[int, int]
    fps: float
    identity: IdentitySettings = field(default_factory=IdentitySettings)


@dataclass(frozen=True)
class TrackerKind:
    """A tracker that can be asked for by name.

    Attributes:
        name: What the user calls it.
        about: One line on what it is.
        make: Makes one for a video.
        needs: What it must be given beside boxes: the ``image``, or each detection's ``embedding``.
    """

    name: str
    about: str
    make: Callable[[TrackerContext], Tracker]
    needs: frozenset[Need] = frozenset()
