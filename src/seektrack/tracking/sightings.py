"""What frames looked like while a text was followed: whether the encoder knows them, and where it got lost.

A text that ends with no track has failed somewhere: no frame looked like it, frames did and the segmenter
proposed nothing that was it, or what was found did not stand. Who asked is told which, and what to try.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seektrack.encoders import Calibration, embed_and_measure
from seektrack.geometry import tiles
from seektrack.grounding import embed_objects
from seektrack.known import Known
from seektrack.tracking.engine import Eyes
from seektrack.tracking.record import Record, verdict
from seektrack.types import Frame, Missed, Stage, Track

KEPT = 3
"""Frames kept, those that look most like it, to be looked at closely where nothing is found."""


class Sightings:
    """Looks at whole frames while they pass, and says afterwards what they were.

    Args:
        eyes: Hold the encoder and what is asked for.
        seeds: Frames a search found; they are looked at closely before others.
    """

    def __init__(self, eyes: Eyes, seeds: frozenset[int] = frozenset()) -> None:
        self._eyes, self._seeds = eyes, seeds
        self._distances: list[float] = []
        self._best: list[tuple[float, int, Frame]] = []

    def look(self, frame: Frame) -> None:
        """Take a frame in which objects are looked for."""
        vectors, distances = embed_and_measure(self._eyes.scorer.encoder, [frame.image])
        if distances is not None:
            self._distances.append(float(distances[0]))
        sure = float(self._eyes.scorer.confidence(vectors)[0]) + (frame.index in self._seeds)
        heapq.heappush(self._best, (sure, -frame.index, frame))
        if len(self._best) > KEPT:
            heapq.heappop(self._best)

    @property
    def domain(self) -> Known:
        """Whether the encoder was shown frames like these: what most of them are."""
        if not self._distances:
            return "unmeasured"
        return "outside" if float(np.median(self._distances)) > 1 else "inside"

    def missed(self, record: Record, judged: Sequence[Track], *, min_sights: int, label: str) -> Missed:
        """Why nothing stands, and whether the encoder was shown such frames.

        Args:
            record: What the passes wrote down.
            judged: Tracks that were believed, before motion and size were asked about.
            min_sights: Fewest frames a track is seen on.
            label: What was asked for.
        """
        return replace(self._missed(record, judged, min_sights, label), domain=self.domain)

    def _missed(self, record: Record, judged: Sequence[Track], min_sights: int, label: str) -> Missed:
        if judged:
            return Missed("motion", label, frame_index=judged[0].observations[0].frame_index)
        seen = {obj_id: record.seen(obj_id) for obj_id in record.observations}
        followed = {obj_id: sights for obj_id, sights in seen.items() if sights}
        if followed:
            longest = max(followed, key=lambda obj_id: len(followed[obj_id]))
            sights, sure = followed[longest], verdict(record.looks.get(longest, []))
            stage: Stage = "lost" if len(sights) < min_sights else "doubted"
            return Missed(
                stage,
                label,
                frame_index=sights[0].frame_index,
                time_s=sights[0].time_s,
                box=sights[0].box,
                confidence=sure,
            )
        nearest = self._nearest(label)
        looked_like = (nearest.confidence or 0.0) >= _least(self._eyes)
        return nearest if looked_like else Missed("frame", label, nearest.frame_index, nearest.time_s,
                                                  confidence=nearest.confidence)  # fmt: skip

    def _nearest(self, label: str) -> Missed:
        """The part of a frame that looks most like it, of the frames kept."""
        found = Missed("mask", label)
        for _, _, frame in sorted(self._best, key=lambda one: -one[0]):
            height, width = frame.hw
            boxes = [(0.0, 0.0, float(width), float(height)), *tiles(frame.hw)]
            scorer = self._eyes.scorer
            vectors = embed_objects(scorer.encoder, frame.image, boxes, [None] * len(boxes), margin=0.0)
            sure = scorer.confidence(vectors)
            best = int(sure.argmax())
            if found.confidence is None or sure[best] > found.confidence:
                found = Missed(
                    "mask", label, frame.index, frame.time_s, box=boxes[best], confidence=float(sure[best])
                )
        return found


def _least(eyes: Eyes) -> float:
    own: Calibration | None = getattr(eyes.scorer.encoder, "calibration", None)
    return (own or Calibration()).min_confidence
