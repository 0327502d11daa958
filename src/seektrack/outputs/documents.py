"""Writing JSON documents, and what the JSON formats of data sets have in common."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path

from seektrack import files
from seektrack.geometry import Box
from seektrack.outputs.reading import added
from seektrack.types import Tracks


def write_json(path: Path, content: object) -> None:
    """Write JSON in one go; numbers that JSON does not know (NaN) are an error, not a surprise later.

    Raises:
        OutputError: A number is not finite.
    """
    path.write_text(files.json_text(content), encoding="utf-8")


def category_ids(tracks: Tracks) -> dict[str, int]:
    """Number from 1 of each label, in alphabetical order."""
    return {label: n for n, label in enumerate(sorted({t.label for t in tracks}), start=1)}


def categories(tracks: Tracks) -> list[dict[str, object]]:
    """COCO's list of the labels; what has none is called "object"."""
    return [{"id": n, "name": label or "object"} for label, n in category_ids(tracks).items()]


def processed(tracks: Tracks) -> list[int]:
    """Every frame that was processed or has anything on it, in order."""
    return sorted(set(tracks.frame_times) | {o.frame_index for t in tracks for o in t.observations})


def time_of(tracks: Tracks, index: int) -> float:
    """Seconds of a frame that was processed or has anything on it."""
    known = tracks.frame_times.get(index)
    return float(known if known is not None else next(o.time_s for _, o in tracks.at(index)))


def xywh(box: Box) -> list[float]:
    """Left, top, width and height, such that adding up gives the same ``xyxy`` back."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return [x0, y0, _length(x0, x1), _length(y0, y1)]


def _length(start: float, end: float) -> float:
    length = float(Decimal(repr(end)) - Decimal(repr(start)))
    around = (length, math.nextafter(length, math.inf), math.nextafter(length, -math.inf))
    return next((v for v in around if added(start, v) == end), length)
