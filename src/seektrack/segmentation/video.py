"""Following prompts through a lazy source of frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from seektrack.errors import InputError, PromptError
from seektrack.segmentation.chain import PostProcess
from seektrack.segmentation.finish import Finish
from seektrack.segmentation.flow_session import open_session
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.propagation import PropagationSettings, only
from seektrack.segmentation.refine import RefineSettings
from seektrack.types import Frame, Prompt


def segment_video(
    sam2: Sam2,
    frames: Iterable[Frame],
    prompts: Sequence[Prompt],
    *,
    max_objects_per_batch: int = 32,
    min_object_score: float = 0.0,
    mask_threshold: float = 0.0,
    propagation: PropagationSettings | None = None,
    refine: RefineSettings | None = None,
    post: PostProcess | str | None = None,
    exclusive: bool = False,
) -> Iterator[FrameMasks]:
    """Follow prompted objects through frames, holding one frame at a time.

    Frames before the first prompt are passed over without being looked at. Give the frames in reverse to
    follow backward.

    Args:
        sam2: The network.
        frames: In the order to follow; ``open_video(path)`` or any iterable.
        prompts: For any frames among them, in any order.
        max_objects_per_batch: Objects computed at once.
        min_object_score: Objects surely less likely to be on the frame are left out of its answer.
        mask_threshold: Logit above which a pixel is inside, in the answers' ``masks()``.
        propagation: How masks get from frame to frame; every frame through the network if not given.
        refine: Look at every object closer, in source resolution.
        post: Steps that clean the masks up, or their text, such as ``close:3,fill:64``.
        exclusive: Give a pixel claimed by several objects to the surest.

    Yields:
        One answer for each frame from the first prompted one on.

    Raises:
        InputError: A step or setting is unknown.
        PromptError: There are no prompts, one is malformed, or none lies on any of the frames.
    """
    if not prompts:
        raise PromptError("there is nothing to follow", hint="give at least one prompt")
    if not 0 <= min_object_score <= 1:
        raise InputError(f"min_object_score lies in [0, 1], got {min_object_score}")
    finish = Finish.of(sam2, refine=refine, post=post, threshold=mask_threshold, exclusive=exclusive)
    session = open_session(sam2, propagation, max_objects_per_batch=max_objects_per_batch)
    for prompt in prompts:
        session.add(prompt)
    waiting = {p.frame_index for p in prompts}
    for frame in frames:
        if session.frame_index is None and frame.index not in waiting:
            continue
        waiting.discard(frame.index)
        if finish.sam2 is sam2:
            finish = replace(finish, sam2=sam2.for_picture(frame.image))
        answer = session.step(frame.image, frame.index)
        if min_object_score > 0:
            scores = answer.object_scores.tolist()
            answer = only(
                answer, [o for o, s in zip(answer.obj_ids, scores, strict=True) if s >= min_object_score]
            )
        yield finish(answer, frame.image)
    if session.frame_index is None:
        raise PromptError(f"no frame has a prompt; prompts are for frames {sorted(waiting)}")
