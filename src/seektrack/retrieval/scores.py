"""A library under one query: how far to believe that each picture, frame by frame, shows what is asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder
from seektrack.encoders.prompts import Templates
from seektrack.errors import InputError
from seektrack.known import Known
from seektrack.library import DistanceShelf, FrameTable, KnownFrames, LibraryStore, Rows, Where
from seektrack.query import Query
from seektrack.retrieval.confidence import (
    ConfidenceSettings,
    frame_best,
    shift_rows,
    temporal_evidence,
)
from seektrack.retrieval.exclusions import allowed_share
from seektrack.retrieval.motion import Happening, MotionScorer, parse_motion
from seektrack.retrieval.parts import joint_probability
from seektrack.retrieval.query import TextQuery, prepare_query
from seektrack.retrieval.shortlist import candidates
from seektrack.types import Hit

AT_ONCE = 16 * 2**20
"""Numbers of a shortlist that are held in single precision at once, 64 MB; of more, block by block."""


@dataclass(frozen=True, eq=False)
class VideoScores:
    """One video under one query.

    Attributes:
        path: The video.
        frame_indices, times: (T,) frames looked at, in order.
        belief: (T,) that the frame shows it, all frames considered.
        best: (T,) position in the rows of the frame's best picture; -1 where none came close.
        hits: Belief of each row, as ``(positions (M,), beliefs (M,))``.
    """

    path: str
    frame_indices: NDArray[np.int64]
    times: NDArray[np.float64]
    belief: NDArray[np.float64]
    best: NDArray[np.int64]
    hits: tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Scores:
    """A library, or what a filter leaves of it, under one query.

    Attributes:
        rows: N rows.
        cosine: (N,) similarity with the query.
        videos: One each.
        vectors: (N, D) of the rows.
        moving: Beliefs are in what happens, not only in what shows.
        known: By video and frame, whether the encoder was shown frames like it; where that was measured.
    """

    rows: Rows
    cosine: NDArray[np.float32]
    videos: tuple[VideoScores, ...]
    vectors: NDArray[np.floating]
    moving: bool = False
    known: KnownFrames = field(default_factory=KnownFrames)

    def hit(self, row: int, confidence: float) -> Hit:
        """Row as a hit."""
        video, frame_index = self.rows.path(row), int(self.rows.frame_indices[row])
        return Hit(
            video=video,
            frame_index=frame_index,
            time_s=float(self.rows.times[row]),
            score=float(np.clip(self.cosine[row], -1, 1)),
            confidence=float(confidence),
            box=self.rows.box(row),
            domain=self.domain(video, frame_index),
        )

    def outside(self) -> NDArray[np.bool_]:
        """Of each row, whether its frame is outside what the encoder was shown; (N,)."""
        return self.known.outside_among(self.rows.video_ids, self.rows.frame_indices)

    def domain(self, video: str, frame_index: int) -> Known:
        """Whether the encoder was shown frames like this one."""
        return self.known.get(video, {}).get(frame_index, "unmeasured")


def score_library(
    store: LibraryStore,
    query: TextQuery,
    *,
    where: Where | None = None,
    settings: ConfidenceSettings | None = None,
    happening: Happening | None = None,
) -> Scores:
    """Weigh every picture of a library, or of what a filter leaves, against a query.

    Args:
        store: Where to look.
        query: What is asked of frames.
        where: Only there.
        settings: How scores become beliefs.
        happening: What the stretches say, where something is asked that frames cannot show.
    """
    s = settings or ConfidenceSettings()
    vectors, rows, complete = candidates(store, query, where, s)
    pictures = vectors.astype(np.float32) if vectors.size <= AT_ONCE else vectors
    parts = np.array_split(pictures, len(vectors) // 8192 + 1)
    cosine = np.concatenate([np.asarray(part, dtype=np.float32) @ query.vector for part in parts])
    frames = rows.frames
    allowed = allowed_share(query.without, pictures, rows, s)
    if happening is not None and happening.each:
        things = np.stack([part.probability(pictures, s) for part in query.parts]) * allowed
    else:
        things = _shown(query, pictures, frames, s)[None] * allowed
    probability = things.max(axis=0)
    best = frame_best(frames.of_row, frames.firsts, probability)
    looked_at, at, times = frames, frames.of_row, rows.times[best]
    if not complete:
        there = where or Where()
        looked_at = store.frames().chosen(frames.video_ids, there.start_s, there.end_s)
        places = looked_at.places_of(frames)
        spread = np.full(len(looked_at), -1, dtype=np.int64)
        spread[places] = best
        at, times, best = places[frames.of_row], looked_at.times, spread
    alone = np.where(best >= 0, probability[best], 0.0)
    belief = temporal_evidence(alone, times, s, bounds=looked_at.bounds)
    shifted = shift_rows(probability, alone[at], belief[at])
    if happening is not None:
        share = _happens(happening, looked_at, times, _by_frame(things, at, len(looked_at)))
        belief, shifted = belief * share, shifted * share[at]
    videos = []
    members = np.append(frames.firsts, len(rows))[frames.bounds]
    for n, video_id in enumerate(looked_at.video_ids.tolist()):
        here = slice(*looked_at.bounds[n : n + 2])
        own = np.arange(*members[n : n + 2])
        hits = own, shifted[own[0] : own[-1] + 1]
        one = looked_at.indices[here], times[here], belief[here], best[here], hits
        videos.append(VideoScores(rows.paths[video_id], *one))
    known = DistanceShelf(store).known()
    return Scores(rows, cosine, tuple(videos), vectors, happening is not None, known)


def _happens(
    happening: Happening, looked_at: FrameTable, times: NDArray[np.float64], things: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What to multiply the belief in each frame by, (T,)."""
    share = np.zeros(len(times))
    for video_id, first, last in zip(
        looked_at.video_ids.tolist(), looked_at.bounds[:-1], looked_at.bounds[1:], strict=True
    ):
        here = slice(first, last)
        share[here] = happening.on_frames(video_id, times[here], things[:, here])
    return share


def _by_frame(things: NDArray[np.float64], at: NDArray[np.int64], n_frames: int) -> NDArray[np.float64]:
    """(J, M) of rows to (J, T) of the frames they lie on: the best counts."""
    out = np.zeros((len(things), n_frames))
    for own, row in zip(out, things, strict=True):
        np.maximum.at(own, at, row)
    return out


def score_query(
    store: LibraryStore,
    encoder: Encoder,
    query: Query,
    *,
    where: Where | None = None,
    settings: ConfidenceSettings | None = None,
    motion: MotionScorer | None = None,
    templates: Templates = "auto",
) -> tuple[TextQuery, Scores]:
    """Prepare a question that is asked as one and weigh a library against it; motion is asked of clips.

    Args:
        store, encoder, where, settings, templates: See `search`.
        query: One group of concepts, or two events that follow closely.
        motion: Asks the stretches; single frames answer everything when None.
    """
    prepared = prepare_query(encoder, query, templates=templates, settings=settings, store=store)
    asked = None if motion is None else parse_motion(query)
    if motion is None or asked is None:
        return prepared, score_library(store, prepared, where=where, settings=settings)
    if asked.each is False and len(query.groups) > 1:  # one thing and what it does twice
        prepared = replace(prepared, parts=prepared.parts[:1])
    happening = motion.happening(asked, where)
    return prepared, score_library(store, prepared, where=where, settings=settings, happening=happening)


def known_video(store: LibraryStore, where: Where | None) -> Where:
    """The filter, once it is known that the library holds the video it names.

    Raises:
        InputError: It does not.
    """
    there = where or Where()
    if there.video is not None and not store.holds(there.video):
        names = sorted(Path(record.path).name for record in store.videos())
        near = get_close_matches(Path(there.video).name, names, n=1, cutoff=0.6)
        raise InputError(
            f"the library holds no video {there.video!r}",
            hint=f"do you mean {near[0]!r}?" if near else "seektrack videos lists what it holds",
        )
    return there


def only_labelled(
    store: LibraryStore, encoder: Encoder, scores: Scores, where: Where, settings: ConfidenceSettings | None
) -> Scores:
    """Scores in which only pictures that also show the label of a filter are believed."""
    if where.label is None:
        return scores
    named = prepare_query(encoder, where.label, settings=settings, store=store)
    shows = named.probability(scores.vectors, settings) >= max(where.min_confidence or 0.0, 0.5)
    videos = []
    for one in scores.videos:
        kept = (one.best >= 0) & np.append(shows, False)[one.best]
        rows, beliefs = one.hits
        videos.append(
            replace(
                one, belief=np.where(kept, one.belief, 0.0), hits=(rows, np.where(shows[rows], beliefs, 0.0))
            )
        )
    return replace(scores, videos=tuple(videos))


def _shown(
    query: TextQuery, vectors: NDArray[np.floating], frames: FrameTable, s: ConfidenceSettings
) -> NDArray[np.float64]:
    """Of each row, before its neighbours in time are looked at."""
    if not query.parts:
        return query.probability(vectors, s)
    parts = np.stack([part.probability(vectors, s) for part in query.parts])
    return joint_probability(parts, frames.of_row)


def shown_in_frame(
    query: TextQuery, vectors: NDArray[np.floating], settings: ConfidenceSettings
) -> NDArray[np.float64]:
    """Of each (N, D) picture of one frame, alone, to show a query, (N,); exclusions are not counted in."""
    if not query.parts:
        return query.probability(vectors, settings)
    parts = np.stack([part.probability(vectors, settings) for part in query.parts])
    return joint_probability(parts, np.zeros(len(vectors), dtype=np.int64))
