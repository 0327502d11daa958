"""Nearest neighbours by LanceDB: exact scans, approximate indexes with exact scores, and their recall.

How hard an index looks (lists probed, candidates weighed exactly) is the least that reaches the wanted recall
on a sample of queries when it is built, as in `seektrack.library.ann`. What was added since is scanned too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from seektrack.library.ann import SUBJECTS_AMONG, nearest_of_blocks, recall_at, sample_queries
from seektrack.library.index_settings import (
    AT,
    IndexKind,
    IndexManifest,
    IndexSettings,
    lists_for,
    weighed_for,
)

if TYPE_CHECKING:
    import lancedb

EXACT_UP_TO = 200_000
"""Vectors up to which ``auto`` scans; fewer than of memory, as LanceDB reads them from where they lie."""
AUTO: IndexKind = "ivf-sq8"
"""What ``auto`` is above: building IVF-PQ takes many times as long and finds no more."""
_PROBES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_REFINES = (5, 10, 20, 50)
_BLOCK = 16_384
_ROUNDING = 5e-4
"""LanceDB weighs half-precision rows in half precision."""
_INDEX = "vector_idx"
DISTANCE: Literal["cosine"] = "cosine"
"""Of rows of unit length the same as their inner product; by that, long centres of lists would draw rows."""
_LISTS_AT_MOST = 1024
_COMPARED_AT_MOST = 2_600_000_000
"""Rows times lists: LanceDB compares each row with all centres, six million pairs of 512 numbers a second."""
_WIDE = 1 / 8
"""Share of the lists that is looked into to choose how many candidates are weighed."""
_FILTERED = {"video_id": "BTREE", "time_s": "BTREE", "kind": "BITMAP"}
"""Columns that filters ask for, and how each is indexed: a filter that leaves little reads little."""


def kind_for(settings: IndexSettings, count: int) -> IndexKind:
    """The index a library of so many vectors gets; ``auto`` scans fewer than the embedded back end does."""
    if settings.kind == "auto" and count > min(settings.exact_up_to, EXACT_UP_TO):
        return AUTO
    return settings.kind_for(count)


def index_columns(table: lancedb.table.Table) -> None:
    """Index the columns of filters, where they are not yet; `optimize` keeps such an index up to date."""
    from lancedb.index import Bitmap, BTree

    there = {one.name for one in table.list_indices()}
    for column, kind in _FILTERED.items():
        if f"{column}_idx" not in there:
            config = BTree() if kind == "BTREE" else Bitmap()
            table.create_index(column, config=config, name=f"{column}_idx")


class Searching:
    """Searches over one table of pictures.

    Args:
        table: The table.
    """

    def __init__(self, table: lancedb.table.Table) -> None:
        self._table = table

    def search(
        self, query: NDArray[np.float32], k: int, *, sql: str = "", manifest: IndexManifest | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Row ids and inner products of the ``k`` nearest to a unit vector (D,), best first.

        Args:
            query: float32 (D,).
            k: Rows wanted.
            sql: Only rows for which it holds; applied before anything is weighed.
            manifest: The index to use; None to weigh every row.
        """
        if k <= 0:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        asked: Any = self._table.search(query, vector_column_name="vector")
        asked = asked.limit(k).select(["_distance"]).with_row_id(True)
        if sql:
            asked = asked.where(sql, prefilter=True)
        if manifest is None or manifest.kind == "flat":
            asked = asked.distance_type("dot").bypass_vector_index()
        else:
            asked = asked.distance_type(DISTANCE)
            count, rerank = manifest.vectors, max(1, manifest.rerank)
            weighed = weighed_for(k, rerank=rerank, count=max(count, k))
            asked = asked.refine_factor(math.ceil(weighed / k))
            if manifest.kind == "hnsw":
                asked = asked.ef(max(manifest.effort, weighed))
            else:
                effort, lists = manifest.effort, manifest.lists
                asked = asked.nprobes(lists_for(k, effort=effort, lists=lists, count=count))
        found = asked.to_arrow()
        scores = 1.0 - found["_distance"].to_numpy()
        return found["_rowid"].to_numpy().astype(np.int64), scores.astype(np.float32)

    def build(self, settings: IndexSettings, count: int, dim: int, *, sql: str) -> IndexManifest:
        """Build the index the settings ask for at this size, and choose how hard it looks.

        Args:
            settings: What is wanted.
            count: Vectors that are served.
            dim: Of a vector.
            sql: What of the table is served.
        """
        kind = kind_for(settings, count)
        began = time.monotonic()
        if kind == "flat":
            if any(one.name == _INDEX for one in self._table.list_indices()):
                self._table.drop_index(_INDEX)
            return IndexManifest("flat", count, dim, seconds=time.monotonic() - began)
        lists = max(1, min(round(count**0.5), count // 40, _LISTS_AT_MOST, _COMPARED_AT_MOST // count))
        self._table.create_index("vector", config=_config(kind, lists, dim), replace=True, name=_INDEX)
        made = IndexManifest(kind, count, dim, 0.0, 1, lists, 1)
        return self._tuned(made, settings, sql, began)

    def _tuned(self, made: IndexManifest, settings: IndexSettings, sql: str, began: float) -> IndexManifest:
        some = np.concatenate([*self._blocks(sql, of=max(1, made.vectors // SUBJECTS_AMONG))])
        queries = sample_queries(some, settings.sample, np.random.default_rng(1))
        exact = nearest_of_blocks(self._blocks(sql), queries, min(AT, made.vectors))[0]
        k = exact.shape[1]

        def recall(effort: int, rerank: int) -> float:
            tried = IndexManifest(made.kind, made.vectors, made.dim, 0.0, effort, made.lists, rerank)
            found = [self.search(one, k, sql=sql, manifest=tried)[1] for one in queries]
            padded = [np.pad(one, (0, k - len(one)), constant_values=-np.inf) for one in found]
            return recall_at(exact - _ROUNDING, np.stack(padded))

        ladder = [p for p in _PROBES if p < made.lists] + [made.lists]
        if made.kind == "hnsw":
            ladder = [32, 64, 128, 256, 512]
        # What coarse codes miss no number of lists brings back: first enough candidates, then fewest lists.
        least = 0 if made.kind == "hnsw" else _WIDE * made.lists
        wide = next((e for e in ladder if e >= least > 0), ladder[-1])
        reranks = [settings.rerank] if settings.rerank else list(_REFINES)
        rerank = next((r for r in reranks if recall(wide, r) >= settings.target_recall), reranks[-1])
        reached = next((e for e in ladder if recall(e, rerank) >= settings.target_recall), ladder[-1])
        # One rung more: few lists that serve the sample are too few for queries unlike it.
        effort = ladder[min(ladder.index(reached) + 1, len(ladder) - 1)]
        measured = recall(effort, rerank)
        seconds = time.monotonic() - began
        return IndexManifest(made.kind, made.vectors, made.dim, measured, effort, made.lists, rerank, seconds)

    def _blocks(self, sql: str, *, of: int = 1) -> Iterator[NDArray[np.float32]]:
        """Unit vectors (B, D), read once from where they lie; one in ``of``."""
        rows = self._table.search()
        rows = rows.where(sql) if sql else rows
        passed = 0
        for batch in rows.select(["vector"]).to_batches(_BLOCK):
            column = batch.column("vector")
            vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)
            some = vectors[-passed % of :: of].astype(np.float32)
            yield some / np.maximum(np.linalg.norm(some, axis=1, keepdims=True), 1e-12)
            passed += len(vectors)


def _config(kind: IndexKind, lists: int, dim: int) -> Any:
    from lancedb.index import HnswSq, IvfPq, IvfSq

    if kind == "hnsw":
        return HnswSq(distance_type=DISTANCE, num_partitions=1)
    if kind == "ivf-pq":
        parts = next(m for m in (dim // 8, dim // 4, dim // 2, dim) if m and dim % m == 0)
        return IvfPq(distance_type=DISTANCE, num_partitions=lists, num_sub_vectors=parts, max_iterations=10)
    return IvfSq(distance_type=DISTANCE, num_partitions=lists, max_iterations=10, sample_rate=40)
