"""Repairing the frames around a correction, and taking what was followed into the session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from seektrack.pipeline.session_held import HeldSession
from seektrack.pipeline.session_rows import OWN, Seen, pack_named, pack_seen, unpack_seen
from seektrack.pipeline.session_store import Changes, Edit, Key
from seektrack.types import Frame, Mask, Progress, Track, Tracks

if TYPE_CHECKING:
    from seektrack.tracking.mended import Mended
    from seektrack.video import VideoSource


class PropagatedMask(NamedTuple):
    """One object on one frame around a correction; ``mask`` is None where it is not seen."""

    frame_index: int
    obj_id: int
    mask: Mask | None


def repair_around(
    session: HeldSession, start: int, due: Sequence[tuple[Edit, int]], progress: Progress | None
) -> Iterator[PropagatedMask]:
    """Follow anew what was put right on one frame, and keep it when all of it is there."""
    from seektrack.tracking.changed_places import exchange
    from seektrack.tracking.engine import Sam2Engine
    from seektrack.tracking.mended import Earlier
    from seektrack.tracking.repair import Repair

    session._check_networks()
    with session._lock:
        known = {}
        for edit, obj_id in due:
            held = session._objects.get(obj_id)
            if obj_id in known or held is None or start not in held.frames or held.frames[start].said is None:
                continue
            sure = {
                f: s.observation.mask
                for f, s in held.frames.items()
                if s.said is not None and s.observation.mask is not None
            }
            track = {f: s.observation for f, s in held.frames.items()}
            was = session._store.before(edit.id, (obj_id, start))
            wrong = None if was is None else unpack_seen(start, was).observation.mask
            known[obj_id] = Earlier(sure, track, wrong, held.named.label)
        others = {
            i: {f: s.observation for f, s in held.frames.items() if s.observation.visible}
            for i, held in session._objects.items()
            if i not in known
        }
        stamps = {obj_id: session._stamps.get(obj_id, 0) for obj_id in known}
    engine = Sam2Engine(session.sam2, session.asked.settings.engine)
    exchanged = exchange(known, start)
    followed = {i: one for i, one in known.items() if i not in exchanged}
    for i, whole in exchanged.items():
        for f in whole.frames:
            o = whole.observations.get(f)
            yield PropagatedMask(f, i, None if o is None or not o.visible else o.mask)
    both: list[Mapping[int, Mended]] = [exchanged]
    with session._opened() as source:
        count = 0
        for direction in (1, -1) if followed else ():
            repair = Repair(
                engine,
                source,
                start,
                followed,
                others=others,
                direction=1 if direction > 0 else -1,
                settings=session.asked.settings,
            )
            for one in repair:
                o = one.observation
                count += 1
                if progress is not None:
                    progress(count, 0, "repairing")
                yield PropagatedMask(
                    one.frame_index, one.obj_id, None if o is None or not o.visible else o.mask
                )
            both.append(repair.mended)
        times = _new_times(session, source, both)
        finished = {i: _finished(session, i, [one[i] for one in both if i in one], source) for i in known}
    with session._lock:
        changes: dict[Key, str | None] = {}
        mended = [i for i in known if session._stamps.get(i, 0) == stamps[i]]
        session._frames = dict(sorted((session._frames | times).items()))
        for obj_id in mended:
            changes |= _changes(session, obj_id, finished[obj_id])
        top = max(e.id for e in session._store.edits() if not e.undone)
        repaired = [e.id for e, i in due if i in mended or i not in known]
        session._store.extend(top, changes, repaired, times)
        session._apply(changes)


def _new_times(
    session: HeldSession, source: VideoSource, both: Sequence[Mapping[int, Mended]]
) -> dict[int, float]:
    """Seconds of frames that were never gone through before."""
    new = {f for mended in both for one in mended.values() for f in one.observations} - set(session._frames)
    if not new:
        return {}
    times, first = source.times(), source.first_index
    return {f: float(times[f - first]) for f in new}


def _finished(session: HeldSession, obj_id: int, both: Sequence[Mended], source: VideoSource) -> Mended:
    """What was followed on both sides of one frame, fused and its hidden parts estimated where asked for.

    Frames that stay as they are vote with theirs, and keep them.
    """
    from seektrack.tracking import FuseSettings, add_hidden_parts, fuse_masks
    from seektrack.tracking.mended import Mended

    whole = Mended(
        [f for one in both for f in one.frames],
        {f: o for one in both for f, o in one.observations.items()},
        {f: why for one in both for f, why in one.away.items()},
    )
    settings = session.asked.settings
    if not whole.frames or not (settings.fuse or settings.amodal):
        return whole
    with session._lock:
        known = {f: s.observation for f, s in session._objects[obj_id].frames.items()}
    known = {f: o for f, o in known.items() if f not in whole.frames} | whole.observations
    tracks = Tracks(source.info, "", (Track(obj_id, "", 1.0, tuple(known[f] for f in sorted(known))),))
    if settings.fuse > 0:
        how = FuseSettings(around=settings.fuse)
        reach = max(how.around, how.max_gap) + 1
        tracks = fuse_masks(
            tracks, _between(source, min(whole.frames) - reach, max(whole.frames) + reach), how
        )
    if settings.amodal:
        tracks = add_hidden_parts(tracks)
    now = {o.frame_index: o for o in tracks.tracks[0].observations}
    whole.observations = {f: now[f] for f in whole.frames if f in now}
    return whole


def _between(source: VideoSource, first: int, last: int) -> Iterator[Frame]:
    """Frames from one to another, as far as there are."""
    times, begin = source.times(), source.first_index
    low, high = max(first - begin, 0), last - begin + 1
    end_s = float(times[high]) if high < len(times) else None
    return source.frames(start_s=float(times[low]) if low else None, end_s=end_s)


def _changes(session: HeldSession, obj_id: int, whole: Mended) -> Changes:
    """The rows of one object after the frames on both sides were followed anew."""
    from seektrack.tracking.mended import mended_absences

    held = session._objects[obj_id]
    changes: dict[Key, str | None] = {}
    observed = {f: s.observation for f, s in held.frames.items()}
    for f in whole.frames:
        seen = whole.observations.get(f)
        if seen is None:
            observed.pop(f, None)
        else:
            observed[f] = seen
        changes[obj_id, f] = None if seen is None else pack_seen(Seen(seen))
    absences = mended_absences(held.named.absences, whole, sorted(session._frames), observed)
    changes[obj_id, OWN] = pack_named(replace(held.named, absences=absences))
    return changes
