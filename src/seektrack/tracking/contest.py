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
from seektrack.tracking.claims import Claimant, DepthMap, colours_of, depth_of, first_has
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
_LEFT = 0.03
"""Share of a mask that must be left of it, for its pixels to be shared out."""
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

    Whether it went straight is noted: of one that did not, motion does not tell where it is later. One that
    met another again before it was seen alone for long goes on as it was known to go.
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
        memory.straight &= bool(recent.any())


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
    pair: Sequence[TrackMemory],
    seen: Sequence[Detection],
    *,
    image: NDArray[np.uint8] | None = None,
    depth: DepthMap | None = None,
) -> tuple[Detection | None, Detection | None]:
    """Two detections whose contested pixels went to one of them each; None where too little was left.

    Where both are one mask, and that is what one of the two must look like now, it hides the other. Elsewhere
    a contested pixel goes by depth, looks, the shape and place each must have now, and confidence
    (`seektrack.tracking.claims`); without depth, a mask that alone is what its object must look like keeps
    its pixels.

    Args:
        pair: The two, their beliefs at the time of the detections.
        seen: What the engine gives for each, in the same order.
        image: The frame, uint8 (H, W, 3) RGB, or None.
        depth: Of the frame, or None.
    """
    masks = [d.mask.to_array() for d in seen if d.mask is not None]
    if len(masks) < 2:
        return seen[0], seen[1]
    contested = masks[0] & masks[1]
    claimants = [_claimant(m, d, mask) for m, d, mask in zip(pair, seen, masks, strict=True)]
    told = _remember_depth(pair, claimants, depth)
    if not told and contested.sum() >= _SAME * (masks[0] | masks[1]).sum():
        fits = [_iou(contested, c.expected) for c in claimants]
        if max(fits) >= _SAME:
            return (seen[0], None) if fits[0] >= fits[1] else (None, seen[1])
    itself = [_iou(mask, c.expected) >= _SAME for mask, c in zip(masks, claimants, strict=True)]
    if all(itself):
        return seen[0], seen[1]
    if not told and any(itself):
        first = contested & itself[0]
    else:
        first = first_has(claimants, image, depth)
    out: list[Detection | None] = []
    for k, (memory, detection) in enumerate(zip(pair, seen, strict=True)):
        mine = (masks[k] & ~contested) | (first if k == 0 else contested & ~first)
        least = 0.15 * _usual_area(memory, masks[k])
        mask = Mask.from_array(mine)
        box = mask.box
        out.append(None if box is None or mask.area < least else replace(detection, mask=mask, box=box))
    return out[0], out[1]


def exclusive(
    pair: Sequence[TrackMemory],
    seen: Sequence[Detection],
    *,
    image: NDArray[np.uint8] | None = None,
    depth: DepthMap | None = None,
) -> tuple[Mask, Mask] | None:
    """Masks of two that claim the same pixels, each pixel given to one; None where nothing is to be shared.

    What would be left without a pixel to speak of keeps what it has: it may lie in front, whole.

    Args:
        pair: The two, their beliefs at the time of the detections.
        seen: What is believed of each, in the same order.
        image: The frame, uint8 (H, W, 3) RGB, or None.
        depth: Of the frame, or None.
    """
    masks = [d.mask.to_array() for d in seen if d.mask is not None]
    if len(masks) < 2 or not (contested := masks[0] & masks[1]).any():
        return None
    claimants = [_claimant(m, d, mask) for m, d, mask in zip(pair, seen, masks, strict=True)]
    _remember_depth(pair, claimants, depth)
    first = first_has(claimants, image, depth)
    mine = (masks[0] & ~contested) | first, (masks[1] & ~contested) | (contested & ~first)
    if any(kept.sum() < max(_LEFT * mask.sum(), 4) for kept, mask in zip(mine, masks, strict=True)):
        return None
    return Mask.from_array(mine[0]), Mask.from_array(mine[1])


def _claimant(memory: TrackMemory, detection: Detection, mask: NDArray[np.bool_]) -> Claimant:
    x0, y0, x1, y1 = memory.kalman.box
    colour = memory.cues.get("colour")
    return Claimant(
        mask,
        _expected(memory, mask.shape),
        ((x0 + x1) / 2, (y0 + y1) / 2),
        (x1 - x0, y1 - y0),
        detection.score,
        colours_of(None if colour is None else colour.mean),
        memory.depth,
    )


def _remember_depth(
    pair: Sequence[TrackMemory], claimants: Sequence[Claimant], depth: DepthMap | None
) -> bool:
    """Keep how deep each of two lies; whether that tells them apart."""
    if depth is None:
        return False
    one, other = claimants
    found = depth_of(one, other, depth), depth_of(other, one, depth)
    for memory, at in zip(pair, found, strict=True):
        memory.depth = at if at is not None else memory.depth
    return found[0] is not None and found[1] is not None and not np.isclose(found[0], found[1])


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


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))
