"""The pass back in time: what came before each object was found, or found again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seektrack.grounding import make_prompt
from seektrack.tracking.engine import Engine
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.identity import IdentityTracker
from seektrack.tracking.passes import Pass, PassSettings
from seektrack.tracking.record import Record
from seektrack.tracking.settings import IdentitySettings
from seektrack.types import Observation, Prompt
from seektrack.video import VideoSource


@dataclass(frozen=True)
class BackwardSettings:
    """How far objects are followed back.

    Attributes:
        patience_s: Seconds an object may stay hidden before it is given up.
        same_iou: It has come upon another object's track where their masks overlap by this IoU.
        same_frames: Frames in a row after which the two are one object.
        skip: Frames without anything to follow that are decoded rather than jumped over.
    """

    patience_s: float = 0.75
    same_iou: float = 0.6
    same_frames: int = 3
    skip: int = 24


def run_backward(
    engine: Engine,
    source: VideoSource,
    record: Record,
    *,
    eyes: Eyes | None = None,
    prompts: Sequence[Prompt] = (),
    identity: IdentitySettings,
    steps: PassSettings,
    settings: BackwardSettings,
    progress: Callable[[int, int, str], None] | None = None,
) -> None:
    """Follow every object back from where it was found, and fill the record in.

    An object is followed until it has been hidden for long, until it reaches frames the forward pass saw it
    on, or until it lies on another object's track: then the two become one.

    Args:
        engine: The segmentation networks.
        source: The video.
        record: Of the forward pass; changed in place.
        eyes: Judge looks; None where no text is asked for.
        prompts: Given by hand; used again where they begin a way back.
        identity: Settings of the identity layer.
        steps: Settings of the pass.
        settings: See `BackwardSettings`.
        progress: Called after every frame.
    """
    starts = _starts(record, {(p.frame_index, p.obj_id): p for p in prompts}, steps)
    total, done = max(starts, default=0), 0
    tracker = IdentityTracker(source.info.hw, settings=identity)
    back = Record(labels=dict(record.labels))
    walk = Pass(engine, tracker, back, eyes=eyes, settings=steps)
    meetings: dict[tuple[int, int], list[int]] = defaultdict(list)
    began: dict[int, int] = {}
    while starts:
        at = max(starts)
        for frame in source.frames_reversed(at):
            beginning = [p for p in starts.pop(frame.index, []) if p.obj_id in record.observations]
            began.update({p.obj_id: frame.index for p in beginning})
            settled = walk.step(frame, prompts=beginning)
            for gone, survivor in settled.merged:
                if gone in record.observations and survivor in record.observations:
                    record.merge(gone, survivor)
            for obj_id in walk.following:
                seen = settled.observations.get(obj_id)
                if _finished(walk, record, obj_id, seen, frame.index, frame.time_s, began, settings):
                    walk.stop_following(obj_id)
                elif seen is not None:
                    _meet(walk, record, back, obj_id, seen, meetings, settings)
            done = total - frame.index
            if progress is not None:
                progress(done, total, "backward")
            if not walk.following and (not starts or max(starts) < frame.index - settings.skip):
                break
    record.add_backward(back)


def _starts(
    record: Record, by_hand: dict[tuple[int, int], Prompt], steps: PassSettings
) -> dict[int, list[Prompt]]:
    """Prompts by frame, where an object was found while the frame before shows nothing of it."""
    order = sorted(record.frame_times)
    before = dict(zip(order[1:], order[:-1], strict=True))
    starts: dict[int, list[Prompt]] = defaultdict(list)
    for obj_id, sightings in record.sightings.items():
        frames = record.observations.get(obj_id, {})
        for f in sorted(set(sightings)):
            here, earlier = frames.get(f), frames.get(before.get(f, -1))
            if (
                f not in before
                or here is None
                or here.mask is None
                or (earlier is not None and earlier.visible)
            ):
                continue
            label = record.labels.get(obj_id, "")
            given = by_hand.get((f, obj_id))
            prompt = given or make_prompt(
                here.mask, obj_id, f, kind=steps.prompt, score=here.score, label=label
            )
            starts[f].append(prompt)
    return starts


def _finished(
    walk: Pass,
    record: Record,
    obj_id: int,
    seen: Observation | None,
    frame_index: int,
    time_s: float,
    began: dict[int, int],
    settings: BackwardSettings,
) -> bool:
    """Whether an object has been hidden for long, or has reached what the forward pass saw of it."""
    memory = walk.tracker.memory(obj_id)
    if memory is None or abs(time_s - memory.seen_s) > settings.patience_s:
        return True
    known = record.observations.get(obj_id, {}).get(frame_index)
    return seen is not None and known is not None and known.visible and frame_index < began[obj_id]


def _meet(
    walk: Pass,
    record: Record,
    back: Record,
    obj_id: int,
    seen: Observation,
    meetings: dict[tuple[int, int], list[int]],
    settings: BackwardSettings,
) -> None:
    """Tell whether an object lies on another's track, and make them one when it stays there."""
    if seen.mask is None or not seen.visible:
        return
    for other, frames in list(record.observations.items()):
        theirs = frames.get(seen.frame_index)
        if other == obj_id or theirs is None or theirs.mask is None:
            continue
        met = meetings[obj_id, other]
        if theirs.mask.iou(seen.mask) < settings.same_iou:
            met.clear()
            continue
        met.append(seen.frame_index)
        if len(met) < settings.same_frames:
            continue
        walk.stop_following(obj_id)
        for f in met:
            back.observations.get(obj_id, {}).pop(f, None)
        if not _both_seen(record, obj_id, other):
            record.merge(obj_id, other)
            back.merge(obj_id, other)
        return


def _both_seen(record: Record, a: int, b: int) -> bool:
    """Whether the forward pass saw two objects on one frame: then they are two."""
    first, second = record.observations.get(a, {}), record.observations.get(b, {})
    return any(o.visible and f in second and second[f].visible for f, o in first.items())
