"""Every object that is remembered: how one begins, and how it is seen again."""

from __future__ import annotations

from seektrack.tracking import kalman
from seektrack.tracking.appearance import Appearance
from seektrack.tracking.likeness import likeness
from seektrack.tracking.memory import Detection, TrackMemory, TrackState
from seektrack.tracking.recognise import is_partial
from seektrack.tracking.settings import IdentitySettings
from seektrack.tracking.step import Step


class Known:
    """The objects of one video.

    Args:
        settings: See `IdentitySettings`.
        next_id: First id to give out.

    Attributes:
        memories: What is remembered of each, by id.
        next_id: The id of the next that begins.
    """

    def __init__(self, settings: IdentitySettings, next_id: int) -> None:
        self.settings, self.next_id = settings, next_id
        self.memories: dict[int, TrackMemory] = {}

    @property
    def all(self) -> tuple[TrackMemory, ...]:
        """What is remembered of each, in order of ids."""
        return tuple(self.memories[i] for i in sorted(self.memories))

    def begin(self, step: Step, obj_id: int, detection: Detection) -> None:
        """Remember a new object."""
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
        self.memories[obj_id] = memory
        self.next_id = max(self.next_id, obj_id + 1)
        step.seen[obj_id] = detection
        step.new.append(obj_id)

    def see(self, step: Step, memory: TrackMemory, detection: Detection, *, restart: bool) -> None:
        """Take in that an object is seen.

        Args:
            step: The frame.
            memory: What is remembered of it.
            detection: What is seen of it.
            restart: Its motion so far does not count any more.
        """
        contested, bled = memory.obj_id in step.contested, memory.obj_id in step.bled
        alike = likeness(memory, detection, self.settings.likeness)
        sure = detection.score >= self.settings.sure_score
        itself = (
            detection.trusted or alike is None or (sure and alike >= self.settings.likeness.least(memory))
        )
        partial = is_partial(memory, detection, self.settings)
        if itself and not contested and not bled and memory.strikes == 0 and not partial:
            memory.learn(detection)
            memory.alikes.extend([] if alike is None else [alike])
        if contested:
            memory.glimpse(step.frame_index, detection)
        else:
            memory.see(step.frame_index, detection, self.settings.kalman, restart=restart)
        if memory.hidden or memory.hits >= self.settings.min_hits:
            memory.state = TrackState.ACTIVE
        step.seen[memory.obj_id] = detection
