"""Two tracks that went on with each other's object, put right by exchanging what is known already."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from seektrack.tracking.anomalies.paths import touching
from seektrack.tracking.mended import Earlier, Mended
from seektrack.types import Observation

_EACH_OTHERS = 0.5
"""Mask IoU from which on what an object was before it was put right is what the other is now."""


def exchange(objects: Mapping[int, Earlier], start: int) -> dict[int, Mended]:
    """Give two objects, each put right to where the other was, each other's track.

    From the corrected frame it reaches forwards to the end, and backwards to where the two changed places:
    where their ways go on better crosswise, else where they last touched or one was out of sight. A frame
    a person put right of either ends it.

    Args:
        objects: What was put right on one frame, by id.
        start: That frame.

    Returns:
        By id what becomes of those that were exchanged; nothing of the others.
    """
    out: dict[int, Mended] = {}
    for i, j in combinations(objects, 2):
        a, b = objects[i], objects[j]
        if i in out or j in out or a.wrong is None or b.wrong is None:
            continue
        if min(a.wrong.iou(b.sure[start]), b.wrong.iou(a.sure[start])) < _EACH_OTHERS:
            continue
        sure = (a.sure.keys() | b.sure.keys()) - {start}
        first = max(_changed_places(a, b, start), *(f + 1 for f in sure if f < start), 0)
        last = min((f - 1 for f in sure if f > start), default=max(*a.track, *b.track))
        frames = [f for f in sorted(a.track.keys() | b.track.keys()) if first <= f <= last and f != start]
        for own, other in ((i, b), (j, a)):
            seen = {f: other.track[f] for f in frames if f in other.track}
            out[own] = Mended(frames, seen, done=True)
    return out


def _changed_places(a: Earlier, b: Earlier, start: int) -> int:
    """The first frame before ``start`` from which on each is on the other's object."""
    frames = sorted(f for f in a.track.keys() | b.track.keys() if f < start)
    touched, after = None, start
    x, y = a.track.get(start), b.track.get(start)
    if x is not None and y is not None:
        x, y = y, x  # as they were before they were put right
    for f in reversed(frames):
        p, q = a.track.get(f), b.track.get(f)
        if p is None or q is None or not (p.visible and q.visible):
            break
        if x is not None and y is not None and _apart(p, y) + _apart(q, x) < _apart(p, x) + _apart(q, y):
            return after
        meets = touching(p.box, q.box)
        if not meets and touched is not None:
            return touched
        if meets and touched is None:
            touched = after
        x, y, after = p, q, f
    return after if touched is None else touched


def _apart(one: Observation, other: Observation) -> float:
    return float(np.hypot(one.centre[0] - other.centre[0], one.centre[1] - other.centre[1]))
