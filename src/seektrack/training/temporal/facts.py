"""What is true of a view of a scene, as data that tells a right text from a wrong one."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from seektrack.world import Clip
from seektrack.world.events import Event, events, motions, ordered_pairs
from seektrack.world.setting import MIN_PIXELS

Named = tuple[str | None, str | None]
"""Category and colour; either may be left out."""

MOVES = ("left", "right", "still", "approaching", "receding", "up", "down")
"""Motions that are told; a turn is too small to see in a coarse grid."""
HAPPENINGS = ("appears", "leaves", "returns", "stops", "starts")
"""Events that are told."""
OPPOSITE = {
    "left": "right",
    "right": "left",
    "still": "right",
    "approaching": "receding",
    "receding": "approaching",
    "up": "down",
    "down": "up",
    "appears": "leaves",
    "leaves": "appears",
    "returns": "leaves",
    "stops": "starts",
    "starts": "stops",
}
_SEEN_FRAMES = 2


@dataclass(frozen=True)
class Fact:
    """One thing that is true of a clip.

    Attributes:
        who: Category and colour.
        what: One of `MOVES` or `HAPPENINGS`, or empty: it is there.
        then: What comes after it, or None.
    """

    who: Named
    what: str = ""
    then: Fact | None = None

    @property
    def kind(self) -> str:
        """``object``, ``motion``, ``event`` or ``order``."""
        if self.then is not None:
            return "order"
        return "motion" if self.what in MOVES else "event" if self.what else "object"

    def opposite(self) -> Fact | None:
        """The same words meaning the reverse, or None where nothing is reversed."""
        if self.then is not None:
            return Fact(self.then.who, self.then.what, Fact(self.who, self.what))
        return Fact(self.who, OPPOSITE[self.what]) if self.what in OPPOSITE else None

    def to_json(self) -> list[object]:
        """As lists and texts."""
        return [*self.who, self.what, None if self.then is None else self.then.to_json()]

    @classmethod
    def from_json(cls, value: list[object]) -> Fact:
        """Back from :meth:`to_json`."""
        category, colour, what, then = value
        who = (None if category is None else str(category), None if colour is None else str(colour))
        return cls(who, str(what), cls.from_json(then) if isinstance(then, list) else None)


def view(clip: Clip, frames: Iterable[int]) -> Clip:
    """The clip that shows only some frames of another, in the given order; backwards runs time backwards."""
    order = np.asarray(list(frames))
    scene = clip.scene
    actors = tuple(
        dataclasses.replace(a, x=a.x[order], y=a.y[order], size=a.size[order], angle=a.angle[order])
        for a in scene.actors
    )
    seen = dataclasses.replace(scene, actors=actors, camera=scene.camera[order], zoom=scene.zoom[order])
    return Clip(seen, clip.frames[order], clip.ids[order], clip.full_area[order])


def facts(clip: Clip) -> list[Fact]:
    """Everything true of a clip that a text may ask for, with full names and with the category alone.

    Where an object moves against the picture and the ground in opposite directions, because the camera moves,
    nothing is said of its direction.
    """
    found: dict[Fact, None] = {}
    happened = [e for e in events(clip.scene, clip.ids, clip.full_area) if e.kind in HAPPENINGS]
    names: dict[int, list[Named]] = {}
    area = clip.area
    for actor in clip.scene.actors:
        seen = area[:, actor.obj_id - 1] >= MIN_PIXELS
        if actor.category is None or seen.sum() < _SEEN_FRAMES:
            continue
        names[actor.obj_id] = [(actor.category, actor.colour), (actor.category, None)]
        on_picture = actor.x[seen] - clip.scene.camera[seen, 0]
        for who in names[actor.obj_id]:
            found[Fact(who)] = None
            for move in motions(actor, seen):
                drift = float(on_picture[-1] - on_picture[0])
                if (move == "left" and drift >= 0) or (move == "right" and drift <= 0) or move not in MOVES:
                    continue
                found[Fact(who, move)] = None
            for event in happened:
                if event.obj_id == actor.obj_id:
                    found[Fact(who, event.kind)] = None
    for first, second in ordered_pairs([e for e in happened if e.obj_id in names]):
        for fact in _orders(first, second, names):
            found[fact] = None
    return list(found)


def _orders(first: Event, second: Event, names: dict[int, list[Named]]) -> Iterable[Fact]:
    """One event, then another, in full names; neither name may be said of both."""
    for one, other in itertools.product(names[first.obj_id][:1], names[second.obj_id][:1]):
        if one == other and first.obj_id != second.obj_id:
            continue
        yield Fact(one, first.kind, Fact(other, second.kind))
