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
from seektrack.tracking import kalman
from seektrack.tracking.claims import Depth
from seektrack.tracking.kalman import Array
from seektrack.tracking.likeness import likeness
from seektrack.tracking.memory import Appearance, Detection, FrameIdentities, TrackMemory, TrackState
from seektrack.tracking.overlaps import Overlaps
from seektrack.tracking.predict import Predictor, locate
from seektrack.tracking.predictors import load_predictor
from seektrack.tracking.recognise import (
    already_followed,
    best_answer,
    best_known,
    has_jumped,
    has_left,
    is_partial,
    is_something,
    looks_wrong,
    recognise,
)
from seektrack.tracking.seek import Glance, is_due
from seektrack.tracking.settings import IdentitySettings
from seektrack.tracking.step import Step
from seektrack.types import Observation

_IN_PLACE = (TrackState.ACTIVE, TrackState.OCCLUDED)


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
        self.next_id = self._first_id
        self._memories: dict[int, TrackMemory] = {}
        self._overlaps = Overlaps(self._memories, self.hw, self.settings)

    @cached_property
    def predictor(self) -> Predictor:
        """Tells where hidden objects are; loaded when the first is hidden."""
        return load_predictor(self.settings.predictor)

    @property
    def memories(self) -> tuple[TrackMemory, ...]:
        """Every object not yet forgotten, by id."""
        return tuple(self._memories[i] for i in sorted(self._memories))

    def memory(self, obj_id: int) -> TrackMemory | None:
        """What is remembered of one object, or None when it is unknown or forgotten."""
        return self._memories.get(obj_id)

    def cut(self) -> None:
        """Take in that the next frame begins another shot: nobody is where they were, or there at all."""
        for memory in self._memories.values():
            memory.hide()
            memory.state, memory.elsewhere, memory.returning = TrackState.OUT_OF_VIEW, True, 0
        self._overlaps.clear()

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
        for detection in detections:
            if detection.obj_id is not None and is_something(detection, self.settings):
                self._verify(step, detection.obj_id, detection)
        self._overlaps.settle(step)
        for obj_id, detection in step.seen.items():
            self._commit(step, obj_id, detection)
        self._adopt(step)
        candidate_ids = self._place_candidates(step, [d for d in detections if d.obj_id is None])
        self._seek(step)
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

    def _verify(self, step: Step, obj_id: int, detection: Detection) -> None:
        """Believe an engine's mask, or leave its object unseen on this frame."""
        memory = self._memories.get(obj_id)
        if memory is None or detection.trusted:
            step.seen[obj_id] = detection
            if memory is not None and (memory.elsewhere or has_jumped(memory, detection, self.settings)):
                step.restarts.add(obj_id)
            return
        step.denied.add(obj_id)
        alike = likeness(memory, detection, self.settings.likeness)
        if memory.elsewhere:
            self._verify_after_cut(step, memory, detection, alike)
            return
        judged = detection.embedding is None and not is_partial(memory, detection, self.settings)
        if (memory.hidden or judged) and alike is not None and alike < self.settings.likeness.denied(memory):
            return
        if looks_wrong(memory, detection, self.settings):
            if memory.hidden:
                return
            if memory.strikes == 0:
                memory.strike_frame = step.frame_index
            memory.strikes += 1
            if memory.strikes >= self.settings.drift_strikes:
                step.dropped.append(obj_id)
                step.retracted.append((obj_id, memory.strike_frame))
                memory.hide()
                memory.strikes, memory.state = 0, TrackState.LOST
                return
        elif detection.embedding is not None or detection.confidence is not None:
            memory.strikes = 0
        if has_jumped(memory, detection, self.settings):
            if not self._jump_is_believed(memory, detection, alike):
                return
            step.restarts.add(obj_id)
        step.denied.discard(obj_id)
        step.seen[obj_id] = detection

    def _verify_after_cut(
        self, step: Step, memory: TrackMemory, detection: Detection, alike: float | None
    ) -> None:
        """Only what looks like the object, twice in a row, is the object in another shot."""
        same = alike is not None and alike >= self.settings.likeness.least(memory)
        memory.returning = memory.returning + 1 if same else 0
        if memory.returning >= self.settings.return_looks:
            step.denied.discard(memory.obj_id)
            step.restarts.add(memory.obj_id)
            step.seen[memory.obj_id] = detection

    def _jump_is_believed(self, memory: TrackMemory, detection: Detection, alike: float | None) -> bool:
        """A jump is believed when the looks confirm it or, without looks, when it stays for some frames."""
        if detection.embedding is not None:
            similarity = memory.appearance.similarity(detection.embedding)
            if similarity is not None:
                return similarity >= self.settings.revive_similarity
        if alike is not None and (alike < self.settings.likeness.denied(memory) or memory.hidden):
            return alike >= self.settings.likeness.least(memory)
        box = np.array([detection.box])
        stays = bool(memory.jumped) and geometry.box_iou(np.array(memory.jumped[-1:]), box)[0, 0] > 0
        memory.jumped = [*memory.jumped, detection.box] if stays else [detection.box]
        return len(memory.jumped) >= self.settings.jump_frames

    def _commit(self, step: Step, obj_id: int, detection: Detection) -> None:
        memory = self._memories.get(obj_id)
        if memory is None:
            self._begin(step, obj_id, detection)
        else:
            self._see(step, memory, detection, restart=obj_id in step.restarts)

    def _place_candidates(self, step: Step, candidates: Sequence[Detection]) -> list[int]:
        """Give each candidate the id of a followed object, of a hidden one, or a new one."""
        ids: dict[int, int] = {}
        for j, candidate in enumerate(candidates):
            obj_id = already_followed(candidate, step.seen, self.settings)
            if obj_id is not None:
                ids[j] = obj_id
        rest = [j for j in range(len(candidates)) if j not in ids]
        waiting = [m for m in self.memories if m.obj_id not in step.seen]
        if rest and waiting:
            found = recognise(waiting, [candidates[j] for j in rest], step.time_s, self.settings)
            for row, column, _ in found.pairs:
                memory, candidate = waiting[row], candidates[rest[column]]
                ids[rest[column]] = memory.obj_id
                step.revived.append(memory.obj_id)
                restart = memory.state is TrackState.LOST or has_jumped(memory, candidate, self.settings)
                self._see(step, memory, candidate, restart=restart)
        for j in rest:
            if j not in ids:  # it may be another answer to one that was just recognised, or began
                obj_id = already_followed(candidates[j], step.seen, self.settings)
                ids[j] = self.next_id if obj_id is None else obj_id
                if obj_id is None:
                    self._begin(step, self.next_id, candidates[j])
        return [ids[j] for j in range(len(candidates))]

    def _adopt(self, step: Step) -> None:
        """Give objects that began of late the id of one that was out of sight by then, and is what they are.

        The first mask of what comes into sight may show a part of it, or more, and look like nobody.
        """
        waiting = [m for m in self.memories if m.hidden and m.obj_id not in step.seen]
        young = [i for i in step.seen if i in self._memories and self._memories[i].may_be_known]
        for obj_id in young:
            memory, seen = self._memories[obj_id], step.seen[obj_id]
            if abs(step.time_s - memory.born_s) > self.settings.adopt_s:
                memory.may_be_known = False
                continue
            known = best_known(waiting, memory, seen, self.settings)
            same = known is not None and known.obj_id == memory.takes_after
            memory.takes_after = None if known is None else known.obj_id
            if known is None or not same:
                continue
            waiting.remove(known)
            del step.seen[obj_id], self._memories[obj_id]
            memory.state = TrackState.ENDED
            step.merged.append((obj_id, known.obj_id))
            step.dropped.append(obj_id)
            step.corrected.add(known.obj_id)
            known.take_over(memory)
            self._see(step, known, seen, restart=False)

    def _seek(self, step: Step) -> None:
        """Look for objects out of sight where motion and colours say they could be."""
        waiting = [
            m for m in self.memories if m.obj_id not in step.seen and not self._overlaps.contested(m.obj_id)
        ]
        for memory in sorted(waiting, key=lambda m: abs(step.time_s - m.seen_s))[: self.settings.max_sought]:
            memory.unseen += 1
            if step.glance is None or not is_due(memory, memory.unseen):
                continue
            found = best_answer(step, memory, self.settings)
            memory.sighted = 0 if found is None else memory.sighted + 1
            if found is None:
                continue
            near = memory.state in _IN_PLACE and not has_jumped(memory, found, self.settings)
            if near or memory.sighted >= self.settings.return_looks:
                step.corrected.add(memory.obj_id)
                self._see(step, memory, found, restart=not near)

    def _begin(self, step: Step, obj_id: int, detection: Detection) -> None:
        memory = TrackMemory(
            obj_id,
            detection.label,
            step.time_s,
            kalman.initiate(detection.box, self.settings.kalman),
            step.time_s,
            step.time_s,
            step.frame_index,
            score_sum=detection.score,
            mask=detection.mask,
            appearance=Appearance(self.settings.gallery),
            may_be_known=not detection.trusted and detection.obj_id is None,
        )
        memory.boxes.append(detection.box)
        memory.sightings.append((step.time_s, detection.box))
        memory.learn(detection)
        if self.settings.min_hits <= 1:
            memory.state = TrackState.ACTIVE
        self._memories[obj_id] = memory
        self.next_id = max(self.next_id, obj_id + 1)
        step.seen[obj_id] = detection
        step.new.append(obj_id)

    def _see(self, step: Step, memory: TrackMemory, detection: Detection, *, restart: bool) -> None:
        contested = memory.obj_id in step.contested
        alike = likeness(memory, detection, self.settings.likeness)
        sure = detection.score >= self.settings.sure_score
        itself = (
            detection.trusted or alike is None or (sure and alike >= self.settings.likeness.least(memory))
        )
        partial = is_partial(memory, detection, self.settings)
        if itself and not contested and memory.strikes == 0 and not partial:
            memory.learn(detection)
            memory.alikes.extend([] if alike is None else [alike])
        if contested:
            memory.glimpse(step.frame_index, detection)
        else:
            memory.see(step.frame_index, detection, self.settings.kalman, restart=restart)
        if memory.hidden or memory.hits >= self.settings.min_hits:
            memory.state = TrackState.ACTIVE
        step.seen[memory.obj_id] = detection

    def _age(self, step: Step) -> None:
        """Hide, lose and forget what was not seen."""
        unseen = [m for m in self.memories if m.obj_id not in step.seen]
        vanished = [m for m in unseen if not m.hidden]
        for memory in unseen:
            hidden_s = abs(step.time_s - memory.seen_s) - 1e-6
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
