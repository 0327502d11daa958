"""Approximate search over a large library, with exact scores: IVF or HNSW finds candidates, fp16 ranks them.

A coarse index proposes many times as many rows as are wanted; their exact half-precision inner products
decide. How hard the coarse index looks (lists probed, or the HNSW beam) is the least that reaches the wanted
recall on a sample of queries when the index is built, and that recall is kept beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from seektrack.library.index_settings import (
    AT,
    MIN_ROWS_PER_LIST,
    IndexKind,
    IndexSettings,
    lists_for,
    weighed_for,
)

ADD_ROWS = 16_384
TRAIN_ROWS_PER_LIST = 40
_PROBES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_BEAMS = (16, 32, 64, 128, 256, 512, 1024)
_RERANKS = (10, 20, 50, 100, 150, 200, 400)
_WIDE = 64
_SAME = 0.002
"""Recalls so near to each other are taken for the same."""
_LISTS_AT_MOST = 4096
"""Above a million vectors finer lists find no more, and training and filling them takes hours."""
_GRAPH_FROM = 1024
"""Lists from which on a row's own is found by a graph over their centres, not by comparing all."""
SUBJECTS_AMONG = 200_000
"""Rows that queries of the sample are made from."""
_BLOCK = 16_384
_FAISS: Any = faiss
"""Its type information leaves out keyword arguments that it takes."""


@dataclass(frozen=True)
class AnnReport:
    """What an approximate index was found to do when it was built.

    Attributes:
        effort: Lists probed, or the HNSW beam.
        recall_at_10: Share of the true ten nearest found, over the sample.
        lists: Inverted lists; 0 for HNSW.
        rerank: Candidates weighed exactly for each result.
    """

    effort: int
    recall_at_10: float
    lists: int
    rerank: int


class Approximate:
    """A coarse index whose candidates are weighed exactly.

    Args:
        coarse: The FAISS index that proposes; its ids are positions in ``flat``.
        flat: The exact half-precision vectors.
        kind: What ``coarse`` is.
        effort, rerank: See `AnnReport`.
    """

    def __init__(
        self, coarse: faiss.Index, flat: faiss.Index, kind: IndexKind, *, effort: int, rerank: int
    ) -> None:
        self.coarse = coarse
        self.kind = kind
        self.effort, self.rerank = effort, rerank
        self._flat = flat
        self._refine = _FAISS.IndexRefine(coarse, flat)

    def search(
        self, queries: NDArray[np.float32], k: int, *, effort: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores and positions, both (Q, k), best first; positions are -1 where fewer were found."""
        found, inner = self._looks(k, effort or self.effort)
        outer = _FAISS.IndexRefineSearchParameters(k_factor=found / k, base_index_params=inner)
        scores, positions = self._refine.search(queries, k, params=outer)
        return scores, positions

    def candidates(self, query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Positions among which the ``k`` nearest to a query (1, D) are looked for, ascending."""
        found, inner = self._looks(k, self.effort)
        positions: NDArray[np.int64] = self.coarse.search(query, found, params=inner)[1][0]
        return np.sort(positions[positions >= 0])

    def _looks(self, k: int, effort: int) -> tuple[int, Any]:
        """How many candidates are weighed for ``k`` results, and how the coarse index finds them."""
        count = self.coarse.ntotal
        found = weighed_for(k, rerank=self.rerank, count=count)
        if self.kind == "hnsw":
            return found, _FAISS.SearchParametersHNSW(efSearch=max(effort, found))
        looked = lists_for(k, effort=effort, lists=int(getattr(self.coarse, "nlist", 1)), count=count)
        return found, _FAISS.SearchParametersIVF(nprobe=looked)


def build_approximate(
    flat: faiss.Index, vectors: NDArray[np.float16], kind: IndexKind, settings: IndexSettings
) -> tuple[Approximate, AnnReport]:
    """Build over (N, D) vectors and choose the effort.

    Args:
        flat: The exact index over the same vectors.
        vectors: float16 (N, D), unit rows.
        kind: Not ``"flat"``.
        settings: Recall wanted.
    """
    n, dim = vectors.shape
    rng = np.random.default_rng(0)
    coarse: Any
    lists = 0
    if kind == "hnsw":
        coarse = _FAISS.IndexHNSWSQ(dim, faiss.ScalarQuantizer.QT_fp16, 32, faiss.METRIC_INNER_PRODUCT)
        coarse.hnsw.efConstruction = 100
        coarse.train(_rows(vectors, np.arange(1)))
    else:
        lists = list_count(n)
        coarse = _inverted(dim, lists, kind)
        chosen = np.sort(rng.choice(n, min(n, TRAIN_ROWS_PER_LIST * lists), replace=False))
        coarse.train(_rows(vectors, chosen))
    _fill(coarse, vectors, lists)
    made = Approximate(coarse, flat, kind, effort=1, rerank=1)
    return made, tune(made, vectors, settings, lists=lists)


def _fill(coarse: Any, vectors: NDArray[np.float16], lists: int) -> None:
    centres = coarse.quantizer if lists >= _GRAPH_FROM else None
    if centres is not None:
        graph = _FAISS.IndexHNSWFlat(coarse.d, 32, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efSearch = 64
        graph.add(centres.reconstruct_n(0, lists))
        coarse.quantizer = graph
    try:
        for start in range(0, len(vectors), ADD_ROWS):
            coarse.add(np.ascontiguousarray(vectors[start : start + ADD_ROWS], dtype=np.float32))
    finally:
        if centres is not None:
            coarse.quantizer = centres


def tune(
    made: Approximate,
    vectors: NDArray[np.float16],
    settings: IndexSettings,
    *,
    lists: int,
) -> AnnReport:
    """Choose candidates and effort on a sample of queries, the least that reach the recall wanted.

    Args:
        made: The index; its ``effort`` and ``rerank`` are set.
        vectors: float16 (N, D).
        settings: Recall wanted.
        lists: Inverted lists it has; 0 for HNSW.
    """
    queries = sample_queries(vectors, settings.sample, np.random.default_rng(1))
    exact = nearest_exact(vectors, queries, min(AT, len(vectors)))[0]
    ladder = list(_BEAMS) if made.kind == "hnsw" else [p for p in _PROBES if p < lists] + [lists]

    def recall(effort: int, rerank: int) -> float:
        made.effort, made.rerank = effort, rerank
        return recall_at(exact, made.search(queries, exact.shape[1])[0])

    # What coarse codes miss no number of lists brings back: first enough candidates, then the fewest lists.
    # A graph is walked by the exact numbers, so more candidates would only be more of the walk.
    wide = next((e for e in ladder if e >= _WIDE), ladder[-1])
    reranks = [settings.rerank] if settings.rerank else [1] if made.kind == "hnsw" else _RERANKS
    rerank = next((r for r in reranks if recall(wide, r) >= settings.target_recall), reranks[-1])
    tried: list[tuple[int, float]] = []
    for effort in ladder:
        tried.append((effort, recall(effort, rerank)))
        if tried[-1][1] >= settings.target_recall:
            break
    best = max(measured for _, measured in tried)
    # Where no effort reaches what is wanted, the most is not taken when less finds the same.
    enough = settings.target_recall if best >= settings.target_recall else best - _SAME
    effort, measured = next(one for one in tried if one[1] >= enough)
    made.effort = effort
    return AnnReport(effort, measured, lists, rerank)


def list_count(count: int) -> int:
    """Inverted lists for so many vectors: about four times the square root, each with enough to train on."""
    return max(1, min(round(4 * math.sqrt(count)), count // MIN_ROWS_PER_LIST, _LISTS_AT_MOST))


def sample_queries(
    vectors: NDArray[np.floating], count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Unit queries like those people ask: of a subject the library shows, not one of its pictures.

    Around the mean of some of the half percent of rows nearest to a random one, as far away from it as they
    are, in a direction of its own: a further picture of the subject. A query beside a stored row, or amid a
    few, would flatter every index: its neighbours share a list, and stand out from all others.
    """
    if len(vectors) > SUBJECTS_AMONG:
        vectors = vectors[np.sort(rng.choice(len(vectors), SUBJECTS_AMONG, replace=False))]
    near = max(min(50, len(vectors)), len(vectors) // 200)
    seeds = _rows(vectors, rng.integers(0, len(vectors), count))
    positions = nearest_exact(vectors, seeds, near)[1]
    picked = rng.permuted(positions, axis=1)[:, :8]
    rows = _rows(vectors, picked.reshape(-1)).reshape(count, -1, vectors.shape[1])
    means = rows.mean(axis=1)
    away = np.linalg.norm(rows - means[:, None], axis=2).mean(axis=1, keepdims=True)
    return _unit(means + away * _unit(rng.normal(size=means.shape).astype(np.float32)))


def nearest_exact(
    vectors: NDArray[np.floating], queries: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores and positions (Q, k) of the rows nearest to each query, best first; one pass for all queries."""
    blocks = (vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK))
    return nearest_of_blocks(blocks, queries, k)


def nearest_of_blocks(
    blocks: Iterable[NDArray[np.floating]], queries: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The same of rows that come in blocks (B, D), in the order of their positions."""
    scores: NDArray[Any] = np.zeros((len(queries), 0), dtype=np.float32)
    positions: NDArray[Any] = np.zeros((len(queries), 0), dtype=np.int64)
    start = 0
    for rows in blocks:
        block = queries @ rows.astype(np.float32).T
        scores = np.hstack([scores, block])
        here = np.broadcast_to(np.arange(start, start + block.shape[1]), block.shape)
        positions = np.hstack([positions, here])
        start += len(rows)
        if scores.shape[1] > k:
            kept = np.argpartition(-scores, k - 1, axis=1)[:, :k]
            scores, positions = (np.take_along_axis(one, kept, axis=1) for one in (scores, positions))
    order = np.argsort(-scores, axis=1, kind="stable")
    best = np.take_along_axis(scores, order, axis=1), np.take_along_axis(positions, order, axis=1)
    return best[0].astype(np.float32), best[1]


def recall_at(exact: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Share of results (Q, k) as good as the k-th best; by score, as frames of a still shot tie."""
    return float(np.mean(found >= exact[:, -1:] - 1e-5))


def _inverted(dim: int, lists: int, kind: IndexKind) -> Any:
    quantiser = _FAISS.IndexFlatIP(dim)
    if kind == "ivf-pq":
        parts = next(m for m in (dim // 4, dim // 2, dim) if m and dim % m == 0)
        index = _FAISS.IndexIVFPQFastScan(quantiser, dim, lists, parts, 4, faiss.METRIC_INNER_PRODUCT)
    else:
        index = _FAISS.IndexIVFScalarQuantizer(
            quantiser, dim, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
    index.cp.niter = 8
    index.cp.max_points_per_centroid = TRAIN_ROWS_PER_LIST
    index.cp.min_points_per_centroid = 1
    quantiser.this.disown()  # the index frees it
    index.own_fields = True
    return index


def _rows(vectors: NDArray[np.floating], positions: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(vectors[positions], dtype=np.float32)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
