"""The identity layer: one id per real object, whatever the engine and the grounding say.

Two kinds of detections come in. Those with an id are the segmentation engine's masks: each is verified
(is there an object, can it have come here, does it still look like itself) before it is believed. Those
without are candidates found by grounding: each is told from the objects already followed, recognised as one
that was lost, or given a new id. Objects that are not seen are predicted for a while, then only remembered.
Two ids on the same pixels are either one object found twice (merged) or one hiding the other (one is hidden).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.tracking import association, kalman
from seektrack.tracking.memory import Appearance, Detection, FrameIdentities, TrackMemory, TrackState
from seektrack.tracking.predict import locate
from seektrack.tracking.predictors import load_predictor
from seektrack.tracking.recognise import (
    already_followed,
    has_jumped,
    has_left,
    is_partial,
    is_something,
    looks_wrong,
    recognise,
    surprise,
)
from seektrack.tracking.settings import IdentitySettings
from seektrack.types import Observation


@dataclass
class _Step:
    """What is being settled on the frame at hand."""

    frame_index: int
    time_s: float
    seen: dict[int, Detection] = field(default_factory=dict)
    restarts: set[int] = field(default_factory=set)
    new: list[int] = field(default_factory=list)
    revived: list[int] = field(default_factory=list)
    merged: list[tuple[int, int]] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    retracted: list[tuple[int, int]] = field(default_factory=list)


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
        self.predictor = load_predictor(self.settings.predictor)
        self._first_id = next_id
        self.reset()

    def reset(self) -> None:
        """Forget everything, as for another video."""
        self.next_id = self._first_id
        self._memories: dict[int, TrackMemory] = {}
        self._together: dict[tuple[int, int], int] = {}

    @property
    def memories(self) -> tuple[TrackMemory, ...]:
        """Every object not yet forgotten, by id."""
        return tuple(self._memories[i] for i in sorted(self._memories))

    def memory(self, obj_id: int) -> TrackMemory | None:
        """What is remembered of one object, or None when it is unknown or forgotten."""
        return self._memories.get(obj_id)

    def update(
        self,
        frame_index: int,
        time_s: float,
        detections: Sequence[Detection],
        *,
        image: NDArray[np.uint8] | None = None,
    ) -> FrameIdentities:
        """Take in everything detected on one frame.

        Args:
            frame_index: The frame; calls go through the video in one direction.
            time_s: Its time in seconds.
            detections: The engine's masks (with ``obj_id``; an unknown id begins an object under that id) and
                candidates (without).
            image: The frame, uint8 (H, W, 3), RGB, or None.

        Returns:
            What is settled about the frame.

        Raises:
            InputError: Two detections carry the same id.
        """
        ids = [d.obj_id for d in detections if d.obj_id is not None]
        if len(set(ids)) != len(ids):
            raise InputError(f"each id may be detected once a frame, got {sorted(ids)}")
        for memory in self._memories.values():
            memory.predict_to(time_s, self.settings.kalman)
        locate(self.predictor, [m for m in self.memories if m.hidden], self.hw)
        step = _Step(frame_index, time_s)
        for detection in detections:
            if detection.obj_id is not None and is_something(detection, self.settings):
                self._verify(step, detection.obj_id, detection)
        self._settle_overlaps(step)
        for obj_id, detection in step.seen.items():
            self._commit(step, obj_id, detection)
        candidate_ids = self._place_candidates(step, [d for d in detections if d.obj_id is None])
        self._age(step)
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
        )

    def _verify(self, step: _Step, obj_id: int, detection: Detection) -> None:
        """Believe an engine's mask, or leave its object unseen on this frame."""
        memory = self._memories.get(obj_id)
        if memory is None or detection.trusted:
            step.seen[obj_id] = detection
            if memory is not None and has_jumped(memory, detection, self.settings):
                step.restarts.add(obj_id)
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
            if not self._jump_is_believed(memory, detection):
                return
            step.restarts.add(obj_id)
        step.seen[obj_id] = detection

    def _jump_is_believed(self, memory: TrackMemory, detection: Detection) -> bool:
        """A jump is believed when the looks confirm it or, without looks, when it stays for some frames."""
        if detection.embedding is not None:
            similarity = memory.appearance.similarity(detection.embedding)
            if similarity is not None:
                return similarity >= self.settings.revive_similarity
        box = np.array([detection.box])
        stays = bool(memory.jumped) and geometry.box_iou(np.array(memory.jumped[-1:]), box)[0, 0] > 0
        memory.jumped = [*memory.jumped, detection.box] if stays else [detection.box]
        return len(memory.jumped) >= self.settings.jump_frames

    def _settle_overlaps(self, step: _Step) -> None:
        """Merge ids that were never apart; where one object covers another, hide the one that fits worse."""
        ids = [i for i, d in step.seen.items() if d.mask is not None]
        masks = [step.seen[i].mask for i in ids]
        overlap = association.mask_iou_matrix(masks, masks) >= self.settings.merge_iou
        together: dict[tuple[int, int], int] = {}
        touching: set[int] = set()
        for a, b in zip(*np.nonzero(np.triu(overlap, 1)), strict=True):
            older, younger = sorted((ids[a], ids[b]), key=self._seniority)
            touching |= {older, younger}
            if older not in step.seen or younger not in step.seen:
                continue
            if min(self._lived_apart(older), self._lived_apart(younger)) >= self.settings.merge_frames:
                pair = (self._memories[older], self._memories[younger])
                loser = max(pair, key=lambda memory: surprise(memory, step.seen[memory.obj_id]))
                del step.seen[loser.obj_id]
                continue
            together[older, younger] = self._together.get((older, younger), 0) + 1
            if together[older, younger] >= self.settings.merge_frames:
                del step.seen[younger]
                step.merged.append((younger, older))
                step.dropped.append(younger)
                self._memories.pop(younger).state = TrackState.ENDED
        self._together = together
        for obj_id in step.seen.keys() - touching:
            if obj_id in self._memories:
                self._memories[obj_id].lived_apart += 1

    def _lived_apart(self, obj_id: int) -> int:
        memory = self._memories.get(obj_id)
        return 0 if memory is None else memory.lived_apart

    def _seniority(self, obj_id: int) -> tuple[int, int, float]:
        memory = self._memories.get(obj_id)
        return (1, 0, 0.0) if memory is None else (0, -memory.hits, -memory.score)

    def _commit(self, step: _Step, obj_id: int, detection: Detection) -> None:
        memory = self._memories.get(obj_id)
        if memory is None:
            self._begin(step, obj_id, detection)
        else:
            self._see(step, memory, detection, restart=obj_id in step.restarts)

    def _place_candidates(self, step: _Step, candidates: Sequence[Detection]) -> list[int]:
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
            if j not in ids:
                ids[j] = self.next_id
                self._begin(step, self.next_id, candidates[j])
        return [ids[j] for j in range(len(candidates))]

    def _begin(self, step: _Step, obj_id: int, detection: Detection) -> None:
        memory = TrackMemory(
            obj_id,
            detection.label,
            step.frame_index,
            kalman.initiate(detection.box, self.settings.kalman),
            step.time_s,
            step.time_s,
            step.frame_index,
            score_sum=detection.score,
            mask=detection.mask,
            appearance=Appearance(self.settings.gallery),
        )
        memory.boxes.append(detection.box)
        memory.sightings.append((step.time_s, detection.box))
        if detection.embedding is not None:
            memory.appearance.add(detection.embedding)
        if self.settings.min_hits <= 1:
            memory.state = TrackState.ACTIVE
        self._memories[obj_id] = memory
        self.next_id = max(self.next_id, obj_id + 1)
        step.seen[obj_id] = detection
        step.new.append(obj_id)

    def _see(self, step: _Step, memory: TrackMemory, detection: Detection, *, restart: bool) -> None:
        typical = memory.strikes == 0 and not is_partial(memory, detection, self.settings)
        if detection.embedding is not None and typical:
            memory.appearance.add(detection.embedding)
        memory.see(step.frame_index, detection, self.settings.kalman, restart=restart)
        if memory.hidden or memory.hits >= self.settings.min_hits:
            memory.state = TrackState.ACTIVE
        step.seen[memory.obj_id] = detection

    def _age(self, step: _Step) -> None:
        """Hide, lose and forget what was not seen."""
        unseen = [m for m in self.memories if m.obj_id not in step.seen]
        vanished = [m for m in unseen if not m.hidden]
        for memory in unseen:
            hidden_s = abs(step.time_s - memory.seen_s) - 1e-6
            memory.hide()
            if hidden_s > self.settings.max_lost_s:
                memory.state = TrackState.ENDED
                step.dropped.append(memory.obj_id)
                del self._memories[memory.obj_id]
            elif hidden_s > self.settings.max_hidden_s or memory.state in (
                TrackState.LOST,
                TrackState.TENTATIVE,
            ):
                memory.state = TrackState.LOST
            else:
                memory.state = TrackState.OCCLUDED
        locate(self.predictor, [m for m in vanished if m.hidden], self.hw)

    def _observations(self, step: _Step) -> dict[int, Observation]:
        out = {
            i: Observation(step.frame_index, step.time_s, d.box, d.mask, d.score)
            for i, d in step.seen.items()
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
        """Where an occluded object is believed to be, clipped to the picture; None when it has left that."""
        if memory.state is not TrackState.OCCLUDED or has_left(memory, self.hw):
            return None
        return geometry.clip_box(memory.kalman.box, self.hw)
