"""Checking prompts, and carrying them from source pixels to what the network takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import PromptError
from seektrack.geometry import clip_box
from seektrack.types import Prompt

BOX_CORNER_LABELS = (2, 3)
"""The prompt encoder takes a box as two points with these labels."""


@dataclass(frozen=True, eq=False)
class PointInputs:
    """Points of one object in the square input: ``points`` float32 (K, 2), ``labels`` int32 (K,)."""

    points: NDArray[np.float32]
    labels: NDArray[np.int32]


def check_prompt(prompt: Prompt, hw: tuple[int, int] | None = None) -> None:
    """Refuse a prompt that says nothing, contradicts itself, or lies outside the picture.

    Args:
        prompt: In source pixels.
        hw: Height and width of the source picture; without it only what needs no size is checked.

    Raises:
        PromptError: What is wrong with it.
    """
    where = f"object {prompt.obj_id}, frame {prompt.frame_index}"
    if prompt.obj_id < 0 or prompt.frame_index < 0:
        raise PromptError(f"object id and frame index count from 0, got {where}")
    if prompt.mask is not None and (prompt.points is not None or prompt.box is not None):
        raise PromptError(f"{where}: a mask excludes points and box", hint="give one or the other")
    if prompt.mask is None and prompt.points is None and prompt.box is None:
        raise PromptError(f"{where}: the prompt is empty", hint="give points, a box or a mask")
    _check_points(prompt, hw, where)
    if prompt.box is not None:
        _check_box(prompt.box, hw, where)
    if prompt.mask is not None:
        if hw is not None and prompt.mask.size != tuple(hw):
            raise PromptError(f"{where}: the mask is {prompt.mask.size}, the picture {tuple(hw)}")
        if prompt.mask.area == 0:
            raise PromptError(f"{where}: the mask is empty")


def _check_points(prompt: Prompt, hw: tuple[int, int] | None, where: str) -> None:
    if prompt.points is None:
        if prompt.point_labels is not None:
            raise PromptError(f"{where}: labels without points")
        return
    points = np.asarray(prompt.points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise PromptError(f"{where}: points must be (P, 2) with P > 0, got {points.shape}")
    if not np.isfinite(points).all():
        raise PromptError(f"{where}: points must be finite, got {points.tolist()}")
    if prompt.point_labels is None or np.shape(prompt.point_labels) != (len(points),):
        raise PromptError(f"{where}: {len(points)} points need as many labels", hint="1 inside, 0 outside")
    if not np.isin(prompt.point_labels, (0, 1)).all():
        raise PromptError(f"{where}: labels are 1 inside or 0 outside, got {list(prompt.point_labels)}")
    if hw is not None and ((points < 0) | (points > (hw[1], hw[0]))).any():
        raise PromptError(f"{where}: a point lies outside the {hw[1]}x{hw[0]} picture: {points.tolist()}")


def _check_box(box: tuple[float, float, float, float], hw: tuple[int, int] | None, where: str) -> None:
    if not np.isfinite(box).all():
        raise PromptError(f"{where}: a box must be finite, got {box}")
    if hw is not None:
        box = clip_box(box, hw)
    if box[2] <= box[0] or box[3] <= box[1]:
        outside = "" if hw is None else f" inside the {hw[1]}x{hw[0]} picture"
        raise PromptError(f"{where}: the box {box} has no area{outside}", hint="boxes are x0, y0, x1, y1")


def point_inputs(prompt: Prompt, hw: tuple[int, int], side: int) -> PointInputs:
    """Box corners, then points, in pixels of the square input; a box is clipped to the picture."""
    coordinates: list[tuple[float, float]] = []
    labels: list[int] = []
    if prompt.box is not None:
        x0, y0, x1, y1 = clip_box(prompt.box, hw)
        coordinates += [(x0, y0), (x1, y1)]
        labels += BOX_CORNER_LABELS
    if prompt.points is not None and prompt.point_labels is not None:
        coordinates += [(float(x), float(y)) for x, y in prompt.points]
        labels += [int(v) for v in prompt.point_labels]
    points = np.array(coordinates, dtype=np.float32)
    points = points * np.array([side / hw[1], side / hw[0]], dtype=np.float32)
    return PointInputs(points, np.array(labels, dtype=np.int32))
