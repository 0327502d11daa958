"""Following objects through a video, with the method names of the reference's ``SAM2VideoPredictor``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from seektrack.segmentation.memory import ObjectMemory, Row
from seektrack.segmentation.model import Sam2, load_sam2
from seektrack.segmentation.network import NO_OBJECT_LOGIT, ImageFeatures
from seektrack.segmentation.postprocess import fill_holes
from seektrack.segmentation.prompts import check_prompt
from seektrack.segmentation.propagation import FlowSession, PropagationSettings
from seektrack.segmentation.session import VideoSession
from seektrack.types import Frame, Mask, Prompt
from seektrack.video import VideoSource, open_video

Answer = tuple[int, list[int], Tensor]
"""``(frame_idx, obj_ids, logits)``; logits float (N, 1, H, W) in source resolution, positive inside."""


_OWN = {"fill_hole_area", "non_overlap_masks", "max_objects_per_batch", "propagation"}
_FILLED, _LOST = 0.1, -10.0
"""Logits of a filled hole, and of a pixel given to another object, as in the reference."""


class NothingToPropagateError(PromptError, RuntimeError):
    """Propagation without prompts; a ``RuntimeError`` for scripts that catch the reference's."""


@dataclass(eq=False)
class InferenceState:
    """A video and the prompts given for it; frames are decoded when needed and never kept.

    Attributes:
        source: Where frames come from.
        prompts: By object and frame, objects in the order they were added.
        looked: Index and features of the frame last looked at.
        tracked: The frames propagated to, each with where that began and its direction, 1 or -1.
        corrected: By object and frame, the answers that points on a tracked frame made of the tracked ones.
    """

    source: VideoSource
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
        propagation: How masks get from frame to frame; every frame through the network if not given. With the
            optical flow, prompts on later frames are not known before they are reached.
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
        self.propagation = propagation or PropagationSettings()

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
            raise NothingToPropagateError(
                "there is nothing to propagate", hint="add points, a box or a mask first"
            )
        start = prompted[0] if start_frame_idx is None else start_frame_idx
        self._check_frame(inference_state, start)
        n_frames = inference_state.source.len_frames()
        length = n_frames if max_frame_num_to_track is None else max_frame_num_to_track
        direction, obj_ids = -1 if reverse else 1, inference_state.obj_ids
        session = self._ready(inference_state, start, direction)
        for frame in _frames(inference_state.source, start, length, reverse=reverse):
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
        self._known(inference_state, obj_id)
        self._check_frame(inference_state, frame_idx)
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
        self._known(inference_state, obj_id)
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
        self._check_frame(state, prompt.frame_index)
        obj_id, at = prompt.obj_id, prompt.frame_index
        known_elsewhere = any(i != at for i in state.prompts.get(obj_id, {}))
        row = None
        if prompt.mask is None and at in state.tracked and known_elsewhere:
            row = self._correct(state, prompt)
        state.prompts.setdefault(obj_id, {})[at] = prompt
        held = state.corrected.setdefault(obj_id, {})
        held.pop(at, None)
        if row is not None:
            held[at] = row
        return self._answer(state, at)

    def _correct(self, state: InferenceState, prompt: Prompt) -> Row:
        """Follow one object to a frame as it was followed before, and let points correct the answer."""
        start, direction = state.tracked[prompt.frame_index]
        others = {i: p for i, p in state.prompts[prompt.obj_id].items() if i != prompt.frame_index}
        session = self._session(state, {prompt.obj_id: others}, direction=direction)
        self._condition(session, state)
        distance = abs(prompt.frame_index - start)
        for frame in _frames(state.source, start, distance, reverse=direction < 0):
            features = self.sam2.encode(frame.image)
            session.step(features, frame.index)
        session.add(prompt)
        session.step(features, prompt.frame_index)
        state.looked = (prompt.frame_index, features)
        return session.latest[prompt.obj_id]

    def _answer(self, state: InferenceState, frame_index: int) -> Answer:
        """What the prompts of one frame say of it."""
        here = {o: {i: p for i, p in of.items() if i == frame_index} for o, of in state.prompts.items()}
        session = self._session(state, here)
        features = self._features(state, frame_index)
        answer = session.condition(features, frame_index)
        if session.objects.keys() - set(answer.obj_ids):
            answer = session.step(features, frame_index)
        return frame_index, state.obj_ids, self._full(answer, state.obj_ids)

    def _ready(self, state: InferenceState, start: int, direction: int) -> VideoSession | FlowSession:
        """A session that knows of all prompts, about to step the frame to start from."""
        if self.propagation.mode == "memory":
            session = self._session(state, state.prompts, direction=direction)
            self._condition(session, state)
            return session
        fresh = self._session(state, state.prompts, corrections=False)
        flow = FlowSession(fresh, self.propagation)
        behind = [i for i in state.prompted_frames if (start - i) * direction > 0]
        for frame_index in sorted(behind, reverse=direction < 0):
            flow.step(state.source.frame_at(frame_index).image, frame_index)
        return flow

    def _condition(self, session: VideoSession, state: InferenceState) -> None:
        """Let a session know of the prompts on all frames before it steps any."""
        for frame_index in sorted(i for i, waiting in session.pending.items() if waiting):
            session.condition(self._features(state, frame_index), frame_index)

    def _session(
        self,
        state: InferenceState,
        prompts: Mapping[int, Mapping[int, Prompt]],
        *,
        direction: int = 0,
        corrections: bool = True,
    ) -> VideoSession:
        """A session with some of the prompts; corrected frames are conditioned with their answers."""
        session = VideoSession(
            self.sam2,
            hw=state.source.info.hw,
            max_objects_per_batch=self.max_objects_per_batch,
            max_conditioning=max(sum(len(of_object) for of_object in prompts.values()), 1),
            total_frames=state.source.len_frames(),
            direction=direction,
        )
        for obj_id, of_object in prompts.items():
            for frame_index, prompt in of_object.items():
                row = state.corrected.get(obj_id, {}).get(frame_index) if corrections else None
                if row is None:
                    session.add(prompt)
                else:
                    memory = session.objects.setdefault(obj_id, ObjectMemory(session.settings))
                    memory.condition(frame_index, frame_index, row)
        return session

    def _full(self, answer: FrameMasks, obj_ids: list[int]) -> Tensor:
        """Logits (N, 1, H, W) in source resolution, holes filled and overlaps shared out where asked for."""
        full = _full_logits(answer, obj_ids)
        if self.fill_hole_area > 0:
            for logits in full[:, 0]:
                inside = (logits > 0).cpu().numpy()
                holes = torch.from_numpy(fill_holes(inside, self.fill_hole_area) & ~inside)
                logits[holes.to(logits.device)] = _FILLED
        if self.non_overlap_masks and len(full) > 1:
            surest = full.argmax(dim=0, keepdim=True)
            mine = torch.arange(len(full), device=full.device).reshape(-1, 1, 1, 1) == surest
            full = torch.where(mine, full, full.clamp(max=_LOST))
        return full

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
