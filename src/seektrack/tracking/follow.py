"""From a text to the tracks of one video."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, check_language
from seektrack.encoders.prompts import Templates
from seektrack.geometry import Box
from seektrack.grounding import Grounder, GrounderContext, parse_grounder
from seektrack.missed import furthest
from seektrack.query import Concept, Query, left_aside, read
from seektrack.tracking.backward import run_backward
from seektrack.tracking.conclude import conclude
from seektrack.tracking.detected import follow_grounded
from seektrack.tracking.engine import Engine, Sam2Engine
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.follow_pointed import pass_settings
from seektrack.tracking.follow_settings import FollowSettings, ahead, report
from seektrack.tracking.from_search import Seed, boxes_of, follow_boxes, frames_of
from seektrack.tracking.halves import join_halves
from seektrack.tracking.identity import IdentityTracker
from seektrack.tracking.judge import merge_duplicates
from seektrack.tracking.looks import seen_by
from seektrack.tracking.motion import CameraMotion
from seektrack.tracking.passes import Pass
from seektrack.tracking.record import Record
from seektrack.tracking.sightings import Sightings
from seektrack.tracking.where_to_look import Looks, ending
from seektrack.types import Missed, Progress, Track, Tracks
from seektrack.video import VideoSource

if TYPE_CHECKING:
    from seektrack.segmentation import Sam2


def follow(
    sam2: Sam2,
    encoder: Encoder,
    source: VideoSource,
    target: str | Sequence[str] | Query,
    *,
    seeds: Iterable[Seed] = (),
    settings: FollowSettings | None = None,
    templates: Templates = "auto",
    device: str | None = None,
    scanned: Mapping[int, NDArray[np.float32]] | None = None,
    progress: Progress | None = None,
) -> Tracks:
    """Follow everything a text asks for through a video.

    A forward pass grounds the text where it may show (`seektrack.tracking.where_to_look`), follows what it
    finds and recognises what it lost; a backward pass recovers what came before each object was found. Each
    track is then judged by all looks at it, and by its motion where the text speaks of motion.

    Args:
        sam2: Proposes and follows masks.
        encoder: Tells what is meant.
        source: The video.
        target: What is asked for: one thing, or several, followed together, each under its own label.
        seeds: Frames to ground on besides, or what a search found. Where the segmenter does not find the one
            thing that is asked for by itself, it is followed from the boxes of the search.
        settings: See `FollowSettings`.
        templates: See `seektrack.encoders.embed_query`.
        device: Where a network of the grounder's own goes; chosen when None.
        scanned: Embeddings of whole frames that exist already, float (D,) by frame, as a library keeps them;
            they say where to look without being made again.
        progress: Called after every frame.

    Returns:
        Tracks, best first, ids counted from 1 in that order; empty when the video shows nothing of the kind.

    Raises:
        QueryError: The text is empty.
    """
    settings = settings or FollowSettings()
    engine = Sam2Engine(sam2, settings.engine)
    return follow_with(
        engine,
        encoder,
        source,
        target,
        seeds=seeds,
        settings=settings,
        templates=templates,
        device=device,
        scanned=scanned,
        progress=progress,
    )


def follow_with(
    engine: Engine,
    encoder: Encoder,
    source: VideoSource,
    target: str | Sequence[str] | Query,
    *,
    seeds: Iterable[Seed] = (),
    settings: FollowSettings | None = None,
    templates: Templates = "auto",
    device: str | None = None,
    scanned: Mapping[int, NDArray[np.float32]] | None = None,
    progress: Progress | None = None,
) -> Tracks:
    """`follow` with any engine."""
    settings = seen_by(settings or FollowSettings(), engine, encoder, source)
    asked = read(target)
    notices = (*asked.notices, *check_language(encoder, asked), *left_aside(asked, door="track"))
    concepts, seeds = tuple(dict.fromkeys(asked.concepts)), tuple(seeds)
    finds, eyes = open_eyes(
        engine,
        encoder,
        concepts,
        settings,
        templates=templates,
        device=device,
        progress=progress,
    )
    frames, boxes = frames_of(seeds), boxes_of(seeds)
    given = engine, finds, eyes, source, concepts, frames, settings, progress
    if settings.tracker is not None:
        tracks, times, missed = follow_grounded(*given)
    else:
        tracks, times, missed = _follow_concepts(*given, scanned)
    if boxes and not tracks and len(concepts) == 1 and settings.tracker is None:
        tracks, again = follow_boxes(engine, eyes, source, concepts, boxes, settings, progress)
        missed = () if tracks else (furthest((*missed, *again)),)
        places = ", ".join(f"{hit.time_s:.1f} s" for hit in boxes)
        told = "was followed" if tracks else "led nowhere either"
        notices = (
            *notices,
            f"the segmenter did not find it by itself: the box of the search at {places} {told}",
        )
    numbered = tuple(replace(t, obj_id=i + 1) for i, t in enumerate(tracks))
    told_once = tuple(dict.fromkeys(notices))
    return Tracks(source.info, asked.typed, numbered, times, notices=told_once, missed=missed)


def open_eyes(
    engine: Engine,
    encoder: Encoder,
    concepts: tuple[Concept, ...],
    settings: FollowSettings,
    *,
    templates: Templates = "auto",
    device: str | None = None,
    progress: Progress | None = None,
) -> tuple[Grounder, Eyes]:
    """What finds the things asked for, and what judges the looks at them.

    Raises:
        InputError: There is no grounder of the name in ``settings``.
    """
    kind, argument = parse_grounder(settings.grounder)
    context = GrounderContext(
        concepts, encoder, engine.propose, settings.ground, templates, device, argument, progress
    )
    finds = kind.make(context)
    return finds, Eyes(context.scorers, settings.ground, judges=not finds.judges)


def _follow_concepts(
    engine: Engine,
    grounder: Grounder,
    eyes: Eyes,
    source: VideoSource,
    concepts: tuple[Concept, ...],
    seed_frames: frozenset[int],
    settings: FollowSettings,
    progress: Progress | None,
    scanned: Mapping[int, NDArray[np.float32]] | None,
) -> tuple[list[Track], dict[int, float], tuple[Missed, ...]]:
    """The tracks of all concepts, best first, the seconds of every frame, and why a concept has no track."""
    sightings = Sightings(eyes, seed_frames)
    record, tracker = Record(), IdentityTracker(source.info.hw, settings=settings.identity)
    steps = pass_settings(settings)
    camera = CameraMotion()
    forward = Pass(engine, tracker, record, eyes=eyes, grounder=grounder, settings=steps, camera=camera)
    looks = Looks(eyes, seed_frames, settings.ground_every_s, settings.looks, scanned=scanned, camera=camera)
    known: list[Box] = []
    for frame, last in ending(ahead(source, settings)):
        hidden = any(memory.hidden for memory in tracker.memories)
        ground = looks.wanted(frame, known=known, hidden=hidden, last=last) is not None
        if ground:
            sightings.look(frame)
        settled = forward.step(frame, ground=ground)
        known = [o.box for o in settled.observations.values() if o.visible]
        if ground:
            looks.looked(frame, known)
        report(progress, len(record.frame_times), source, "forward")
    if settings.both_ways:
        run_backward(
            engine,
            source,
            record,
            eyes=eyes,
            identity=settings.identity,
            steps=pass_settings(settings, backwards=True),
            settings=settings.backward,
            progress=progress,
        )
    merge_duplicates(record, concepts, settings)
    join_halves(record, settings.halves)
    return conclude(record, concepts, sightings, source.info.width, settings, camera)
