"""What was followed, judged at the end by what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seektrack.query import Concept
from seektrack.tracking.follow_settings import FollowSettings
from seektrack.tracking.judge import judged, of_size, surest
from seektrack.tracking.motion import CameraMotion, agrees
from seektrack.tracking.record import Record
from seektrack.tracking.sightings import Sightings
from seektrack.types import Missed, Track


def conclude(
    record: Record,
    concepts: Sequence[Concept],
    sightings: Sightings,
    width: int,
    settings: FollowSettings,
    camera: CameraMotion | None = None,
) -> tuple[list[Track], dict[int, float], tuple[Missed, ...]]:
    """Judge what was followed by what was asked for.

    Args:
        record: What the passes wrote down.
        concepts: What was asked for.
        sightings: What the frames looked like.
        width: Of the video, pixels.
        settings: See `FollowSettings`.
        camera: How it moved, where a concept says how it moves.

    Returns:
        The tracks, best first, each under the concept that is surest of it; the seconds of every frame; why a
        concept has no track.
    """
    kept: list[Track] = []
    missed: list[Missed] = []
    to_first = camera.to_first if camera is not None else {}
    for k, concept in enumerate(concepts):
        tracks = believed = judged(record, concepts, k, settings)
        motion = concept.motion
        if motion is not None:
            tracks = [
                t
                for t in tracks
                if agrees(motion, t.observations, width=width, camera=to_first, settings=settings.motion)
            ]
        tracks = of_size(tracks, concept.size, settings)
        kept += tracks
        if not tracks and record.frame_times:
            missed.append(
                sightings.missed(record, believed, concepts=concepts, which=k, min_sights=settings.min_sights)
            )
    tracks = [replace(t, domain=sightings.domain) for t in surest(kept)]
    return tracks, dict(sorted(record.frame_times.items())), tuple(missed)
