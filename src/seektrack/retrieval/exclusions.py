"""What a query must not show, taken off the probabilities of the pictures that show it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seektrack.library import KINDS, Rows
from seektrack.retrieval.confidence import ConfidenceSettings
from seektrack.retrieval.query import Exclusion

WHOLE = KINDS.index("frame")


def allowed_share(
    exclusions: Sequence[Exclusion],
    vectors: NDArray[np.floating],
    rows: Rows,
    settings: ConfidenceSettings,
) -> NDArray[np.float64]:
    """How far each of N pictures is free of what must not show, (N,) in [0, 1].

    A thing must not show anywhere in the frame, so the surest of its pictures counts; a quality must not be
    one of the picture itself nor of the whole frame.
    """
    share = np.ones(len(rows))
    if not exclusions or not len(rows):
        return share
    keys = np.stack([rows.video_ids, rows.frame_indices], axis=1)
    frame = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    for exclusion in exclusions:
        shows = exclusion.query.probability(vectors, settings)
        counted = shows if exclusion.is_thing else np.where(rows.kinds == WHOLE, shows, 0.0)
        in_frame = np.zeros(int(frame.max()) + 1)
        np.maximum.at(in_frame, frame, counted)
        share *= 1 - min(exclusion.weight, 1.0) * np.maximum(shows, in_frame[frame])
    return np.clip(share, 0.0, 1.0)
