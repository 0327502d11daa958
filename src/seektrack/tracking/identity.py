"""The identity layer: one id per real object, whatever the engine and the grounding say.

Two kinds of detections come in. Those with an id are the segmentation engine's masks: each is verified
(is there an object, can it have come here, does it still look like itself) before it is believed. Those
without are candidates found by grounding: each is told from the objects already followed, recognised as one
that was lost, or given a new id. Objects that are not seen are predicted for a while, then only remembered.
Those of which the engine shows nothing are looked for; two ids on the same pixels are `overlaps`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.tracking.claims import Depth
from seektrack.tracking.exchange import exchanged
from seektrack.tracking.kalman import Array
from seektrack.tracking.known import Known
from seektrack.tracking.memory import Detection, FrameIdentities, TrackMemory, TrackState
from seektrack.tracking.overlaps import Overlaps
from seektrack.tracking.predict import Predictor, locate
from seektrack.tracking.predictors import load_predictor
from seektrack.tracking.recognise import has_left, is_something
from seektrack.tracking.returns import Returns
from seektrack.tracking.seek import Glance
from seektrack.tracking.settings import IdentitySettings
from seektrack.tracking.step import Step
from seektrack.tracking.verify import Verifier
from seektrack.types import Observation


class IdentityTracker:
    """Keeps identities over the frames of one video, stepped in either direction of time.

    Args:
        hw: Height and width of the frames, pixels.
        settings: See `IdentitySettings`.
        next_id: First id to give out.
    """

    def __init__(
        self, hw: tuple[int, int], *, settings: IdentitySettings | None = None, next_id: int = 1
    ) -> None:
        self.hw = hw
        self.settings = settings or IdentitySettings()
        self._first_id = next_id
        self.reset()

    def reset(self) -> None:
        """Forget everything, as for another video."""
        self._known = Known(self.settings, self._first_id)
        self._memories = self._known.memories
        self._overlaps = Overlaps(self._memories, self.hw, self.settings)
        self._verifier = Verifier(self._memories, self.settings)
        self._returns = Returns(self._known, self._overlaps, self.settings)

    @property
    def next_id(self) -> int:
        """The id of the next object that begins."""
        return self._known.next_id

    @cached_property
    def predictor(self) -> Predictor:
        """Tells where hidden objects are; loaded when the first is hidden."""
        return load_predictor(self.settings.predictor)

    @property
    def memories(self) -> tuple[TrackMemory, ...]:
        """Every object not yet forgotten, by id."""
        return self._known.all

    def memory(self, obj_id: int) -> TrackMemory | None:
        """What is remembered of one object, or None when it is unknown or forgotten."""
        return self._memories.get(obj_id)

    def cut(self) -> None:
        """Take in that the next frame begins another shot: nobody is where they were, or there at all."""
        for memory in self._memories.values():
            memory.hide()
            memory.state, memory.elsewhere, memory.returning = TrackState.OUT_OF_VIEW, True, 0
            memory.same_view = False
        self._overlaps.clear()

    def resume(self, away_s: float) -> None:
        """Take in that a stream broke off and comes back: nobody is where they were.

        What it shows is believed to be the same place, until `cut` says otherwise.

        Args:
            away_s: Seconds for which nothing was seen; nobody is forgotten for them.
        """
        self.cut()
        for memory in self._memories.values():
            memory.same_view = True
            memory.away_s += away_s

    def update(
        self,
        frame_index: int,
        time_s: float,
        detections: Sequence[Detection],
        *,
        image: NDArray[np.uint8] | None = None,
        camera: Array | None = None,
        glance: Glance | None = None,
        depth: Depth | None = None,
    ) -> FrameIdentities:
        """Take in everything detected on one frame.

        Args:
            frame_index: The frame; calls go through the video in one direction.
            time_s: Its time in seconds.
            detections: The engine's masks (with ``obj_id``; an unknown id begins an object under that id) and
                candidates (without).
            image: The frame, uint8 (H, W, 3), RGB, or None.
            camera: (2, 3), takes ``(x, y, 1)`` of the frame before to ``(x, y)`` of this one.
            glance: Answers what is where on this frame, to look for objects that the engine does not show.
            depth: Gives the frame's depth where pixels are claimed twice; None without a source.

        Returns:
            What is settled about the frame.

        Raises:
            InputError: Two detections carry the same id.
        """
        ids = [d.obj_id for d in detections if d.obj_id is not None]
        if len(set(ids)) != len(ids):
            raise InputError(f"each id may be detected once a frame, got {sorted(ids)}")
        for memory in self._memories.values():
            if camera is not None:
                memory.move(camera)
            memory.predict_to(time_s, self.settings.kalman)
        self._locate(self.memories)
        step = Step(frame_index, time_s, glance=glance, image=image, depth=depth)
        step.swapped += exchanged(self._memories, detections)
        other = {a: b for pair in step.swapped for a, b in (pair, pair[::-1])}
        for detection in detections:
            if detection.obj_id is not None and is_something(detection, self.settings):
                self._verifier.verify(step, other.get(detection.obj_id, detection.obj_id), detection)
        self._overlaps.settle(step)
        self._overlaps.share(step)
        step.denied |= step.bled
        for obj_id, detection in step.seen.items():
            self._commit(step, obj_id, detection)
        self._returns.adopt(step)
        candidate_ids = self._returns.place(step, [d for d in detections if d.obj_id is None])
        self._returns.seek(step)
        self._age(step)
        self._overlaps.share(step)
        return FrameIdentities(
            frame_index,
            time_s,
            self._observations(step),
            tuple(candidate_ids),
            tuple(step.new),
            tuple(step.revived),
            tuple(step.merged),
            tuple(dict.fromkeys(step.dropped)),
            tuple(step.retracted),
            {m.obj_id: m.state for m in self.memories},
            tuple(step.swapped),
            {i: m for i in step.corrected if i in step.seen and (m := step.seen[i].mask) is not None},
            frozenset(step.denied),
        )

    def _commit(self, step: Step, obj_id: int, detection: Detection) -> None:
        memory = self._memories.get(obj_id)
        if memory is None:
            self._known.begin(step, obj_id, detection)
        else:
            self._known.see(step, memory, detection, restart=obj_id in step.restarts)

    def _age(self, step: Step) -> None:
        """Hide, lose and forget what was not seen."""
        unseen = [m for m in self.memories if m.obj_id not in step.seen]
        vanished = [m for m in unseen if not m.hidden]
        for memory in unseen:
            hidden_s = abs(step.time_s - memory.seen_s) - memory.away_s - 1e-6
            left = memory.state is TrackState.OUT_OF_VIEW or memory.elsewhere or has_left(memory, self.hw)
            memory.hide()
            if hidden_s > self.settings.max_lost_s:
                memory.state = TrackState.ENDED
                step.dropped.append(memory.obj_id)
                del self._memories[memory.obj_id]
            elif memory.state in (TrackState.LOST, TrackState.TENTATIVE):
                memory.state = TrackState.LOST
            elif left:
                memory.state = TrackState.OUT_OF_VIEW
            elif hidden_s > self.settings.max_hidden_s:
                memory.state = TrackState.LOST
            else:
                memory.state = TrackState.OCCLUDED
        self._locate(vanished)

    def _locate(self, memories: Sequence[TrackMemory]) -> None:
        """Believe what the predictor says of hidden objects; those in a contest go straight on."""
        hidden = [m for m in memories if m.hidden and not self._overlaps.contested(m.obj_id)]
        if hidden:
            locate(self.predictor, hidden, self.hw)

    def _observations(self, step: Step) -> dict[int, Observation]:
        out = {
            i: Observation(step.frame_index, step.time_s, d.box, d.mask, d.score)
            for i, d in ((i, step.shown(i)) for i in step.seen)
        }
        for memory in self.memories:
            box = self._hidden_box(memory)
            if box is not None:
                fade = 1 - abs(step.time_s - memory.seen_s) / max(self.settings.max_hidden_s, 1e-9)
                score = memory.score * max(fade, 0.0)
                out[memory.obj_id] = Observation(
                    step.frame_index, step.time_s, box, None, score, visible=False
                )
        return dict(sorted(out.items()))

    def _hidden_box(self, memory: TrackMemory) -> Box | None:
        """Where an occluded object is believed to be, clipped to the picture; None where that is outside."""
        if memory.state is not TrackState.OCCLUDED:
            return None
        return geometry.clip_box(memory.kalman.box, self.hw)
