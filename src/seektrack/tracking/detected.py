"""Identities over detections: found by a grounder frame by frame, or brought in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seektrack.encoders import Encoder
from seektrack.geometry import Box
from seektrack.grounding import Grounder, embed_objects
from seektrack.query import Concept
from seektrack.tracking.candidates import candidates_on
from seektrack.tracking.conclude import conclude
from seektrack.tracking.engine import Engine, masks_in
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.follow_settings import FollowSettings, ahead, report
from seektrack.tracking.judge import merge_duplicates
from seektrack.tracking.memory import Detection
from seektrack.tracking.motion import CameraMotion
from seektrack.tracking.record import Look, Record, fill_gaps, smooth_hidden
from seektrack.tracking.sightings import Sightings
from seektrack.tracking.tracker import TrackerContext, TrackerKind
from seektrack.tracking.trackers import DEFAULT, TRACKERS
from seektrack.types import Frame, Missed, Progress, Track, Tracks
from seektrack.video import VideoSource

Detect = Callable[[Frame], Sequence[Detection] | None]
"""What was detected on a frame; None where nobody looked."""


def follow_grounded(
    engine: Engine,
    grounder: Grounder,
    eyes: Eyes,
    source: VideoSource,
    concepts: tuple[Concept, ...],
    seed_frames: frozenset[int],
    settings: FollowSettings,
    progress: Progress | None,
) -> tuple[list[Track], dict[int, float], tuple[Missed, ...]]:
    """Ground every frame, or one in ``settings.ground_every``, and let a tracker by name say who is who.

    Nothing is carried from frame to frame but identities: masks are the grounder's, and on frames between a
    position is a straight line's.

    Returns:
        As `seektrack.tracking.conclude.conclude`.
    """
    sightings = Sightings(eyes, seed_frames)
    camera = CameraMotion() if any(c.motion is not None for c in concepts) else None

    def detect(frame: Frame) -> Sequence[Detection] | None:
        if camera is not None:
            camera.update(frame.index, frame.image)
        if (frame.index - source.first_index) % settings.ground_every and frame.index not in seed_frames:
            return None
        sightings.look(frame)
        features = engine.encode(frame.image)
        return candidates_on(frame, features, engine=engine, grounder=grounder, eyes=eyes)

    record = track_detections(source, detect, TRACKERS.named(settings.tracker or DEFAULT), settings, progress)
    merge_duplicates(record, concepts, settings)
    return conclude(record, concepts, sightings, source.info.width, settings, camera)


def follow_detections(
    source: VideoSource,
    detections: Mapping[int, Sequence[Detection]],
    *,
    settings: FollowSettings | None = None,
    engine: Engine | None = None,
    encoder: Encoder | None = None,
    progress: Progress | None = None,
) -> Tracks:
    """Give detections from anywhere identities.

    Args:
        source: The video they lie in.
        detections: By frame; those on frames the source does not show are left out.
        settings: ``tracker`` names who says who is who, ``identity`` when ours keeps an identity.
        engine: Makes a mask of each box that has none; none are made when None.
        encoder: Embeds each detection for a tracker that goes by looks; it does without when None.
        progress: Called after every frame.

    Returns:
        A track for each identity, in the order they began, the score the mean of its detections' scores, the
        label what most of them are called.

    Raises:
        InputError: There is no tracker of that name.
    """
    settings = settings or FollowSettings()
    kind = TRACKERS.named(settings.tracker or DEFAULT)
    looks = encoder if "embedding" in kind.needs else None

    def detect(frame: Frame) -> Sequence[Detection]:
        found = list(detections.get(frame.index, ()))
        if looks is not None and found:
            boxes, masks = [d.box for d in found], [d.mask for d in found]
            seen = embed_objects(looks, frame.image, boxes, masks, margin=settings.ground.margin)
            found = [replace(d, embedding=e) for d, e in zip(found, seen, strict=True)]
        return found if engine is None else _with_masks(frame, found, engine)

    record = track_detections(source, detect, kind, settings, progress)
    tracks = []
    for obj_id, frames in record.observations.items():
        seen = record.seen(obj_id)
        if seen:
            score = float(np.mean([o.score for o in seen]))
            observations = smooth_hidden([frames[f] for f in sorted(frames)], max_trailing=0)
            tracks.append(Track(obj_id, record.labels.get(obj_id, ""), score, tuple(observations)))
    tracks.sort(key=lambda t: (t.observations[0].frame_index, t.obj_id))
    numbered = tuple(replace(t, obj_id=i + 1) for i, t in enumerate(tracks))
    return Tracks(source.info, "", numbered, dict(sorted(record.frame_times.items())))


def track_detections(
    source: VideoSource,
    detect: Detect,
    kind: TrackerKind,
    settings: FollowSettings,
    progress: Progress | None = None,
) -> Record:
    """Step a tracker through a video.

    Args:
        source: The video.
        detect: Says what is on a frame.
        kind: The tracker.
        settings: ``identity`` holds how long a gap in a track is filled.
        progress: Called after every frame.
    """
    tracker = kind.make(TrackerContext(source.info.hw, float(source.info.fps), settings.identity))
    record, labels = Record(), Counter[tuple[int, str]]()
    for frame in ahead(source, settings):
        record.frame_times[frame.index] = frame.time_s
        detections = detect(frame)
        if detections is not None:
            picture = frame.image if "image" in kind.needs else None
            settled = tracker.update(frame.index, frame.time_s, detections, image=picture)
            record.write(settled)
            for obj_id, d in zip(settled.candidate_ids, detections, strict=True):
                if obj_id < 0:
                    continue
                labels[obj_id, d.label] += 1
                area = d.mask.area if d.mask is not None else _area(d.box)
                sure = d.score if d.confidence is None else d.confidence
                record.looks.setdefault(obj_id, []).append(Look(frame.index, sure, area, d.claims))
        report(progress, len(record.frame_times), source, "forward")
    for (obj_id, label), _ in reversed(labels.most_common()):
        record.labels[obj_id] = label
    for frames in record.observations.values():
        fill_gaps(frames, record.frame_times, max_gap_s=settings.identity.max_hidden_s)
    return record


def _with_masks(frame: Frame, found: list[Detection], engine: Engine) -> list[Detection]:
    bare = [k for k, d in enumerate(found) if d.mask is None]
    if not bare:
        return found
    features: Any = engine.encode(frame.image)
    made = masks_in(engine, features, frame.index, [found[k].box for k in bare])
    for k, mask in zip(bare, made, strict=True):
        found[k] = replace(found[k], mask=mask)
    return found


def _area(box: Box) -> int:
    return max(round((box[2] - box[0]) * (box[3] - box[1])), 1)
