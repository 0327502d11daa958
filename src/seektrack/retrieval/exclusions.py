"""What a query must not show, taken off the probabilities of the pictures that show it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box
from seektrack.library import KINDS, FrameTable, Rows
from seektrack.retrieval.confidence import ConfidenceSettings, temporal_evidence
from seektrack.retrieval.query import Exclusion

NEAR_S = 1.0
"""Seconds around a frame in which a thing surely shows, in which it is taken to show as well."""
WHOLE = KINDS.index("frame")
CERTAIN = 0.2
"""Belief from which on a thing that must not show is taken to show: leaving an answer out costs less than
showing what was to be left out."""


def allowed_share(
    exclusions: Sequence[Exclusion],
    vectors: NDArray[np.floating],
    rows: Rows,
    settings: ConfidenceSettings,
) -> NDArray[np.float64]:
    """How far each of N pictures is free of what must not show, (N,) in [0, 1].

    A thing must not show anywhere in the frame, so the surest of its pictures counts, and what the frames
    around it say of it; a quality must not be one of the picture itself nor of the whole frame.
    """
    share = np.ones(len(rows))
    if not exclusions or not len(rows):
        return share
    frames = rows.frames
    whole = rows.kinds == WHOLE
    for exclusion in exclusions:
        shows, in_frame = _shows(exclusion, vectors, frames.of_row, len(frames), whole, settings)
        if exclusion.is_thing:
            in_frame = _around(in_frame, frames, settings)
        share *= _free(exclusion, np.maximum(shows, in_frame[frames.of_row]))
    return np.clip(share, 0.0, 1.0)


def allowed_in_frame(
    exclusions: Sequence[Exclusion],
    vectors: NDArray[np.floating],
    boxes: Sequence[Box | None],
    settings: ConfidenceSettings,
) -> NDArray[np.float64]:
    """`allowed_share` of the N pictures of one frame; a picture without a box is the whole of it."""
    share = np.ones(len(vectors))
    whole = np.array([box is None for box in boxes], dtype=bool)
    frame = np.zeros(len(vectors), dtype=np.int64)
    for exclusion in exclusions:
        shows, in_frame = _shows(exclusion, vectors, frame, 1, whole, settings)
        share *= _free(exclusion, np.maximum(shows, in_frame[0]))
    return np.clip(share, 0.0, 1.0)


def allowed_objects(
    exclusions: Sequence[Exclusion], vectors: NDArray[np.floating], settings: ConfidenceSettings
) -> NDArray[np.float64]:
    """How far each of N objects is itself none of what was excluded, (N,) in [0, 1]."""
    share = np.ones(len(vectors))
    for exclusion in exclusions:
        share *= _free(exclusion, exclusion.query.probability(vectors, settings))
    return np.clip(share, 0.0, 1.0)


def _shows(
    exclusion: Exclusion,
    vectors: NDArray[np.floating],
    frame: NDArray[np.int64],
    n_frames: int,
    whole: NDArray[np.bool_],
    settings: ConfidenceSettings,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each picture, and of each frame, to show what was excluded."""
    shows = exclusion.query.probability(vectors, settings)
    counted = shows if exclusion.is_thing else np.where(whole, shows, 0.0)
    in_frame = np.zeros(n_frames)
    np.maximum.at(in_frame, frame, counted)
    return shows, in_frame


def _around(
    in_frame: NDArray[np.float64], frames: FrameTable, settings: ConfidenceSettings
) -> NDArray[np.float64]:
    """Belief of each frame that a thing shows, (T,): what surely shows near it was only missed."""
    belief = np.maximum(in_frame, temporal_evidence(in_frame, frames.times, settings, bounds=frames.bounds))
    sure = np.flatnonzero(in_frame >= CERTAIN)
    if not len(sure):
        return belief
    video = np.repeat(np.arange(len(frames.video_ids)), np.diff(frames.bounds))
    behind = np.searchsorted(sure, np.arange(len(frames)), side="right") - 1
    near = np.zeros(len(frames), dtype=bool)
    for at in (np.maximum(behind, 0), np.minimum(behind + 1, len(sure) - 1)):
        other = sure[at]
        near |= (video[other] == video) & (np.abs(frames.times - frames.times[other]) <= NEAR_S)
    return np.where(near, np.maximum(belief, CERTAIN), belief)


def _free(exclusion: Exclusion, shows: NDArray[np.float64]) -> NDArray[np.float64]:
    weight = min(exclusion.weight, 1.0)
    sure = np.where(shows >= CERTAIN, 1.0, shows) if weight == 1 else shows
    return np.asarray(1 - weight * sure, dtype=np.float64)
