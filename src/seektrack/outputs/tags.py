"""The tag of an object: label, id and score on a plate, kept inside the picture and off other tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box
from seektrack.known import UNKNOWN
from seektrack.outputs.palette import object_colour
from seektrack.types import Observation, Track

_WEIGHT = 500
_SMALLEST_TEXT = 9
_TEXT_PER_SIDE = 1 / 38
_PLATE_OPACITY = 0.88
_DARK, _LIGHT = (20, 22, 26), (255, 255, 255)

Rect = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Tag:
    text: str
    plate: Rect
    baseline: tuple[int, int]


def draw_tags(out: NDArray[np.uint8], pairs: Sequence[tuple[Track, Observation]]) -> None:
    """Write a tag for each object onto uint8 (H, W, 3) RGB, in place.

    A tag sits above its box where there is room, else inside it; one that would cover an earlier tag moves
    up or down to the nearest free place. The last pair is placed first.
    """
    taken: list[Rect] = []
    placed = []
    for track, o in reversed(pairs):
        tag = _place(out, tag_text(track, o), o.box, taken)
        taken.append(tag.plate)
        placed.append((track, o, tag))
    for track, o, tag in reversed(placed):
        _draw(out, tag, object_colour(track.obj_id), faint=not o.visible)


def draw_notes(out: NDArray[np.uint8], notes: Sequence[tuple[str, Box, tuple[int, int, int]]]) -> None:
    """Write texts on plates of a colour onto uint8 (H, W, 3) RGB, in place, each above its box.

    Args:
        out: The picture.
        notes: Text, box ``xyxy`` in pixels, colour.
    """
    taken: list[Rect] = []
    for text, box, colour in notes:
        tag = _place(out, text, box, taken)
        taken.append(tag.plate)
        _draw(out, tag, colour, faint=False)


def tag_text(track: Track, o: Observation) -> str:
    """What the tag says: label, id, and the score in per cent, that it is unknown, or that it is hidden."""
    name = f"{track.label} {track.obj_id}" if track.label else f"#{track.obj_id}"
    if track.domain == "outside" and o.visible:
        return f"{name} · {UNKNOWN}"
    return f"{name} · {round(100 * o.score)}%" if o.visible else f"{name} · hidden"


def text_size(hw: tuple[int, int]) -> int:
    """Height of the letters in pixels for a picture of size (H, W)."""
    return max(_SMALLEST_TEXT, round(min(hw) * _TEXT_PER_SIDE))


@cache
def _font() -> Any:
    import cv2

    return cv2.FontFace("sans")


def _place(out: NDArray[np.uint8], text: str, box: Box, taken: Sequence[Rect]) -> _Tag:
    import cv2

    height, width = out.shape[:2]
    size = text_size((height, width))
    _, top, text_width, text_height = cv2.getTextSize((width, height), text, (0, 0), _font(), size, _WEIGHT)
    pad_x, pad_y = max(3, round(size * 0.45)), max(1, round(size * 0.12))
    w, h = text_width + 2 * pad_x, text_height + 2 * pad_y
    x = int(min(max(box[0], 0), max(0, width - w)))
    wanted = box[1] - h - pad_y if box[1] - h - pad_y >= 0 else box[1] + pad_y
    y = _free_row(x, int(min(max(wanted, 0), max(0, height - h))), w, h, height, taken)
    return _Tag(text, (x, y, x + w, y + h), (x + pad_x, y + pad_y - top))


def _free_row(x: int, y: int, w: int, h: int, height: int, taken: Sequence[Rect]) -> int:
    """The row nearest to ``y`` where the plate covers no other; ``y`` itself when there is none."""

    def free(row: int) -> bool:
        if not 0 <= row <= height - h:
            return False
        return all(x + w <= a or c <= x or row + h <= b or d <= row for a, b, c, d in taken)

    rows = [y, *(b - h - 1 for _, b, _, _ in taken), *(d + 1 for *_, d in taken)]
    return min((row for row in rows if free(row)), key=lambda row: abs(row - y), default=y)


def _draw(out: NDArray[np.uint8], tag: _Tag, colour: tuple[int, int, int], *, faint: bool) -> None:
    import cv2

    x0, y0, x1, y1 = tag.plate
    ink = _DARK if _luminance(colour) > 0.32 else _LIGHT
    part = out[y0:y1, x0:x1]
    h, w = part.shape[:2]
    if h == 0 or w == 0:
        return
    shape = np.zeros((h, w), dtype=np.uint8)
    radius = min(h, w) // 4
    cv2.rectangle(shape, (radius, 0), (w - 1 - radius, h - 1), 255, -1)
    cv2.rectangle(shape, (0, radius), (w - 1, h - 1 - radius), 255, -1)
    for cx in (radius, w - 1 - radius):
        for cy in (radius, h - 1 - radius):
            cv2.circle(shape, (cx, cy), radius, 255, -1, cv2.LINE_AA)
    alpha = shape[..., None].astype(np.float32) / 255 * (_PLATE_OPACITY * (0.75 if faint else 1.0))
    part[:] = (part * (1 - alpha) + np.array(colour, dtype=np.float32) * alpha + 0.5).astype(np.uint8)
    size = text_size(out.shape[:2])
    cv2.putText(out, tag.text, tag.baseline, ink, _font(), size, _WEIGHT, 0)


def _luminance(colour: tuple[int, int, int]) -> float:
    linear = (np.array(colour) / 255) ** 2.2
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))
