"""What a person says of an object on one frame, and what is wrong with it before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from seektrack.errors import PromptError
from seektrack.geometry import Box
from seektrack.pipeline.session_rows import Point, Said
from seektrack.types import Mask, Prompt

_SAME = 1.0
"""Pixels within which two clicks are on the same spot."""


@dataclass(frozen=True)
class Correction:
    """Clicks, a box or a mask that put an object right on one frame.

    Attributes:
        frame_index: The frame, 0-based.
        obj_id: The object; None adds a new one.
        positive: Clicks on it, ``(x, y)`` in source pixels.
        negative: Clicks not on it.
        box: ``xyxy`` around it, source pixels, or None.
        mask: Its whole mask, of the frame's size; excludes clicks and box.
        label: What a new object is called.
    """

    frame_index: int
    obj_id: int | None = None
    positive: tuple[Point, ...] = ()
    negative: tuple[Point, ...] = ()
    box: Box | None = None
    mask: Mask | None = None
    label: str = ""

    @classmethod
    def of_prompt(cls, prompt: Prompt, *, obj_id: int | None) -> Correction:
        """What a prompt says, of an object that may have another id."""
        said = Said.of_prompt(prompt)
        return cls(
            prompt.frame_index, obj_id, said.positive, said.negative, said.box, prompt.mask, prompt.label
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "frame_index": self.frame_index,
            "obj_id": self.obj_id,
            "positive": self.positive,
            "negative": self.negative,
            "box": self.box,
            "mask": None if self.mask is None else self.mask.to_coco(),
            "label": self.label,
        }

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> Correction:
        """What `to_dict` made; what is left out is as the attributes' defaults.

        Raises:
            PromptError: A value is not what it should be.
        """
        try:
            box, mask, obj_id = held.get("box"), held.get("mask"), held.get("obj_id")
            return cls(
                int(held["frame_index"]),
                None if obj_id is None else int(obj_id),
                tuple((float(x), float(y)) for x, y in held.get("positive") or ()),
                tuple((float(x), float(y)) for x, y in held.get("negative") or ()),
                None if box is None else cast(Box, tuple(float(v) for v in box)),
                None if mask is None else Mask.from_coco(mask),
                str(held.get("label") or ""),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PromptError(
                f"not a correction: {error}",
                hint="give frame_index, obj_id or null, and positive, negative, box or mask",
            ) from error

    def prompt(self, obj_id: int) -> Prompt:
        """The same as a prompt for an object."""
        points = [*self.positive, *self.negative]
        labels = [1] * len(self.positive) + [0] * len(self.negative)
        return Prompt(
            obj_id,
            self.frame_index,
            points=np.array(points, dtype=np.float64) if points else None,
            point_labels=np.array(labels, dtype=np.int64) if points else None,
            box=self.box,
            mask=self.mask,
            label=self.label,
        )


@dataclass(frozen=True)
class Corrected:
    """What a correction made of its frame.

    Attributes:
        obj_id: The object, a new id where it was added.
        frame_index: The frame.
        mask: Its pixels there from now on.
    """

    obj_id: int
    frame_index: int
    mask: Mask


def together(correction: Correction, obj_id: int, earlier: Said | None, others: Mapping[int, Said]) -> Said:
    """What a person has said of an object on a frame with a further correction.

    Clicks add to earlier ones on the frame; a box takes an earlier one's place, a mask the place of all.

    Args:
        correction: The further one.
        obj_id: Its object.
        earlier: What was said of the object on the frame before; None where nothing was.
        others: What was said of other objects there.

    Raises:
        PromptError: It contradicts itself, an earlier one, or one of another object.
    """
    where = f"frame {correction.frame_index}, object {obj_id}"
    if correction.mask is not None:
        return Said(mask=True)
    before = Said() if earlier is None else earlier
    said = Said(
        tuple(dict.fromkeys((*before.positive, *correction.positive))),
        tuple(dict.fromkeys((*before.negative, *correction.negative))),
        before.box if correction.box is None else correction.box,
        before.mask,
    )
    for point in said.positive:
        against = next((p for p in said.negative if _same(point, p)), None)
        if against is not None:
            raise PromptError(
                f"{where}: {_told(point)} is said to be on the object, and {_told(against)} not to be",
                hint="leave one of them out, or undo the earlier correction",
            )
        if said.box is not None and not _inside(point, said.box):
            box = ", ".join(f"{v:g}" for v in said.box)
            raise PromptError(
                f"{where}: {_told(point)} is said to be on the object, but lies outside its box {box}",
                hint="draw the box around it, or undo the earlier correction",
            )
        rival = next((i for i, s in others.items() for p in s.positive if _same(point, p)), None)
        if rival is not None:
            raise PromptError(
                f"{where}: {_told(point)} was said to be on object {rival}",
                hint="click elsewhere, or undo that correction",
            )
    return said


def _same(one: Point, other: Point) -> bool:
    return abs(one[0] - other[0]) < _SAME and abs(one[1] - other[1]) < _SAME


def _inside(point: Point, box: Box) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _told(point: Point) -> str:
    return f"{point[0]:g},{point[1]:g}"
