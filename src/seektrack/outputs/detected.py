"""Detections from a file, MOT or COCO, by frame: boxes that have no identity yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seektrack.errors import InputError
from seektrack.geometry import Box, clip_box
from seektrack.outputs import coco, mot, reading
from seektrack.outputs.polygons import read_segmentation
from seektrack.tracking.memory import Detection
from seektrack.types import Mask, VideoInfo


class _Row(NamedTuple):
    where: str
    frame: int
    box: Box
    score: float | None
    mask: Mask | None = None
    label: str = ""


def read_detections(path: str | Path, video: VideoInfo) -> dict[int, list[Detection]]:
    """Detections by frame.

    MOT: ``frame,id,left,top,width,height,conf,…``, frames and pixels from 1; ids are not heeded. COCO: a
    document with ``images`` and ``annotations``, or the plain list of results, whose ``image_id`` is then the
    frame, from 0; run lengths and polygons are kept as masks. Confidences that leave [0, 1] somewhere are put
    on it, from the least to the greatest; a box is cut at the edge of the picture, one wholly outside is left
    out.

    Args:
        path: The file.
        video: The video they lie in.

    Raises:
        InputError: The file is missing, a row cannot be, or there is none; rows are told by their number.
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"no such file: {source}")
    try:
        rows = _coco(source, video) if source.suffix.lower() == ".json" else _mot(source)
        if not rows:
            raise InputError("it holds no detection", hint="a row is frame,id,left,top,width,height,conf")
        return _by_frame(rows, video)
    except InputError as error:
        raise InputError(f"{source}: {error.message}", hint=error.hint) from error


def _mot(path: Path) -> list[_Row]:
    found = ((where, row) for where, row in mot.read_rows(path) if row.considered)
    return [_Row(where, row.frame_index, row.box, row.stated) for where, row in found]


def _coco(path: Path, video: VideoInfo) -> list[_Row]:
    content = reading.read_json(path)
    if isinstance(content, list):
        return [_result(value, f"[{n}]", None, {}, video) for n, value in enumerate(content)]
    document = reading.entry(content, "the document")
    frames = {number: image.frame for number, image in coco.images_of(document).items()}
    names = coco.names_of(document)
    held = reading.entries(document, "annotations")
    return [_result(value, f"annotations[{n}]", frames, names, video) for n, value in enumerate(held)]


def _result(
    value: object, where: str, frames: dict[int, int] | None, names: dict[int, str], video: VideoInfo
) -> _Row:
    held: dict[str, Any] = reading.entry(value, where)
    number = reading.integer(held.get("image_id"), f"{where}.image_id", low=0)
    if frames is not None and number not in frames:
        raise InputError(f"{where}: no image has the id {number}")
    frame = reading.frame_number(number if frames is None else frames[number], where)
    kind = held.get("category_id")
    kind = None if kind is None else reading.integer(kind, f"{where}.category_id")
    label = "" if kind is None else names.get(kind, f"category {kind}")
    mask = read_segmentation(held.get("segmentation"), video.hw, where)
    box = held.get("bbox")
    if box is None and (mask is None or mask.box is None):
        raise InputError(f"{where} has neither a bbox nor a segmentation")
    placed = reading.xywh(box, f"{where}.bbox") if box is not None else mask.box if mask is not None else None
    if placed is None:
        raise InputError(f"{where} has no bbox and an empty segmentation")
    score = held.get("score")
    return _Row(
        where, frame, placed, None if score is None else reading.number(score, f"{where}.score"), mask, label
    )


def _by_frame(rows: Sequence[_Row], video: VideoInfo) -> dict[int, list[Detection]]:
    stated = [row.score for row in rows if row.score is not None]
    low, high = min(stated, default=0.0), max(stated, default=1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    out: dict[int, list[Detection]] = defaultdict(list)
    for row in rows:
        x0, y0, x1, y1 = row.box
        if x1 <= x0 or y1 <= y0:
            raise InputError(f"{row.where}: the box has no area", hint="width and height are above 0")
        box = clip_box(row.box, video.hw)
        if box[2] <= box[0] or box[3] <= box[1]:
            continue
        score = 1.0 if row.score is None or high <= low else (row.score - low) / (high - low)
        out[row.frame].append(Detection(box, row.mask, score, label=row.label))
    return dict(out)
