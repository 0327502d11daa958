"""What is done to an answer before it is used: thresholds, a closer look, cleaning up, sharing out pixels."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import BoolMask, resize_mask
from seektrack.segmentation.chain import PostProcess, parse_steps
from seektrack.segmentation.flow_session import FlowSession
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.postprocess import non_overlapping
from seektrack.segmentation.propagation import LazyFeatures
from seektrack.segmentation.refine import RefineSettings, refine
from seektrack.types import Prompt


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FinishedMasks(FrameMasks):
    """An answer whose masks are settled; its logits are those the engine gave.

    Attributes:
        pixels: bool (N, H, W) in source resolution.
    """

    pixels: NDArray[np.bool_]

    def masks(
        self, hw: tuple[int, int] | None = None, *, threshold: float = 0.0, exclusive: bool = False
    ) -> NDArray[np.bool_]:
        """The settled masks, resized to ``hw`` if given; ``threshold`` was settled with them."""
        del threshold
        out = self.pixels
        if hw is not None and hw != self.hw:
            out = np.stack([resize_mask(m, hw) for m in out]) if len(out) else np.zeros((0, *hw), dtype=bool)
        return non_overlapping(out, self.object_scores.tolist()) if exclusive else out

    def mask(self, obj_id: int, hw: tuple[int, int] | None = None, *, threshold: float = 0.0) -> BoolMask:
        """One object's mask, bool (H, W).

        Raises:
            KeyError: The object is not on this frame's list.
        """
        del threshold
        if obj_id not in self.obj_ids:
            raise KeyError(f"object {obj_id} is not among {self.obj_ids}")
        return resize_mask(self.pixels[self.obj_ids.index(obj_id)], hw or self.hw)


@dataclass(frozen=True)
class Finish:
    """What is done to every answer; callable with an answer and its picture.

    Attributes:
        sam2: The network, for the closer look.
        refine: Look at every object closer, in source resolution.
        post: Steps that clean the masks up.
        threshold: Logit above which a pixel is inside.
        exclusive: Give a pixel claimed by several objects to the surest.
    """

    sam2: Sam2
    refine: RefineSettings | None = None
    post: PostProcess | None = None
    threshold: float = 0.0
    exclusive: bool = False

    @classmethod
    def of(
        cls,
        sam2: Sam2,
        *,
        refine: RefineSettings | None = None,
        post: PostProcess | str | None = None,
        threshold: float = 0.0,
        exclusive: bool = False,
    ) -> Finish:
        """A finish whose steps may be given as text.

        Raises:
            InputError: A step is unknown, or the threshold is not a number.
        """
        if not np.isfinite(threshold):
            raise InputError(f"the mask threshold must be a number, got {threshold}")
        return cls(sam2, refine, parse_steps(post) if isinstance(post, str) else post, threshold, exclusive)

    @property
    def does_nothing(self) -> bool:
        """Whether answers pass as they are."""
        return self == Finish(self.sam2)

    def __call__(self, answer: FrameMasks, image: NDArray[np.uint8]) -> FrameMasks:
        """The answer with its masks settled; the very same where there is nothing to do."""
        if self.does_nothing:
            return answer
        pixels = answer.masks(threshold=self.threshold)
        if self.refine is not None:
            closer = refine(self.sam2, image, pixels, settings=self.refine, threshold=self.threshold)
            pixels = np.stack([r.mask for r in closer]) if closer else pixels
        if self.post is not None and len(pixels):
            pixels = np.stack([self.post(mask, image) for mask in pixels])
        if self.exclusive:
            pixels = non_overlapping(pixels, answer.object_scores.tolist())
        given: dict[str, Any] = {f.name: getattr(answer, f.name) for f in fields(FrameMasks)}
        return FinishedMasks(**given, pixels=pixels)


class Session(Protocol):
    """What steps frames: ``VideoSession``, ``FlowSession`` or ``FinishedSession``."""

    @property
    def obj_ids(self) -> list[int]: ...  # noqa: D102
    @property
    def frame_index(self) -> int | None: ...  # noqa: D102
    def add(self, prompt: Prompt) -> None: ...  # noqa: D102
    def remove(self, obj_id: int) -> None: ...  # noqa: D102
    def leave_out(self, obj_id: int) -> None: ...  # noqa: D102
    def swap(self, one: int, other: int) -> None: ...  # noqa: D102
    def condition(self, image: Any, frame_index: int) -> FrameMasks: ...  # noqa: D102
    def save(self, path: str | Path) -> None: ...  # noqa: D102
    def step(self, image: Any, frame_index: int) -> FrameMasks: ...  # noqa: D102


class FinishedSession:
    """A session whose answers are finished.

    Args:
        session: Any session.
        finish: What is done to each answer.
    """

    def __init__(self, session: Session, finish: Finish) -> None:
        self.session = session
        self.finish = finish

    @property
    def obj_ids(self) -> list[int]:
        """Objects being followed, in the order they started."""
        return self.session.obj_ids

    @property
    def frame_index(self) -> int | None:
        """The latest frame stepped."""
        return self.session.frame_index

    def add(self, prompt: Prompt) -> None:
        """See ``VideoSession.add``."""
        self.session.add(prompt)

    def remove(self, obj_id: int) -> None:
        """See ``VideoSession.remove``."""
        self.session.remove(obj_id)

    def leave_out(self, obj_id: int) -> None:
        """See ``VideoSession.leave_out``."""
        self.session.leave_out(obj_id)

    def swap(self, one: int, other: int) -> None:
        """See ``VideoSession.swap``."""
        self.session.swap(one, other)

    def save(self, path: str | Path) -> None:
        """See ``VideoSession.save``; what is done to answers is not kept."""
        self.session.save(path)

    def condition(self, image: NDArray[np.uint8] | LazyFeatures, frame_index: int) -> FrameMasks:
        """See ``VideoSession.condition``; the answer is as the session gives it."""
        features = image.features() if isinstance(image, LazyFeatures) else image
        return self.session.condition(features, frame_index)

    def step(self, image: NDArray[np.uint8] | LazyFeatures, frame_index: int) -> FrameMasks:
        """See ``VideoSession.step``; the picture itself is needed."""
        if not isinstance(image, LazyFeatures):
            return self.finish(self.session.step(image, frame_index), image)
        lazy = isinstance(self.session, FlowSession)
        answer = self.session.step(image if lazy else image.features(), frame_index)
        return self.finish(answer, image.image)
