"""From a text, or prompts by hand, to the tracks of one video."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from seektrack.encoders import Encoder, check_language
from seektrack.encoders.prompts import Templates
from seektrack.errors import PromptError
from seektrack.query import Concept, Query, left_aside, read
from seektrack.tracking.backward import run_backward
from seektrack.tracking.engine import Engine, Eyes, Sam2Engine
from seektrack.tracking.follow_settings import FollowSettings
from seektrack.tracking.identity import IdentityTracker
from seektrack.tracking.judge import best_labelled, judged, merge_duplicates, of_size
from seektrack.tracking.motion import CameraMotion, agrees
from seektrack.tracking.passes import Pass, PassSettings
from seektrack.tracking.record import Record, smooth_hidden
from seektrack.tracking.sightings import Sightings
from seektrack.types import Frame, Missed, Prompt, Track, Tracks
from seektrack.video import VideoSource, prefetch

if TYPE_CHECKING:
    from seektrack.segmentation import Sam2

Progress = Callable[[int, int, str], None]
"""Called with frames done, frames in all and the stage, ``forward`` or ``backward``."""

_NEVER = 1 << 62
"""Frames after which objects pointed at by hand merge: what a person told apart stays apart."""


def follow(
    sam2: Sam2,
    encoder: Encoder,
    source: VideoSource,
    target: str | Sequence[str] | Query,
    *,
    seeds: Iterable[int] = (),
    settings: FollowSettings | None = None,
    templates: Templates = "auto",
    progress: Progress | None = None,
) -> Tracks:
    """Follow everything a text asks for through a video.

    A forward pass grounds the text on the first frame, on the seeds and at intervals, follows what it finds
    and recognises what it lost; a backward pass recovers what came before each object was found. Each track
    is then judged by all looks at it, and by its motion where the text speaks of motion.

    Args:
        sam2: Proposes and follows masks.
        encoder: Tells what is meant.
        source: The video.
        target: What is asked for: one thing, or several, each followed under its own label.
        seeds: Frames to ground on besides, such as those of search hits.
        settings: See `FollowSettings`.
        templates: See `seektrack.encoders.embed_query`.
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
        progress=progress,
    )


def follow_prompts(
    sam2: Sam2,
    source: VideoSource,
    prompts: Sequence[Prompt],
    *,
    settings: FollowSettings | None = None,
    progress: Progress | None = None,
) -> Tracks:
    """Follow objects pointed at by hand, forward and backward from the frames they are pointed at on.

    Args:
        sam2: Follows masks.
        source: The video.
        prompts: Points, boxes or masks; several of one id, on different frames, correct each other.
        settings: See `FollowSettings`.
        progress: Called after every frame.

    Returns:
        One track per id that was seen, under the ids of the prompts; empty, and at once, when the last prompt
        was answered and none of them had found an object.

    Raises:
        PromptError: There are no prompts, or one lies on a frame the video does not have.
    """
    settings = settings or FollowSettings()
    engine = Sam2Engine(sam2, settings.engine)
    return follow_prompts_with(engine, source, prompts, settings=settings, progress=progress)


def follow_with(
    engine: Engine,
    encoder: Encoder,
    source: VideoSource,
    target: str | Sequence[str] | Query,
    *,
    seeds: Iterable[int] = (),
    settings: FollowSettings | None = None,
    templates: Templates = "auto",
    progress: Progress | None = None,
) -> Tracks:
    """`follow` with any engine."""
    settings = settings or FollowSettings()
    asked = read(target)
    notices = (*asked.notices, *check_language(encoder, asked), *left_aside(asked, door="track"))
    seed_frames = frozenset(seeds)
    concepts = tuple(dict.fromkeys(asked.concepts))
    found: list[Track] = []
    times: dict[int, float] = {}
    missed: list[Missed] = []
    for concept in concepts:
        told = _labelled(progress, concept.said) if len(concepts) > 1 else progress
        eyes = Eyes.of(encoder, concept, settings.ground, templates)
        tracks, times, why = _follow_concept(engine, eyes, source, concept, seed_frames, settings, told)
        found += tracks
        missed += [] if why is None else [why]
    kept = found if len(concepts) == 1 else best_labelled(found, settings)
    numbered = tuple(replace(t, obj_id=i + 1) for i, t in enumerate(kept))
    told_once = tuple(dict.fromkeys(notices))
    return Tracks(source.info, asked.typed, numbered, times, notices=told_once, missed=tuple(missed))


def _follow_concept(
    engine: Engine,
    eyes: Eyes,
    source: VideoSource,
    asked: Concept,
    seed_frames: frozenset[int],
    settings: FollowSettings,
    progress: Progress | None,
) -> tuple[list[Track], dict[int, float], Missed | None]:
    """The tracks of one concept, best first, the seconds of every frame, and why there is no track."""
    sightings = Sightings(eyes, seed_frames)
    record, tracker = Record(), IdentityTracker(source.info.hw, settings=settings.identity)
    forward = Pass(engine, tracker, record, eyes=eyes, settings=_pass_settings(settings))
    camera = CameraMotion() if asked.motion is not None else None
    next_ground = float("-inf")
    for frame in _ahead(source, settings):
        ground = frame.time_s >= next_ground - 1e-6
        if ground:
            next_ground = frame.time_s + settings.ground_every_s
        if ground or frame.index in seed_frames:
            sightings.look(frame)
        forward.step(frame, ground=ground or frame.index in seed_frames)
        if camera is not None:
            camera.update(frame.index, frame.image)
        _report(progress, len(record.frame_times), source, "forward")
    if settings.both_ways:
        run_backward(
            engine,
            source,
            record,
            eyes=eyes,
            identity=settings.identity,
            steps=_pass_settings(settings, backwards=True),
            settings=settings.backward,
            progress=progress,
        )
    merge_duplicates(record, settings)
    tracks = believed = judged(record, asked, settings)
    if asked.motion is not None and camera is not None:
        motion, width, to_first = asked.motion, source.info.width, camera.to_first
        tracks = [
            t
            for t in tracks
            if agrees(motion, t.observations, width=width, camera=to_first, settings=settings.motion)
        ]
    tracks = [replace(t, domain=sightings.domain) for t in of_size(tracks, asked.size, settings)]
    times = dict(sorted(record.frame_times.items()))
    if tracks or not times:
        return tracks, times, None
    why = sightings.missed(record, believed, min_sights=settings.min_sights, label=asked.said)
    return tracks, times, why


def _labelled(progress: Progress | None, label: str) -> Progress | None:
    """Progress that also says which of several things is followed."""
    if progress is None:
        return None
    return lambda done, total, stage: progress(done, total, f"{stage}: {label}")


def follow_prompts_with(
    engine: Engine,
    source: VideoSource,
    prompts: Sequence[Prompt],
    *,
    settings: FollowSettings | None = None,
    progress: Progress | None = None,
) -> Tracks:
    """`follow_prompts` with any engine."""
    settings = settings or FollowSettings()
    if not prompts:
        raise PromptError("there are no prompts to follow", hint="give at least one point, box or mask")
    by_frame: dict[int, list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        by_frame[prompt.frame_index].append(prompt)
    identity = replace(settings.identity, merge_frames=_NEVER)
    record, tracker = Record(), IdentityTracker(source.info.hw, settings=identity)
    forward = Pass(engine, tracker, record, settings=_pass_settings(settings))
    for frame in _ahead(source, settings):
        given = by_frame.pop(frame.index, [])
        forward.step(frame, prompts=given)
        _report(progress, len(record.frame_times), source, "forward")
        if given and not by_frame and not any(map(record.seen, record.observations)):
            return Tracks(source.info, "", (), dict(record.frame_times))
    if by_frame:
        raise PromptError(
            f"prompts lie on frames {sorted(by_frame)}, which the video does not have",
            hint=f"frames are {_span(record)}",
        )
    if settings.both_ways:
        run_backward(
            engine,
            source,
            record,
            prompts=prompts,
            identity=identity,
            steps=_pass_settings(settings, backwards=True),
            settings=settings.backward,
            progress=progress,
        )
    tracks = []
    for obj_id in sorted(record.observations):
        seen = record.seen(obj_id)
        if seen:
            frames = record.observations[obj_id]
            observations = smooth_hidden([frames[f] for f in sorted(frames)])
            score = sum(o.score for o in seen) / len(seen)
            tracks.append(Track(obj_id, record.labels.get(obj_id, ""), score, tuple(observations)))
    return Tracks(source.info, "", tuple(tracks), dict(sorted(record.frame_times.items())))


def _pass_settings(settings: FollowSettings, *, backwards: bool = False) -> PassSettings:
    return PassSettings(settings.prompt, settings.look_every_s, backwards)


def _ahead(source: VideoSource, settings: FollowSettings) -> Iterable[Frame]:
    return (
        prefetch(iter(source), depth=settings.prefetch, item_bytes=source.frame_bytes)
        if settings.prefetch > 0
        else source
    )


def _report(progress: Progress | None, done: int, source: VideoSource, stage: str) -> None:
    if progress is not None:
        progress(done, source.len_frames(), stage)


def _span(record: Record) -> str:
    frames = sorted(record.frame_times)
    return f"{frames[0]} to {frames[-1]}" if frames else "none"
