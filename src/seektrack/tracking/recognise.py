"""Judgements of the identity layer about one frame: same object, seen before, jumped, or looking wrong.

Pure functions of what is remembered (`TrackMemory`, its belief carried to the frame's time) and what is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.geometry import Box
from seektrack.tracking import association, kalman
from seektrack.tracking.contest import off, usual_side
from seektrack.tracking.likeness import likeness
from seektrack.tracking.memory import Detection, TrackMemory, TrackState
from seektrack.tracking.seek import is_of_size
from seektrack.tracking.settings import IdentitySettings
from seektrack.tracking.step import Step
from seektrack.types import Mask

_BORDER = 2
"""Pixels from the border within which a box is cut off by it."""
_LEAVING = 4
"""Last boxes that tell which way an object was going."""


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

    So it is believed when its centre is predicted outside, and when it was last seen cut off by a border
    while its inner edge moved towards that border: what is cut off only seems to slow down and shrink.
    """
    h, w = hw
    x0, y0, x1, y1 = memory.kalman.box
    if not (0 <= (x0 + x1) / 2 < w and 0 <= (y0 + y1) / 2 < h):
        return True
    boxes = np.array([*memory.boxes][-_LEAVING:])
    if len(boxes) < 2:
        return False
    left, top, right, bottom = boxes[-1]
    least = 0.02 * float(np.sqrt(max(box_area(b) for b in memory.boxes)))
    out = (boxes[-1] - boxes[0]) / (len(boxes) - 1)  # a frame, of each edge
    return bool(
        (left <= _BORDER and out[2] < -least)
        or (top <= _BORDER and out[3] < -least)
        or (right >= w - _BORDER and out[0] > least)
        or (bottom >= h - _BORDER and out[1] > least)
    )


def fits_place(memory: TrackMemory, detection: Detection, settings: IdentitySettings) -> bool:
    """Whether a detection has the place, the size and the looks that an object must have now."""
    side = usual_side(memory)
    if not 0.5 <= box_area(detection.box) / max(side, 1.0) ** 2 <= 1.7 or off(memory, detection.box) > 0.5:
        return False
    alike = likeness(memory, detection, settings.likeness)
    return alike is None or alike >= settings.likeness.least(memory)


def best_known(
    waiting: Sequence[TrackMemory], young: TrackMemory, seen: Detection, settings: IdentitySettings
) -> TrackMemory | None:
    """Which of the objects out of sight one is that began after they were last seen; None where none is.

    Args:
        waiting: Objects out of sight.
        young: What is remembered of the one, its belief at the time of the detection.
        seen: What is seen of it now.
        settings: Say what is alike, and how far an unseen object can have come.
    """
    known = seen.embedding if seen.embedding is not None else young.appearance.mean
    seen = replace(seen, embedding=known)
    best, most = None, 0.0
    for memory in waiting:
        alike = likeness(memory, seen, settings.likeness)
        if alike is None or alike < max(most, settings.likeness.least(memory, asked_for=True)):
            continue
        if abs(young.time_s - memory.seen_s) <= abs(young.time_s - young.born_s):
            continue  # they were seen side by side
        if memory.label and young.label and memory.label != young.label:
            continue
        if memory.state is not TrackState.OUT_OF_VIEW and not in_reach(
            memory, np.array([seen.box]), young.time_s, settings
        ):
            continue
        best, most = memory, alike
    return best


def best_answer(
    step: Step, memory: TrackMemory, settings: IdentitySettings, *, anywhere: bool = False
) -> Detection | None:
    """What looks most like an object of all that is where it could be, is of its size and is nobody else.

    Args:
        step: The frame.
        memory: What is remembered of the object.
        settings: Say what is alike.
        anywhere: Whether all of the picture is looked over besides, where there is a way to.
    """
    if step.glance is None:
        return None
    best, most = None, settings.likeness.least(memory)
    given = list(step.glance.answers(step.glance.places(memory)))
    if anywhere and step.glance.anywhere is not None:
        given += step.glance.anywhere(memory)
    for found in given:
        if found is None or not is_something(found, settings) or not is_of_size(memory, found.box):
            continue
        alike = likeness(memory, found, settings.likeness)
        if alike is None or alike < most:
            continue
        if all(overlap_and_cover(found, d)[1] < settings.contest_cover for d in step.seen.values()):
            best, most = found, alike
    return best


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
    known = [[likeness(m, c, settings.likeness) for c in candidates] for m in waiting]
    looks = np.array([[np.nan if v is None else v for v in row] for row in known], dtype=np.float64)
    place = geometry.box_iou(np.array([m.kalman.box for m in waiting]), boxes)
    allowed = np.ones(place.shape, dtype=bool)
    for row, memory in enumerate(waiting):
        anywhere = memory.state is TrackState.OUT_OF_VIEW  # it may come back over any border
        alike = looks[row] >= settings.likeness.least(memory, asked_for=True)
        if not anywhere:
            alike &= in_reach(memory, boxes, time_s, settings)
        if memory.state is not TrackState.OCCLUDED and memory.hidden:
            place[row] = np.nan
            allowed[row] = alike
            continue
        distance = kalman.gating_distance(memory.kalman, boxes, settings.kalman, position_only=True)
        near = (distance <= kalman.GATE_POSITION) | (place[row] > 0)
        allowed[row] = (near & ~(looks[row] < settings.likeness.denied(memory))) | alike
        place[row] = np.maximum(place[row], np.clip(1 - distance / kalman.GATE_POSITION, 0, 1))
    cost = association.fuse_costs(
        box_iou=place,
        appearance=looks,
        weights=settings.weights,
    )
    return association.assign(cost, max_cost=settings.revive_cost, allowed=allowed)


def in_reach(
    memory: TrackMemory, boxes: kalman.Array, time_s: float, settings: IdentitySettings
) -> NDArray[np.bool_]:
    """Which boxes (M, 4) are no farther from where an object was last seen than it can have come: (M,)."""
    last = np.array(memory.boxes[-1] if memory.boxes else memory.kalman.box)
    distance = np.linalg.norm((boxes[:, :2] + boxes[:, 2:] - last[:2] - last[2:]) / 2, axis=1)
    size = float(np.sqrt(max(box_area(b) for b in memory.boxes))) if memory.boxes else memory.kalman.size
    reach = settings.max_speed * size * (abs(time_s - memory.seen_s) + 0.2)
    return np.asarray(distance <= reach, dtype=np.bool_)
