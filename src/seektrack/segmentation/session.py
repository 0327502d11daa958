"""The multi-object video engine: one image encoding a frame, objects in batches, memory that never grows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, PromptError
from seektrack.segmentation.answer import Job, batches
from seektrack.segmentation.features import ImageFeatures
from seektrack.segmentation.heap import release_free_memory
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.memory import (
    MemorySettings,
    ObjectMemory,
    Remember,
    Row,
    Timeline,
    check_remember,
)
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.prompts import check_prompt, point_inputs
from seektrack.types import Prompt

RELEASE_EVERY = 8
"""Steps on a CPU after which free memory goes back to the system, at no more than 3 ms a step."""


class VideoSession:
    """Follows any number of objects through frames stepped one at a time.

    Prompts are given for a frame and take effect when it is stepped, again if it is the current one. The
    order of the steps is the direction: increasing ``frame_index`` is forward, decreasing backward. After a
    turn an object is followed from its prompted frames. For each object the session keeps its prompted frames
    (at most ``max_conditioning``), the last memories and the last pointers, and nothing else of the past.

    Answers equal those of transformers' ``Sam2VideoModel`` run on each object alone, unless frames are left
    out of memory (``remember``).

    Args:
        sam2: The network. Of two sets of weights the one that made the first frame's features stays: from
            then on ``sam2`` is that one alone.
        hw: Height and width of the source pictures; taken from the first frame if not given.
        max_objects_per_batch: Objects computed at once; lower needs less memory.
        max_conditioning: Prompted frames kept for an object.
        total_frames: Length of the video, where answers on a video shorter than the pointer memory must equal
            the reference's, which scales time codes to it.
        memory_dtype: What memories are stored in, a type of torch; bfloat16, as the reference does, if not
            given.
        direction: 1 or -1, where frames are conditioned ahead of the first step; the steps tell otherwise.
        remember: Which followed frames leave a memory: ``all``, as in the reference, or those the object was
            ``seen`` on, see :class:`~seektrack.segmentation.memory.MemorySettings`.

    Raises:
        InputError: A size or count is not positive, or nobody knows what is to be remembered.
    """

    def __init__(
        self,
        sam2: Sam2,
        *,
        hw: tuple[int, int] | None = None,
        max_objects_per_batch: int = 32,
        max_conditioning: int = 8,
        total_frames: int | None = None,
        memory_dtype: Any = None,
        direction: int = 0,
        remember: Remember = "all",
    ) -> None:
        check_remember(remember)
        if max_objects_per_batch < 1 or max_conditioning < 1:
            raise InputError(
                "max_objects_per_batch and max_conditioning must be at least 1,"
                f" got {max_objects_per_batch} and {max_conditioning}"
            )
        sizes = sam2.network.sizes
        n_pointers = sizes.n_pointers
        if total_frames is not None:
            n_pointers = max(min(n_pointers, total_frames), 2)
        self.sam2 = sam2
        self.hw = hw
        self.max_objects_per_batch = max_objects_per_batch
        self.memory_dtype = sam2.network.memory_dtype if memory_dtype is None else memory_dtype
        self.settings = MemorySettings(
            n_memories=sizes.n_memories,
            n_pointers=n_pointers,
            max_conditioning=max_conditioning,
            select_conditioning=sizes.select_conditioning,
            remember=remember,
        )
        self.timeline = Timeline(direction=direction)
        self.objects: dict[int, ObjectMemory] = {}
        self.pending: dict[int, dict[int, Prompt]] = defaultdict(dict)
        self.latest: dict[int, Row] = {}
        self._n_steps = 0

    @property
    def obj_ids(self) -> list[int]:
        """Objects being followed, in the order they started."""
        return list(self.objects)

    @property
    def frame_index(self) -> int | None:
        """The latest frame stepped."""
        return self.timeline.frame_index

    def add(self, prompt: Prompt) -> None:
        """Start or correct an object on the frame the prompt names.

        It takes effect when that frame is stepped; for the current frame, step it again. A later prompt for
        the same object and frame replaces an earlier one. On a frame the object was just followed to, the
        prompt corrects the answer; on any other it starts the object afresh there.

        Raises:
            PromptError: The prompt is empty, contradictory or lies outside the picture.
        """
        check_prompt(prompt, self.hw)
        self.pending[prompt.frame_index][prompt.obj_id] = prompt

    def remove(self, obj_id: int) -> None:
        """Stop following an object and forget it.

        Raises:
            PromptError: There is no such object.
        """
        waiting = [f for f, prompts in self.pending.items() if obj_id in prompts]
        if obj_id not in self.objects and not waiting:
            raise PromptError(f"there is no object {obj_id}", hint=f"objects are {self.obj_ids}")
        for frame_index in waiting:
            del self.pending[frame_index][obj_id]
        self.objects.pop(obj_id, None)
        self.latest.pop(obj_id, None)

    def leave_out(self, obj_id: int) -> None:
        """Do not remember what the latest step answered for an object, as where its mask is not believed.

        A prompted frame is remembered all the same; a prompt for this frame then starts afresh.

        Raises:
            PromptError: There is no such object.
        """
        if obj_id not in self.objects:
            raise PromptError(f"there is no object {obj_id}", hint=f"objects are {self.obj_ids}")
        self.objects[obj_id].leave_out(self.timeline.position)

    def swap(self, one: int, other: int) -> None:
        """Exchange what is remembered of two objects, where each turned out to be followed as the other.

        Raises:
            PromptError: There is no such object.
        """
        for obj_id in (one, other):
            if obj_id not in self.objects:
                raise PromptError(f"there is no object {obj_id}", hint=f"objects are {self.obj_ids}")
        self.objects[one], self.objects[other] = self.objects[other], self.objects[one]
        if {one, other} <= self.latest.keys():
            self.latest[one], self.latest[other] = self.latest[other], self.latest[one]

    def turn(self) -> None:
        """Go the other way from the next step on, whichever frame that is: a later one, or the same again.

        A step back turns by itself, but from the frame the session stands on.
        """
        self.timeline.turn()
        self.latest.clear()

    def step(self, image: NDArray[np.uint8] | ImageFeatures, frame_index: int) -> FrameMasks:
        """Answer for every object on one frame.

        Args:
            image: uint8 (H, W, 3) RGB, or its features from ``Sam2.encode``.
            frame_index: 0-based. The current frame may be stepped again, to see what new prompts changed.

        Raises:
            InputError: The picture's size is not that of the frames before it, its features were made by
                other weights than theirs, or the index is negative.
            PromptError: A prompt for this frame does not fit the picture; it is dropped, the rest stays.
        """
        features, prompts = self._look(image, frame_index)
        again = frame_index == self.timeline.frame_index and not self.timeline.turning
        if self.timeline.advance(frame_index, [c for o in self.objects.values() for c in o.conditioning]):
            for memory in self.objects.values():
                memory.forget_passed()
        rows: dict[int, Row] = {}
        jobs: list[Job] = []
        for obj_id in dict.fromkeys([*self.objects, *prompts]):
            known = None if obj_id in prompts else self._known(obj_id, again=again)
            if known is not None:
                rows[obj_id] = known
            else:
                jobs.append(self._job(obj_id, prompts.get(obj_id)))
        for job, row in self._answers(features, jobs):
            rows[job.obj_id] = row
            self._keep(job, row)
        self.latest = {obj_id: rows[obj_id] for obj_id in self.objects}
        self._n_steps += 1
        if self._n_steps % RELEASE_EVERY == 0 and self.sam2.network.device_type == "cpu":
            del features, jobs
            release_free_memory()
        return self._answer(frame_index, self.latest)

    def condition(self, image: NDArray[np.uint8] | ImageFeatures, frame_index: int) -> FrameMasks:
        """Answer a frame's prompts before the first step, so that steps on either side of it know of them.

        For consecutive frames: positions are taken to be frame indices.

        Returns:
            The answer for the objects prompted on that frame.

        Raises:
            InputError: Steps were taken already, or the picture does not fit.
            PromptError: A prompt for this frame does not fit the picture; it is dropped, the rest stays.
        """
        if self.timeline.frame_index is not None:
            raise InputError("frames are conditioned before the first step", hint="step the frame instead")
        features, prompts = self._look(image, frame_index)
        rows = {}
        for job, row in self._answers(features, [self._job(o, p) for o, p in prompts.items()]):
            memory = self.objects.setdefault(job.obj_id, ObjectMemory(self.settings))
            memory.condition(frame_index, frame_index, row)
            rows[job.obj_id] = row
        return self._answer(frame_index, {obj_id: rows[obj_id] for obj_id in prompts})

    def save(self, path: str | Path) -> None:
        """Write the whole session to one file, from which ``load`` continues with identical masks.

        Raises:
            OutputError: The file cannot be written.
        """
        from seektrack.segmentation.checkpoint import save_session

        save_session(self, path)

    @classmethod
    def load(cls, path: str | Path, sam2: Sam2) -> VideoSession:
        """Read a session written by ``save``, to continue with the same network.

        Raises:
            InputError: The file is missing or not a session of this kind.
            ModelError: It was written with another network or resolution.
        """
        from seektrack.segmentation.checkpoint import load_session

        return load_session(path, sam2, cls)

    def _look(
        self, image: NDArray[np.uint8] | ImageFeatures, frame_index: int
    ) -> tuple[ImageFeatures, dict[int, Prompt]]:
        """Features of a frame, and the prompts that waited for it, checked against its size."""
        if frame_index < 0:
            raise InputError(f"frame_index counts from 0, got {frame_index}")
        features = image if isinstance(image, ImageFeatures) else self.sam2.encode(image)
        self.sam2 = self.sam2.made(features)
        if self.hw is not None and features.hw != tuple(self.hw):
            raise InputError(f"frame {frame_index} is {features.hw}, the session's frames are {self.hw}")
        prompts = self._take_prompts(frame_index, features.hw)
        self.hw = features.hw
        return features, prompts

    def _answers(self, features: ImageFeatures, jobs: Sequence[Job]) -> Iterator[tuple[Job, Row]]:
        network, n_pointers = self.sam2.network, self.settings.n_pointers
        for batch in batches(jobs, self.max_objects_per_batch):
            rows = network.answer(features, batch, n_pointers=n_pointers, memory_dtype=self.memory_dtype)
            yield from zip(batch, rows, strict=True)

    def _take_prompts(self, frame_index: int, hw: tuple[int, int]) -> dict[int, Prompt]:
        prompts = self.pending.get(frame_index, {})
        for obj_id in list(prompts):
            try:
                check_prompt(prompts[obj_id], hw)
            except PromptError:
                del prompts[obj_id]
                raise
        return self.pending.pop(frame_index, {})

    def _known(self, obj_id: int, *, again: bool) -> Row | None:
        """The answer an object already has where the session stands, or None."""
        conditioned = self.objects[obj_id].conditioned_at(self.timeline.position)
        if conditioned is not None:
            return conditioned.row
        return self.latest.get(obj_id) if again else None

    def _job(self, obj_id: int, prompt: Prompt | None) -> Job:
        position, direction = self.timeline.position, self.timeline.direction
        memory = self.objects.get(obj_id)
        if prompt is not None and prompt.mask is not None:
            return Job(obj_id, recall=None, mask=prompt)
        points = None
        if prompt is not None and self.hw is not None:
            points = point_inputs(prompt, self.hw, self.sam2.resolution)
        afresh = memory is None or (prompt is not None and not memory.tracked_at(position))
        recall = None if afresh or memory is None else memory.recall(position, direction)
        return Job(obj_id, recall=recall, points=points)

    def _keep(self, job: Job, row: Row) -> None:
        position, frame_index = self.timeline.position, self.timeline.frame_index
        memory = self.objects.setdefault(job.obj_id, ObjectMemory(self.settings))
        prompted = job.points is not None or job.mask is not None
        if prompted and frame_index is not None and not memory.tracked_at(position):
            memory.condition(frame_index, position, row)
        else:
            memory.track(position, row)

    def _answer(self, frame_index: int, answers: dict[int, Row]) -> FrameMasks:
        return FrameMasks.of_rows(self.sam2, answers, frame_index=frame_index, hw=self.hw or (0, 0))
