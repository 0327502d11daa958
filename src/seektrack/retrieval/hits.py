"""Text or picture in, hits out: which frames and regions of a library show it, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.encoders import Encoder
from seektrack.encoders.prompts import Templates
from seektrack.errors import InputError
from seektrack.library import LibraryStore, Where
from seektrack.query import Query, read
from seektrack.retrieval.confidence import ConfidenceSettings
from seektrack.retrieval.motion import MotionScorer, parse_motion
from seektrack.retrieval.query import TextQuery
from seektrack.retrieval.ranking import RankBy, check_rank_by, rank_scores
from seektrack.retrieval.scores import Scores, known_video, only_labelled, score_query
from seektrack.types import Hit

SAME_REGION_IOU = 0.5


def search(
    store: LibraryStore,
    encoder: Encoder,
    query: str | Sequence[str] | Query,
    *,
    k: int = 20,
    where: Where | None = None,
    rank_by: RankBy = "confidence",
    motion: MotionScorer | None = None,
    templates: Templates = "auto",
    settings: ConfidenceSettings | None = None,
) -> list[Hit]:
    """Frames and regions that show what a question asks for, best first.

    Of regions of one frame that overlap by half or more only the best is kept. Things asked for one by
    one, or in order, each give hits of their own.

    Args:
        store: Where to look.
        encoder: The encoder the library was made with.
        query: What to look for; see `seektrack.query.read`.
        k: At most so many hits.
        where: Only there; unless it says otherwise, what is believed at least 0.5. A ``min_confidence`` of 0
            gives the best ``k`` whatever they are.
        rank_by: What hits are ordered by; see `RANK_BY`.
        motion: Asks the stretches of the library about what happens.
        templates: See `seektrack.encoders.embed_query`.
        settings: How scores become beliefs.

    Returns:
        Hits, each of which knows what it answers; none when nothing matches.

    Raises:
        QueryError: The text has no words, or a weight cannot be read.
        InputError: The library holds nothing of the video that is asked for.
        LibraryMismatchError: The library was made by another encoder.
    """
    _check_k(k)
    check_rank_by(rank_by)
    store.require(model=encoder.name, fingerprint=encoder.fingerprint)
    asked, there = read(query), known_video(store, where)
    whole = asked.ordered and motion is not None and parse_motion(asked) is not None
    ranked: list[tuple[float, float, Hit]] = []
    for one in (asked,) if whole else asked.alone():
        prepared, scores = score_query(
            store, encoder, one, where=there, settings=settings, motion=motion, templates=templates
        )
        scores = only_labelled(store, encoder, scores, there, settings)
        ranked += _ranked(store, encoder, prepared, scores, there, rank_by, k, one.typed)
    return [hit for *_, hit in sorted(ranked, key=lambda r: (-r[0], -r[1]))][:k]


def _ranked(
    store: LibraryStore,
    encoder: Encoder,
    query: TextQuery,
    scores: Scores,
    where: Where,
    rank_by: RankBy,
    k: int,
    text: str,
) -> list[tuple[float, float, Hit]]:
    """The best hits under one query, with what they are ordered by."""
    if not scores.videos:
        return []
    beliefs = np.zeros(len(scores.rows))
    for one in scores.videos:
        beliefs[one.hits[0]] = one.hits[1]
    least = 0.5 if where.min_confidence is None else where.min_confidence
    keep = beliefs >= least
    if where.label is not None:
        keep &= beliefs > 0
    if where.min_score is not None:
        keep &= scores.cosine >= where.min_score
    order_by = rank_scores(
        rank_by, store, encoder, query.vector, scores.vectors, cosine=scores.cosine, belief=beliefs
    )
    order = np.lexsort((-scores.cosine, -order_by))
    found = _distinct(scores, ((int(i), float(beliefs[i])) for i in order if keep[i]), k)
    return [(float(order_by[i]), hit.score, replace(hit, query=text)) for i, hit in found]


def search_image(
    store: LibraryStore,
    encoder: Encoder,
    image: NDArray[np.uint8],
    *,
    k: int = 20,
    where: Where | None = None,
) -> list[Hit]:
    """Frames and regions that look like a picture, best first; `Hit.confidence` is the cosine cut to [0, 1].

    Args:
        store: Where to look.
        encoder: The encoder the library was made with.
        image: RGB uint8 (H, W, 3).
        k: At most so many hits.
        where: Only there; unless it says otherwise, what has a cosine of at least 0.

    Raises:
        InputError: The image is not RGB uint8.
        LibraryMismatchError: The library was made by another encoder.
    """
    _check_k(k)
    store.require(model=encoder.name, fingerprint=encoder.fingerprint)
    there = known_video(store, where)
    min_score = 0.0 if there.min_score is None else there.min_score
    vector = encoder.embed_images([image])[0]
    ids, cosine = store.nearest(vector, 4 * k, where=there)
    vectors, rows = store.vectors_by_id(ids)
    by_id = dict(zip(ids.tolist(), cosine.tolist(), strict=True))
    scores = Scores(rows, np.array([by_id[i] for i in rows.ids.tolist()], dtype=np.float32), (), vectors)
    order = np.argsort(-scores.cosine, kind="stable")
    ranked = (
        (int(i), float(np.clip(scores.cosine[i], 0, 1))) for i in order if scores.cosine[i] >= min_score
    )
    return [hit for _, hit in _distinct(scores, ranked, k)]


def _distinct(scores: Scores, ranked: Iterable[tuple[int, float]], k: int) -> list[tuple[int, Hit]]:
    """The first ``k`` rows and their hits, without regions that repeat a better one of the same frame."""
    hits: list[tuple[int, Hit]] = []
    taken: dict[tuple[str, int], list[geometry.Box]] = {}
    for row, confidence in ranked:
        hit = scores.hit(row, confidence)
        others = taken.setdefault((hit.video, hit.frame_index), [])
        if hit.box is not None:
            if others and geometry.box_iou(np.array([hit.box]), np.array(others)).max() >= SAME_REGION_IOU:
                continue
            others.append(hit.box)
        hits.append((row, hit))
        if len(hits) == k:
            break
    return hits


def _check_k(k: int) -> None:
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
