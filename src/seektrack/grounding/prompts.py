"""From groundings to prompts of the segmentation engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np

from seektrack.errors import InputError
from seektrack.geometry import BoolMask
from seektrack.grounding.found import Grounding
from seektrack.types import Mask, Prompt

PromptKind = Literal["mask", "box", "box_point"]
PROMPT_KINDS: tuple[PromptKind, ...] = ("mask", "box", "box_point")


def to_prompts(
    groundings: Sequence[Grounding], frame_index: int, next_id: int, *, kind: PromptKind = "mask"
) -> list[Prompt]:
    """One prompt per grounding, with consecutive ids.

    Args:
        groundings: Of one picture.
        frame_index: The frame they lie on.
        next_id: Id of the first.
        kind: ``mask`` hands the mask over, ``box`` its box, ``box_point`` the box and its innermost point.

    Returns:
        Prompts in the order of ``groundings``.

    Raises:
        InputError: An unknown kind.
    """
    return [
        make_prompt(g.mask, next_id + i, frame_index, kind=kind, score=g.confidence, label=g.label)
        for i, g in enumerate(groundings)
    ]


def make_prompt(
    mask: Mask,
    obj_id: int,
    frame_index: int,
    *,
    kind: PromptKind = "mask",
    score: float = 1.0,
    label: str = "",
) -> Prompt:
    """A prompt of the given kind for one mask; see `to_prompts`.

    Raises:
        InputError: An unknown kind, or an empty mask.
    """
    if kind not in PROMPT_KINDS:
        raise InputError(f"unknown prompt kind {kind!r}", hint=f"allowed: {', '.join(PROMPT_KINDS)}")
    box = mask.box
    if box is None:
        raise InputError(f"object {obj_id} on frame {frame_index} has an empty mask: nothing to prompt with")
    if kind == "mask":
        return Prompt(obj_id, frame_index, mask=mask, score=score, label=label)
    if kind == "box":
        return Prompt(obj_id, frame_index, box=box, score=score, label=label)
    points = np.array([innermost_point(mask.to_array())])
    labels = np.ones(1, dtype=np.int64)
    return Prompt(obj_id, frame_index, points=points, point_labels=labels, box=box, score=score, label=label)


def innermost_point(mask: BoolMask) -> tuple[float, float]:
    """Centre ``(x, y)`` of the pixel farthest from the edge of a non-empty bool (H, W) mask."""
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(x) + 0.5, float(y) + 0.5
