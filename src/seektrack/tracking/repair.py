"""Following corrected objects from the frame they were put right on to where the earlier tracks are right."""

from __future__ import annotations

import math
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
        self.others = others
        self.engine, self.source, self.start, self.objects = engine, source, start, dict(objects)
        self.direction, self.settings, self.how = direction, settings, how or RepairSettings()
        self.mended = {obj_id: Mended() for obj_id in objects}
        self._had = {i: self._in_common(known) for i, known in objects.items()}
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
                        self._lies_on(self.objects[obj_id].sure[self.start], self.start), 0
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
                self._end_where_earlier_is_liker(mended)
            self._smooth(obj_id)

    def _in_common(self, known: Earlier) -> float:
        """IoU of the mask that was put right and what it became."""
        return 0.0 if known.wrong is None else known.wrong.iou(known.sure[self.start])

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
            self._compare(obj_id, mended, frame, seen, earlier)
        elif earlier is not None and earlier.visible:
            mended.agreeing.clear()
            likeness = self._likeness(mended, frame, earlier)
            mended.gains[frame.index] = likeness - self.how.like
            if likeness >= self.how.like:
                mended.observations[frame.index] = earlier
        ends = [self._met(mended, mended.observations.get(frame.index))]
        ends += [mended.agreeing[0]] if len(mended.agreeing) >= self.how.agree_frames else []
        ends += [mended.unlike[0]] if len(mended.unlike) >= self.how.meet_frames else []
        first = next((f for f in ends if f is not None), None)
        if first is not None:
            self._retract(mended, first)
        if first is not None or obj_id not in self._walk.following or self._given_up(mended, frame, known):
            self._finish(obj_id)

    def _compare(
        self, obj_id: int, mended: Mended, frame: Frame, seen: Observation, earlier: Observation | None
    ) -> None:
        """Take in whether the earlier track agrees or, seen elsewhere, looks clearly more like the object."""
        alike, had = _overlap(seen, earlier), self._had[obj_id]
        low, high = self.how.agree_iou
        if alike >= min(max(low, had + self.how.agree_gain), high):
            mended.agreeing.append(frame.index)
        else:
            mended.agreeing.clear()
        astray, gain = False, 0.0
        if earlier is not None and earlier.visible:
            astray = had >= low and alike < had - self.how.astray
            if not astray and alike < low / 2:
                gain = self._likeness(mended, frame, earlier) - self._likeness(mended, frame, seen)
                gain += self.how.sized * (_sized(mended, earlier) - _sized(mended, seen))
                mended.gains[frame.index] = gain
        else:
            mended.gains[frame.index] = self.how.like - self._likeness(mended, frame, seen)
        if astray or gain >= self.how.likelier:
            mended.unlike.append(frame.index)
            if earlier is not None and gain >= self.how.likeliest:
                mended.observations[frame.index] = earlier
        else:
            mended.unlike.clear()

    def _likeness(self, mended: Mended, frame: Frame, seen: Observation) -> float:
        """How like its sure masks an object's mask on a frame is by its colours, in [0, 1]."""
        vector = None if seen.mask is None else colours(frame.image, seen.mask.to_array())
        return 0.0 if vector is None else max((float(vector @ look) for look in mended.looks), default=0.0)

    def _lies_on(self, mask: Mask, frame_index: int) -> list[int]:
        """Others that a mask lies on."""
        found = ((i, track.get(frame_index)) for i, track in self.others.items())
        return [i for i, o in found if o is not None and o.mask and mask.iou(o.mask) >= self.how.meet_iou]

    def _met(self, mended: Mended, seen: Observation | None) -> int | None:
        """The frame from which on an object lies on another's track; None while it does not."""
        if seen is None or seen.mask is None or not seen.visible:
            return None
        on = self._lies_on(seen.mask, seen.frame_index)
        for other in list(mended.beside):
            mended.beside[other] = 0 if other in on else mended.beside[other] + 1
            if mended.beside[other] >= self.how.meet_frames:
                del mended.beside[other]
        for other in [i for i in mended.meeting if i not in on]:
            del mended.meeting[other]
        for other in on:
            if other not in mended.beside:
                frames = mended.meeting.setdefault(other, [])
                frames.append(seen.frame_index)
                if len(frames) >= self.how.meet_frames:
                    return frames[0]
        return None

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
        if self._end_where_earlier_is_liker(mended):
            return
        alike = {f: _overlap(o, known.track.get(f)) for f, o in mended.observations.items()}
        best = max(alike, key=lambda f: alike[f], default=None)
        if best is not None and alike[best] > 0:
            self._retract(mended, best)
        elif mended.frames:
            self._retract(mended, mended.frames[len(mended.frames) // 2])

    def _end_where_earlier_is_liker(self, mended: Mended) -> bool:
        """Leave out the frames after which the earlier track is liker; whether it clearly is, either way."""
        worth, best, cut = 0.0, 0.0, 0
        for k, f in enumerate(mended.frames):
            worth -= mended.gains.get(f, 0.0)
            if worth > best:
                best, cut = worth, k + 1
        if best - worth >= self.how.clearer:
            self._retract(mended, mended.frames[cut])
            return True
        return False

    @staticmethod
    def _retract(mended: Mended, frame_index: int) -> None:
        """Leave what was followed from a frame on out."""
        first = mended.frames.index(frame_index)
        for f in mended.frames[first:]:
            mended.observations.pop(f, None)
            mended.away.pop(f, None)
        del mended.frames[first:]

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


def _sized(mended: Mended, seen: Observation) -> float:
    """How near an object's mask is in size to those shown, in [0, 1]."""
    if not mended.sizes or seen.mask is None or not seen.mask.area:
        return 0.0
    return math.exp(-abs(math.log(seen.mask.area / statistics.median(mended.sizes))))


def _overlap(seen: Observation | None, earlier: Observation | None) -> float:
    """IoU of two masks that are both seen; 0 where one is not."""
    if seen is None or earlier is None or not (seen.visible and earlier.visible):
        return 0.0
    return 0.0 if seen.mask is None or earlier.mask is None else seen.mask.iou(earlier.mask)
