"""What the passes over a video write down: observations and looks by object, and how two passes are fused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box
from seektrack.tracking.memory import FrameIdentities, TrackState
from seektrack.tracking.recognise import mask_overlap
from seektrack.types import Absence, Away, Observation


@dataclass(frozen=True)
class Look:
    """One judgement of an object's looks.

    Attributes:
        frame_index: Where it was looked at.
        confidence: Belief in [0, 1] that it is what it is called.
        area: Of its mask, pixels.
        claims: Belief that it is each of the things asked for, where several are.
    """

    frame_index: int
    confidence: float
    area: int
    claims: tuple[float, ...] = ()

    def belief(self, concept: int | None) -> float:
        """In one of the things asked for, by number; in what it is called when None."""
        return self.confidence if concept is None or not self.claims else self.claims[concept]


@dataclass
class Record:
    """Everything written down of one video; grows with what is found, not with its pixels.

    Attributes:
        observations: By id, by frame.
        looks: By id, in no order.
        labels: By id.
        sightings: By id, frames on which a prompt began or revived the object; the way back starts there.
        frame_times: Seconds by frame.
        away: By id, by frame, why an object is neither seen nor predicted.
        touching: Of two ids that touched, looks at them, and the sums of what was believed of both together,
            of the first and of the second (3,).
    """

    observations: dict[int, dict[int, Observation]] = field(default_factory=dict)
    looks: dict[int, list[Look]] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)
    sightings: dict[int, list[int]] = field(default_factory=dict)
    frame_times: dict[int, float] = field(default_factory=dict)
    away: dict[int, dict[int, Away]] = field(default_factory=dict)
    touching: dict[tuple[int, int], tuple[int, NDArray[np.float64]]] = field(default_factory=dict)

    def write(self, settled: FrameIdentities, *, backwards: bool = False) -> None:
        """Write down what a frame settled.

        Args:
            settled: Result of the identity layer.
            backwards: Whether the frames come in decreasing order.
        """
        for obj_id, frame_index in settled.retracted:
            frames = self.observations.get(obj_id, {})
            for f in [f for f in frames if (f <= frame_index if backwards else f >= frame_index)]:
                del frames[f]
            kept = self.looks.get(obj_id, [])
            self.looks[obj_id] = [k for k in kept if k.frame_index in frames]
        for gone, survivor in settled.merged:
            self.merge(gone, survivor)
        for obj_id, observation in settled.observations.items():
            self.put(obj_id, observation)
        for obj_id, state in settled.states.items():
            if state is TrackState.OUT_OF_VIEW:
                self.away.setdefault(obj_id, {})[settled.frame_index] = "out of view"
            elif state is TrackState.LOST:
                self.away.setdefault(obj_id, {})[settled.frame_index] = "lost"

    def absences(self, obj_id: int) -> tuple[Absence, ...]:
        """Stretches after an object's first sight on which it is neither seen nor predicted, and why."""
        seen, away = self.observations.get(obj_id, {}), self.away.get(obj_id, {})
        order = [f for f in sorted(self.frame_times) if seen and f > min(seen)]
        return Absence.runs((f, None if f in seen else away.get(f)) for f in order)

    def put(self, obj_id: int, observation: Observation) -> None:
        """Write down one observation; a sight is never overwritten by a prediction."""
        frames = self.observations.setdefault(obj_id, {})
        known = frames.get(observation.frame_index)
        if known is None or observation.visible or not known.visible:
            frames[observation.frame_index] = observation

    def merge(self, gone: int, survivor: int) -> None:
        """Give what was written of one id to another; where both were seen, the survivor's word stands."""
        for observation in self.observations.pop(gone, {}).values():
            known = self.observations.setdefault(survivor, {}).get(observation.frame_index)
            if known is None or (observation.visible and not known.visible):
                self.observations[survivor][observation.frame_index] = observation
        self.looks.setdefault(survivor, []).extend(self.looks.pop(gone, []))
        self.sightings.setdefault(survivor, []).extend(self.sightings.pop(gone, []))
        self.labels.setdefault(survivor, self.labels.pop(gone, ""))

    def forget_before(self, frame_index: int, *, looks: int) -> None:
        """Drop what was written of earlier frames, and all but the latest looks, as on an endless stream.

        An object of which nothing is left is forgotten but for its label.
        """
        by_frame: list[dict[int, Any]] = [*self.observations.values(), *self.away.values(), self.frame_times]
        for held in by_frame:
            for f in [f for f in held if f < frame_index]:
                del held[f]
        for obj_id in [i for i, held in self.observations.items() if not held]:
            for of_one in (self.observations, self.looks, self.sightings, self.away):
                of_one.pop(obj_id, None)
        self.touching = {p: t for p, t in self.touching.items() if all(i in self.observations for i in p)}
        self.looks = {i: kept[-looks:] for i, kept in self.looks.items()}
        self.sightings = {i: kept[-1:] for i, kept in self.sightings.items()}

    def seen(self, obj_id: int) -> list[Observation]:
        """Observations of an object in order, predictions left out."""
        frames = self.observations.get(obj_id, {})
        return [frames[f] for f in sorted(frames) if frames[f].visible]

    def area(self, obj_id: int) -> int:
        """Pixels of an object's masks over all frames."""
        return sum(o.mask.area for o in self.seen(obj_id) if o.mask is not None)

    def add_backward(self, backward: Record) -> None:
        """Fill in from a pass in the other direction; what the forward pass saw stands."""
        for obj_id, frames in backward.observations.items():
            for frame_index, observation in frames.items():
                known = self.observations.setdefault(obj_id, {}).get(frame_index)
                if known is None or (observation.visible and not known.visible):
                    self.observations[obj_id][frame_index] = observation
        for obj_id, looks in backward.looks.items():
            self.looks.setdefault(obj_id, []).extend(looks)
        self.frame_times.update(backward.frame_times)


def verdict(looks: Iterable[Look], concept: int | None = None) -> float | None:
    """Belief in [0, 1] that an object is what was asked for, from all looks at it; None without any.

    The mean over the looks, each weighted by the side of the mask: a small or cut-off view tells less.

    Args:
        looks: At the object.
        concept: Which of several things asked for, by number; None when there is one.
    """
    looks = list(looks)
    if not looks:
        return None
    weights = np.sqrt([max(look.area, 1) for look in looks])
    return float(np.average([look.belief(concept) for look in looks], weights=weights))


def smooth_hidden(observations: list[Observation], *, max_trailing: int | None = None) -> list[Observation]:
    """Put hidden positions on the straight way between the sights before and after.

    Predictions were made knowing only one side; with both known, interpolation is nearer. Predictions before
    the first sight are dropped, those after the last kept as they are, ``max_trailing`` at most.

    Args:
        observations: In order of frames.
        max_trailing: Most predictions kept after the last sight; None keeps all.
    """
    seen = [i for i, o in enumerate(observations) if o.visible]
    if not seen:
        return []
    out: list[Observation] = []
    for i in range(seen[0], len(observations)):
        o = observations[i]
        if o.visible or i > seen[-1]:
            out.append(o)
            continue
        before = observations[max(s for s in seen if s < i)]
        after = observations[min(s for s in seen if s > i)]
        share = (o.time_s - before.time_s) / max(after.time_s - before.time_s, 1e-9)
        out.append(
            Observation(o.frame_index, o.time_s, _between(before.box, after.box, share), None, o.score, False)
        )
    if max_trailing is not None:
        out = out[: seen[-1] - seen[0] + 1 + max_trailing]
    return out


def fill_gaps(frames: dict[int, Observation], times: Mapping[int, float], *, max_gap_s: float) -> None:
    """Put an object on the straight way between two sights, on the frames between that show nothing of it.

    Args:
        frames: Observations by frame; predictions are put in.
        times: Seconds of every frame.
        max_gap_s: Longest way filled, in seconds.
    """
    order = sorted(times)
    place = {f: i for i, f in enumerate(order)}
    seen = [f for f in sorted(frames) if frames[f].visible]
    for first, last in pairwise(seen):
        before, after = frames[first], frames[last]
        if abs(after.time_s - before.time_s) > max_gap_s:
            continue
        for f in order[place[first] + 1 : place[last]]:
            share = (times[f] - before.time_s) / max(after.time_s - before.time_s, 1e-9)
            box = _between(before.box, after.box, share)
            frames[f] = Observation(f, times[f], box, None, before.score, False)


def _between(a: Box, b: Box, share: float) -> Box:
    x0, y0, x1, y1 = (float(p + (q - p) * share) for p, q in zip(a, b, strict=True))
    return x0, y0, x1, y1


def same_object(
    a: dict[int, Observation], b: dict[int, Observation], *, iou: float, cover: float, share: float
) -> bool:
    """Whether two records are one object: on most frames their masks coincide, or one is a part of the other.

    Args:
        a: Observations by frame.
        b: Observations by frame.
        iou: Mask IoU from which on they coincide on a frame.
        cover: Share of the smaller mask inside the other from which on it is a part of it.
        share: Least share of the shorter record's sights on which they do.
    """
    frames = [f for f, o in a.items() if o.visible and f in b and b[f].visible]
    shorter = min(sum(o.visible for o in a.values()), sum(o.visible for o in b.values()))
    if not frames or shorter == 0:
        return False
    alike = 0
    for f in frames:
        first, second = a[f].mask, b[f].mask
        if first is not None and second is not None:
            overlap, inside = mask_overlap(first, second)
            alike += overlap >= iou or inside >= cover
    return alike >= share * shorter
