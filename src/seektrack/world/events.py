"""What happens in a scene, as data: who appears, leaves or is hidden when, who moves how, who is where."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box, mask_to_box
from seektrack.world.scene import Actor, Scene
from seektrack.world.setting import MIN_PIXELS

_OUTSIDE, _HIDDEN, _SEEN = 0, 1, 2
_SHORTEST = 2
"""Frames a state must last to count; shorter ones are flicker at an edge."""

_STOPPED, _MOVING = 0.015, 0.04
"""Speed in half-heights per frame below which an object stands, above which it moves."""
_SHORTEST_MOVE = 3

_TURN = np.pi / 2
_CLOSER = 1.25
_AT_REST, _TRAVEL = 0.15, 0.5
"""Half-heights up to which an object stands still, and from which its direction is worth a word."""
_STRAIGHT = 0.8
_COVERED = 0.15


@dataclass(frozen=True, order=True)
class Event:
    """Something that happens to an object.

    Attributes:
        frame_index: The first frame on which it is so; over the rate of frames it is the time in seconds.
        obj_id: Whom it happens to.
        kind: One of :data:`seektrack.world.phrases.EVENTS`.
    """

    frame_index: int
    obj_id: int
    kind: str


@dataclass(frozen=True)
class Relation:
    """Where an object is, seen from another.

    Attributes:
        obj_id: Whose place is told.
        kind: One of :data:`seektrack.world.phrases.RELATIONS`.
        other_id: What it is told by.
    """

    obj_id: int
    kind: str
    other_id: int


def events(scene: Scene, ids: NDArray[np.uint8], full_area: NDArray[np.int64]) -> list[Event]:
    """Everything that happens to the objects of a drawn scene, in order of time.

    An object ``appears`` when it is first seen after the first frame; it ``leaves`` through the edge of the
    picture and ``returns``; it ``is hidden`` by others and ``reappears``; seen, it ``stops`` and ``starts``.

    Args:
        scene: What was drawn.
        ids: (T, H, W), as :class:`seektrack.world.Clip` has them.
        full_area: (T, N), likewise.
    """
    area = _areas(ids, len(scene.actors))
    found: list[Event] = []
    for actor in scene.actors:
        slot = actor.obj_id - 1
        states = np.where(full_area[:, slot] >= MIN_PIXELS, _HIDDEN, _OUTSIDE)
        states = np.where(area[:, slot] >= MIN_PIXELS, _SEEN, states)
        found += _comings(actor.obj_id, states) + _stops(actor, states == _SEEN)
    return sorted(found)


def ordered_pairs(found: Sequence[Event], *, apart: int = 2) -> list[tuple[Event, Event]]:
    """Every two events that lie at least ``apart`` frames from each other, the earlier first."""
    pairs = itertools.combinations(sorted(found), 2)
    return [(a, b) for a, b in pairs if b.frame_index - a.frame_index >= apart]


def motions(actor: Actor, seen: NDArray[np.bool_] | None = None) -> tuple[str, ...]:
    """How an object moves relative to the ground, as far as the truth is clear.

    Any of :data:`seektrack.world.phrases.MOTIONS`: a direction that holds all along, turning by a quarter or
    more, growing or shrinking by a quarter; ``still`` alone. Empty where no one word is true.

    Args:
        actor: The object.
        seen: bool (T,), the frames that count; all of them unless given.
    """
    shown = np.arange(len(actor.x)) if seen is None else np.flatnonzero(seen)
    if len(shown) < 2:
        return ()
    x, y, size, angle = (values[shown] for values in (actor.x, actor.y, actor.size, actor.angle))
    unit = float(size.mean())
    (net_x, way_x), (net_y, way_y) = ((v[-1] - v[0], np.abs(np.diff(v)).sum()) for v in (x, y))
    said = []
    if abs(net_x) >= max(_TRAVEL * unit, _STRAIGHT * way_x, abs(net_y) / 2):
        said.append("right" if net_x > 0 else "left")
    if abs(net_y) >= max(_TRAVEL * unit, _STRAIGHT * way_y, abs(net_x) / 2):
        said.append("down" if net_y > 0 else "up")
    if abs(angle[-1] - angle[0]) >= _TURN:
        said.append("turning")
    if size[-1] >= _CLOSER * size[0]:
        said.append("approaching")
    elif size[0] >= _CLOSER * size[-1]:
        said.append("receding")
    stands = max(way_x, way_y) <= _AT_REST * unit
    return tuple(said) if said or not stands else ("still",)


def relations(actors: Sequence[Actor], ids: NDArray[np.uint8]) -> list[Relation]:
    """Where each of some objects is in a picture, seen from each other one.

    Objects whose boxes do not overlap along an axis lie beside or above each other, by the wider gap; of
    those whose boxes overlap well, the nearer is in front.

    Args:
        actors: The objects; those with fewer visible pixels than count as seen are left out.
        ids: (H, W) of the picture.
    """
    counts = np.bincount(ids.ravel(), minlength=256)
    boxes = {a.obj_id: mask_to_box(ids == a.obj_id) for a in actors if counts[a.obj_id] >= MIN_PIXELS}
    found = []
    for one, other in itertools.permutations(actors, 2):
        box, reference = boxes.get(one.obj_id), boxes.get(other.obj_id)
        if box is None or reference is None:
            continue
        kind = _side(box, reference)
        if not kind and _overlap(box, reference) >= _COVERED and one.depth != other.depth:
            kind = "in front of" if one.depth > other.depth else "behind"
        if kind:
            found.append(Relation(one.obj_id, kind, other.obj_id))
    return found


def _areas(ids: NDArray[np.uint8], n: int) -> NDArray[np.int64]:
    counts = [np.bincount(picture.ravel(), minlength=n + 1)[1 : n + 1] for picture in ids]
    return np.asarray(counts, dtype=np.int64).reshape(len(ids), n)


def _runs(states: NDArray[np.generic], shortest: int) -> list[tuple[int, int]]:
    """``(state, first frame)`` of each stretch of equal states, short ones given to the one before."""
    edges = [0, *(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states)]
    runs = [(int(states[a]), a) for a, b in itertools.pairwise(edges) if b - a >= shortest]
    return [run for i, run in enumerate(runs) if i == 0 or run[0] != runs[i - 1][0]]


def _comings(obj_id: int, states: NDArray[np.integer]) -> list[Event]:
    found: list[Event] = []
    met, gone = False, _SEEN
    for n, (state, frame) in enumerate(_runs(states, _SHORTEST)):
        kind = ""
        if state == _SEEN:
            if n > 0:
                kind = ("returns" if gone == _OUTSIDE else "reappears") if met else "appears"
            met, gone = True, _SEEN
        elif met and gone == _SEEN:
            kind, gone = ("leaves" if state == _OUTSIDE else "is hidden"), state
        elif state == _OUTSIDE:
            gone = _OUTSIDE
        if kind:
            found.append(Event(frame, obj_id, kind))
    return found


def _stops(actor: Actor, seen: NDArray[np.bool_]) -> list[Event]:
    if len(actor.x) < 2 * _SHORTEST_MOVE:
        return []
    speed = np.hypot(np.diff(actor.x), np.diff(actor.y)) / actor.size[1:]
    states = np.where(speed > _MOVING, 1, np.where(speed < _STOPPED, -1, 0))
    runs = _runs(states, _SHORTEST_MOVE)
    return [
        Event(frame, actor.obj_id, "stops" if state < 0 else "starts")
        for (before, _), (state, frame) in itertools.pairwise(runs)
        if before * state < 0 and seen[max(frame - 1, 0) : frame + 2].all()
    ]


def _side(box: Box, other: Box) -> str:
    across = max(other[0] - box[2], box[0] - other[2])
    along = max(other[1] - box[3], box[1] - other[3])
    if max(across, along) < 0:
        return ""
    if across >= along:
        return "left of" if box[0] < other[0] else "right of"
    return "above" if box[1] < other[1] else "below"


def _overlap(box: Box, other: Box) -> float:
    """Shared area over the smaller box."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
    return max(width, 0.0) * max(height, 0.0) / smaller
