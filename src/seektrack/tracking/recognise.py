"""Judgements of the identity layer about one frame: same object, seen before, jumped, or looking wrong.

Pure functions of what is remembered (`TrackMemory`, its belief carried to the frame's time) and what is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.geometry import Box
from seektrack.tracking import association, kalman
from seektrack.tracking.memory import Detection, TrackMemory, TrackState
from seektrack.tracking.settings import IdentitySettings
from seektrack.types import Mask


def box_area(box: Box) -> float:
    """Area of a box in pixels."""
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def is_something(detection: Detection, settings: IdentitySettings) -> bool:
    """Whether an engine's mask shows an object at all."""
    if detection.score < settings.min_object_score:
        return False
    area = detection.mask.area if detection.mask is not None else box_area(detection.box)
    return area >= settings.min_area


def looks_wrong(memory: TrackMemory, detection: Detection, settings: IdentitySettings) -> bool:
    """Whether a detection looks unlike the object's past, or unlike what was asked for.

    What is mostly hidden or cut off looks like nothing much, and is not judged.
    """
    if detection.embedding is None or is_partial(memory, detection, settings):
        return False
    similarity = memory.appearance.similarity(detection.embedding)
    if similarity is None:
        return False
    denied = detection.confidence is not None and detection.confidence < settings.drift_confidence
    return similarity < (settings.revive_similarity if denied else settings.drift_similarity)


def is_partial(memory: TrackMemory, detection: Detection, settings: IdentitySettings) -> bool:
    """Whether far less of an object is in sight than its last boxes held."""
    if not memory.boxes:
        return False
    usual = float(np.percentile([box_area(b) for b in memory.boxes], 75))
    return box_area(detection.box) < settings.partial_area * usual


def has_jumped(memory: TrackMemory, detection: Detection, settings: IdentitySettings) -> bool:
    """Whether a detection touches neither the predicted nor the last box and lies outside the motion gate."""
    box = np.array([detection.box])
    known = [memory.kalman.box, *list(memory.boxes)[-1:]]
    if geometry.box_iou(np.array(known), box).max() > 0:
        return False
    distance = kalman.gating_distance(memory.kalman, box, settings.kalman, position_only=True)[0]
    return bool(distance > kalman.GATE_POSITION)


def has_left(memory: TrackMemory, hw: tuple[int, int]) -> bool:
    """Whether a hidden object has left the picture of size (H, W).

    So it is believed when its centre is predicted outside, and when it was last seen cut off by a border and
    moving out: what is cut off seems to slow down.
    """
    h, w = hw
    x0, y0, x1, y1 = memory.kalman.box
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    if not (0 <= cx < w and 0 <= cy < h):
        return True
    if not memory.boxes:
        return False
    left, top, right, bottom = memory.boxes[-1]
    vx, vy = memory.kalman.velocity
    return (
        (left <= 1 and vx < 0 and x0 < 0)
        or (top <= 1 and vy < 0 and y0 < 0)
        or (right >= w - 1 and vx > 0 and x1 > w)
        or (bottom >= h - 1 and vy > 0 and y1 > h)
    )


def surprise(memory: TrackMemory, detection: Detection) -> float:
    """How little a detection fits the object's motion, size and looks; higher is worse, 0 is perfect."""
    sides = np.median([(b[2] - b[0], b[3] - b[1]) for b in memory.boxes or [memory.kalman.box]], axis=0)
    area = max(float(sides[0] * sides[1]), 1.0)
    seen, expected = np.array(detection.box), np.array(memory.kalman.box)
    offset = (seen[:2] + seen[2:] - expected[:2] - expected[2:]) / 2
    moved = float(np.linalg.norm(offset)) / float(np.sqrt(area))
    grown = abs(float(np.log(max(box_area(detection.box), 1.0) / area)))
    similarity = None if detection.embedding is None else memory.appearance.similarity(detection.embedding)
    return moved + grown + (0.0 if similarity is None else 2 * (1 - similarity))


def mask_overlap(a: Mask, b: Mask) -> tuple[float, float]:
    """IoU of two masks of one picture, and the share of the smaller that lies in the other; in [0, 1]."""
    iou, areas = a.iou(b), (a.area, b.area)
    shared = iou / (1 + iou) * sum(areas)
    return iou, shared / max(min(areas), 1)


def overlap_and_cover(a: Detection, b: Detection) -> tuple[float, float]:
    """IoU of two detections and the share of the smaller lying in the other; the share needs both masks."""
    if a.mask is not None and b.mask is not None:
        return mask_overlap(a.mask, b.mask)
    iou = float(geometry.box_iou(np.array([a.box]), np.array([b.box]))[0, 0])
    return iou, 0.0


def already_followed(
    candidate: Detection, seen: Mapping[int, Detection], settings: IdentitySettings
) -> int | None:
    """The id seen on this frame that a candidate is, is a part of, or contains; None when there is none.

    A part that was asked for by another label is an object of its own: a hat beside the person who wears it.
    """
    best, best_overlap = None, 0.0
    for obj_id, detection in seen.items():
        iou, cover = overlap_and_cover(candidate, detection)
        if candidate.label and detection.label and candidate.label != detection.label:
            cover = 0.0
        if (iou >= settings.same_iou or cover >= settings.same_cover) and iou > best_overlap:
            best, best_overlap = obj_id, iou
    return best


def recognise(
    waiting: Sequence[TrackMemory], candidates: Sequence[Detection], time_s: float, settings: IdentitySettings
) -> association.Matches:
    """Match objects not seen on this frame (rows) with candidates that are no followed object (columns).

    An object hidden for a short time must be where motion can have brought it, or look alike and be in reach;
    a lost one must look alike and be in reach. Looks never outweigh a clear contradiction.
    """
    boxes = np.array([c.box for c in candidates], dtype=np.float64)
    appearance = association.cosine_matrix(
        [m.appearance.gallery for m in waiting], [c.embedding for c in candidates]
    )
    place = geometry.box_iou(np.array([m.kalman.box for m in waiting]), boxes)
    allowed = np.ones(place.shape, dtype=bool)
    for row, memory in enumerate(waiting):
        alike = (appearance[row] >= settings.revive_similarity) & _in_reach(memory, boxes, time_s, settings)
        if memory.state is TrackState.LOST:
            place[row] = np.nan
            allowed[row] = alike
            continue
        distance = kalman.gating_distance(memory.kalman, boxes, settings.kalman, position_only=True)
        near = (distance <= kalman.GATE_POSITION) | (place[row] > 0)
        allowed[row] = (near & ~(appearance[row] < settings.drift_similarity)) | alike
        place[row] = np.maximum(place[row], np.clip(1 - distance / kalman.GATE_POSITION, 0, 1))
    cost = association.fuse_costs(
        box_iou=place,
        appearance=appearance,
        weights=settings.weights,
        appearance_range=settings.appearance_range,
    )
    return association.assign(cost, max_cost=settings.revive_cost, allowed=allowed)


def _in_reach(
    memory: TrackMemory, boxes: kalman.Array, time_s: float, settings: IdentitySettings
) -> NDArray[np.bool_]:
    last = np.array(memory.boxes[-1] if memory.boxes else memory.kalman.box)
    distance = np.linalg.norm((boxes[:, :2] + boxes[:, 2:] - last[:2] - last[2:]) / 2, axis=1)
    size = float(np.sqrt(max(box_area(b) for b in memory.boxes))) if memory.boxes else memory.kalman.size
    reach = settings.max_speed * size * (abs(time_s - memory.seen_s) + 0.2)
    return np.asarray(distance <= reach, dtype=np.bool_)
