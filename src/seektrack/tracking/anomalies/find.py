"""All judgements of all tracks, one anomaly for one fault."""

from __future__ import annotations

from collections.abc import Sequence

from seektrack.anomaly import Anomaly
from seektrack.tracking.anomalies import judge
from seektrack.tracking.anomalies.looks import TrackLooks
from seektrack.tracking.anomalies.paths import path_of
from seektrack.tracking.anomalies.settings import AnomalySettings
from seektrack.tracking.anomalies.swaps import swaps
from seektrack.types import Tracks

_FIRST: tuple[str, ...] = ("swap", "false detection", "speed", "drift", "lost", "appearance", "acceleration")
"""Of several anomalies of one place, the first explains the others."""


def find_anomalies(
    tracks: Tracks, looks: TrackLooks | None = None, *, settings: AnomalySettings | None = None
) -> tuple[Anomaly, ...]:
    """Where tracks are likely wrong.

    Args:
        tracks: From anywhere.
        looks: What the pictures say of them (`look_at`); None judges by paths alone: neither looks, nor
            drift, nor what is no object can be told then.
        settings: When a track counts as wrong.

    Returns:
        In order of time.
    """
    frames = sorted({*tracks.frame_times, *(o.frame_index for t in tracks for o in t.observations)})
    times = {o.frame_index: o.time_s for t in tracks for o in t.observations} | tracks.frame_times
    places = {f: n for n, f in enumerate(frames)}
    found = (path_of(track, places, tracks.video.hw, looks) for track in tracks)
    paths = [path for path in found if path is not None]
    whole = judge.Whole(frames, times, looks, paths, settings or AnomalySettings())
    told = swaps(whole)
    for path in paths:
        odd = judge.unlike(whole, path)
        told += judge.motion(whole, path, odd) + judge.looks(whole, path, odd)
        told += judge.losses(whole, path) + judge.no_object(whole, path)
    return tuple(sorted(_explained(told, whole), key=lambda a: (a.time_s, a.obj_id, a.kind)))


def _explained(told: Sequence[Anomaly], whole: judge.Whole) -> list[Anomaly]:
    """One anomaly for one fault: what another of the same object and time explains is left out."""
    near = max(whole.settings.window * whole.frame_s, whole.settings.lost_s)
    kept: list[Anomaly] = []
    for one in sorted(told, key=lambda a: _FIRST.index(a.kind)):
        if not any(_explains(other, one, whole, near) for other in kept):
            kept.append(one)
    return kept


def _explains(cause: Anomaly, one: Anomaly, whole: judge.Whole, near: float) -> bool:
    if one.obj_id not in (cause.obj_id, cause.other) or (one.kind == cause.kind == "swap"):
        return False
    if cause.kind == "false detection":
        return True  # of what is no object nothing else matters
    start, end = (whole.times[f] for f in (one.first_frame, one.last_frame))
    first, last = (whole.times[f] for f in (cause.first_frame, cause.last_frame))
    if cause.kind == "swap" and one.kind in ("drift", "appearance"):
        return end >= first - near  # from there on neither looks like itself
    return start <= last + near and end >= first - near
