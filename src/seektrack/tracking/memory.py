"""What is remembered of each object: where it was, how it moves, how it looks.

Bounded: the last few boxes, one Kalman state, one mask and a small gallery of embeddings, however long the
video. Observations themselves are handed out, not kept here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box
from seektrack.tracking import kalman
from seektrack.tracking.appearance import Appearance
from seektrack.tracking.cues import Cue, Cues
from seektrack.tracking.kalman import KalmanSettings, KalmanState
from seektrack.types import Mask, Observation

HISTORY = 12
_SIGHTINGS = 48


class TrackState(Enum):
    """Where an object is in its life."""

    TENTATIVE = "tentative"
    """Seen, but too few times to be believed."""
    ACTIVE = "active"
    """Seen on the last frame."""
    OCCLUDED = "occluded"
    """Hidden for a short time inside the picture; its position is predicted."""
    OUT_OF_VIEW = "out of view"
    """Left over the border of the picture, or not in the shot that a cut began."""
    LOST = "lost"
    """Hidden for so long, or so unlike itself, that its position is not predicted; it may be recognised."""
    ENDED = "ended"
    """Forgotten, or found to be another object."""


@dataclass(frozen=True, eq=False)
class Detection:
    """One object seen on one frame, by the segmentation engine or by grounding.

    Attributes:
        box: ``xyxy`` pixels.
        mask: Its pixels, or None.
        score: Belief in [0, 1] that an object is there.
        obj_id: The identity the engine reports it under; None for a candidate that has none yet.
        embedding: float (D,) appearance, or None when it was not looked at.
        confidence: Belief in [0, 1] that it is what was asked for, or None when it was not asked.
        label: What it is called.
        trusted: Whether it is beyond doubt, as on a frame where a person pointed at it.
        claims: Belief that it is each of the things asked for, in their order; empty when it was not asked.
        cues: What else tells who it is, see `seektrack.tracking.cues`.
    """

    box: Box
    mask: Mask | None = None
    score: float = 1.0
    obj_id: int | None = None
    embedding: NDArray[np.float32] | None = None
    confidence: float | None = None
    label: str = ""
    trusted: bool = False
    claims: tuple[float, ...] = ()
    cues: Cues = field(default_factory=dict)


@dataclass(frozen=True)
class FrameIdentities:
    """What one frame settled.

    Attributes:
        frame_index, time_s: Which frame.
        observations: By id, what is seen or, with ``visible=False``, predicted.
        candidate_ids: The id of each candidate (detection without an id), in the order they came.
        new: Ids that began here; the engine needs a prompt for those it does not know.
        revived: Known ids recognised in a candidate; the engine needs a fresh prompt for each.
        merged: ``(gone, survivor)`` pairs; what was observed of the first belongs to the second.
        dropped: Ids the engine should stop following.
        retracted: ``(id, frame)``: observations of the id from that frame on were of something else.
        states: By id, where each object known so far is in its life.
        swapped: Pairs of ids whose engine follows the other one of the two; its memories must change hands.
        corrected: Ids whose engine holds another's pixels, and their right masks; it needs a fresh prompt.
        doubted: Ids whose engine's mask of this frame was not believed, or shared with another: it should not
            be remembered.
    """

    frame_index: int
    time_s: float
    observations: dict[int, Observation]
    candidate_ids: tuple[int, ...] = ()
    new: tuple[int, ...] = ()
    revived: tuple[int, ...] = ()
    merged: tuple[tuple[int, int], ...] = ()
    dropped: tuple[int, ...] = ()
    retracted: tuple[tuple[int, int], ...] = ()
    states: dict[int, TrackState] = field(default_factory=dict)
    swapped: tuple[tuple[int, int], ...] = ()
    corrected: dict[int, Mask] = field(default_factory=dict)
    doubted: frozenset[int] = frozenset()


@dataclass
class TrackMemory:
    """Everything remembered of one object.

    Attributes:
        obj_id: Its identity.
        label: What it is called.
        born_s: Time it was first seen.
        kalman: Belief about its box at ``time_s``.
        time_s: Time of that belief.
        seen_s: Time it was last seen.
        seen_frame: Frame it was last seen on.
        state: Where it is in its life.
        hits: Frames it was seen on.
        score_sum: Sum of the scores of those frames.
        mask: Its last mask of about its usual size, or None.
        areas: Of its last masks, pixels.
        alikes: How like itself it was of late, in [0, 1].
        sides: Widths and heights it had, pixels; unlike ``sightings`` kept over a jump.
        appearance: How it looks.
        boxes: Its last boxes, newest last.
        sightings: When and where it was seen of late, for a predictor.
        strikes: Consecutive looks at which it did not look like itself.
        strike_frame: Frame of the first of those.
        jumped: Boxes of consecutive frames on which it was somewhere it cannot have come to.
        lived_apart: Frames on which it was seen on pixels of its own.
        cues: What else it is known by, a gallery for each cue.
        straight: Whether it went straight before its mask met another's.
        elsewhere: Whether a cut came since it was seen: it may be anywhere, or not there.
        same_view: Whether what came was no cut, but a stream that broke off and shows the same place again.
        away_s: Seconds since it was seen for which there was no stream.
        returning: Consecutive frames on which the engine's mask was like it, while it was out of sight.
        sighted: Consecutive looks for it that found something like it, while it was out of sight.
        sighted_at: Where the latest of those found it, or None.
        unseen: Frames it was out of sight.
        depth: How deep it lay when its pixels were last contested, where there is a source of depth.
        may_be_known: Whether it began of late, and may yet turn out to be one that was out of sight.
        takes_after: The id of one out of sight that it looked like on the frame before.
    """

    obj_id: int
    label: str
    born_s: float
    kalman: KalmanState
    time_s: float
    seen_s: float
    seen_frame: int
    state: TrackState = TrackState.TENTATIVE
    hits: int = 1
    score_sum: float = 0.0
    mask: Mask | None = None
    appearance: Appearance = field(default_factory=Appearance)
    boxes: deque[Box] = field(default_factory=lambda: deque(maxlen=HISTORY))
    sightings: deque[tuple[float, Box]] = field(default_factory=lambda: deque(maxlen=_SIGHTINGS))
    strikes: int = 0
    strike_frame: int = -1
    jumped: list[Box] = field(default_factory=list)
    lived_apart: int = 0
    alikes: deque[float] = field(default_factory=lambda: deque(maxlen=_SIGHTINGS))
    sides: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_SIGHTINGS))
    areas: deque[int] = field(default_factory=lambda: deque(maxlen=HISTORY))
    cues: dict[Cue, Appearance] = field(default_factory=dict)
    straight: bool = False
    elsewhere: bool = False
    same_view: bool = False
    away_s: float = 0.0
    returning: int = 0
    sighted: int = 0
    sighted_at: Box | None = None
    unseen: int = 0
    depth: float | None = None
    may_be_known: bool = False
    takes_after: int | None = None

    @property
    def score(self) -> float:
        """Mean score of the frames it was seen on."""
        return self.score_sum / max(self.hits, 1)

    @property
    def usual_sides(self) -> tuple[float, float]:
        """Width and height it has had of late, pixels: medians, which a mask that bled does not move."""
        if not self.sides:
            x0, y0, x1, y1 = self.kalman.box
            return x1 - x0, y1 - y0
        width, height = np.median(np.array(self.sides), axis=0)
        return float(width), float(height)

    @property
    def hidden(self) -> bool:
        """Whether it is known but not seen now."""
        return self.state in (TrackState.OCCLUDED, TrackState.OUT_OF_VIEW, TrackState.LOST)

    def predict_to(self, time_s: float, settings: KalmanSettings) -> None:
        """Carry the belief about its box to a time."""
        self.kalman = kalman.predict(self.kalman, time_s - self.time_s, settings)
        self.time_s = time_s

    def see(self, frame_index: int, detection: Detection, settings: KalmanSettings, *, restart: bool) -> None:
        """Take in a detection at the time the belief stands at.

        Args:
            frame_index: Frame of the detection.
            detection: What was seen.
            settings: Noise of the filter.
            restart: Forget the motion so far (after a jump or a long absence).
        """
        if restart:
            self.kalman = kalman.initiate(detection.box, settings)
            self.sightings.clear()
        else:
            self.kalman = kalman.update(self.kalman, detection.box, settings)
        self.boxes.append(detection.box)
        self.sightings.append((self.time_s, detection.box))
        if self.mask is None or detection.mask is None or self._is_usual(detection.mask.area):
            self.mask = detection.mask
        self.hits += 1
        self.score_sum += detection.score
        self.seen_s, self.seen_frame = self.time_s, frame_index
        self.jumped.clear()
        self.elsewhere, self.returning, self.sighted, self.unseen = False, 0, 0, 0
        self.same_view, self.away_s = False, 0.0
        self.sighted_at = None

    def _is_usual(self, area: int) -> bool:
        """Whether a mask has about the size masks had of late, so that it shows the whole object alone."""
        self.areas.append(area)
        return 0.75 <= area / max(float(np.median(self.areas)), 1.0) <= 1.33

    def glimpse(self, frame_index: int, detection: Detection) -> None:
        """Take in that it was seen, but not where and in what shape: those cannot be told."""
        self.hits += 1
        self.score_sum += detection.score
        self.seen_s, self.seen_frame = self.time_s, frame_index

    def learn(self, detection: Detection) -> None:
        """Take in how it looks and how large it is."""
        self.sides.append((detection.box[2] - detection.box[0], detection.box[3] - detection.box[1]))
        if detection.embedding is not None:
            self.appearance.add(detection.embedding)
        for cue, vector in detection.cues.items():
            self.cues.setdefault(cue, Appearance(self.appearance.capacity)).add(vector)

    def take_over(self, other: TrackMemory) -> None:
        """Go on where another was followed that turned out to be this object."""
        self.kalman, self.time_s = other.kalman, other.time_s
        self.boxes, self.sightings, self.mask = other.boxes, other.sightings, other.mask
        self.hits += other.hits
        self.score_sum += other.score_sum
        self.lived_apart += other.lived_apart

    def move(self, step: NDArray[np.float64]) -> None:
        """Carry places known so far into the next frame's pixels, where the camera moved.

        Args:
            step: (2, 3), takes ``(x, y, 1)`` of the frame before to ``(x, y)`` of the next.
        """
        self.kalman = kalman.moved(self.kalman, step)
        if self.boxes:
            self.boxes = deque(_moved(list(self.boxes), step), maxlen=HISTORY)
        if self.sightings:
            boxes = _moved([box for _, box in self.sightings], step)
            times = [time for time, _ in self.sightings]
            self.sightings = deque(zip(times, boxes, strict=True), maxlen=_SIGHTINGS)
        self.jumped = _moved(self.jumped, step) if self.jumped else []
        if self.sighted_at is not None:
            self.sighted_at = _moved([self.sighted_at], step)[0]

    def hide(self) -> None:
        """Stop trusting the latest sizes: an object about to vanish shrinks only to the eye."""
        if self.hidden or not self.boxes:
            return
        sides = np.array([(b[2] - b[0], b[3] - b[1]) for b in self.boxes])
        mean = self.kalman.mean.copy()
        mean[2:4] = np.maximum(np.median(sides, axis=0), mean[2:4])
        mean[6:8] = 0.0
        self.kalman = replace(self.kalman, mean=mean)


def _moved(boxes: list[Box], step: NDArray[np.float64]) -> list[Box]:
    """Boxes whose centres went along with the camera, and whose sides its zoom scaled."""
    values = np.asarray(boxes, dtype=np.float64)
    centres = (values[:, :2] + values[:, 2:]) / 2 @ step[:, :2].T + step[:, 2]
    half = (values[:, 2:] - values[:, :2]) / 2 * np.sqrt(abs(np.linalg.det(step[:, :2])))
    rows = np.concatenate([centres - half, centres + half], axis=1).tolist()
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in rows]
