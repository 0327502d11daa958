"""Two alike that a segmentation network takes for each other from one frame to the next, however far apart.

It knows them by their looks, which are the same, and by where they were on the frames it was told of: long
after they crossed, each is nearer to where the other was. An object goes no such way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from seektrack import geometry
from seektrack.tracking.contest import Pair
from seektrack.tracking.memory import Detection, TrackMemory

_THERE = 0.3
"""IoU of boxes from which an object is where it must be."""


def exchanged(memories: Mapping[int, TrackMemory], detections: Sequence[Detection]) -> list[Pair]:
    """Pairs of ids of which each is shown where the other must be, and neither anywhere near its own place.

    Args:
        memories: What is remembered of each object, its belief at the time of the detections.
        detections: The engine's masks, with ids. What a person pointed at is beyond doubt.
    """
    seen = [(d.obj_id, d.box) for d in detections if d.obj_id is not None and not d.trusted]
    seen = [(i, box) for i, box in seen if i in memories and not memories[i].hidden and memories[i].boxes]
    if len(seen) < 2:
        return []
    ids = [i for i, _ in seen]
    at = np.array([box for _, box in seen])
    due = geometry.box_iou(np.array([memories[i].kalman.box for i in ids]), at)
    last = geometry.box_iou(np.array([memories[i].boxes[-1] for i in ids]), at)
    moved = (due.diagonal() <= 0) & (last.diagonal() <= 0)
    there = (due >= _THERE) | (last >= _THERE)
    both = np.triu(there & there.T & moved & moved[:, None], 1)
    pairs: list[Pair] = []
    for a, b in zip(*np.nonzero(both), strict=True):
        if not any({ids[a], ids[b]} & set(pair) for pair in pairs):
            pairs.append((min(ids[a], ids[b]), max(ids[a], ids[b])))
    return pairs
