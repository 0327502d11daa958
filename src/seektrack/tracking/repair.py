"""Following corrected objects from the frame they were put right on to where the earlier tracks are right."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from seektrack.tracking.cues import colours
from seektrack.tracking.engine import Engine
from seektrack.tracking.follow_settings import FollowSettings
from seektrack.tracking.identity import IdentityTracker
from seektrack.tracking.mended import Earlier, Mended, MendedFrame, RepairSettings
from seektrack.tracking.passes import Pass, PassSettings
from seektrack.tracking.record import Record, smooth_hidden
from seektrack.tracking.repair_judge import RepairJudge, overlap
from seektrack.types import Frame, Mask, Observation, Prompt
from seektrack.video import VideoSource

Direction = Literal[1, -1]


class Repair:
    """Follows objects that were put right on one frame, in one direction; iterate over it once.

    An object is followed until a frame a person put right, until the earlier track agrees for some frames in
    a row, until it has gone over to another object, or until the video ends. What was followed then stands in
    ``mended``.

    Args:
        engine: The segmentation networks.
        source: The video.
        start: The frame they were put right on.
        objects: Who, and what is known of them; each has a sure mask on ``start``.
        others: Tracks of the objects that stay as they are, by id and frame.
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
        others: Mapping[int, Mapping[int, Observation]],
        direction: Direction,
        settings: FollowSettings,
        how: RepairSettings | None = None,
    ) -> None:
        self.engine, self.source, self.start, self.objects = engine, source, start, dict(objects)
        self.direction, self.settings, self.how = direction, settings, how or RepairSettings()
        self.mended = {obj_id: Mended() for obj_id in objects}
        self._judge = RepairJudge(objects, others, start, self.how, forward=direction > 0)
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
            if all(m.done for m in self.mended.values()):
                break
            if prompts:
                self._arrive_with_parts(frame, prompts)
            settled = self._walk.step(frame, prompts=prompts)
            if frame.index == self.start:
                for obj_id, mended in self.mended.items():
                    mended.seen_s = frame.time_s
                    given = self.objects[obj_id].sure[self.start]
                    if not (mended.looks and self._is_part(obj_id, given)):
                        self._look(obj_id, frame, given)
                    mended.beside = dict.fromkeys(
                        self._judge.lies_on(self.objects[obj_id].sure[self.start], self.start), 0
                    )
                continue
            for obj_id, mended in self.mended.items():
                if mended.done:
                    continue
                seen = settled.observations.get(obj_id)
                if frame.index in self.objects[obj_id].sure:
                    self._arrive(obj_id, mended, frame.index, seen)
                    continue
                self._take(obj_id, mended, frame, seen)
                if not mended.done:
                    yield MendedFrame(frame.index, obj_id, mended.observations.get(frame.index))
        for obj_id, mended in self.mended.items():
            if not mended.done:
                self._judge.end_where_earlier_is_liker(mended)
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
            masks = {f: known.sure[f] for f in others[: self.how.anchors]} or self._trusted(known)
            for f, mask in masks.items():
                wanted.setdefault(f, []).append(Prompt(obj_id, f, mask=mask))
        session = self._walk.session
        for f in sorted(wanted):
            frame = self.source.frame_at(f)
            for prompt in wanted[f]:
                session.add(prompt)
                if prompt.mask is not None:
                    self.mended[prompt.obj_id].sizes.append(prompt.mask.area)
                    self._look(prompt.obj_id, frame, prompt.mask)
            session.condition(self.engine.encode(frame.image), f)

    def _trusted(self, known: Earlier) -> dict[int, Mask]:
        """Masks of the earlier track nearest on either side that look like the one put right.

        None of a track that lay elsewhere: nobody knows from where on it did, and colours tell no look-alikes
        apart.
        """
        if known.wrong is not None and known.wrong.iou(known.sure[self.start]) < self.how.elsewhere:
            return {}
        own = colours(self.source.frame_at(self.start).image, known.sure[self.start].to_array())
        seen = {f: o.mask for f, o in known.track.items() if o.visible and o.mask is not None}
        if own is None or not seen:
            return {}
        usual = sorted(mask.area for mask in seen.values())[len(seen) // 2]
        whole = [f for f, mask in seen.items() if 2 * mask.area >= usual]
        out: dict[int, Mask] = {}
        for side in (-1, 1):
            far = [f for f in whole if (f - self.start) * side >= self.how.trusted_gap]
            f = min(far, key=lambda f: abs(f - self.start), default=None)
            if f is None or len(out) >= self.how.trusted:
                continue
            looks = colours(self.source.frame_at(f).image, seen[f].to_array())
            if looks is not None and float(own @ looks) >= self.how.trusted_like:
                out[f] = seen[f]
        return out

    def _arrive_with_parts(self, frame: Frame, prompts: Sequence[Prompt]) -> None:
        """Come to the first frame by what is remembered where only a part of an object shows on it."""
        whole = [p for p in prompts if p.mask is not None and not self._is_part(p.obj_id, p.mask)]
        if len(whole) < len(prompts):
            for prompt in whole:
                self._walk.session.add(prompt)
            self._walk.session.step(self.engine.encode(frame.image), frame.index)

    def _is_part(self, obj_id: int, mask: Mask) -> bool:
        """Whether a mask is small beside the others shown of an object."""
        sizes = self.mended[obj_id].sizes
        return bool(sizes) and mask.area < self.how.part * statistics.median(sizes)

    def _look(self, obj_id: int, frame: Frame, mask: Mask) -> None:
        """Know an object by its colours where a person put it right."""
        looks = colours(frame.image, mask.to_array())
        self.mended[obj_id].looks += [] if looks is None else [looks]

    def _take(self, obj_id: int, mended: Mended, frame: Frame, seen: Observation | None) -> None:
        """Write down what a frame showed of an object, and tell whether it is followed further."""
        known = self.objects[obj_id].track
        earlier = known.get(frame.index)
        mended.frames.append(frame.index)
        why = self._record.away.get(obj_id, {}).get(frame.index)
        if why is not None:
            mended.away[frame.index] = why
        if seen is not None:
            mended.observations[frame.index] = seen
        if seen is not None and seen.visible:
            mended.seen_s = frame.time_s
            self._judge.compare(obj_id, mended, frame, seen, earlier)
        elif earlier is not None and earlier.visible:
            mended.agreeing.clear()
            likeness = self._judge.likeness(mended, frame, earlier)
            mended.gains[frame.index] = likeness - self.how.like
            if likeness >= self.how.like:
                mended.observations[frame.index] = earlier
        ends = [self._judge.met(mended, mended.observations.get(frame.index))]
        ends += [mended.agreeing[0]] if len(mended.agreeing) >= self.how.agree_frames else []
        ends += [mended.unlike[0]] if len(mended.unlike) >= self.how.meet_frames else []
        first = next((f for f in ends if f is not None), None)
        if first is not None:
            self._judge.retract(mended, first)
        if first is not None or obj_id not in self._walk.following or self._given_up(mended, frame, known):
            self._finish(obj_id)

    def _arrive(self, obj_id: int, mended: Mended, frame_index: int, seen: Observation | None) -> None:
        """Come to a frame that a person put right: what was followed is believed where it arrives there.

        Otherwise the earlier track, which comes from there, is right near it and what was followed near the
        start; they are joined where looks and sizes say, or where they are most alike, or half-way.
        """
        self._finish(obj_id)
        known = self.objects[obj_id]
        given = known.sure[frame_index]
        if seen is not None and seen.mask is not None and seen.mask.iou(given) >= self.how.bridge_iou:
            return
        if self._judge.end_where_earlier_is_liker(mended):
            return
        alike = {f: overlap(o, known.track.get(f)) for f, o in mended.observations.items()}
        best = max(alike, key=lambda f: alike[f], default=None)
        if best is not None and alike[best] > 0:
            self._judge.retract(mended, best)
        elif mended.frames:
            self._judge.retract(mended, mended.frames[len(mended.frames) // 2])

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
