"""What repairing a track goes by, and what becomes of an object on the way: pure nouns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seektrack.tracking.cues import Vector
from seektrack.types import Absence, Away, Mask, Observation


@dataclass(frozen=True)
class RepairSettings:
    """How far a correction reaches.

    Attributes:
        agree_iou: What is followed from a correction agrees with the earlier track between these mask IoUs:
            from the first on, where the two had little in common on the corrected frame.
        agree_gain: … and by so much more than they had in common there, where an outline was put right.
        agree_frames: Frames in a row on which they agree, after which the earlier track is sure: it stays.
        anchors: Most frames put right by hand, beside the one it begins on, that the network is shown of an
            object; the nearest.
        meet_iou: It lies on another object from this mask IoU on.
        meet_frames: Frames in a row after which it is taken to have gone over to that one: it is not believed
            from the first of them on.
        like: The earlier track stays where what is followed is not seen, and the earlier mask looks like the
            sure ones by this Bhattacharyya coefficient of colours.
        astray: Where an outline was put right, what is followed has gone astray where it has so much less in
            common with the earlier track than on the corrected frame.
        likelier: … and from frames on where both are seen, apart, and the earlier one is liker by so much, …
        sized: … this share of which is how near each is in size to the other masks shown: of a part of an
            object and the whole of it the colours are the same.
        part: A mask put right with less than this share of the pixels of the others shown is a part of the
            object: it is remembered as the latest frames are, and not for good, lest the part be followed.
        trusted: Frames of the earlier track shown where a person put no other frame right, …
        trusted_like: … of those that look like the mask put right by this Bhattacharyya coefficient.
        trusted_gap: … and lie at least this many frames away from it.
        elsewhere: Below this mask IoU with the mask put right the earlier track lay on something else.
        clearer: What is followed ends where, over all frames after, the earlier one is liker by so much.
        likeliest: On a frame where the earlier one is liker by so much it stays there.
        bleeds: What is followed runs over onto what is beside it where it is so many times as large as any
            mask put right, and as the earlier track is there and usually: the earlier one stays.
        bridge_iou: Come to the next sure frame, it is still the same object from this mask IoU on.
    """

    agree_iou: tuple[float, float] = (0.5, 0.85)
    agree_gain: float = 0.07
    agree_frames: int = 3
    anchors: int = 4
    meet_iou: float = 0.5
    meet_frames: int = 3
    like: float = 0.8
    astray: float = 0.2
    likelier: float = 0.1
    sized: float = 0.3
    clearer: float = 0.4
    likeliest: float = 0.2
    part: float = 0.4
    trusted: int = 2
    trusted_like: float = 0.7
    trusted_gap: int = 3
    elsewhere: float = 0.05
    bleeds: float = 1.25
    bridge_iou: float = 0.4


@dataclass(frozen=True)
class Earlier:
    """What is known of an object that is to be followed anew.

    Attributes:
        sure: Masks by frame as a person gave them; they are shown to the network and never written over.
        track: The earlier observations by frame.
        wrong: What was there before it was put right; None where nothing was.
        label: What it is called.
    """

    sure: Mapping[int, Mask]
    track: Mapping[int, Observation]
    wrong: Mask | None = None
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
        meeting: By other object the latest frames, in a row, on which it lay on that one.
        beside: Others it lay on from the start, where one of the two is wrong; by the frames they were apart.
        unlike: The latest frames, in a row, on which the earlier track was liker, or this one astray.
        gains: By how much the earlier track was liker, by frame; nothing where the two agree.
        looks: Colours of its sure masks.
        sizes: Pixels of those shown beside the one it begins on.
        seen_s: Seconds it was last seen at.
    """

    frames: list[int] = field(default_factory=list)
    observations: dict[int, Observation] = field(default_factory=dict)
    away: dict[int, Away] = field(default_factory=dict)
    done: bool = False
    agreeing: list[int] = field(default_factory=list)
    meeting: dict[int, list[int]] = field(default_factory=dict)
    beside: dict[int, int] = field(default_factory=dict)
    unlike: list[int] = field(default_factory=list)
    gains: dict[int, float] = field(default_factory=dict)
    looks: list[Vector] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    seen_s: float | None = None


@dataclass(frozen=True)
class MendedFrame:
    """One object on one frame that was followed anew: its observation, None where it is not there."""

    frame_index: int
    obj_id: int
    observation: Observation | None


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

    def state(f: int) -> Away | None:
        if f in observed:
            return None
        if f in changed:
            return mended.away.get(f)
        return next((a.state for a in before if a.first_frame <= f <= a.last_frame), None)

    return Absence.runs((f, state(f)) for f in frames)
