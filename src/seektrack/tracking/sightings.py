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
from seektrack.query import Concept
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.judge import belief, surest_concept
from seektrack.tracking.record import Record
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
        self._best: list[list[tuple[float, int, Frame]]] = [[] for _ in eyes.scorers]

    def look(self, frame: Frame) -> None:
        """Take a frame in which objects are looked for."""
        vectors, distances = embed_and_measure(self._eyes.encoder, [frame.image])
        if distances is not None:
            self._distances.append(float(distances[0]))
        for best, sure in zip(self._best, self._eyes.claims(vectors)[0], strict=True):
            heapq.heappush(best, (float(sure) + (frame.index in self._seeds), -frame.index, frame))
            if len(best) > KEPT:
                heapq.heappop(best)

    @property
    def domain(self) -> Known:
        """Whether the encoder was shown frames like these: what most of them are."""
        if not self._distances:
            return "unmeasured"
        return "outside" if float(np.median(self._distances)) > 1 else "inside"

    def missed(
        self,
        record: Record,
        judged: Sequence[Track],
        *,
        concepts: Sequence[Concept],
        which: int,
        min_sights: int,
    ) -> Missed:
        """Why nothing stands for one of the things asked for, and whether the encoder was shown such frames.

        Args:
            record: What the passes wrote down.
            judged: Tracks that were believed, before motion and size were asked about.
            concepts: Everything asked for.
            which: The number of the one.
            min_sights: Fewest frames a track is seen on.
        """
        why = self._missed(record, judged, concepts, which, min_sights)
        return replace(why, domain=self.domain)

    def _missed(
        self,
        record: Record,
        judged: Sequence[Track],
        concepts: Sequence[Concept],
        which: int,
        min_sights: int,
    ) -> Missed:
        label = concepts[which].said
        if judged:
            return Missed("motion", label, frame_index=judged[0].observations[0].frame_index)
        seen = {
            i: record.seen(i) for i in record.observations if surest_concept(record, i, concepts) == which
        }
        followed = {obj_id: sights for obj_id, sights in seen.items() if sights}
        if followed:
            longest = max(followed, key=lambda obj_id: len(followed[obj_id]))
            sights, sure = followed[longest], belief(record, longest, concepts, which)
            stage: Stage = "lost" if len(sights) < min_sights else "doubted"
            return Missed(
                stage,
                label,
                frame_index=sights[0].frame_index,
                time_s=sights[0].time_s,
                box=sights[0].box,
                confidence=sure,
            )
        nearest = self._nearest(label, which)
        if (nearest.confidence or 0.0) >= _least(self._eyes):
            return nearest
        return replace(nearest, stage="frame", box=None)

    def _nearest(self, label: str, which: int) -> Missed:
        """The part of a frame that looks most like it, of the frames kept."""
        found = Missed("mask", label)
        for _, _, frame in sorted(self._best[which], key=lambda one: -one[0]):
            height, width = frame.hw
            boxes = [(0.0, 0.0, float(width), float(height)), *tiles(frame.hw)]
            scorer = self._eyes.scorers[which]
            vectors = embed_objects(scorer.encoder, frame.image, boxes, [None] * len(boxes), margin=0.0)
            sure = scorer.confidence(vectors)
            best = int(sure.argmax())
            if found.confidence is None or sure[best] > found.confidence:
                found = Missed(
                    "mask", label, frame.index, frame.time_s, box=boxes[best], confidence=float(sure[best])
                )
        return found


def _least(eyes: Eyes) -> float:
    own: Calibration | None = getattr(eyes.encoder, "calibration", None)
    return (own or Calibration()).min_confidence
