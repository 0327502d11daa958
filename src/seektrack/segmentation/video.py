"""Following prompts through a lazy source of frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from seektrack.errors import PromptError
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.session import VideoSession
from seektrack.types import Frame, Prompt


def segment_video(
    sam2: Sam2,
    frames: Iterable[Frame],
    prompts: Sequence[Prompt],
    *,
    max_objects_per_batch: int = 32,
    min_object_score: float = 0.0,
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

    Yields:
        One answer for each frame from the first prompted one on.

    Raises:
        PromptError: There are no prompts, one is malformed, or none lies on any of the frames.
    """
    if not prompts:
        raise PromptError("there is nothing to follow", hint="give at least one prompt")
    session = VideoSession(sam2, max_objects_per_batch=max_objects_per_batch)
    for prompt in prompts:
        session.add(prompt)
    waiting = {p.frame_index for p in prompts}
    for frame in frames:
        if session.frame_index is None and frame.index not in waiting:
            continue
        waiting.discard(frame.index)
        answer = session.step(frame.image, frame.index)
        yield answer if min_object_score <= 0 else _present(answer, min_object_score)
    if session.frame_index is None:
        raise PromptError(f"no frame has a prompt; prompts are for frames {sorted(waiting)}")


def _present(answer: FrameMasks, min_score: float) -> FrameMasks:
    """Only the objects likely enough to be on the frame."""
    keep = answer.object_scores >= min_score
    return replace(
        answer,
        obj_ids=[o for o, k in zip(answer.obj_ids, keep.tolist(), strict=True) if k],
        logits=answer.logits[keep],
        object_scores=answer.object_scores[keep],
        iou_scores=answer.iou_scores[keep],
        pointers=answer.pointers[keep],
    )
