"""Edits of a tracking session as changes of its rows: pure functions, each refusing what cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from seektrack.errors import InputError
from seektrack.pipeline.session_rows import OWN, Named, Seen, pack_named, pack_seen
from seektrack.pipeline.session_store import Changes, Edit, Key
from seektrack.types import Absence, Track


@dataclass
class Held:
    """One object as a session holds it in memory."""

    named: Named
    frames: dict[int, Seen] = field(default_factory=dict)

    def track(self, obj_id: int) -> Track:
        """The same as a noun."""
        n = self.named
        seen = tuple(self.frames[f].observation for f in sorted(self.frames))
        return Track(obj_id, n.label, n.score, seen, n.domain, n.absences)


Objects = Mapping[int, Held]


def known(objects: Objects, obj_id: int) -> Held:
    """An object that is there.

    Raises:
        InputError: It is not.
    """
    if obj_id not in objects:
        ids = ", ".join(map(str, sorted(objects))) or "none"
        raise InputError(f"there is no object {obj_id}", hint=f"objects are {ids}")
    return objects[obj_id]


def renamed(objects: Objects, obj_id: int, label: str) -> Changes:
    """Another label for an object."""
    return {(obj_id, OWN): pack_named(replace(known(objects, obj_id).named, label=label))}


def merged(objects: Objects, obj_id: int, into: int) -> Changes:
    """One object becomes part of another, whose word stands where both are seen, a person's above all."""
    if obj_id == into:
        raise InputError(f"object {obj_id} cannot be merged into itself", hint="name two objects")
    gone, stays = known(objects, obj_id), known(objects, into)
    changes: dict[Key, str | None] = {(obj_id, f): None for f in (OWN, *gone.frames)}
    frames = set(stays.frames)
    for f, seen in gone.frames.items():
        other = stays.frames.get(f)
        if other is None or (seen.said is not None, seen.observation.visible) > (
            other.said is not None,
            other.observation.visible or other.said is not None,
        ):
            changes[into, f] = pack_seen(seen)
            frames.add(f)
    absences = without(stays.named.absences, frames)
    changes[into, OWN] = pack_named(replace(stays.named, absences=absences))
    return changes


def split(objects: Objects, obj_id: int, frame_index: int, new_id: int, place: int) -> Changes:
    """What an object is from a frame on becomes an object of its own."""
    held = known(objects, obj_id)
    later = {f: seen for f, seen in held.frames.items() if f >= frame_index}
    if not later or len(later) == len(held.frames):
        span = f"{min(held.frames)} to {max(held.frames)}" if held.frames else "none"
        raise InputError(
            f"object {obj_id} cannot be split at frame {frame_index}: one part would be empty",
            hint=f"it is on frames {span}",
        )
    changes: dict[Key, str | None] = {}
    for f, seen in later.items():
        changes[obj_id, f] = None
        changes[new_id, f] = pack_seen(seen)
    first = min(later)
    before = tuple(
        replace(a, last_frame=min(a.last_frame, frame_index - 1))
        for a in held.named.absences
        if a.first_frame < frame_index
    )
    after = tuple(a for a in held.named.absences if a.first_frame > first)
    changes[obj_id, OWN] = pack_named(replace(held.named, absences=before))
    changes[new_id, OWN] = pack_named(replace(held.named, absences=after, place=place))
    return changes


def deleted(objects: Objects, obj_id: int) -> Changes:
    """An object is there no more."""
    return {(obj_id, f): None for f in (OWN, *known(objects, obj_id).frames)}


def without(absences: tuple[Absence, ...], frames: set[int]) -> tuple[Absence, ...]:
    """Absences less the frames on which an object is there after all."""
    out: list[Absence] = []
    for absence in absences:
        first = absence.first_frame
        for f in sorted(f for f in frames if absence.first_frame <= f <= absence.last_frame):
            if f > first:
                out.append(replace(absence, first_frame=first, last_frame=f - 1))
            first = f + 1
        if first <= absence.last_frame:
            out.append(replace(absence, first_frame=first))
    return tuple(out)


def pending(edits: list[Edit]) -> list[tuple[Edit, int]]:
    """Corrections around which frames are still to be repaired, and whom each is of by now."""
    live = [e for e in edits if not e.undone]
    ids = {e.id for e in live}
    out = []
    for k, edit in enumerate(live):
        if edit.kind != "correct" or edit.repaired in ids:
            continue
        obj_id, frame = int(edit.what["obj_id"]), int(edit.what["frame_index"])
        for later in live[k + 1 :]:
            if later.what.get("obj_id") != obj_id:
                continue
            if later.kind == "merge":
                obj_id = int(later.what["into"])
            elif later.kind == "split" and frame >= int(later.what["frame_index"]):
                obj_id = int(later.what["new_id"])
        out.append((edit, obj_id))
    return out
