"""Two ids on the same pixels: two objects that cross, of which neither may take the other's id.

A segmentation network that meets two alike answers for both with one of them, or with both together, and
leaves with whichever it happens to hold. While masks contest the same pixels, these are shared out by where
each object must be and what it looked like before; once the two are apart again, motion and looks decide who
is who, and an engine that changed its mind is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box
from seektrack.tracking import kalman
from seektrack.tracking.likeness import LikenessSettings, likeness
from seektrack.tracking.memory import Detection, TrackMemory
from seektrack.types import Mask

Pair = tuple[int, int]
_FAR = 4.0
"""Sizes beyond which being farther off tells no more."""
_SAME = 0.7
"""Overlap from which two masks are one, or a mask is the shape it was expected to be."""
_STRAIGHT = 0.12
"""Distance from a straight way, in sizes, up to which an object went straight."""
_WAY_S = 2.0
"""Seconds of its way that tell where an object goes on to."""
_SURE = 0.75
"""By how much, in sizes and likeness, the other way round must fit better before ids change hands."""
_Known = TypeVar("_Known")


@dataclass
class Contests:
    """Which pairs contest pixels now.

    Attributes:
        since: Second each contest began.
    """

    since: dict[Pair, float] = field(default_factory=dict)

    def of(self, obj_id: int) -> list[Pair]:
        """Contests one object is in."""
        return [pair for pair in self.since if obj_id in pair]


def go_straight(memory: TrackMemory) -> None:
    """Believe in the way an object went before its mask met another's, from boxes of about its usual size.

    Whether it went straight is noted: of one that did not, motion does not tell where it is later.
    """
    times = np.array([time for time, _ in memory.sightings])
    boxes = np.array([box for _, box in memory.sightings], dtype=np.float64)
    recent = np.abs(times - memory.time_s) <= _WAY_S
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    typical = (
        np.abs(areas / max(float(np.median(areas[recent])), 1.0) - 1) <= 0.15 if recent.any() else recent
    )
    kept = recent & typical
    if kept.sum() >= 4 and np.ptp(times[kept]) > 0:
        memory.kalman = kalman.steady(memory.kalman, times[kept], boxes[kept], memory.time_s)
        centres = (boxes[kept, :2] + boxes[kept, 2:]) / 2
        line = np.outer(times[kept] - memory.time_s, memory.kalman.mean[4:6]) + memory.kalman.mean[:2]
        off_line = float(np.sqrt(((centres - line) ** 2).sum(axis=1).mean()))
        memory.straight = off_line <= _STRAIGHT * usual_side(memory)
    else:
        memory.straight = False


def off(memory: TrackMemory, box: Box) -> float:
    """How far a box lies from where an object must be, in its own sizes, `_FAR` at most."""
    x0, y0, x1, y1 = memory.kalman.box
    dx, dy = (box[0] + box[2] - x0 - x1) / 2, (box[1] + box[3] - y0 - y1) / 2
    return float(min(np.hypot(dx, dy) / max(usual_side(memory), 1.0), _FAR))


def usual_side(memory: TrackMemory) -> float:
    """√(w·h) an object usually has, pixels."""
    width, height = memory.usual_sides
    return float(np.sqrt(width * height))


def swapped(pair: Sequence[TrackMemory], seen: Sequence[Detection], settings: LikenessSettings) -> bool:
    """Whether two detections clearly fit each other's object better than their own.

    Args:
        pair: Two objects, their beliefs at the time of the detections.
        seen: What the engine gives for each, in the same order.
        settings: How looks are read.
    """

    def cost(memory: TrackMemory, detection: Detection) -> float:
        alike = likeness(memory, detection, settings)
        return off(memory, detection.box) + (0.0 if alike is None else 2 * (1 - alike))

    if not all(memory.straight for memory in pair):
        return False
    (a, b), (x, y) = pair, seen
    return cost(a, y) + cost(b, x) + _SURE < cost(a, x) + cost(b, y)


def shared_out(
    pair: Sequence[TrackMemory], seen: Sequence[Detection]
) -> tuple[Detection | None, Detection | None]:
    """Two detections whose contested pixels went to one of them each; None where too little was left.

    Where both are one mask, and that is what one of the two must look like now, it hides the other. A mask
    that is what its object must look like keeps its pixels. Elsewhere a contested pixel belongs to the object
    whose last shape, put where it must be now, holds it; where both or neither do, to the nearer one.
    """
    masks = [d.mask.to_array() for d in seen if d.mask is not None]
    if len(masks) < 2:
        return seen[0], seen[1]
    contested = masks[0] & masks[1]
    shapes = [_expected(memory, masks[0].shape) for memory in pair]
    if contested.sum() >= _SAME * (masks[0] | masks[1]).sum():
        fits = [_iou(contested, shape) for shape in shapes]
        if max(fits) >= _SAME:
            return (seen[0], None) if fits[0] >= fits[1] else (None, seen[1])
    itself = [_iou(mask, shape) >= _SAME for mask, shape in zip(masks, shapes, strict=True)]
    if all(itself):
        return seen[0], seen[1]
    ys, xs = np.nonzero(contested)
    distances = [_distance(memory, xs, ys) for memory in pair]
    inside = [shape[ys, xs] for shape in shapes]
    to_first = np.where(inside[0] == inside[1], distances[0] <= distances[1], inside[0])
    if any(itself):
        to_first = np.full(len(ys), itself[0])
    out: list[Detection | None] = []
    for k, (memory, detection) in enumerate(zip(pair, seen, strict=True)):
        rest = masks[k] & ~contested
        mine = to_first if k == 0 else ~to_first
        rest[ys[mine], xs[mine]] = True
        least = 0.15 * _usual_area(memory, masks[k])
        mask = Mask.from_array(rest)
        box = mask.box
        out.append(None if box is None or mask.area < least else replace(detection, mask=mask, box=box))
    return out[0], out[1]


def _usual_area(memory: TrackMemory, fallback: NDArray[np.bool_]) -> float:
    return float(memory.mask.area if memory.mask is not None else fallback.sum())


def _expected(memory: TrackMemory, hw: tuple[int, ...]) -> NDArray[np.bool_]:
    """The last shape of an object where it must be now, bool (H, W)."""
    out = np.zeros(hw, dtype=bool)
    if memory.mask is None or memory.mask.box is None:
        return out
    shape, (x0, y0, x1, y1) = memory.mask.to_array(), memory.mask.box
    kx0, ky0, kx1, ky1 = memory.kalman.box
    dx, dy = round((kx0 + kx1 - x0 - x1) / 2), round((ky0 + ky1 - y0 - y1) / 2)
    ys, xs = np.nonzero(shape)
    ys, xs = ys + dy, xs + dx
    kept = (ys >= 0) & (ys < hw[0]) & (xs >= 0) & (xs < hw[1])
    out[ys[kept], xs[kept]] = True
    return out


def _distance(memory: TrackMemory, xs: NDArray[np.intp], ys: NDArray[np.intp]) -> NDArray[np.float64]:
    x0, y0, x1, y1 = memory.kalman.box
    return np.asarray(
        np.hypot((xs - (x0 + x1) / 2) / max(x1 - x0, 1), (ys - (y0 + y1) / 2) / max(y1 - y0, 1))
    )


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))
