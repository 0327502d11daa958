"""How good text to videos, and text to tracks, is on footage with known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from seektrack.evaluation.footage import Footage
from seektrack.geometry import rle_iou
from seektrack.metrics import IdentityScores, frame_matches, identity
from seektrack.pipeline import Library
from seektrack.types import Track, Tracks

MIN_SIGHTS, MIN_VISIBILITY, MIN_AREA = 3, 0.4, 60
"""An object answers a query when this many frames show this much of it, in this many pixels."""


def visible_sights(track: Track) -> int:
    """Frames on which a true object can fairly be asked for."""
    return sum(
        o.score >= MIN_VISIBILITY and o.mask is not None and o.mask.area >= MIN_AREA
        for o in track.observations
    )


def answers(footage: Sequence[Footage]) -> dict[str, set[str]]:
    """Label → videos that show it well enough to be asked for."""
    found: dict[str, set[str]] = {}
    for one in footage:
        for track in one.truth:
            if visible_sights(track) >= MIN_SIGHTS:
                found.setdefault(track.label, set()).add(one.path.name)
    return found


def glimpsed(footage: Sequence[Footage]) -> set[str]:
    """Labels of everything that shows at all; a query for anything else has no answer."""
    return {track.label for one in footage for track in one.truth}


@dataclass(frozen=True)
class SearchScores:
    """Text to videos.

    Attributes:
        first_right: Share of answerable queries whose best moment lies in a right video.
        silent: Share of answerable queries that found nothing.
        false_alarms: Share of unanswerable queries that found something.
        answerable, unanswerable: How many queries of each kind.
    """

    first_right: float
    silent: float
    false_alarms: float
    answerable: int
    unanswerable: int


def search_scores(library: Library, footage: Sequence[Footage], labels: Sequence[str]) -> SearchScores:
    """Ask a library for every label.

    Args:
        library: It holds the footage.
        footage: With its truth.
        labels: What to ask for; those never shown are the unanswerable queries, those shown too little are
            left out.
    """
    truth, shown = answers(footage), glimpsed(footage)
    right, silent, alarms = [], [], []
    for label in labels:
        if label in truth:
            found = library.search(label, k=1)
            right.append(bool(found) and Path(found[0].video).name in truth[label])
            silent.append(not found)
        elif label not in shown:
            alarms.append(bool(library.search(label, k=1)))
    return SearchScores(
        first_right=float(np.mean(right)) if right else 0.0,
        silent=float(np.mean(silent)) if silent else 0.0,
        false_alarms=float(np.mean(alarms)) if alarms else 0.0,
        answerable=len(right),
        unanswerable=len(alarms),
    )


@dataclass(frozen=True)
class TrackScores:
    """Text to tracks, over one or more videos.

    Attributes:
        identity: Counts at mask IoU 0.5, which IDF1 comes from.
        mask_iou: Of each matched object, the mean mask IoU over the frames that show it; 0 where missed.
        objects: True objects asked for.
        matched: Those that a track covers at all.
        tracks: Tracks given.
    """

    identity: IdentityScores
    mask_iou: tuple[float, ...]
    objects: int
    matched: int
    tracks: int

    @property
    def mean_iou(self) -> float:
        """Mean mask IoU over matched objects."""
        return float(np.mean(self.mask_iou)) if self.mask_iou else 0.0

    def __add__(self, other: TrackScores) -> TrackScores:
        """Both together, counts added."""
        return TrackScores(
            IdentityScores.combine([self.identity, other.identity]),
            self.mask_iou + other.mask_iou,
            self.objects + other.objects,
            self.matched + other.matched,
            self.tracks + other.tracks,
        )


def track_scores(truth: Tracks, found: Tracks) -> TrackScores:
    """Compare the tracks found for a query with the true objects it names.

    Objects and tracks are matched one to one so that the summed mask IoU is largest.
    """
    overlap = np.zeros((len(truth), len(found)))
    for i, true in enumerate(truth):
        for j, track in enumerate(found):
            overlap[i, j] = _mean_overlap(true, track)
    rows, columns = linear_sum_assignment(-overlap)
    matched = [float(overlap[i, j]) for i, j in zip(rows, columns, strict=True) if overlap[i, j] > 0]
    return TrackScores(
        identity=identity(frame_matches(truth, found, by="mask"), threshold=0.5),
        mask_iou=tuple(matched),
        objects=len(truth),
        matched=len(matched),
        tracks=len(found),
    )


def _mean_overlap(true: Track, track: Track) -> float:
    """Mean mask IoU over the frames that show the true object."""
    values = []
    for seen in true.observations:
        answer = track.at(seen.frame_index)
        if seen.mask is None or answer is None or answer.mask is None or not answer.visible:
            values.append(0.0)
            continue
        pair = rle_iou([(seen.mask.size, seen.mask.counts)], [(answer.mask.size, answer.mask.counts)])
        values.append(float(pair[0, 0]))
    return float(np.mean(values)) if values else 0.0
