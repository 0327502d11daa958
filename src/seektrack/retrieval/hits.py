"""Text or picture in, hits out: which frames and regions of a library show it, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.encoders import Encoder
from seektrack.encoders.translation import Translator
from seektrack.errors import InputError
from seektrack.library import Kind, LibraryStore, Rows, Where
from seektrack.retrieval.confidence import (
    ConfidenceSettings,
    frame_best,
    shift_rows,
    temporal_evidence,
)
from seektrack.retrieval.exclusions import allowed_share
from seektrack.retrieval.parts import joint_probability
from seektrack.retrieval.query import TextQuery, prepare_query
from seektrack.retrieval.ranking import RankBy, check_rank_by, rank_scores
from seektrack.types import Hit

SHORTLIST = 50_000
"""Rows, nearest to the query first, that are weighed in full; of a larger library the rest are misses."""
SAME_REGION_IOU = 0.5


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
    """

    rows: Rows
    cosine: NDArray[np.float32]
    videos: tuple[VideoScores, ...]
    vectors: NDArray[np.floating]

    def hit(self, row: int, confidence: float) -> Hit:
        """Row as a hit."""
        return Hit(
            video=self.rows.path(row),
            frame_index=int(self.rows.frame_indices[row]),
            time_s=float(self.rows.times[row]),
            score=float(np.clip(self.cosine[row], -1, 1)),
            confidence=float(confidence),
            box=self.rows.box(row),
        )


def score_library(
    store: LibraryStore,
    query: TextQuery,
    *,
    where: Where | None = None,
    settings: ConfidenceSettings | None = None,
) -> Scores:
    """Weigh every picture of a library, or of what a filter leaves, against a query."""
    s = settings or ConfidenceSettings()
    vectors, rows, complete = _candidates(store, query, where)
    cosine = np.concatenate(
        [
            np.asarray(v, dtype=np.float32) @ query.vector
            for v in np.array_split(vectors, len(vectors) // 8192 + 1)
        ]
    )
    probability = _shown(query, vectors, rows, s) * allowed_share(query.without, vectors, rows, s)
    videos = []
    ids, starts = np.unique(rows.video_ids, return_index=True)  # rows are in order of video
    ends = np.append(starts, len(rows))[1:]
    for video_id, first, last in zip(ids, starts, ends, strict=True):
        members = np.arange(first, last)
        path = rows.paths[int(video_id)]
        frames, best = frame_best(rows.frame_indices[members], probability[members])
        best = members[best]
        times = rows.times[best]
        if not complete:
            frames, times, best = _on_timeline(*_looked_at(store, path, where), frames, best)
        alone = np.where(best >= 0, probability[best], 0.0)
        belief = temporal_evidence(alone, times, s)
        at = np.searchsorted(frames, rows.frame_indices[members])
        shifted = shift_rows(probability[members], alone[at], belief[at])
        videos.append(VideoScores(path, frames, times, belief, best, (members, shifted)))
    return Scores(rows, cosine, tuple(videos), vectors)


def _candidates(
    store: LibraryStore, query: TextQuery, where: Where | None
) -> tuple[NDArray[np.float16], Rows, bool]:
    """Rows to weigh in full, and whether they are all there are."""
    if store.count() <= SHORTLIST:
        return *store.vectors(where=where), True
    asked = query.parts or (query,)
    most = SHORTLIST // len(asked)
    near = [store.nearest(one.vector, most, where=where, exact=True)[0] for one in asked]
    vectors, rows = store.vectors_by_id(np.unique(np.concatenate(near)))
    return vectors, rows, len(near[0]) < most


def _looked_at(
    store: LibraryStore, path: str, where: Where | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Every frame of a video within the window of a filter."""
    frames, times = store.timeline(path)
    first = -np.inf if where is None or where.start_s is None else where.start_s
    last = np.inf if where is None or where.end_s is None else where.end_s
    inside = (times >= first) & (times < last)
    return frames[inside], times[inside]


def _shown(
    query: TextQuery, vectors: NDArray[np.floating], rows: Rows, s: ConfidenceSettings
) -> NDArray[np.float64]:
    """Of each row, before its neighbours in time are looked at."""
    if not query.parts:
        return query.probability(vectors, s)
    parts = np.stack([part.probability(vectors, s) for part in query.parts])
    frames = rows.video_ids * (int(rows.frame_indices.max(initial=0)) + 1) + rows.frame_indices
    return joint_probability(parts, frames)


def _on_timeline(
    all_frames: NDArray[np.int64],
    all_times: NDArray[np.float64],
    frames: NDArray[np.int64],
    best: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    spread = np.full(len(all_frames), -1, dtype=np.int64)
    spread[np.searchsorted(all_frames, frames)] = best
    return all_frames, all_times, spread


def search(
    store: LibraryStore,
    encoder: Encoder,
    text: str,
    *,
    k: int = 20,
    video: str | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    kinds: tuple[Kind, ...] = (),
    label: str | None = None,
    min_confidence: float = 0.5,
    min_score: float = -1.0,
    rank_by: RankBy = "confidence",
    translator: Translator | None = None,
    settings: ConfidenceSettings | None = None,
) -> list[Hit]:
    """Frames and regions that show what a text says, best first.

    Of regions of one frame that overlap by half or more only the best is kept.

    Args:
        store: Where to look.
        encoder: The encoder the library was made with.
        text: What to look for; may hold weights and exclusions, ``"a (black:1.5) dog -night"``.
        k: At most so many hits.
        video: Only in this video.
        start_s: Only from this second on.
        end_s: Only before this second.
        kinds: Only these kinds of pictures: ``"frame"``, ``"tile"``, ``"object"``.
        label: Only pictures that also show this, believed as much as `min_confidence` says.
        min_confidence: Leave out what is less believed; 0 gives the best ``k`` whatever they are.
        min_score: Leave out what has a lower cosine.
        rank_by: What hits are ordered by; see `RANK_BY`.
        translator: Puts the text into the encoder's language first.
        settings: How scores become beliefs.

    Returns:
        Hits; none when nothing matches.

    Raises:
        QueryError: The text has no words, or a weight cannot be read.
        LibraryMismatchError: The library was made by another encoder.
    """
    _check_k(k)
    check_rank_by(rank_by)
    store.require(model=encoder.name, fingerprint=encoder.fingerprint)
    query = prepare_query(encoder, text, settings=settings, store=store, translator=translator)
    scores = score_library(store, query, where=Where(video, start_s, end_s, kinds), settings=settings)
    if not scores.videos:
        return []
    beliefs = np.zeros(len(scores.rows))
    for one in scores.videos:
        beliefs[one.hits[0]] = one.hits[1]
    keep = (beliefs >= min_confidence) & (scores.cosine >= min_score)
    if label is not None:
        named = prepare_query(encoder, label, settings=settings, store=store)
        keep &= named.probability(scores.vectors, settings) >= max(min_confidence, 0.5)
    order_by = rank_scores(
        rank_by, store, encoder, query.vector, scores.vectors, cosine=scores.cosine, belief=beliefs
    )
    order = np.lexsort((-scores.cosine, -order_by))
    return _distinct(scores, ((int(i), float(beliefs[i])) for i in order if keep[i]), k)


def search_image(
    store: LibraryStore,
    encoder: Encoder,
    image: NDArray[np.uint8],
    *,
    k: int = 20,
    video: str | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    kinds: tuple[Kind, ...] = (),
    min_score: float = 0.0,
) -> list[Hit]:
    """Frames and regions that look like a picture, best first; `Hit.confidence` is the cosine cut to [0, 1].

    Args:
        store: Where to look.
        encoder: The encoder the library was made with.
        image: RGB uint8 (H, W, 3).
        k: At most so many hits.
        video: Only in this video.
        start_s: Only from this second on.
        end_s: Only before this second.
        kinds: Only these kinds of pictures.
        min_score: Leave out what is less similar.

    Raises:
        InputError: The image is not RGB uint8.
        LibraryMismatchError: The library was made by another encoder.
    """
    _check_k(k)
    store.require(model=encoder.name, fingerprint=encoder.fingerprint)
    vector = encoder.embed_images([image])[0]
    ids, cosine = store.nearest(vector, 4 * k, where=Where(video, start_s, end_s, kinds))
    vectors, rows = store.vectors_by_id(ids)
    by_id = dict(zip(ids.tolist(), cosine.tolist(), strict=True))
    scores = Scores(rows, np.array([by_id[i] for i in rows.ids.tolist()], dtype=np.float32), (), vectors)
    order = np.argsort(-scores.cosine, kind="stable")
    ranked = (
        (int(i), float(np.clip(scores.cosine[i], 0, 1))) for i in order if scores.cosine[i] >= min_score
    )
    return _distinct(scores, ranked, k)


def _distinct(scores: Scores, ranked: Iterable[tuple[int, float]], k: int) -> list[Hit]:
    """The first ``k`` rows as hits, without regions that repeat a better one of the same frame."""
    hits: list[Hit] = []
    taken: dict[tuple[str, int], list[geometry.Box]] = {}
    for row, confidence in ranked:
        hit = scores.hit(row, confidence)
        others = taken.setdefault((hit.video, hit.frame_index), [])
        if hit.box is not None:
            if others and geometry.box_iou(np.array([hit.box]), np.array(others)).max() >= SAME_REGION_IOU:
                continue
            others.append(hit.box)
        hits.append(hit)
        if len(hits) == k:
            break
    return hits


def _check_k(k: int) -> None:
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
