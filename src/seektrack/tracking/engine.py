"""The networks as the passes over a video see them; tests put others in their place."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.grounding import GroundSettings
from seektrack.grounding.ground import ProposalLike
from seektrack.tracking.settings import EngineSettings
from seektrack.types import Mask, Prompt

if TYPE_CHECKING:
    from seektrack.segmentation import Finish, Sam2

Image = NDArray[np.uint8]


class MasksLike(Protocol):
    """What a session answers for one frame; `seektrack.segmentation.FrameMasks` has it."""

    @property
    def obj_ids(self) -> list[int]: ...  # noqa: D102
    @property
    def object_scores(self) -> Any: ...  # noqa: D102
    @property
    def pointers(self) -> Any: ...  # noqa: D102
    def masks(self) -> NDArray[np.bool_]: ...  # noqa: D102


class SessionLike(Protocol):
    """What follows masks from frame to frame; `seektrack.segmentation.VideoSession` does."""

    @property
    def obj_ids(self) -> list[int]: ...  # noqa: D102
    def add(self, prompt: Prompt) -> None: ...  # noqa: D102
    def remove(self, obj_id: int) -> None: ...  # noqa: D102
    def leave_out(self, obj_id: int) -> None: ...  # noqa: D102
    def swap(self, one: int, other: int) -> None: ...  # noqa: D102
    def condition(self, image: Any, frame_index: int) -> MasksLike: ...  # noqa: D102
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
        sam2: The network. Of two sets of weights the one that knows the first picture looked at stays.
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

        self._stay(self.sam2.for_picture(image))
        return LazyFeatures(self.sam2, image)

    def session(self) -> SessionLike:
        """A fresh session."""
        from seektrack.segmentation import FinishedSession, open_session

        s = self.settings
        session = open_session(self.sam2, s.propagation, max_objects_per_batch=s.max_objects_per_batch)
        return FinishedSession(session, self._finish())

    @property
    def keeps_state(self) -> bool:
        """Whether sessions of this engine can be resumed."""
        return True

    def state_of(self, session: SessionLike) -> bytes:
        """What `resumed` goes on from, of a session of this engine."""
        from seektrack.segmentation import FinishedSession

        if not isinstance(session, FinishedSession):
            raise InputError(f"a {type(session).__name__} is no session of this engine")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "session.safetensors")
            session.save(path)
            return path.read_bytes()

    def resumed(self, state: bytes) -> SessionLike:
        """A session that goes on from a state, with identical masks."""
        from seektrack.segmentation import FinishedSession, resume_session

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "session.safetensors")
            path.write_bytes(state)
            session = resume_session(path, self.sam2)
        self._stay(session.sam2)
        return FinishedSession(session, self._finish())

    def _stay(self, sam2: Sam2) -> None:
        object.__setattr__(self, "sam2", sam2)

    def _finish(self) -> Finish:
        from seektrack.segmentation import Finish

        s = self.settings
        return Finish.of(
            self.sam2,
            refine=s.refine,
            post=s.post or None,
            threshold=s.mask_threshold,
            exclusive=s.exclusive,
        )

    def propose(self, features: Any, settings: GroundSettings) -> Sequence[ProposalLike]:
        """Masks of what could be objects."""
        from seektrack.segmentation import propose

        found: Sequence[ProposalLike] = propose(
            self.sam2, features.features(), points_per_side=settings.points_per_side, **settings.propose
        )
        return found


def masks_in(engine: Engine, features: Any, frame_index: int, boxes: Sequence[Box]) -> list[Mask | None]:
    """What the engine makes of boxes on one picture, apart from what it follows.

    Args:
        engine: The segmentation networks.
        features: Of the picture.
        frame_index: The frame it is.
        boxes: ``xyxy`` pixels, each with an area.

    Returns:
        A mask for each, None where nothing was found in it.
    """
    if not boxes:
        return []
    session = engine.session()
    for k, box in enumerate(boxes):
        session.add(Prompt(k + 1, frame_index, box=box))
    answer = session.step(features, frame_index)
    held = dict(zip(answer.obj_ids, answer.masks(), strict=True))
    made = (held.get(k + 1) for k in range(len(boxes)))
    return [None if m is None or not m.any() else Mask.from_array(np.ascontiguousarray(m)) for m in made]
