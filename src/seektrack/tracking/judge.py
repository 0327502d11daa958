"""Which of the tracks a text gave stay: parts are merged, doubtful ones and the wrong sizes left out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from seektrack.query import Concept
from seektrack.tracking.record import Record, same_object, smooth_hidden, verdict
from seektrack.types import Track

if TYPE_CHECKING:
    from seektrack.tracking.follow_settings import FollowSettings


def merge_duplicates(record: Record, settings: FollowSettings) -> None:
    """Merge tracks that were followed side by side on the same pixels into the one that shows more."""
    ids = sorted(record.observations, key=lambda i: -record.area(i))
    for k, obj_id in enumerate(ids):
        for other in ids[:k]:
            if other not in record.observations or obj_id not in record.observations:
                continue
            pair = record.observations[other], record.observations[obj_id]
            if same_object(
                *pair,
                iou=settings.duplicate_iou,
                cover=settings.duplicate_cover,
                share=settings.duplicate_share,
            ):
                record.merge(obj_id, other)


def judged(record: Record, target: Concept, settings: FollowSettings) -> list[Track]:
    """Tracks that were seen and believed often enough, best first."""
    tracks = []
    for obj_id, frames in sorted(record.observations.items()):
        score = verdict(record.looks.get(obj_id, []))
        if score is None or score < settings.min_confidence:
            continue
        if len(record.seen(obj_id)) < min(settings.min_sights, len(record.frame_times)):
            continue
        observations = smooth_hidden([frames[f] for f in sorted(frames)])
        tracks.append(Track(obj_id, target.said, score, tuple(observations)))
    return sorted(tracks, key=lambda t: (-t.score, t.obj_id))


def best_labelled(tracks: list[Track], settings: FollowSettings) -> list[Track]:
    """Of tracks that several concepts gave, best first, one for each object: that of the surest concept.

    Parts stay, as a thing and a part of it may both have been asked for.
    """
    kept: list[Track] = []
    for track in sorted(tracks, key=lambda t: -t.score):
        seen = {o.frame_index: o for o in track.observations}
        same = (
            same_object(
                {o.frame_index: o for o in other.observations},
                seen,
                iou=settings.duplicate_iou,
                cover=math.inf,
                share=settings.duplicate_share,
            )
            for other in kept
            if other.label != track.label
        )
        if not any(same):
            kept.append(track)
    return kept


def of_size(tracks: list[Track], size: str | None, settings: FollowSettings) -> list[Track]:
    """Among tracks of clearly different size, the small or the large ones."""
    if size is None or len(tracks) < 2:
        return tracks
    sides = {t.obj_id: _side(t) for t in tracks}
    low, high = min(sides.values()), max(sides.values())
    if high < settings.size_ratio * low:
        return tracks
    middle = (low * high) ** 0.5
    return [t for t in tracks if (sides[t.obj_id] < middle) == (size == "small")]


def _side(track: Track) -> float:
    areas = sorted((o.box[2] - o.box[0]) * (o.box[3] - o.box[1]) for o in track.observations if o.visible)
    return math.sqrt(max(areas[len(areas) // 2], 1.0))
