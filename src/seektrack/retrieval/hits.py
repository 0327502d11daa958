"""Text or picture in, hits out: which frames and regions of a library show it, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.encoders import Encoder
from seektrack.encoders.translation import Translator
from seektrack.errors import InputError
from seektrack.library import Kind, LibraryStore, Where
from seektrack.retrieval.confidence import ConfidenceSettings
from seektrack.retrieval.motion import MotionScorer
from seektrack.retrieval.query import prepare_query
from seektrack.retrieval.ranking import RankBy, check_rank_by, rank_scores
from seektrack.retrieval.scores import Scores, score_text
from seektrack.types import Hit

SAME_REGION_IOU = 0.5


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
    motion: MotionScorer | None = None,
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
        motion: Asks the stretches of the library about what happens.
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
    query, scores = score_text(
        store,
        encoder,
        text,
        where=Where(video, start_s, end_s, kinds),
        settings=settings,
        translator=translator,
        motion=motion,
    )
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
