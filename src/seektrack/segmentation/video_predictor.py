"""Following objects through a video, with the method names of the reference's ``SAM2VideoPredictor``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from seektrack.errors import InputError, PromptError
from seektrack.geometry import Box
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.model import Sam2, load_sam2
from seektrack.segmentation.network import NO_OBJECT_LOGIT, ImageFeatures
from seektrack.segmentation.prompts import check_prompt
from seektrack.segmentation.session import VideoSession
from seektrack.types import Frame, Mask, Prompt
from seektrack.video import VideoSource, open_video

Answer = tuple[int, list[int], Tensor]
"""``(frame_idx, obj_ids, logits)``; logits float (N, 1, H, W) in source resolution, positive inside."""


@dataclass(eq=False)
class InferenceState:
    """A video and the prompts given for it; frames are decoded when needed and never kept.

    Attributes:
        source: Where frames come from.
        prompts: By object and frame, objects in the order they were added.
        looked: Index and features of the frame last looked at.
    """

    source: VideoSource
    prompts: dict[int, dict[int, Prompt]] = field(default_factory=dict)
    looked: tuple[int, ImageFeatures] | None = None

    @property
    def obj_ids(self) -> list[int]:
        """Objects in the order they were added."""
        return list(self.prompts)

    @property
    def prompted_frames(self) -> list[int]:
        """Frames with prompts, ascending."""
        return sorted({i for of_object in self.prompts.values() for i in of_object})


class VideoPredictor:
    """Segments prompted objects through a video.

    A script written for the reference's ``SAM2VideoPredictor`` (facebookresearch/sam2) runs with this one.
    What differs: frames are decoded as needed and only prompts are kept, so memory does not grow with
    the video; a prompt on a frame that was propagated to starts the object afresh there instead of refining
    the answer it had (give the points again, or the mask); unknown objects are an error everywhere; a mask
    must have the video's size.

    Args:
        sam2: The network.
        max_objects_per_batch: Objects computed at once.
    """

    def __init__(self, sam2: Sam2, *, max_objects_per_batch: int = 32) -> None:
        self.sam2 = sam2
        self.max_objects_per_batch = max_objects_per_batch

    @classmethod
    def from_pretrained(cls, model_id: str = "pocket", **settings: Any) -> VideoPredictor:
        """Load a checkpoint; ``settings`` are those of ``load_sam2``."""
        return cls(load_sam2(model_id, **settings))

    def init_state(
        self,
        video_path: Any,
        offload_video_to_cpu: bool = False,
        offload_state_to_cpu: bool = False,
        async_loading_frames: bool = False,
    ) -> InferenceState:
        """Open a video file, a folder of images, or an array uint8 (T, H, W, 3).

        The other arguments are taken for the reference's sake: there is nothing to offload.

        Raises:
            VideoError: It is missing or not a video.
        """
        del offload_video_to_cpu, offload_state_to_cpu, async_loading_frames
        source = open_video(str(video_path) if isinstance(video_path, Path) else video_path)
        return InferenceState(source)

    def add_new_points_or_box(
        self,
        inference_state: InferenceState,
        frame_idx: int,
        obj_id: int,
        points: Any = None,
        labels: Any = None,
        clear_old_points: bool = True,
        normalize_coords: bool = True,
        box: Any = None,
    ) -> Answer:
        """Point at an object on a frame.

        Args:
            inference_state: Of the video.
            frame_idx: 0-based.
            obj_id: A new object or one given before.
            points: (P, 2) ``(x, y)`` pixels of the video.
            labels: (P,) 1 inside, 0 outside.
            clear_old_points: Forget earlier points on this frame; False adds to them.
            normalize_coords: False when coordinates are in [0, 1] of the picture's sides.
            box: (4,) ``xyxy`` pixels.

        Returns:
            ``(frame_idx, obj_ids, logits)`` of all objects prompted on that frame, others' logits at -1024.

        Raises:
            PromptError: The prompt is malformed, or a box is added to points.
        """
        if box is not None and not clear_old_points:
            raise PromptError("a box must be the first prompt", hint="leave clear_old_points as it is")
        height, width = inference_state.source.info.hw
        unit = np.array([1.0, 1.0]) if normalize_coords else np.array([width, height], dtype=np.float64)
        coords = None if points is None else np.asarray(points, dtype=np.float64).reshape(-1, 2) * unit
        marks = None if labels is None else np.asarray(labels, dtype=np.int64).reshape(-1)
        corners = None if box is None else np.asarray(box, dtype=np.float64).reshape(-1)
        if corners is not None and corners.shape != (4,):
            raise PromptError(f"a box has four numbers, got {corners.shape[0]}")
        edges: Box | None = None
        if corners is not None:
            (x0, y0), (x1, y1) = (corners.reshape(2, 2) * unit).tolist()
            edges = (x0, y0, x1, y1)
        old = inference_state.prompts.get(obj_id, {}).get(frame_idx)
        if old is not None and not clear_old_points and old.mask is None:
            edges = old.box
            if old.points is not None and coords is not None:
                coords = np.concatenate([old.points, coords])
                marks = np.concatenate([old.point_labels, marks if marks is not None else []]).astype(
                    np.int64
                )
        prompt = Prompt(obj_id, frame_idx, points=coords, point_labels=marks, box=edges)
        return self._add(inference_state, prompt)

    def add_new_mask(self, inference_state: InferenceState, frame_idx: int, obj_id: int, mask: Any) -> Answer:
        """Give an object's mask, (H, W) of the video's size, on a frame; see ``add_new_points_or_box``."""
        pixels = mask.cpu().numpy() if isinstance(mask, Tensor) else np.asarray(mask)
        prompt = Prompt(obj_id, frame_idx, mask=Mask.from_array(pixels.astype(bool)))
        return self._add(inference_state, prompt)

    def propagate_in_video(
        self,
        inference_state: InferenceState,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Iterator[Answer]:
        """Follow all objects through the video.

        Args:
            inference_state: Of the video.
            start_frame_idx: Where to start; the first prompted frame if not given.
            max_frame_num_to_track: How many frames to go, so that one more is answered; all if not given.
            reverse: Towards the beginning. From frame 0 there is nothing to answer.

        Yields:
            ``(frame_idx, obj_ids, logits)`` for each frame.

        Raises:
            PromptError: Nothing was prompted.
            InputError: There is no such frame.
        """
        prompted = inference_state.prompted_frames
        if not prompted:
            raise PromptError("there is nothing to propagate", hint="add points, a box or a mask first")
        start = prompted[0] if start_frame_idx is None else start_frame_idx
        self._check_frame(inference_state, start)
        n_frames = inference_state.source.len_frames()
        length = n_frames if max_frame_num_to_track is None else max_frame_num_to_track
        session = self._session(inference_state, direction=-1 if reverse else 1)
        for frame_index in prompted:
            session.condition(self._features(inference_state, frame_index), frame_index)
        for frame in _frames(inference_state.source, start, length, reverse=reverse):
            answer = session.step(frame.image, frame.index)
            yield frame.index, answer.obj_ids, _full_logits(answer, answer.obj_ids)

    def clear_all_prompts_in_frame(
        self, inference_state: InferenceState, frame_idx: int, obj_id: int, need_output: bool = True
    ) -> Answer | None:
        """Forget an object's prompts on a frame; an object without any stays known until removed.

        Raises:
            PromptError: There is no such object (the reference would create it).
        """
        self._known(inference_state, obj_id)
        self._check_frame(inference_state, frame_idx)
        inference_state.prompts[obj_id].pop(frame_idx, None)
        return self._answer(inference_state, frame_idx) if need_output else None

    def remove_object(
        self, inference_state: InferenceState, obj_id: int, strict: bool = False, need_output: bool = True
    ) -> tuple[list[int], list[tuple[int, Tensor]]]:
        """Forget an object.

        Returns:
            The objects left, and ``(frame_idx, logits)`` of frames it was prompted on.

        Raises:
            PromptError: There is no such object and ``strict`` is set.
        """
        if obj_id not in inference_state.prompts and not strict:
            return inference_state.obj_ids, []
        self._known(inference_state, obj_id)
        frames = sorted(inference_state.prompts.pop(obj_id))
        if not need_output or not inference_state.prompts:
            return inference_state.obj_ids, []
        return inference_state.obj_ids, [(i, self._answer(inference_state, i)[2]) for i in frames]

    def reset_state(self, inference_state: InferenceState) -> None:
        """Forget all objects."""
        inference_state.prompts.clear()

    def _add(self, state: InferenceState, prompt: Prompt) -> Answer:
        check_prompt(prompt, state.source.info.hw)
        self._check_frame(state, prompt.frame_index)
        state.prompts.setdefault(prompt.obj_id, {})[prompt.frame_index] = prompt
        return self._answer(state, prompt.frame_index)

    def _answer(self, state: InferenceState, frame_index: int) -> Answer:
        """What the prompts of one frame say of it."""
        session = self._session(state, only_frame=frame_index)
        answer = session.condition(self._features(state, frame_index), frame_index)
        return frame_index, state.obj_ids, _full_logits(answer, state.obj_ids)

    def _session(
        self, state: InferenceState, *, direction: int = 0, only_frame: int | None = None
    ) -> VideoSession:
        prompts = [p for of_object in state.prompts.values() for p in of_object.values()]
        session = VideoSession(
            self.sam2,
            hw=state.source.info.hw,
            max_objects_per_batch=self.max_objects_per_batch,
            max_conditioning=max(len(prompts), 1),
            total_frames=state.source.len_frames(),
            direction=direction,
        )
        for prompt in prompts:
            if only_frame in (None, prompt.frame_index):
                session.add(prompt)
        return session

    def _features(self, state: InferenceState, frame_index: int) -> ImageFeatures:
        if state.looked is None or state.looked[0] != frame_index:
            state.looked = (frame_index, self.sam2.encode(state.source.frame_at(frame_index).image))
        return state.looked[1]

    @staticmethod
    def _known(state: InferenceState, obj_id: int) -> None:
        if obj_id not in state.prompts:
            raise PromptError(f"there is no object {obj_id}", hint=f"objects are {state.obj_ids}")

    @staticmethod
    def _check_frame(state: InferenceState, frame_index: int) -> None:
        n_frames = state.source.len_frames()
        if not 0 <= frame_index < n_frames:
            raise InputError(f"there is no frame {frame_index}", hint=f"frames are 0 to {n_frames - 1}")


def _frames(source: VideoSource, start: int, length: int, *, reverse: bool) -> Iterator[Frame]:
    """Frames from ``start`` on, ``length`` more, in either direction."""
    if reverse:
        last = max(start - length, 0)
        frames = source.frames_reversed(start) if start > 0 else iter(())
    else:
        last = start + length
        frames = source.frames(start_s=float(source.times()[start]) if start else None)
    for frame in frames:
        if (frame.index < last) if reverse else (frame.index > last):
            return
        yield frame


def _full_logits(answer: FrameMasks, obj_ids: list[int]) -> Tensor:
    """Logits (N, 1, H, W) in source resolution, by the order of ``obj_ids``; -1024 without an answer."""
    full = torch.full(
        (len(obj_ids), 1, *answer.hw), NO_OBJECT_LOGIT, device=answer.logits.device, dtype=torch.float32
    )
    for slot, obj_id in enumerate(obj_ids):
        if obj_id in answer.obj_ids:
            logits = answer.logits[answer.obj_ids.index(obj_id)].float()[None, None]
            full[slot] = F.interpolate(logits, answer.hw, mode="bilinear", align_corners=False)[0]
    return full
