"""Which search index a library keeps, and what the one it has is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from seektrack.errors import InputError

IndexKind = Literal["flat", "ivf-sq8", "ivf-pq", "hnsw"]
INDEX_KINDS: tuple[IndexKind, ...] = get_args(IndexKind)

MIN_ROWS_PER_LIST = 39
"""FAISS warns below so many training rows a list."""
AT = 10
"""Results that recall is measured at."""
WIDE = 8
"""How many times as many rows as are wanted lie in the lists looked into, and are weighed exactly."""


@dataclass(frozen=True)
class IndexSettings:
    """Which search index a library keeps.

    Attributes:
        kind: ``"flat"`` scans everything, exactly; ``"ivf-pq"`` and ``"ivf-sq8"`` look into some of many
            lists, the first with less memory; ``"hnsw"`` walks a graph; ``"auto"`` is flat up to
            ``exact_up_to`` vectors and IVF-PQ above.
        exact_up_to: See ``kind``.
        target_recall: Recall@10 the effort is chosen for, in (0, 1].
        rerank: Candidates weighed exactly for each result wanted; the least that will do when None.
        sample: Queries that the recall is measured on.
    """

    kind: Literal["auto", "flat", "ivf-sq8", "ivf-pq", "hnsw"] = "auto"
    exact_up_to: int = 1_000_000
    target_recall: float = 0.995
    rerank: int | None = None
    sample: int = 64

    def __post_init__(self) -> None:
        if self.kind not in ("auto", *INDEX_KINDS):
            raise InputError(
                f"unknown index kind {self.kind!r}", hint=f"use one of auto, {', '.join(INDEX_KINDS)}"
            )
        if (
            not 0 < self.target_recall <= 1
            or (self.rerank is not None and self.rerank < 1)
            or self.sample < 1
            or self.exact_up_to < 0
        ):
            raise InputError(
                f"unusable index settings {self}",
                hint="target_recall in (0, 1], rerank and sample at least 1, exact_up_to at least 0",
            )

    def kind_for(self, count: int) -> IndexKind:
        """What ``"auto"`` means for so many vectors; too few to train anything on are always scanned."""
        if count < 2 * MIN_ROWS_PER_LIST:
            return "flat"
        if self.kind == "auto":
            return "flat" if count <= self.exact_up_to else "ivf-pq"
        return self.kind


@dataclass(frozen=True)
class IndexManifest:
    """What an index is.

    Attributes:
        kind: How it searches.
        vectors, dim: Its size.
        recall_at_10: Measured on a sample when it was built; 1 for an exact index.
        effort, lists, rerank: See `seektrack.library.ann.AnnReport`; 0 for an exact index.
        seconds: Building took.
    """

    kind: IndexKind
    vectors: int
    dim: int
    recall_at_10: float = 1.0
    effort: int = 0
    lists: int = 0
    rerank: int = 0
    seconds: float = 0.0


def lists_for(k: int, *, effort: int, lists: int, count: int) -> int:
    """Lists to look into for so many results: the effort was chosen for ten, which lie in fewer."""
    if k <= AT:
        return max(1, effort)
    return max(1, effort, min(lists, math.ceil(WIDE * k * lists / max(1, count))))


def weighed_for(k: int, *, rerank: int, count: int) -> int:
    """Candidates to weigh exactly for so many results; of many, fewer each, as only the last are in doubt."""
    return min(count, k * rerank, max(AT * rerank, WIDE * k))
