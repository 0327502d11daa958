"""One result from pieces of a video that were followed side by side, each overlapping the next.

In the overlap both pieces saw the same frames, so objects are the same where their masks lie on each other.
What was hidden there is known again by where it was going and by its looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from seektrack.errors import InputError
from seektrack.geometry import box_iou
from seektrack.tracking.appearance import Appearance
from seektrack.tracking.cues import Cue
from seektrack.tracking.link import LinkSettings, Place, alike, galleries_of
from seektrack.types import Absence, Observation, Track, Tracks, VideoInfo
from seektrack.video import VideoSource

_STEPS = 5
"""Sights over which speed is taken."""


@dataclass(frozen=True)
class SeamSettings:
    """When tracks of two pieces are one object.

    Attributes:
        overlap: Least mean IoU over the frames on which both pieces see them.
        link: How looks are compared, where they do not see them on one frame.
        alone: Likeness that is enough where nothing else could be either of the two.
        motion: How much it counts beside the looks, in likeness, that one begins where the other was going.
        gap_s: Seconds after which where it was going says nothing.
    """

    overlap: float = 0.5
    link: LinkSettings = field(default_factory=LinkSettings)
    alone: float = 0.6
    motion: float = 0.2
    gap_s: float = 2.0


def join_pieces(
    pieces: Sequence[Tracks],
    *,
    source: VideoSource | None = None,
    video: VideoInfo | None = None,
    settings: SeamSettings | None = None,
) -> Tracks:
    """Join results of consecutive pieces of one video into one, each object under one id throughout.

    Args:
        pieces: In order of time, each with some frames in common with the next. Frames are those of the whole
            video.
        source: The video, looked at where looks have to tell; only overlaps tell when None.
        video: What is known of the whole video; what the first piece says when None.
        settings: See `SeamSettings`.

    Returns:
        Ids from 1 in order of first sight. Up to the middle of an overlap the earlier piece is taken, from
        there on the later one. Scores are means over the frames seen; notices, anomalies and damage are kept.

    Raises:
        InputError: There is no piece, or they are not in order.
    """
    if not pieces:
        raise InputError("there are no pieces to join")
    settings = settings or SeamSettings()
    owned = _owned(pieces)
    groups = _Groups(pieces)
    for k in range(len(pieces) - 1):
        for a, b in _overlapping(pieces[k], pieces[k + 1], settings):
            groups.join((k, a), (k + 1, b))
    if source is not None:
        _join_by_looks(pieces, groups, source, settings)
    return _joined(pieces, groups.in_order(), owned, video or pieces[0].video)


def _owned(pieces: Sequence[Tracks]) -> list[range]:
    """Frames that are taken from each piece."""
    begins = [min(piece.frame_times, default=0) for piece in pieces]
    ends = [max(piece.frame_times, default=-1) + 1 for piece in pieces]
    if begins != sorted(begins) or ends != sorted(ends):
        raise InputError("the pieces are not in order of time", hint="give them from first to last")
    seams = [(max(b, 0) + max(e, b)) // 2 for b, e in zip(begins[1:], ends, strict=False)]
    return [range(a, b) for a, b in zip([begins[0], *seams], [*seams, ends[-1]], strict=True)]


def _overlapping(one: Tracks, other: Tracks, settings: SeamSettings) -> Iterable[tuple[int, int]]:
    """Ids of both that lie on each other on the frames both saw, best pairs together."""
    from scipy.optimize import linear_sum_assignment

    common = sorted(one.frame_times.keys() & other.frame_times.keys())
    score = np.zeros((len(one), len(other)))
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            if _called_alike(a, b):
                score[i, j] = _mean_iou(a, b, common)
    score[score < settings.overlap] = 0.0
    rows, columns = linear_sum_assignment(-score)
    found = [(i, j) for i, j in zip(rows, columns, strict=True) if score[i, j] > 0]
    return [(one.tracks[i].obj_id, other.tracks[j].obj_id) for i, j in found]


def _called_alike(a: Track, b: Track) -> bool:
    return not a.label or not b.label or a.label == b.label


def _mean_iou(a: Track, b: Track, frames: Iterable[int]) -> float:
    """Over the frames on which both are seen; 0 where there are none."""
    pairs = [(a.at(f), b.at(f)) for f in frames]
    seen = [_iou(p, q) for p, q in pairs if p is not None and q is not None and p.visible and q.visible]
    return float(np.mean(seen)) if seen else 0.0


def _iou(a: Observation, b: Observation) -> float:
    if a.mask is not None and b.mask is not None:
        return a.mask.iou(b.mask)
    return float(box_iou(np.array([a.box]), np.array([b.box]))[0, 0])


class _Groups:
    """Tracks of all pieces, those of one object together; never two of one piece."""

    def __init__(self, pieces: Sequence[Tracks]) -> None:
        self.tracks = {(k, t.obj_id): t for k, piece in enumerate(pieces) for t in piece}
        self._of: dict[Place, int] = {place: n for n, place in enumerate(self.tracks)}
        self.members: dict[int, list[Place]] = {n: [place] for place, n in self._of.items()}

    def join(self, one: Place, other: Place) -> None:
        """Make the objects of two tracks one, unless a piece holds both apart."""
        a, b = sorted((self._of[one], self._of[other]))
        if a == b or {k for k, _ in self.members[a]} & {k for k, _ in self.members[b]}:
            return
        for place in self.members[b]:
            self._of[place] = a
        self.members[a] = sorted(self.members[a] + self.members.pop(b))

    def are_there(self, *groups: int) -> bool:
        """Whether none of them has become part of another."""
        return all(group in self.members for group in groups)

    def may_be_one(self, a: int, b: int) -> bool:
        """Whether two objects are in no piece, and seen on no frame, together, and called alike."""
        first, second = self.members[a], self.members[b]
        if {k for k, _ in first} & {k for k, _ in second}:
            return False
        if not _called_alike(self.tracks[first[0]], self.tracks[second[0]]):
            return False
        return not self.seen(a).keys() & self.seen(b).keys()

    def seen(self, group: int) -> dict[int, Observation]:
        """Sights of an object by frame."""
        places = self.members[group]
        return {o.frame_index: o for p in places for o in self.tracks[p].observations if o.visible}

    def in_order(self) -> list[list[Place]]:
        """Objects by first sight."""

        def first(places: list[Place]) -> tuple[int, Place]:
            frames = [self.tracks[p].observations[0].frame_index for p in places if len(self.tracks[p])]
            return min(frames, default=0), places[0]

        return sorted(self.members.values(), key=first)


def _join_by_looks(
    pieces: Sequence[Tracks], groups: _Groups, source: VideoSource, settings: SeamSettings
) -> None:
    """Join objects that no overlap showed together: the most alike first, then those without a rival."""
    numbers = sorted(groups.members)
    pairs = [(a, b) for i, b in enumerate(numbers) for a in numbers[:i] if groups.may_be_one(a, b)]
    if not pairs:
        return
    wanted = {place for pair in pairs for group in pair for place in groups.members[group]}
    looks: dict[Place, Mapping[Cue, Appearance]] = {}
    for k, piece in enumerate(pieces):
        some = replace(piece, tracks=tuple(t for t in piece if (k, t.obj_id) in wanted))
        looks |= {(k, i): g for i, g in galleries_of(some, source, None, settings.link).items()}
    scored = [(_likeness(groups, a, b, looks, settings), a, b) for a, b in pairs]
    scored.sort(key=lambda row: (-row[0], row[1], row[2]))
    for score, a, b in scored:
        if score >= settings.link.least and groups.are_there(a, b) and groups.may_be_one(a, b):
            groups.join(groups.members[a][0], groups.members[b][0])
    least = settings.link.likeness.other
    left = [
        row
        for row in scored
        if row[0] >= least and groups.are_there(*row[1:]) and groups.may_be_one(*row[1:])
    ]
    rivals = Counter(group for _, a, b in left for group in (a, b))
    for score, a, b in left:
        if score >= settings.alone and rivals[a] == rivals[b] == 1:
            groups.join(groups.members[a][0], groups.members[b][0])


def _likeness(
    groups: _Groups,
    a: int,
    b: int,
    looks: Mapping[Place, Mapping[Cue, Appearance]],
    settings: SeamSettings,
) -> float:
    """Of the two looks nearest in time, and more where one begins where the other was going."""
    near = [alike(looks[p], looks[q], settings.link) for p in groups.members[a] for q in groups.members[b]]
    return float(np.mean(near)) + settings.motion * _led_there(groups.seen(a), groups.seen(b), settings)


def _led_there(a: Mapping[int, Observation], b: Mapping[int, Observation], settings: SeamSettings) -> float:
    """1 where the later begins just where the earlier was going, 0 from a length of the object away on."""
    if not a or not b:
        return 0.0
    before, after = (a, b) if min(a) < min(b) else (b, a)
    begin = after[min(after)]
    way = [o for f, o in sorted(before.items()) if f < begin.frame_index][-_STEPS:]
    if not way or begin.time_s - way[-1].time_s > settings.gap_s:
        return 0.0
    here, speed = np.array(way[-1].centre), np.zeros(2)
    if way[-1].time_s > way[0].time_s:
        speed = (here - np.array(way[0].centre)) / (way[-1].time_s - way[0].time_s)
    led = here + speed * (begin.time_s - way[-1].time_s)
    x0, y0, x1, y1 = begin.box
    away = float(np.linalg.norm(led - np.array(begin.centre))) / max(float(np.hypot(x1 - x0, y1 - y0)), 1.0)
    return max(0.0, 1.0 - away)


def _joined(
    pieces: Sequence[Tracks], objects: Sequence[Sequence[Place]], owned: Sequence[range], video: VideoInfo
) -> Tracks:
    ids = {place: n for n, places in enumerate(objects, start=1) for place in places}
    tracks = {(k, t.obj_id): t for k, piece in enumerate(pieces) for t in piece}
    made = [_one_track(n, [(k, tracks[k, i]) for k, i in group], owned) for n, group in enumerate(objects, 1)]
    anomalies = [
        replace(a, obj_id=ids[k, a.obj_id], other=None if a.other is None else ids.get((k, a.other)))
        for k, piece in enumerate(pieces)
        for a in piece.anomalies
        if a.first_frame in owned[k] and (k, a.obj_id) in ids
    ]
    return replace(
        pieces[0],
        video=video,
        tracks=tuple(made),
        frame_times={f: t for piece in pieces for f, t in piece.frame_times.items()},
        notices=tuple(dict.fromkeys(n for piece in pieces for n in piece.notices)),
        missed=() if made else tuple(dict.fromkeys(m for piece in pieces for m in piece.missed)),
        damage=next((piece.damage for piece in pieces if piece.damage), ""),
        anomalies=tuple(sorted(anomalies, key=lambda a: (a.first_frame, a.obj_id))),
    )


def _one_track(obj_id: int, parts: Sequence[tuple[int, Track]], owned: Sequence[range]) -> Track:
    chosen: dict[int, tuple[bool, bool, Observation]] = {}
    for k, track in parts:
        for o in track.observations:
            worth = (o.visible, o.frame_index in owned[k], o)
            if o.frame_index not in chosen or worth[:2] > chosen[o.frame_index][:2]:
                chosen[o.frame_index] = worth
    absences = [
        Absence(first, last, a.state)
        for k, track in parts
        for a in track.absences
        if (first := max(a.first_frame, owned[k].start)) <= (last := min(a.last_frame, owned[k].stop - 1))
        and not any(first <= f <= last for f in chosen)
    ]
    seen = [max(sum(o.visible for o in track.observations), 1) for _, track in parts]
    longest = parts[int(np.argmax(seen))][1]
    return replace(
        longest,
        obj_id=obj_id,
        score=float(np.average([track.score for _, track in parts], weights=seen)),
        observations=tuple(chosen[f][2] for f in sorted(chosen)),
        absences=tuple(sorted(absences, key=lambda a: a.first_frame)),
    )
