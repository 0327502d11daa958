"""Whether what is followed from a correction on is still the object, or the earlier track is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

from seektrack.tracking.cues import colours
from seektrack.tracking.mended import Earlier, Mended, RepairSettings
from seektrack.types import Frame, Mask, Observation


class RepairJudge:
    """Compares what is followed with the earlier tracks of the same objects and with those of the others.

    Args:
        objects: What is known of the objects that were put right.
        others: Tracks of the objects that stay as they are, by id and frame.
        start: The frame they were put right on.
        how: How far a correction reaches.
        forward: Whether they are followed to later frames.
    """

    def __init__(
        self,
        objects: Mapping[int, Earlier],
        others: Mapping[int, Mapping[int, Observation]],
        start: int,
        how: RepairSettings,
        *,
        forward: bool = True,
    ) -> None:
        self.others, self.how, self.forward = others, how, forward
        self._had = {i: _in_common(known, start) for i, known in objects.items()}
        self._most = {i: _largest_known(known, start) for i, known in objects.items()}
        self._elsewhere = {
            i
            for i, known in objects.items()
            if known.wrong is not None and self._had[i] < how.agree_iou[0] / 2
        }

    def compare(
        self, obj_id: int, mended: Mended, frame: Frame, seen: Observation, earlier: Observation | None
    ) -> None:
        """Take in whether the earlier track agrees or, seen elsewhere, looks clearly more like the object."""
        alike, had = overlap(seen, earlier), self._had[obj_id]
        low, high = self.how.agree_iou
        if alike >= min(max(low, had + self.how.agree_gain), high):
            mended.agreeing.append(frame.index)
        else:
            mended.agreeing.clear()
        astray, gain = False, 0.0
        if earlier is not None and earlier.visible:
            astray = had >= low and alike < had - self.how.astray
            if alike >= low / 2:
                gain = self.how.likeliest if self._bleeds(obj_id, seen, earlier) else 0.0
            elif not astray:
                gain = self.likeness(mended, frame, earlier) - self.likeness(mended, frame, seen)
                gain += self.how.sized * (_sized(mended, earlier) - _sized(mended, seen))
                mended.gains[frame.index] = gain
        else:
            mended.gains[frame.index] = self.how.like - self.likeness(mended, frame, seen)
        if astray or gain >= self.how.likelier:
            mended.unlike.append(frame.index)
            if earlier is not None and gain >= self.how.likeliest:
                mended.observations[frame.index] = earlier
        else:
            mended.unlike.clear()

    def _bleeds(self, obj_id: int, seen: Observation, earlier: Observation) -> bool:
        """Whether what is followed has run over onto what is beside it, and the earlier mask has not."""
        if seen.mask is None or earlier.mask is None or not earlier.mask.area:
            return False
        if self.forward and obj_id in self._elsewhere:
            return False  # the earlier track has been lying elsewhere since the corrected frame
        known = max(self._most[obj_id], earlier.mask.area)
        return seen.mask.area > self.how.bleeds * known

    def likeness(self, mended: Mended, frame: Frame, seen: Observation) -> float:
        """How like its sure masks an object's mask on a frame is by its colours, in [0, 1]."""
        vector = None if seen.mask is None else colours(frame.image, seen.mask.to_array())
        return 0.0 if vector is None else max((float(vector @ look) for look in mended.looks), default=0.0)

    def lies_on(self, mask: Mask, frame_index: int) -> list[int]:
        """Others that a mask lies on."""
        found = ((i, track.get(frame_index)) for i, track in self.others.items())
        return [i for i, o in found if o is not None and o.mask and mask.iou(o.mask) >= self.how.meet_iou]

    def met(self, mended: Mended, seen: Observation | None) -> int | None:
        """The frame from which on an object lies on another's track; None while it does not."""
        if seen is None or seen.mask is None or not seen.visible:
            return None
        on = self.lies_on(seen.mask, seen.frame_index)
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

    def end_where_earlier_is_liker(self, mended: Mended) -> bool:
        """Leave out the frames after which the earlier track is liker; whether it clearly is, either way."""
        worth, best, cut = 0.0, 0.0, 0
        for k, f in enumerate(mended.frames):
            worth -= mended.gains.get(f, 0.0)
            if worth > best:
                best, cut = worth, k + 1
        if best - worth >= self.how.clearer:
            self.retract(mended, mended.frames[cut])
            return True
        return False

    @staticmethod
    def retract(mended: Mended, frame_index: int) -> None:
        """Leave what was followed from a frame on out."""
        first = mended.frames.index(frame_index)
        for f in mended.frames[first:]:
            mended.observations.pop(f, None)
            mended.away.pop(f, None)
        del mended.frames[first:]


def _in_common(known: Earlier, start: int) -> float:
    """IoU of the mask that was put right and what it became."""
    return 0.0 if known.wrong is None else known.wrong.iou(known.sure[start])


def _largest_known(known: Earlier, start: int) -> float:
    """Pixels of the largest mask that was put right, or of the earlier track as it usually is.

    Where it was not seen before, a person said where it is and not that its usual size was wrong.
    """
    usual = [o.mask.area for o in known.track.values() if o.visible and o.mask is not None]
    sure = [mask.area for f, mask in known.sure.items() if f != start or known.wrong is not None or not usual]
    return max([*sure, *([statistics.median(usual)] if usual else [])], default=0.0)


def _sized(mended: Mended, seen: Observation) -> float:
    """How near an object's mask is in size to those shown, in [0, 1]."""
    if not mended.sizes or seen.mask is None or not seen.mask.area:
        return 0.0
    return math.exp(-abs(math.log(seen.mask.area / statistics.median(mended.sizes))))


def overlap(seen: Observation | None, earlier: Observation | None) -> float:
    """IoU of two masks that are both seen; 0 where one is not."""
    if seen is None or earlier is None or not (seen.visible and earlier.visible):
        return 0.0
    return 0.0 if seen.mask is None or earlier.mask is None else seen.mask.iou(earlier.mask)
