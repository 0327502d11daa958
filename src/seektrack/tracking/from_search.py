"""What a search is sure of and the segmenter does not find by itself: followed from the search's boxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from seektrack.query import Concept
from seektrack.tracking.backward import run_backward
from seektrack.tracking.conclude import conclude
from seektrack.tracking.engine import Engine
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.follow_settings import FollowSettings, ahead, report
from seektrack.tracking.identity import IdentityTracker
from seektrack.tracking.judge import merge_duplicates
from seektrack.tracking.motion import CameraMotion
from seektrack.tracking.passes import Pass, PassSettings
from seektrack.tracking.record import Record
from seektrack.tracking.sightings import Sightings
from seektrack.types import Hit, Missed, Progress, Prompt, Track
from seektrack.video import VideoSource

FEW = 3
"""Boxes that are tried, the surest first; each is on a frame of its own."""

Seed = int | Hit
"""A frame known to show what is asked for, or what a search found, with its box where it has one."""


def frames_of(seeds: Iterable[Seed]) -> frozenset[int]:
    """The frames of seeds."""
    return frozenset(seed.frame_index if isinstance(seed, Hit) else seed for seed in seeds)


def boxes_of(seeds: Iterable[Seed]) -> list[Hit]:
    """The hits among seeds that have a box, the surest `FEW`, one a frame."""
    hits = [seed for seed in seeds if isinstance(seed, Hit) and seed.box is not None]
    kept: dict[int, Hit] = {}
    for hit in sorted(hits, key=lambda one: -one.confidence):
        kept.setdefault(hit.frame_index, hit)
    return list(kept.values())[:FEW]


def follow_boxes(
    engine: Engine,
    eyes: Eyes,
    source: VideoSource,
    concepts: tuple[Concept, ...],
    hits: Sequence[Hit],
    settings: FollowSettings,
    progress: Progress | None,
) -> tuple[list[Track], tuple[Missed, ...]]:
    """Follow what lies in the boxes a search found, both ways, and judge it like all that is followed.

    Args:
        engine: The segmentation networks.
        eyes: Judge looks.
        source: The video.
        concepts: What is asked for.
        hits: With boxes; see `boxes_of`.
        settings: See `FollowSettings`.
        progress: Called after every frame.

    Returns:
        The tracks that are what was asked for, best first; why there is none.
    """
    by_frame: dict[int, list[Prompt]] = defaultdict(list)
    for obj_id, hit in enumerate(hits, start=1):
        prompt = Prompt(obj_id, hit.frame_index, box=hit.box, score=hit.confidence, label=concepts[0].said)
        by_frame[hit.frame_index].append(prompt)
    prompts = [prompt for given in by_frame.values() for prompt in given]
    sightings = Sightings(eyes, frozenset(by_frame))
    record, tracker = Record(), IdentityTracker(source.info.hw, settings=settings.identity)
    steps = PassSettings(settings.prompt, settings.look_every_s)
    forward = Pass(engine, tracker, record, eyes=eyes, settings=steps)
    camera = CameraMotion() if any(c.motion is not None for c in concepts) else None
    for frame in ahead(source, settings):
        given = by_frame.get(frame.index, [])
        if given:
            sightings.look(frame)
        forward.step(frame, prompts=given)
        if camera is not None:
            camera.update(frame.index, frame.image)
        report(progress, len(record.frame_times), source, "from what the search found")
    if settings.both_ways:
        run_backward(
            engine,
            source,
            record,
            eyes=eyes,
            prompts=prompts,
            identity=settings.identity,
            steps=PassSettings(settings.prompt, settings.look_every_s, backwards=True),
            settings=settings.backward,
            progress=progress,
        )
    merge_duplicates(record, concepts, settings)
    tracks, _, missed = conclude(record, concepts, sightings, source.info.width, settings, camera)
    return tracks, missed
