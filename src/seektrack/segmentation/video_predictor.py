"""Following objects through a video, with the method names of the reference's ``SAM2VideoPredictor``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from seektrack.errors import PromptError
from seektrack.geometry import Box
from seektrack.segmentation.full_logits import full_logits
from seektrack.segmentation.inference_state import InferenceState, NothingToPropagateError
from seektrack.segmentation.loading import load_sam2
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.prompts import check_prompt
from seektrack.segmentation.propagation import PropagationSettings
from seektrack.segmentation.video_sessions import VideoSessions, frames_from
from seektrack.types import Mask, Prompt
from seektrack.video import open_video

Answer = tuple[int, list[int], Tensor]
"""``(frame_idx, obj_ids, logits)``; logits float (N, 1, H, W) in source resolution, positive inside."""


_OWN = {"fill_hole_area", "non_overlap_masks", "max_objects_per_batch", "propagation"}


class VideoPredictor:
    """Segments prompted objects through a video.

    A script written for the reference's ``SAM2VideoPredictor`` (facebookresearch/sam2) runs with this one.
    What differs: frames are decoded as needed and only prompts are kept, so memory does not grow with
    the video. Points on a frame that was propagated to refine the answer it had, as in the reference; for
    that the object is followed to the frame once more, and the refined answer holds whenever the video is
    propagated again, which in the reference it does only until the frame is passed. Unknown objects are an
    error everywhere, also where the reference would create them; a mask must have the video's size.

    Args:
        sam2: The network.
        fill_hole_area: Largest hole filled in answers, in source pixels.
        non_overlap_masks: Give a pixel claimed by several objects to the surest.
        max_objects_per_batch: Objects computed at once.
        propagation: How masks get from frame to frame; every frame through the network, and all of them
            remembered, as the reference does, if not given. With the optical flow, prompts on later frames
            are not known before they are reached.
    """

    def __init__(
        self,
        sam2: Sam2,
        *,
        fill_hole_area: int = 0,
        non_overlap_masks: bool = False,
        max_objects_per_batch: int = 32,
        propagation: PropagationSettings | None = None,
    ) -> None:
        self.sam2 = sam2
        self.fill_hole_area = fill_hole_area
        self.non_overlap_masks = non_overlap_masks
        self.max_objects_per_batch = max_objects_per_batch
        self.propagation = propagation or PropagationSettings(remember="all")

    @classmethod
    def from_pretrained(cls, model_id: str = "pocket", **settings: Any) -> VideoPredictor:
        """Load a checkpoint; ``settings`` are those of ``load_sam2`` and of the predictor."""
        own = {name: settings.pop(name) for name in _OWN & settings.keys()}
        return cls(load_sam2(model_id, **settings), **own)

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
        return InferenceState(source, self.sam2.for_video(source))

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
            raise NothingToPropagateError(
                "there is nothing to propagate", hint="add points, a box or a mask first"
            )
        start = prompted[0] if start_frame_idx is None else start_frame_idx
        inference_state.check_frame(start)
        n_frames = inference_state.source.len_frames()
        length = n_frames if max_frame_num_to_track is None else max_frame_num_to_track
        direction, obj_ids = -1 if reverse else 1, inference_state.obj_ids
        session = self._sessions(inference_state).ready(inference_state, start, direction)
        for frame in frames_from(inference_state.source, start, length, reverse=reverse):
            answer = session.step(frame.image, frame.index)
            inference_state.tracked[frame.index] = (start, direction)
            yield frame.index, obj_ids, self._full(answer, obj_ids)

    def clear_all_prompts_in_frame(
        self, inference_state: InferenceState, frame_idx: int, obj_id: int, need_output: bool = True
    ) -> Answer | None:
        """Forget an object's prompts on a frame; an object without any stays known until removed.

        Raises:
            PromptError: There is no such object (the reference would create it).
        """
        inference_state.check_object(obj_id)
        inference_state.check_frame(frame_idx)
        inference_state.prompts[obj_id].pop(frame_idx, None)
        inference_state.corrected.get(obj_id, {}).pop(frame_idx, None)
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
        inference_state.check_object(obj_id)
        frames = sorted(inference_state.prompts.pop(obj_id))
        inference_state.corrected.pop(obj_id, None)
        if not inference_state.prompts:
            self.reset_state(inference_state)
        if not need_output or not inference_state.prompts:
            return inference_state.obj_ids, []
        return inference_state.obj_ids, [(i, self._answer(inference_state, i)[2]) for i in frames]

    def reset_state(self, inference_state: InferenceState) -> None:
        """Forget all objects."""
        inference_state.prompts.clear()
        inference_state.corrected.clear()
        inference_state.tracked.clear()

    def _add(self, state: InferenceState, prompt: Prompt) -> Answer:
        check_prompt(prompt, state.source.info.hw)
        state.check_frame(prompt.frame_index)
        obj_id, at = prompt.obj_id, prompt.frame_index
        known_elsewhere = any(i != at for i in state.prompts.get(obj_id, {}))
        row = None
        if prompt.mask is None and at in state.tracked and known_elsewhere:
            row = self._sessions(state).correct(state, prompt)
        state.prompts.setdefault(obj_id, {})[at] = prompt
        held = state.corrected.setdefault(obj_id, {})
        held.pop(at, None)
        if row is not None:
            held[at] = row
        return self._answer(state, at)

    def _sessions(self, state: InferenceState) -> VideoSessions:
        return VideoSessions(state.sam2, self.max_objects_per_batch, self.propagation)

    def _answer(self, state: InferenceState, frame_index: int) -> Answer:
        """What the prompts of one frame say of it."""
        answer = self._sessions(state).answer(state, frame_index)
        return frame_index, state.obj_ids, self._full(answer, state.obj_ids)

    def _full(self, answer: FrameMasks, obj_ids: list[int]) -> Tensor:
        """Logits (N, 1, H, W) in source resolution, holes filled and overlaps shared out where asked for."""
        return full_logits(
            answer, obj_ids, fill_hole_area=self.fill_hole_area, non_overlap=self.non_overlap_masks
        )
