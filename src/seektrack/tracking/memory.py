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
    """Hidden for a short time; its position is predicted."""
    LOST = "lost"
    """Hidden for so long that its position is not predicted any more; it may still be recognised."""
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


@dataclass
class Appearance:
    """Running mean and a few exemplars of an object's embeddings.

    Attributes:
        capacity: Exemplars kept; a new one replaces the most redundant.
        exemplars: Unit vectors (D,).
        total: Sum of all unit vectors seen.
        count: How many were seen.
    """

    capacity: int = 6
    exemplars: list[NDArray[np.float32]] = field(default_factory=list)
    total: NDArray[np.float64] | None = None
    count: int = 0

    def add(self, embedding: NDArray[np.floating]) -> None:
        """Take in one embedding of the object."""
        unit = (embedding / max(float(np.linalg.norm(embedding)), 1e-12)).astype(np.float32)
        self.total = unit.astype(np.float64) if self.total is None else self.total + unit
        self.count += 1
        self.exemplars.append(unit)
        if len(self.exemplars) > self.capacity:
            similarity = np.stack(self.exemplars) @ np.stack(self.exemplars).T - np.eye(len(self.exemplars))
            a, b = np.unravel_index(int(similarity.argmax()), similarity.shape)
            del self.exemplars[int(min(a, b))]

    @property
    def mean(self) -> NDArray[np.float32] | None:
        """Unit mean embedding (D,), or None before the first."""
        if self.total is None:
            return None
        return (self.total / max(float(np.linalg.norm(self.total)), 1e-12)).astype(np.float32)

    @property
    def gallery(self) -> NDArray[np.float32] | None:
        """Exemplars and mean stacked (E, D), or None before the first embedding."""
        mean = self.mean
        return None if mean is None else np.stack([*self.exemplars, mean])

    def similarity(self, embedding: NDArray[np.floating]) -> float | None:
        """Best cosine similarity with the gallery, or None before the first embedding."""
        gallery = self.gallery
        if gallery is None:
            return None
        return float((gallery @ embedding).max() / max(float(np.linalg.norm(embedding)), 1e-12))


@dataclass
class TrackMemory:
    """Everything remembered of one object.

    Attributes:
        obj_id: Its identity.
        label: What it is called.
        born_frame: First frame it was seen on.
        kalman: Belief about its box at ``time_s``.
        time_s: Time of that belief.
        seen_s: Time it was last seen.
        seen_frame: Frame it was last seen on.
        state: Where it is in its life.
        hits: Frames it was seen on.
        score_sum: Sum of the scores of those frames.
        mask: Its last mask, or None.
        appearance: How it looks.
        boxes: Its last boxes, newest last.
        sightings: When and where it was seen of late, for a predictor.
        strikes: Consecutive looks at which it did not look like itself.
        strike_frame: Frame of the first of those.
        jumped: Boxes of consecutive frames on which it was somewhere it cannot have come to.
        lived_apart: Frames on which it was seen on pixels of its own.
    """

    obj_id: int
    label: str
    born_frame: int
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

    @property
    def score(self) -> float:
        """Mean score of the frames it was seen on."""
        return self.score_sum / max(self.hits, 1)

    @property
    def hidden(self) -> bool:
        """Whether it is known but not seen now."""
        return self.state in (TrackState.OCCLUDED, TrackState.LOST)

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
        self.mask = detection.mask
        self.hits += 1
        self.score_sum += detection.score
        self.seen_s, self.seen_frame = self.time_s, frame_index
        self.jumped.clear()

    def hide(self) -> None:
        """Stop trusting the latest sizes: an object about to vanish shrinks only to the eye."""
        if self.hidden or not self.boxes:
            return
        sides = np.array([(b[2] - b[0], b[3] - b[1]) for b in self.boxes])
        mean = self.kalman.mean.copy()
        mean[2:4] = np.maximum(np.median(sides, axis=0), mean[2:4])
        mean[6:8] = 0.0
        self.kalman = replace(self.kalman, mean=mean)
