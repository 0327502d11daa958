"""What a ``VideoPredictor`` knows of a video: its prompts, and where they were propagated to."""

from __future__ import annotations

from dataclasses import dataclass, field

from seektrack.errors import InputError, PromptError
from seektrack.segmentation.features import ImageFeatures
from seektrack.segmentation.memory import Row
from seektrack.segmentation.model import Sam2
from seektrack.types import Prompt
from seektrack.video import VideoSource


class NothingToPropagateError(PromptError, RuntimeError):
    """Propagation without prompts; a ``RuntimeError`` for scripts that catch the reference's."""


@dataclass(eq=False)
class InferenceState:
    """A video and the prompts given for it; frames are decoded when needed and never kept.

    Attributes:
        source: Where frames come from.
        sam2: The network that answers for this video.
        prompts: By object and frame, objects in the order they were added.
        looked: Index and features of the frame last looked at.
        tracked: The frames propagated to, each with where that began and its direction, 1 or -1.
        corrected: By object and frame, the answers that points on a tracked frame made of the tracked ones.
    """

    source: VideoSource
    sam2: Sam2
    prompts: dict[int, dict[int, Prompt]] = field(default_factory=dict)
    looked: tuple[int, ImageFeatures] | None = None
    tracked: dict[int, tuple[int, int]] = field(default_factory=dict)
    corrected: dict[int, dict[int, Row]] = field(default_factory=dict)

    @property
    def obj_ids(self) -> list[int]:
        """Objects in the order they were added."""
        return list(self.prompts)

    @property
    def prompted_frames(self) -> list[int]:
        """Frames with prompts, ascending."""
        return sorted({i for of_object in self.prompts.values() for i in of_object})

    def check_frame(self, frame_index: int) -> None:
        """Raise ``InputError`` where the video has no such frame."""
        n_frames = self.source.len_frames()
        if not 0 <= frame_index < n_frames:
            raise InputError(f"there is no frame {frame_index}", hint=f"frames are 0 to {n_frames - 1}")

    def check_object(self, obj_id: int) -> None:
        """Raise ``PromptError`` where no such object was prompted."""
        if obj_id not in self.prompts:
            raise PromptError(f"there is no object {obj_id}", hint=f"objects are {self.obj_ids}")
