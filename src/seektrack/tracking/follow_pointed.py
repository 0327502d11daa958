"""From prompts by hand to the tracks of one video."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from seektrack.encoders import Encoder
from seektrack.errors import PromptError
from seektrack.tracking.backward import run_backward
from seektrack.tracking.engine import Engine, Sam2Engine
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.follow_settings import FollowSettings, ahead, report
from seektrack.tracking.identity import IdentityTracker
from seektrack.tracking.looks import seen_by
from seektrack.tracking.passes import Pass, PassSettings
from seektrack.tracking.record import Record, smooth_hidden
from seektrack.types import Progress, Prompt, Track, Tracks
from seektrack.video import VideoSource

if TYPE_CHECKING:
    from seektrack.segmentation import Sam2


def follow_prompts(
    sam2: Sam2,
    source: VideoSource,
    prompts: Sequence[Prompt],
    *,
    encoder: Encoder | None = None,
    settings: FollowSettings | None = None,
    progress: Progress | None = None,
) -> Tracks:
    """Follow objects pointed at by hand, forward and backward from the frames they are pointed at on.

    Args:
        sam2: Follows masks.
        source: The video.
        prompts: Points, boxes or masks; several of one id, on different frames, correct each other.
        encoder: Knows objects again that were out of sight; without one they are known by colours and shape.
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
    return follow_prompts_with(engine, source, prompts, encoder=encoder, settings=settings, progress=progress)


def follow_prompts_with(
    engine: Engine,
    source: VideoSource,
    prompts: Sequence[Prompt],
    *,
    encoder: Encoder | None = None,
    settings: FollowSettings | None = None,
    progress: Progress | None = None,
) -> Tracks:
    """`follow_prompts` with any engine."""
    settings = settings or FollowSettings()
    eyes = None
    if encoder is not None:
        settings = seen_by(settings, engine, encoder, source)
        eyes = Eyes.that_know_again(encoder, settings.ground)
    if not prompts:
        raise PromptError("there are no prompts to follow", hint="give at least one point, box or mask")
    by_frame: dict[int, list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        by_frame[prompt.frame_index].append(prompt)
    identity = replace(settings.identity, merge=False)
    record, tracker = Record(), IdentityTracker(source.info.hw, settings=identity)
    forward = Pass(engine, tracker, record, eyes=eyes, settings=pass_settings(settings))
    for frame in ahead(source, settings):
        given = by_frame.pop(frame.index, [])
        forward.step(frame, prompts=given)
        report(progress, len(record.frame_times), source, "forward")
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
            eyes=eyes,
            prompts=prompts,
            identity=identity,
            steps=pass_settings(settings, backwards=True),
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
            away = record.absences(obj_id)
            label = record.labels.get(obj_id, "")
            tracks.append(Track(obj_id, label, score, tuple(observations), absences=away))
    return Tracks(source.info, "", tuple(tracks), dict(sorted(record.frame_times.items())))


def pass_settings(settings: FollowSettings, *, backwards: bool = False) -> PassSettings:
    """How the passes of a video that is followed so prompt and look."""
    return PassSettings(settings.prompt, settings.look_every_s, backwards, depth=settings.depth)


def _span(record: Record) -> str:
    frames = sorted(record.frame_times)
    return f"{frames[0]} to {frames[-1]}" if frames else "none"
