"""What is proven wrong is put right: swapped tracks change back, what drifted is not shown as the object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from seektrack.anomaly import Anomaly
from seektrack.tracking.anomalies.find import find_anomalies
from seektrack.tracking.anomalies.looks import TrackLooks, look_at
from seektrack.tracking.anomalies.settings import AnomalySettings
from seektrack.tracking.record import smooth_hidden
from seektrack.types import Absence, Frame, Track, Tracks

PROVEN_LOOKS = 0.25
"""By how much better two tracks must fit each other's past by looks for the swap to be undone."""


def tell_on(
    tracks: Tracks,
    frames: Iterable[Frame] | None = None,
    *,
    repair: bool = True,
    settings: AnomalySettings | None = None,
) -> Tracks:
    """Tracks with what is likely wrong with them, and what is proven put right.

    Args:
        tracks: From anywhere; anomalies they have already are kept.
        frames: Of their video, in order; None judges by paths alone.
        repair: Whether to put right what is proven.
        settings: When a track counts as wrong.
    """
    looks = None if frames is None else look_at(frames, tracks)
    found = find_anomalies(tracks, looks, settings=settings)
    known = tuple(a for a in tracks.anomalies if a.repaired)
    told = replace(tracks, anomalies=tuple(sorted((*known, *found), key=lambda a: (a.time_s, a.obj_id))))
    return put_right(told, looks) if repair else told


def put_right(tracks: Tracks, looks: TrackLooks | None = None) -> Tracks:
    """Undo swaps that looks prove, and take out what a drift shows that is surely something else.

    Args:
        tracks: With their anomalies.
        looks: What the pictures say of them; nothing is proven without.

    Returns:
        The tracks; the anomalies that were put right say so.
    """
    if looks is None:
        return tracks
    by_id = {t.obj_id: t for t in tracks}
    told: list[Anomaly] = []
    for one in tracks.anomalies:
        other = None if one.other is None else by_id.get(one.other)
        if one.repaired or one.obj_id not in by_id:
            told.append(one)
        elif one.kind == "swap" and other is not None and _proven(one):
            mine = by_id[one.obj_id]
            by_id[one.obj_id] = _joined(mine, other, one.first_frame)
            by_id[other.obj_id] = _joined(other, mine, one.first_frame)
            told.append(replace(one, repaired=True))
        elif one.kind == "drift" and one.severity == "high" and one.evidence.get("contrast", 1.0) < 0.15:
            by_id[one.obj_id] = _without(by_id[one.obj_id], one.first_frame, one.last_frame)
            told.append(replace(one, repaired=True))
        else:
            told.append(one)
    kept = tuple(by_id[t.obj_id] for t in tracks)
    return replace(tracks, tracks=kept, anomalies=tuple(told))


def _proven(swap: Anomaly) -> bool:
    return swap.evidence.get("looks", 0.0) >= PROVEN_LOOKS and swap.evidence.get("motion", 0.0) > 0.0


def _joined(before: Track, after: Track, frame: int) -> Track:
    """One track up to a frame, another from it on, under the first one's name."""
    observations = [o for o in before.observations if o.frame_index < frame]
    observations += [o for o in after.observations if o.frame_index >= frame]
    absences = [a for a in before.absences if a.first_frame < frame]
    absences += [a for a in after.absences if a.first_frame >= frame]
    return replace(before, observations=tuple(observations), absences=tuple(absences))


def _without(track: Track, first: int, last: int) -> Track:
    """A track that shows no sight from one frame to another: predicted between two sights, else lost."""
    inside = [o for o in track.observations if first <= o.frame_index <= last]
    later = any(o.visible and o.frame_index > last for o in track.observations)
    if later:
        hidden = [
            replace(o, mask=None, visible=False) if first <= o.frame_index <= last else o
            for o in track.observations
        ]
        return replace(track, observations=tuple(smooth_hidden(hidden)))
    kept = tuple(o for o in track.observations if o.frame_index < first)
    gone = Absence(inside[0].frame_index, inside[-1].frame_index, "lost")
    return replace(track, observations=kept, absences=(*track.absences, gone))
