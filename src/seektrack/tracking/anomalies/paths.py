"""One track as arrays: when, where, how large, how it looks; what all judgements are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box
from seektrack.tracking.anomalies.looks import TrackLooks
from seektrack.types import Track

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_BORDER = 3.0


@dataclass(frozen=True)
class Path:
    """The sights of one track, in order; n of them.

    Attributes:
        obj_id: Whose.
        frames: int (n,), frame numbers.
        places: int (n,), which of the processed frames each is.
        times: Seconds (n,).
        boxes: (n, 4), ``xyxy`` pixels.
        still: (n, 2): what the camera alone moves a thing at the object's place from the first sight on;
            taken off, places are those of a camera that stands.
        areas: (n,) pixels of the mask, or of the box.
        signatures: (n, D), or None where the pictures were not looked at; NaN rows where one was not.
        contrast: (n,), NaN where not looked at.
        hw: Of the picture.
    """

    obj_id: int
    frames: NDArray[np.int64]
    places: NDArray[np.int64]
    times: Floats
    boxes: Floats
    still: Floats
    areas: Floats
    signatures: Floats | None
    contrast: Floats
    hw: tuple[int, int]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def centres(self) -> Floats:
        """(n, 2), as a camera that stands would see them."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2 - self.still

    @property
    def size(self) -> Floats:
        """√(w·h) around each sight, (n,) pixels: a running median, which one bad mask does not move."""
        sides = np.sqrt(np.maximum(np.prod(self.boxes[:, 2:] - self.boxes[:, :2], axis=1), 1.0))
        padded = np.pad(sides, 3, mode="edge")
        return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 7), axis=1))

    @property
    def usual_area(self) -> Floats:
        """Median area of the sights around each, (n,) pixels."""
        padded = (
            np.pad(self.areas, 6, mode="reflect") if len(self) > 6 else np.pad(self.areas, 6, mode="edge")
        )
        return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 13), axis=1))

    @property
    def cut_off(self) -> NDArray[np.bool_]:
        """Whether a border cuts each sight off, (n,)."""
        h, w = self.hw
        low = (self.boxes[:, :2] <= _BORDER).any(axis=1)
        return np.asarray(
            low | (self.boxes[:, 2] >= w - _BORDER) | (self.boxes[:, 3] >= h - _BORDER), dtype=np.bool_
        )

    @property
    def steps(self) -> Floats:
        """How each sight lies from the one before, (n − 1, 2) pixels: by what both edges of the box agree on.

        A part that comes into sight moves one edge alone, and the object not at all.
        """
        edges = np.diff(self.boxes, axis=0).reshape(-1, 2, 2) - np.diff(self.still, axis=0)[:, None]
        agree = np.sign(edges[:, 0]) == np.sign(edges[:, 1])
        least = np.where(np.abs(edges[:, 0]) < np.abs(edges[:, 1]), edges[:, 0], edges[:, 1])
        return np.where(agree, least, 0.0)


def path_of(
    track: Track, places: Mapping[int, int], hw: tuple[int, int], looks: TrackLooks | None
) -> Path | None:
    """The sights of a track; None where it has none.

    Args:
        track: The track.
        places: Frame number to its place among those processed.
        hw: Of the picture.
        looks: What the pictures say, or None.
    """
    seen = [o for o in track.observations if o.visible and o.frame_index in places]
    if not seen:
        return None
    boxes = np.array([o.box for o in seen], dtype=np.float64)
    sides = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    areas = np.array(
        [float(o.mask.area) if o.mask is not None else s for o, s in zip(seen, sides, strict=True)]
    )
    frames = [o.frame_index for o in seen]
    signatures, contrast = _looks(track.obj_id, frames, looks)
    still = _camera(frames, boxes, looks)
    return Path(
        track.obj_id,
        np.array(frames),
        np.array([places[f] for f in frames]),
        np.array([o.time_s for o in seen]),
        boxes,
        still,
        areas,
        signatures,
        contrast,
        hw,
    )


def _looks(obj_id: int, frames: Sequence[int], looks: TrackLooks | None) -> tuple[Floats | None, Floats]:
    sights = {} if looks is None else looks.sights.get(obj_id, {})
    if not sights:
        return None, np.full(len(frames), np.nan)
    dim = len(next(iter(sights.values())).signature)
    rows = [sights[f].signature if f in sights else np.full(dim, np.nan) for f in frames]
    contrast = [sights[f].contrast if f in sights else np.nan for f in frames]
    return np.array(rows, dtype=np.float64), np.array(contrast, dtype=np.float64)


def _camera(frames: Sequence[int], boxes: Floats, looks: TrackLooks | None) -> Floats:
    """How far the camera moved what stands at the object's place, summed up from sight to sight, (n, 2)."""
    out = np.zeros((len(frames), 2))
    if looks is None or not looks.steps:
        return out
    for k in range(1, len(frames)):
        before = at = (boxes[k - 1, :2] + boxes[k - 1, 2:]) / 2
        for f in range(frames[k - 1] + 1, frames[k] + 1):
            step = looks.steps.get(f)
            if step is not None:
                at = step @ np.array([*at, 1.0])
        out[k] = out[k - 1] + at - before
    return out


def mean_looks(path: Path, which: Indices) -> Floats | None:
    """Unit mean signature of some sights; None where none was looked at."""
    if path.signatures is None:
        return None
    rows = path.signatures[which]
    rows = rows[~np.isnan(rows).any(axis=1)] if len(rows) else rows
    if not len(rows):
        return None
    mean = rows.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9))


def touching(a: Box | Floats, b: Box | Floats) -> bool:
    """Whether two boxes share a pixel."""
    return bool(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])
