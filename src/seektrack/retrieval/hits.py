"""Text in, hits out: which frames and regions of a library show it, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seektrack.encoders import Encoder
from seektrack.encoders.prompts import Templates
from seektrack.errors import InputError
from seektrack.library import LibraryStore, Where
from seektrack.query import Query, read
from seektrack.retrieval.calibrate import calibrated, confidence_settings
from seektrack.retrieval.confidence import ConfidenceSettings
from seektrack.retrieval.likeness import distinct
from seektrack.retrieval.limited import limited
from seektrack.retrieval.motion import MotionScorer, parse_motion
from seektrack.retrieval.query import TextQuery
from seektrack.retrieval.ranking import RankBy, check_rank_by, rank_scores
from seektrack.retrieval.scores import Scores, known_video, only_labelled, score_query
from seektrack.types import Hit


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
    settings = settings or confidence_settings(calibrated(encoder, store))
    ranked: list[tuple[float, float, Hit]] = []
    for one in (asked,) if whole else asked.alone():
        prepared, scores = score_query(
            store, encoder, one, where=there, settings=settings, motion=motion, templates=templates
        )
        scores = only_labelled(store, encoder, scores, there, settings)
        ranked += _ranked(store, encoder, prepared, scores, there, rank_by, k, one.typed)
    best = (hit for *_, hit in sorted(ranked, key=lambda r: (-r[0], -r[1])))
    return limited(best, there.per_video)[:k]


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
    unknown = scores.outside() if rank_by == "confidence" else np.zeros(len(beliefs), dtype=bool)
    order = np.lexsort((-scores.cosine, -order_by, unknown))
    kept = ((int(i), float(beliefs[i])) for i in order if keep[i])
    found = distinct(scores, kept, k, per_video=where.per_video, strictly=True)
    # What cannot be known comes after what is.
    return [(float(order_by[i]) - 2.0 * unknown[i], hit.score, replace(hit, query=text)) for i, hit in found]


def _check_k(k: int) -> None:
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
