"""A session that leaves most frames to the optical flow, and the choice between it and the plain one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.segmentation.arrays import floats, like
from seektrack.segmentation.carry import OUTSIDE, Carrier, Floats
from seektrack.segmentation.features import NO_OBJECT_LOGIT, ImageFeatures
from seektrack.segmentation.flow import make_flow
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.prompts import check_prompt
from seektrack.segmentation.propagation import LazyFeatures, PropagationSettings, only
from seektrack.segmentation.session import VideoSession
from seektrack.types import Prompt

if TYPE_CHECKING:
    from seektrack.segmentation.checkpoint_flow import FlowState


class FlowSession:
    """A ``VideoSession`` that leaves most frames to the optical flow.

    The session inside steps the frames the network looks at and no others, so its memories are those of a
    video sampled at them. Masks are carried as logits. An object carried out of the picture is absent until
    the network finds it again.

    Args:
        session: A session no frame was stepped in yet.
        settings: Its mode is ``hybrid`` or ``flow``.

    Raises:
        ModelError: The flow method cannot be had.
    """

    def __init__(self, session: VideoSession, settings: PropagationSettings) -> None:
        self.session = session
        self.settings = settings
        self.carrier = Carrier(
            make_flow(settings.flow, device=settings.device),
            side=settings.side,
            colour=settings.flow == "raft",
            two_way=settings.two_way,
        )
        self.frame_index: int | None = None
        self.n_seen = 0
        self._since = 0
        self._view: LazyFeatures | None = None
        self._anchor: FrameMasks | None = None
        self._carried: Floats = np.zeros((0, 1, 1), np.float32)
        self._latest: FrameMasks | None = None

    @property
    def sam2(self) -> Sam2:
        """The network, see ``VideoSession``."""
        return self.session.sam2

    @property
    def obj_ids(self) -> list[int]:
        """Objects being followed, in the order they started."""
        return self.session.obj_ids

    def add(self, prompt: Prompt) -> None:
        """Start or correct an object, see ``VideoSession.add``.

        Where it corrects a mask the flow carried to the current frame, the network looks at the frame first.

        Raises:
            PromptError: The prompt is empty, contradictory or lies outside the picture.
        """
        here = prompt.frame_index == self.frame_index != self.session.frame_index
        if here and prompt.obj_id in self.obj_ids and self._view is not None:
            check_prompt(prompt, self.session.hw)
            self._see(self._view, prompt.frame_index)
        self.session.add(prompt)

    def remove(self, obj_id: int) -> None:
        """Stop following an object and forget it.

        Raises:
            PromptError: There is no such object.
        """
        self.session.remove(obj_id)
        for name in ("_anchor", "_latest"):
            answer = getattr(self, name)
            if answer is not None:
                setattr(self, name, only(answer, [o for o in answer.obj_ids if o != obj_id]))
        if self._anchor is not None:
            self._carried = _floats(self._anchor)

    def leave_out(self, obj_id: int) -> None:
        """See ``VideoSession.leave_out``; a frame the network did not see is not remembered anyway."""
        if self.frame_index == self.session.frame_index:
            self.session.leave_out(obj_id)

    def swap(self, one: int, other: int) -> None:
        """See ``VideoSession.swap``; the network looks at the next frame."""
        self.session.swap(one, other)
        self._anchor = self._latest = None

    def turn(self) -> None:
        """Go the other way from the next step on, whichever frame that is; the network looks at it."""
        self.session.turn()
        self._anchor = self._latest = None

    def condition(self, image: NDArray[np.uint8] | ImageFeatures, frame_index: int) -> FrameMasks:
        """See ``VideoSession.condition``; the network looks at the first step."""
        return self.session.condition(image, frame_index)

    def step(self, image: NDArray[np.uint8] | LazyFeatures, frame_index: int) -> FrameMasks:
        """Answer for every object on one frame, see ``VideoSession.step``.

        Args:
            image: uint8 (H, W, 3) RGB, or lazily its features.
            frame_index: 0-based.

        Raises:
            InputError: The picture's size is not that of the frames before it, or the index is negative.
            PromptError: A prompt for this frame does not fit the picture; it is dropped, the rest stays.
        """
        view = image if isinstance(image, LazyFeatures) else LazyFeatures(self.sam2, image)
        if self.session.pending.get(frame_index):
            return self._see(view, frame_index)
        if self._latest is not None and frame_index == self.frame_index:
            return self._latest
        if frame_index < 0:
            raise InputError(f"frame_index counts from 0, got {frame_index}")
        hw = self.session.hw
        if hw is not None and view.image.shape != (*hw, 3):
            raise InputError(f"frame {frame_index} is {view.image.shape[:2]}, the session's frames are {hw}")
        if not self.obj_ids:
            return self._stand(view, frame_index, self._nothing(view, frame_index))
        if self._anchor is None:
            return self._see(view, frame_index)
        hybrid = self.settings.mode == "hybrid"
        if hybrid and self._since + 1 >= self.settings.every:
            return self._see(view, frame_index)
        self.carrier.advance(view.image)
        self._since += 1
        logits = self.carrier.carry(self._carried)
        trust = self.carrier.trust(logits.shape[-1])
        if hybrid and self._changed(logits, trust):
            return self._see(view, frame_index)
        return self._stand(view, frame_index, self._answer(self._anchor, frame_index, logits, trust))

    def save(self, path: str | Path) -> None:
        """Write the whole session to one file, from which ``load`` continues with identical masks.

        Raises:
            OutputError: The file cannot be written.
        """
        from seektrack.segmentation.checkpoint_flow import save_flow_session

        save_flow_session(self, path)

    @classmethod
    def load(cls, path: str | Path, sam2: Sam2) -> FlowSession:
        """Read a session written by ``save``, to continue with the same network.

        Raises:
            InputError: The file is missing or not a session of this kind.
            ModelError: It was written with another network or resolution, or its flow method cannot be had.
        """
        from seektrack.segmentation.checkpoint_flow import load_flow_session

        return load_flow_session(path, sam2, cls)

    def state(self) -> FlowState:
        """Where it stands, for ``restore``."""
        from seektrack.segmentation.checkpoint_flow import FlowState

        arrays = self.carrier.state()
        if self._view is not None:
            arrays["image"] = self._view.image
        named = (("anchor", self._anchor), ("latest", self._latest))
        return FlowState(
            arrays=arrays,
            answers={name: answer for name, answer in named if answer is not None},
            numbers={
                "frame_index": self.frame_index,
                "n_seen": self.n_seen,
                "since": self._since,
                "residual": self.carrier.residual,
            },
        )

    def restore(self, held: FlowState) -> None:
        """Go on from where another of the same settings and session stood."""
        self.carrier.restore(held.arrays, residual=held.numbers["residual"])
        self.frame_index, self.n_seen = held.numbers["frame_index"], held.numbers["n_seen"]
        self._since = held.numbers["since"]
        image = held.arrays.get("image")
        self._view = None if image is None else LazyFeatures(self.sam2, image)
        self._anchor, self._latest = held.answers.get("anchor"), held.answers.get("latest")
        if self._anchor is not None:
            self._carried = _floats(self._anchor)

    def _see(self, view: LazyFeatures, frame_index: int) -> FrameMasks:
        """The network's own answer, from which the flow carries on."""
        answer = self.session.step(view.features(), frame_index)
        self.carrier.anchor(view.image)
        self._carried = _floats(answer)
        self._anchor = answer
        self._since = 0
        self.n_seen += 1
        return self._stand(view, frame_index, answer)

    def _stand(self, view: LazyFeatures, frame_index: int, answer: FrameMasks) -> FrameMasks:
        self._view, self.frame_index, self._latest = view, frame_index, answer
        return answer

    def _changed(self, logits: Floats, trust: Floats) -> bool:
        """Whether the picture or an object became another, so that the flow cannot be believed."""
        inside = logits > 0
        area = inside.sum(axis=(1, 2))
        lost = (inside * (1 - trust)).sum(axis=(1, 2)) > self.settings.max_lost * area
        return bool((lost & (area > 0)).any()) or self.carrier.residual > self.settings.max_residual

    def _answer(self, anchor: FrameMasks, frame_index: int, logits: Floats, trust: Floats) -> FrameMasks:
        """The anchor's answer with its masks carried; what was carried out of the picture is gone."""
        inside = logits > 0
        area = inside.sum(axis=(1, 2))
        there = area > 0
        sure = (inside * trust).sum(axis=(1, 2)) / np.maximum(area, 1)
        carried = np.where(there[:, None, None], logits, NO_OBJECT_LOGIT)
        return replace(
            anchor,
            frame_index=frame_index,
            logits=like(carried, anchor.logits),
            object_scores=anchor.object_scores * like(there, anchor.object_scores),
            iou_scores=anchor.iou_scores * like(sure, anchor.iou_scores),
        )

    def _nothing(self, view: LazyFeatures, frame_index: int) -> FrameMasks:
        """The answer where nobody is followed."""
        sam2 = self.sam2
        side, width = sam2.resolution // 4, sam2.network.sizes.hidden_dim
        none = sam2.network.array(np.zeros(0))
        hw = (int(view.image.shape[0]), int(view.image.shape[1]))
        return FrameMasks(
            frame_index=frame_index,
            obj_ids=[],
            logits=none.reshape(0, side, side),
            object_scores=none,
            iou_scores=none,
            pointers=none.reshape(0, width),
            hw=hw,
        )


def _floats(answer: FrameMasks) -> Floats:
    """Logits as the flow carries them."""
    return np.maximum(floats(answer.logits), OUTSIDE)


def open_session(
    sam2: Sam2, settings: PropagationSettings | None = None, *, max_objects_per_batch: int = 32
) -> VideoSession | FlowSession:
    """A session that propagates as the settings say; every frame through the network if none are given."""
    settings = settings or PropagationSettings()
    session = VideoSession(sam2, max_objects_per_batch=max_objects_per_batch, remember=settings.remember)
    return session if settings.mode == "memory" else FlowSession(session, settings)


def resume_session(path: str | Path, sam2: Sam2) -> VideoSession | FlowSession:
    """Read a session of either kind, to continue as ``open_session`` began it, with the same network.

    Raises:
        InputError: The file is missing or not a session.
        ModelError: It was written with another network or resolution, or its flow method cannot be had.
    """
    from seektrack.segmentation.checkpoint import load_session, read
    from seektrack.segmentation.checkpoint_flow import load_flow_session

    _, state = read(path)
    if "flow" in state:
        return load_flow_session(path, sam2, FlowSession)
    return load_session(path, sam2, VideoSession)
