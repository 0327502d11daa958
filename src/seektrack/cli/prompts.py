"""Prompts written on the command line: ``x,y[,label]@frame[#id]`` and ``x0,y0,x1,y1@frame[#id]``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from seektrack.errors import InputError, PromptError
from seektrack.geometry import Box
from seektrack.types import Prompt

POINT_FORM = "x,y[,label]@frame[#id], for example 120,80@0 or 131,95,0@0#2"
BOX_FORM = "x0,y0,x1,y1@frame[#id], for example 100,60,180,140@0"

_FORM = re.compile(r"(?P<numbers>[^@#]+)@(?P<frame>\d+)(?:#(?P<id>\d+))?")

PromptsFile = Annotated[
    str | None,
    typer.Option(
        "--prompts",
        metavar="FILE",
        help="Boxes or masks to follow from a file: tracks of any format, or a mask's picture[@FRAME].",
    ),
]


def given_prompts(
    points: Sequence[str], boxes: Sequence[str], file: str | None, video: Path | str | None
) -> list[Prompt]:
    """The prompts of ``--point`` and ``--box``, or those of ``--prompts``.

    Raises:
        InputError: Both are given, or the file cannot be read.
        PromptError: A value has not the form it should have; see `parse_prompts`.
    """
    if file is None:
        return parse_prompts(points, boxes)
    if points or boxes:
        raise InputError("both --prompts and --point/--box given", hint="give one of them")
    from seektrack.outputs import read_prompts

    if video is None or not Path(video).exists():
        return read_prompts(file)
    from seektrack.video import open_video

    with open_video(video) as opened:
        return read_prompts(file, video=opened.info)


@dataclass
class _Gathered:
    points: list[tuple[float, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    box: Box | None = None


def parse_prompts(points: Sequence[str], boxes: Sequence[str]) -> list[Prompt]:
    """Read the values of ``--point`` and ``--box``.

    Without ``#id`` all points together mean one object and each box means an object of its own; with it,
    everything of the same id and frame becomes one prompt.

    Args:
        points: In the form ``x,y[,label]@frame[#id]``; label 1 (default) lies inside, 0 outside.
        boxes: In the form ``x0,y0,x1,y1@frame[#id]``.

    Returns:
        Prompts in source pixels, ordered by object and frame.

    Raises:
        PromptError: A value does not have the form, or a box is empty or given twice.
    """
    parsed_points = [_split(text, POINT_FORM, (2, 3)) for text in points]
    parsed_boxes = [_split(text, BOX_FORM, (4,)) for text in boxes]
    named = {obj_id for _, _, obj_id in parsed_points + parsed_boxes if obj_id is not None}
    free = (i for i in range(len(named) + len(boxes) + 1) if i not in named)
    shared = next(free) if any(obj_id is None for _, _, obj_id in parsed_points) else -1

    gathered: dict[tuple[int, int], _Gathered] = {}
    for text, (numbers, frame, obj_id) in zip(points, parsed_points, strict=True):
        one = gathered.setdefault((shared if obj_id is None else obj_id, frame), _Gathered())
        one.points.append((numbers[0], numbers[1]))
        one.labels.append(_label(numbers, text))
    for text, (numbers, frame, obj_id) in zip(boxes, parsed_boxes, strict=True):
        one = gathered.setdefault((next(free) if obj_id is None else obj_id, frame), _Gathered())
        if one.box is not None:
            raise PromptError(f"--box {text}: its object already has a box on frame {frame}")
        x0, y0, x1, y1 = numbers
        if x1 <= x0 or y1 <= y0:
            raise PromptError(
                f"--box {text} is empty",
                hint="give the left, top, right and bottom edge: x0 < x1 and y0 < y1",
            )
        one.box = (x0, y0, x1, y1)
    return [_prompt(obj_id, frame, one) for (obj_id, frame), one in sorted(gathered.items())]


def _split(text: str, form: str, counts: tuple[int, ...]) -> tuple[list[float], int, int | None]:
    match = _FORM.fullmatch(text.strip())
    numbers: list[float] = []
    if match is not None:
        try:
            numbers = [float(n) for n in match["numbers"].split(",")]
        except ValueError:
            numbers = []
    if match is None or len(numbers) not in counts or not np.isfinite(numbers).all():
        raise PromptError(f"cannot read the prompt {text!r}", hint=f"write {form}")
    return numbers, int(match["frame"]), None if match["id"] is None else int(match["id"])


def _label(numbers: list[float], text: str) -> int:
    if len(numbers) == 2:
        return 1
    if numbers[2] not in (0, 1):
        raise PromptError(
            f"--point {text}: the label must be 1 (inside the object) or 0 (outside), got {numbers[2]:g}"
        )
    return int(numbers[2])


def _prompt(obj_id: int, frame: int, one: _Gathered) -> Prompt:
    has_points = bool(one.points)
    return Prompt(
        obj_id=obj_id,
        frame_index=frame,
        points=np.asarray(one.points, dtype=np.float64) if has_points else None,
        point_labels=np.asarray(one.labels, dtype=np.int64) if has_points else None,
        box=one.box,
    )
