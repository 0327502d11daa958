"""Where a question shows, stretch by stretch: what temporal queries are answered from.

Anything that scores stretches of video against a question can be a `SegmentScorer`; `FrameScorer` takes each
sampled frame, with its objects, for a stretch that lasts until the next one. An encoder that sees several
frames at once gives longer, overlapping stretches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder
from seektrack.encoders.prompts import Templates
from seektrack.errors import InputError
from seektrack.library import LibraryStore, TurnTimes, Where
from seektrack.query import Query
from seektrack.retrieval.calibrate import calibrated, confidence_settings
from seektrack.retrieval.confidence import ConfidenceSettings
from seektrack.retrieval.motion import MotionScorer
from seektrack.retrieval.scores import Scores, VideoScores, score_query
from seektrack.types import Hit

USUAL_STEP_S = 0.5


@dataclass(frozen=True, eq=False)
class SegmentScores:
    """One video under one text.

    Attributes:
        path: The video.
        starts, ends: (S,) seconds of each stretch, both ascending.
        belief: (S,) in [0, 1], that the stretch shows the text.
        key: The best picture of stretch ``i``.
    """

    path: str
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    belief: NDArray[np.float64]
    key: Callable[[int], Hit]

    def __post_init__(self) -> None:
        n = len(self.starts)
        if not len(self.ends) == len(self.belief) == n:
            raise InputError(
                f"starts, ends and belief of a video differ in length: {n}, {len(self.ends)},"
                f" {len(self.belief)}"
            )
        if (np.diff(self.starts) < 0).any() or (np.diff(self.ends) < 0).any():
            raise InputError(
                f"the stretches of {self.path!r} are not in order", hint="sort them by start and by end"
            )


class SegmentScorer(Protocol):
    """Scores the stretches of every video a filter leaves against a question, ``str(query)`` in words."""

    def __call__(self, query: Query, where: Where) -> Sequence[SegmentScores]: ...  # noqa: D102


class FrameScorer:
    """Sampled frames and their objects as stretches.

    Args:
        store: The library.
        encoder: It was made with.
        settings: How scores become beliefs.
        motion: Asks the stretches of the library about what happens.
        templates: See `seektrack.encoders.embed_query`.

    Raises:
        LibraryMismatchError: The library was made by another encoder.
    """

    def __init__(
        self,
        store: LibraryStore,
        encoder: Encoder,
        *,
        settings: ConfidenceSettings | None = None,
        motion: MotionScorer | None = None,
        templates: Templates = "auto",
    ) -> None:
        store.require(model=encoder.name, fingerprint=encoder.fingerprint)
        self._store, self._encoder = store, encoder
        self._settings = settings or confidence_settings(calibrated(encoder, store))
        self._motion, self._templates = motion, templates

    def __call__(self, query: Query, where: Where) -> list[SegmentScores]:
        """Every video the filter leaves."""
        _, scores = score_query(
            self._store,
            self._encoder,
            query,
            where=where,
            settings=self._settings,
            motion=self._motion,
            templates=self._templates,
        )
        durations = self._store.durations()
        turned = self._store.turns_by_video([v.path for v in scores.videos])
        return [
            _of_video(scores, v, durations.get(v.path), turns)
            for v, turns in zip(scores.videos, turned, strict=True)
        ]


def _of_video(scores: Scores, v: VideoScores, duration_s: float | None, turned: TurnTimes) -> SegmentScores:
    step = float(np.median(np.diff(v.times))) if len(v.times) > 1 else USUAL_STEP_S
    last = float(v.times[-1]) + step
    end = last if duration_s is None else min(last, max(duration_s, float(v.times[-1])))
    end = end if turned.end_s is None else max(turned.end_s, float(v.times[-1]))
    starts = v.times.copy()
    if turned.begins:
        began = np.fromiter(turned.begins, dtype=np.int64, count=len(turned.begins))
        at = np.minimum(np.searchsorted(v.frame_indices, began), len(starts) - 1)
        seen = v.frame_indices[at] == began
        starts[at[seen]] = np.fromiter(turned.begins.values(), dtype=np.float64, count=len(began))[seen]

    def key(i: int) -> Hit:
        if v.best[i] >= 0:
            return scores.hit(int(v.best[i]), float(v.belief[i]))
        domain = scores.domain(v.path, int(v.frame_indices[i]))
        return Hit(v.path, int(v.frame_indices[i]), float(v.times[i]), 0.0, float(v.belief[i]), domain=domain)

    return SegmentScores(v.path, starts, np.append(starts[1:], end), v.belief, key)
