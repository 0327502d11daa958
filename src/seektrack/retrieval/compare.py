"""How several wordings rank the same library, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack import defaults
from seektrack.encoders import Encoder
from seektrack.encoders.prompts import Templates
from seektrack.errors import QueryError
from seektrack.library import LibraryStore, Where
from seektrack.query import Query, read
from seektrack.retrieval.confidence import ConfidenceSettings
from seektrack.retrieval.query import prepare_query
from seektrack.retrieval.scores import known_video, score_library
from seektrack.types import Hit


@dataclass(frozen=True)
class Wording:
    """One wording and what it finds.

    Attributes:
        text: The wording.
        frames: Its best frames, best first, each by its best picture.
        best: Belief in the best of them.
        found: Frames believed at least as much as asked.
        mean_score: Mean cosine over the frames listed.
    """

    text: str
    frames: tuple[Hit, ...]
    best: float
    found: int
    mean_score: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Wordings side by side.

    Attributes:
        wordings: In the order given.
        overlap: float (Q, Q), share of listed frames two wordings have in common.
        correlation: float (Q, Q), Spearman's rank correlation of belief over all frames of the library.
        notices: What of the wordings could not be answered, one line each.
    """

    wordings: tuple[Wording, ...]
    overlap: NDArray[np.float64]
    correlation: NDArray[np.float64]
    notices: tuple[str, ...] = ()


def compare_prompts(
    store: LibraryStore,
    encoder: Encoder,
    texts: Sequence[str | Query],
    *,
    k: int = defaults.K,
    where: Where | None = None,
    templates: Templates = "auto",
    settings: ConfidenceSettings | None = None,
) -> Comparison:
    """Rank the frames of a library by each of some wordings.

    Args:
        store: The library.
        encoder: It was made with.
        texts: The wordings, at least one; weights and exclusions are read.
        k: Frames listed for each.
        where: Only there; its ``min_confidence``, 0.5 unless said, is what counts as found.
        templates: See `seektrack.encoders.embed_query`.
        settings: How scores become beliefs.

    Raises:
        QueryError: There is no wording, or one has no words.
        LibraryMismatchError: The library was made by another encoder.
    """
    if not texts:
        raise QueryError("there is nothing to compare", hint="give two or more wordings")
    store.require(model=encoder.name, fingerprint=encoder.fingerprint)
    there = known_video(store, where)
    least = 0.5 if there.min_confidence is None else there.min_confidence
    wordings: list[Wording] = []
    beliefs: list[NDArray[np.float64]] = []
    for text in texts:
        asked = read(text)
        query = prepare_query(encoder, asked, templates=templates, settings=settings, store=store)
        scores = score_library(store, query, where=there, settings=settings)
        belief = np.concatenate([np.zeros(0), *(v.belief for v in scores.videos)])
        best = np.concatenate([np.zeros(0, dtype=np.int64), *(v.best for v in scores.videos)])
        cosine = np.where(best >= 0, scores.cosine[best] if len(scores.cosine) else 0.0, -1.0)
        order = [i for i in np.lexsort((-cosine, -np.round(belief, 6))) if best[i] >= 0][:k]
        listed = tuple(scores.hit(int(best[i]), float(belief[i])) for i in order)
        wordings.append(
            Wording(
                asked.typed,
                listed,
                float(belief.max(initial=0.0)),
                int((belief >= least).sum()),
                float(np.mean([h.score for h in listed])) if listed else 0.0,
            )
        )
        beliefs.append(belief)
    return Comparison(tuple(wordings), _overlap(wordings), _correlation(beliefs))


def _overlap(wordings: Sequence[Wording]) -> NDArray[np.float64]:
    sets = [{(h.video, h.frame_index) for h in w.frames} for w in wordings]
    return np.array([[len(a & b) / max(len(a), len(b), 1) for b in sets] for a in sets], dtype=np.float64)


def _correlation(beliefs: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    ranks = np.array([rankdata(b) for b in beliefs])
    centred = ranks - ranks.mean(axis=1, keepdims=True) if ranks.size else ranks
    norms = np.linalg.norm(centred, axis=1)
    scale = np.outer(norms, norms)
    flat = scale == 0
    out = np.where(flat, 0.0, centred @ centred.T / np.where(flat, 1.0, scale))
    np.fill_diagonal(out, 1.0)
    return np.asarray(out, dtype=np.float64)
