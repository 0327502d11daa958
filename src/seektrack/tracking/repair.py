"""Following corrected objects from the frame they were put right on to where the earlier tracks are right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from seektrack.tracking.engine import Engine
from seektrack.tracking.follow_settings import FollowSettings
from seektrack.tracking.identity import IdentityTracker
from seektrack.tracking.passes import Pass, PassSettings
from seektrack.tracking.record import Record, smooth_hidden
from seektrack.types import Absence, Away, Frame, Mask, Observation, Prompt
from seektrack.video import VideoSource

Direction = Literal[1, -1]


@dataclass(frozen=True)
class RepairSettings:
    """How far a correction reaches.

    Attributes:
        agree_iou: What is followed from a correction agrees with the earlier track from this mask IoU on.
        agree_frames: Frames in a row on which they agree, after which the earlier track is sure: it stays.
        anchors: Most frames put right by hand, beside the one it begins on, that the network is shown of an
            object; the nearest.
    """

    agree_iou: float = 0.85
    agree_frames: int = 4
    anchors: int = 4


@dataclass(frozen=True)
class Earlier:
    """What is known of an object that is to be followed anew.

    Attributes:
        sure: Masks by frame as a person gave them; they are shown to the network and never written over.
        track: The earlier observations by frame.
        label: What it is called.
    """

    sure: Mapping[int, Mask]
    track: Mapping[int, Observation]
    label: str = ""


@dataclass
class Mended:
    """What became of one object in one direction.

    Attributes:
        frames: Frames gone through and to be written, in the order they were gone through.
        observations: What was seen or predicted on them, by frame.
        away: Why it was neither, by frame.
        done: Whether it is not followed any further.
        agreeing: The latest frames, in a row, on which it agreed with the earlier track.
        unseen_s: Seconds it was last seen at.
    """

    frames: list[int] = field(default_factory=list)
    observations: dict[int, Observation] = field(default_factory=dict)
    away: dict[int, Away] = field(default_factory=dict)
    done: bool = False
    agreeing: list[int] = field(default_factory=list)
    seen_s: float | None = None


@dataclass(frozen=True)
class MendedFrame:
    """One object on one frame that was followed anew: its observation, None where it is not there."""

    frame_index: int
    obj_id: int
    observation: Observation | None


class Repair:
    """Follows objects that were put right on one frame, in one direction; iterate over it once.

    An object is followed until a frame a person put right, until the earlier track agrees for some frames in
    a row, or until the video ends. What was followed then stands in ``mended``.

    Args:
        engine: The segmentation networks.
        source: The video.
        start: The frame they were put right on.
        objects: Who, and what is known of them; each has a sure mask on ``start``.
        direction: 1 forward, -1 backward.
        settings: How objects are followed.
        how: How far a correction reaches.
    """

    def __init__(
        self,
        engine: Engine,
        source: VideoSource,
        start: int,
        objects: Mapping[int, Earlier],
        *,
        direction: Direction,
        settings: FollowSettings,
        how: RepairSettings | None = None,
    ) -> None:
        self.engine, self.source, self.start, self.objects = engine, source, start, dict(objects)
        self.direction, self.settings, self.how = direction, settings, how or RepairSettings()
        self.mended = {obj_id: Mended() for obj_id in objects}
        identity = replace(settings.identity, merge=False)
        self._record = Record(labels={i: o.label for i, o in objects.items()})
        self._walk = Pass(
            engine,
            IdentityTracker(source.info.hw, settings=identity),
            self._record,
            settings=PassSettings(settings.prompt, settings.look_every_s, direction < 0),
        )

    def __iter__(self) -> Iterator[MendedFrame]:
        """Follow; each frame of each object as it comes, those found to agree are left out in the end."""
        self._show_anchors()
        for frame in self._frames():
            prompts = self._prompts() if frame.index == self.start else ()
            for obj_id, mended in self.mended.items():
                if frame.index != self.start and not mended.done and frame.index in self.objects[obj_id].sure:
                    self._finish(obj_id)
            if all(m.done for m in self.mended.values()):
                break
            settled = self._walk.step(frame, prompts=prompts)
            if frame.index == self.start:
                for mended in self.mended.values():
                    mended.seen_s = frame.time_s
                continue
            for obj_id, mended in self.mended.items():
                if mended.done:
                    continue
                seen = settled.observations.get(obj_id)
                self._take(obj_id, mended, frame, seen)
                if not mended.done:
                    yield MendedFrame(frame.index, obj_id, seen)
        for obj_id in self.mended:
            self._smooth(obj_id)

    def _frames(self) -> Iterator[Frame]:
        if self.direction > 0:
            times = self.source.times()
            first = self.source.first_index
            yield from self.source.frames(start_s=float(times[self.start - first]) if self.start else None)
        else:
            yield from self.source.frames_reversed(self.start)

    def _prompts(self) -> Sequence[Prompt]:
        return [
            Prompt(obj_id, self.start, mask=known.sure[self.start], label=known.label)
            for obj_id, known in self.objects.items()
        ]

    def _show_anchors(self) -> None:
        """Let the network know of the other frames a person put right."""
        wanted: dict[int, list[Prompt]] = {}
        for obj_id, known in self.objects.items():
            others = sorted((f for f in known.sure if f != self.start), key=lambda f: abs(f - self.start))
            for f in others[: self.how.anchors]:
                wanted.setdefault(f, []).append(Prompt(obj_id, f, mask=known.sure[f]))
        session = self._walk.session
        for f in sorted(wanted):
            for prompt in wanted[f]:
                session.add(prompt)
            session.condition(self.engine.encode(self.source.frame_at(f).image), f)

    def _take(self, obj_id: int, mended: Mended, frame: Frame, seen: Observation | None) -> None:
        """Write down what a frame showed of an object, and tell whether it is followed further."""
        known = self.objects[obj_id].track
        mended.frames.append(frame.index)
        if seen is not None:
            mended.observations[frame.index] = seen
        why = self._record.away.get(obj_id, {}).get(frame.index)
        if why is not None:
            mended.away[frame.index] = why
        if seen is not None and seen.visible:
            mended.seen_s = frame.time_s
        earlier = known.get(frame.index)
        if _agree(seen, earlier, self.how):
            mended.agreeing.append(frame.index)
        elif (seen is not None and seen.visible) or (earlier is not None and earlier.visible):
            mended.agreeing.clear()
        if len(mended.agreeing) >= self.how.agree_frames:
            first = mended.frames.index(mended.agreeing[0])
            for f in mended.frames[first:]:
                mended.observations.pop(f, None)
                mended.away.pop(f, None)
            del mended.frames[first:]
            self._finish(obj_id)
        elif obj_id not in self._walk.following or self._given_up(mended, frame, known):
            self._finish(obj_id)

    def _given_up(self, mended: Mended, frame: Frame, known: Mapping[int, Observation]) -> bool:
        """Whether an object is out of sight for long on the way back, and nothing is known of it before."""
        if self.direction > 0 or mended.seen_s is None or any(f < frame.index for f in known):
            return False
        return abs(frame.time_s - mended.seen_s) > self.settings.backward.patience_s

    def _finish(self, obj_id: int) -> None:
        self.mended[obj_id].done = True
        self._walk.stop_following(obj_id)

    def _smooth(self, obj_id: int) -> None:
        """Put predicted places on the way between sights on either side, and drop those before all sights."""
        mended, known = self.mended[obj_id], self.objects[obj_id].track
        if not mended.frames:
            return
        low, high = min(mended.frames), max(mended.frames)
        within = dict(mended.observations)
        beside = {f: o for f, o in known.items() if (f < low or f > high) and o.visible}
        if self.start in self.objects[obj_id].sure and self.start in known:
            beside[self.start] = known[self.start]
        before = max((f for f in beside if f < low), default=None)
        after = min((f for f in beside if f > high), default=None)
        edges = {f: beside[f] for f in (before, after) if f is not None}
        smoothed = {
            o.frame_index: o for o in smooth_hidden([o for _, o in sorted({**edges, **within}.items())])
        }
        mended.observations = {f: smoothed[f] for f in within if f in smoothed}


def _agree(seen: Observation | None, earlier: Observation | None, how: RepairSettings) -> bool:
    if seen is None or earlier is None or not (seen.visible and earlier.visible):
        return False
    if seen.mask is None or earlier.mask is None:
        return False
    return seen.mask.iou(earlier.mask) >= how.agree_iou


def mended_absences(
    before: Sequence[Absence], mended: Mended, frames: Sequence[int], observed: Mapping[int, Observation]
) -> tuple[Absence, ...]:
    """An object's absences after some of its frames were followed anew.

    Args:
        before: As they were.
        mended: What was followed.
        frames: All frames of the video that were gone through, in order.
        observed: The object's observations now.
    """
    changed = set(mended.frames)
    out: list[Absence] = []
    previous: Away | None = None
    for f in frames:
        state = mended.away.get(f)
        if f not in changed:
            state = next((a.state for a in before if a.first_frame <= f <= a.last_frame), None)
        if f in observed:
            state = None
        if state is not None and state == previous:
            out[-1] = replace(out[-1], last_frame=f)
        elif state is not None:
            out.append(Absence(f, f, state))
        previous = state
    return tuple(out)
