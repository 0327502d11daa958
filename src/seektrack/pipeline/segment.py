"""Pointing at objects on one frame: the mask is there before anything is followed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from seektrack import defaults
from seektrack.errors import PromptError
from seektrack.pipeline.models import Models
from seektrack.types import Frame, Mask, Observation, Prompt

if TYPE_CHECKING:
    from seektrack.segmentation import ImageFeatures
    from seektrack.video import Opening, VideoInput

_HELD = 4
"""Frames whose features are kept: a second click on a frame costs only the decoder."""


class FrameSegmenter:
    """Masks of what is pointed at on single frames, as tracking would begin with them.

    May be used from several threads.

    Args:
        models: Holds the segmenter.
        held: Frames whose features are kept.
    """

    def __init__(self, models: Models, *, held: int = _HELD) -> None:
        self.models, self.held = models, held
        self._features: OrderedDict[tuple[str, int], ImageFeatures] = OrderedDict()
        self._lock = threading.Lock()

    def segment(self, frame: Frame, prompts: Sequence[Prompt], *, name: str = "") -> dict[int, Observation]:
        """The mask of each object pointed at on a frame.

        Args:
            frame: The picture.
            prompts: In pixels of the frame; those of one ``obj_id`` are one object. Their ``frame_index`` is
                taken to be the frame's.
            name: Of the video and its state, under which features are kept; nothing is kept without one.

        Returns:
            An observation an object, by ``obj_id``; its score is the predicted overlap with the truth.

        Raises:
            PromptError: A prompt is empty or lies outside the picture, or one object has two.
        """
        from seektrack.segmentation import Finish, VideoSession
        from seektrack.segmentation.arrays import floats
        from seektrack.segmentation.prompts import check_prompt

        if not prompts:
            raise PromptError("nothing is pointed at", hint="give points, a box or a mask")
        if len({prompt.obj_id for prompt in prompts}) < len(prompts):
            raise PromptError(
                "an object has two prompts on one frame", hint="put its points and its box into one prompt"
            )
        here = [replace(prompt, frame_index=frame.index) for prompt in prompts]
        for prompt in here:
            check_prompt(prompt, frame.hw)
        sam2 = self.models.sam2
        session = VideoSession(sam2)
        for prompt in here:
            session.add(prompt)
        answer = session.step(self._features_of(frame, name), frame.index)
        settled = Finish.of(sam2, post=defaults.POST)(answer, frame.image)
        masks, scores = settled.masks(), floats(answer.iou_scores).clip(0, 1).tolist()
        found: dict[int, Observation] = {}
        for obj_id, pixels, score in zip(answer.obj_ids, masks, scores, strict=True):
            mask = Mask.from_array(pixels)
            box = mask.box or (0.0, 0.0, 0.0, 0.0)
            found[obj_id] = Observation(
                frame.index, frame.time_s, box, mask, float(score), visible=mask.area > 0
            )
        return found

    def _features_of(self, frame: Frame, name: str) -> ImageFeatures:
        key = (name, frame.index)
        with self._lock:
            held = self._features.get(key) if name else None
            if held is not None:
                self._features.move_to_end(key)
                return held
        features = self.models.sam2.encode(frame.image)
        if name:
            with self._lock:
                self._features[key] = features
                while len(self._features) > self.held:
                    self._features.popitem(last=False)
        return features


def segment_frame(
    video: VideoInput,
    prompts: Sequence[Prompt],
    *,
    model: str | Models = defaults.MODEL,
    device: str | None = None,
    opening: Opening | None = None,
) -> dict[int, Observation]:
    """The mask of each object pointed at on one frame of a video, as :func:`track_objects` would begin.

    Args:
        video: Whatever :func:`seektrack.video.open_video` takes.
        prompts: Points, boxes or masks, all of the same frame, in pixels of the source.
        model: A name (see :func:`seektrack.pipeline.parse_model`) or loaded :class:`Models`.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        opening: How the video is opened.

    Returns:
        An observation an object, by ``obj_id``.

    Raises:
        PromptError: There is no prompt, one lies outside the picture, or they are of several frames.
        VideoError: The video cannot be read.
        InputError: There is no such frame.
    """
    from seektrack.video import Opening

    frames = sorted({prompt.frame_index for prompt in prompts})
    if len(frames) != 1:
        raise PromptError(
            f"prompts must be of one frame, got those of {frames or 'none'}",
            hint="ask frame by frame, or follow them with track_objects",
        )
    models = model if isinstance(model, Models) else Models(model, device=device)
    models.check()
    with (opening or Opening()).open(video) as source:
        frame = source.frame_at(frames[0])
    return FrameSegmenter(models).segment(frame, prompts)
