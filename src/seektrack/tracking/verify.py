"""Whether an engine's mask is its object: can it have come here, does it still look like itself."""

from __future__ import annotations

import numpy as np

from seektrack import geometry
from seektrack.tracking.likeness import likeness
from seektrack.tracking.memory import Detection, TrackMemory, TrackState
from seektrack.tracking.recognise import has_jumped, in_reach, is_partial, looks_wrong
from seektrack.tracking.settings import IdentitySettings
from seektrack.tracking.step import Step


class Verifier:
    """Believes masks, or leaves their objects unseen.

    Args:
        memories: Of all objects, by id.
        settings: See `IdentitySettings`.
    """

    def __init__(self, memories: dict[int, TrackMemory], settings: IdentitySettings) -> None:
        self._memories, self.settings = memories, settings

    def verify(self, step: Step, obj_id: int, detection: Detection) -> None:
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
        """Only what looks like the object, twice in a row, is the object in another shot.

        A camera that comes back may show other colours. Where it shows the same place, one that could have
        come there, and that nobody else known looks like, need not look as it always did.
        """
        likes = self.settings.likeness
        same = alike is not None and alike >= likes.least(memory)
        if not same and memory.same_view and alike is not None and alike >= likes.same:
            near = in_reach(memory, np.array([detection.box]), memory.time_s, self.settings)[0]
            others = (m for m in self._memories.values() if m is not memory)
            same = bool(near) and all((likeness(m, detection, likes) or 0.0) < likes.same for m in others)
        memory.returning = memory.returning + 1 if same else 0
        if memory.returning >= self.settings.return_looks:
            step.denied.discard(memory.obj_id)
            step.restarts.add(memory.obj_id)
            step.seen[memory.obj_id] = detection

    def _jump_is_believed(self, memory: TrackMemory, detection: Detection, alike: float | None) -> bool:
        """A jump is believed when the looks confirm it or, without looks, when it stays for some frames.

        Looks confirm it too where it is no farther than an object can come and nobody else looks like that:
        one that moves more than its own width from frame to frame, or turns round at that speed.
        """
        settings = self.settings.likeness
        if alike is not None and not memory.hidden and alike >= settings.least(memory):
            near = in_reach(memory, np.array([detection.box]), memory.time_s, self.settings)[0]
            others = (m for m in self._memories.values() if m is not memory)
            if near and all((likeness(m, detection, settings) or 0.0) < settings.least(m) for m in others):
                return True
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
