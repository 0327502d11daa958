"""Which of the tracks a text gave stay: parts are merged, doubtful ones and the wrong sizes left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from seektrack.query import Concept
from seektrack.tracking.record import Record, same_object, smooth_hidden, verdict
from seektrack.types import Track

if TYPE_CHECKING:
    from seektrack.tracking.follow_settings import FollowSettings


def belief(record: Record, obj_id: int, concepts: Sequence[Concept], k: int) -> float | None:
    """Belief in [0, 1] that an object is the concept of a number, from all looks at it; None without any.

    Where a detector said what it is, it is nothing else.
    """
    looks = record.looks.get(obj_id, [])
    if len(concepts) > 1 and not any(look.claims for look in looks):
        return verdict(looks) if record.labels.get(obj_id) == concepts[k].said else None
    return verdict(looks, k)


def surest_concept(record: Record, obj_id: int, concepts: Sequence[Concept]) -> int:
    """The number of the concept an object is believed to be most."""
    sure = [belief(record, obj_id, concepts, k) for k in range(len(concepts))]
    return max(range(len(concepts)), key=lambda k: -1.0 if sure[k] is None else float(sure[k] or 0.0))


def merge_duplicates(record: Record, concepts: Sequence[Concept], settings: FollowSettings) -> None:
    """Merge tracks that were followed side by side on the same pixels into the one that shows more.

    A part stays beside its whole where it is another of the things asked for: a hat beside a person. What is
    believed to be none of them takes nothing in, and gives nothing to another: it may hold that by mistake.
    """
    means = {i: surest_concept(record, i, concepts) for i in record.observations}
    ids = [i for i, k in means.items() if (belief(record, i, concepts, k) or 0.0) >= settings.min_confidence]
    ids.sort(key=lambda i: -record.area(i))
    for k, obj_id in enumerate(ids):
        for other in ids[:k]:
            if other not in record.observations or obj_id not in record.observations:
                continue
            pair = record.observations[other], record.observations[obj_id]
            if same_object(
                *pair,
                iou=settings.duplicate_iou,
                cover=settings.duplicate_cover if means[obj_id] == means[other] else math.inf,
                share=settings.duplicate_share,
            ):
                record.merge(obj_id, other)


def judged(record: Record, concepts: Sequence[Concept], k: int, settings: FollowSettings) -> list[Track]:
    """Tracks that were seen and believed often enough to be the concept of a number, best first."""
    tracks = []
    for obj_id, frames in sorted(record.observations.items()):
        score = belief(record, obj_id, concepts, k)
        if score is None or score < settings.min_confidence:
            continue
        if len(record.seen(obj_id)) < min(settings.min_sights, len(record.frame_times)):
            continue
        observations = smooth_hidden([frames[f] for f in sorted(frames)])
        away = record.absences(obj_id)
        tracks.append(Track(obj_id, concepts[k].said, score, tuple(observations), absences=away))
    return sorted(tracks, key=lambda t: (-t.score, t.obj_id))


def surest(tracks: Iterable[Track]) -> list[Track]:
    """Of tracks that several concepts claim, best first, one for each object: that of the surest concept."""
    kept: dict[int, Track] = {}
    for track in sorted(tracks, key=lambda t: (-t.score, t.obj_id)):
        kept.setdefault(track.obj_id, track)
    return list(kept.values())


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
