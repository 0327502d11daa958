"""The search index of a library: a disposable copy of its vectors and metadata that answers fast.

SQLite holds the truth. Beside it lie, under the name of the library's generation, the half-precision vectors
as an exact FAISS index (mapped into memory, not read), the metadata as columns, for a very large library an
approximate index, and a manifest that says what they are, how large the files are and which recall was
measured. Every file is written to a temporary name, synced and renamed, the manifest last: a reader finds a
whole set or none, and then builds it again. Vectors are compared with their checksums when they are first
read, row by row, all else when the index is opened.

Filters come first: they choose rows by the columns, and what is left is scanned exactly. Filtering the answer
of an approximate search would lose most of what was asked for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from seektrack.library.ann import Approximate, build_approximate
from seektrack.library.flat import codes_of, empty_flat, flat_in_file, flat_in_memory
from seektrack.library.index_settings import IndexManifest, IndexSettings
from seektrack.library.row_sums import RowSums
from seektrack.library.rows import Rows, joined

SCAN_ROWS = 2048
NO_IDS: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
NO_SCORES: NDArray[np.float32] = np.zeros(0, dtype=np.float32)


class VectorIndex:
    """Every served vector of a library, its metadata, and how the nearest are found.

    Args:
        rows: Metadata of the N vectors, in order of video and frame.
        flat: Exact FAISS index over them, half precision.
        manifest: What it is.
        approximate: What proposes candidates, or None to scan everything.
        file: Where ``flat`` is mapped from; None where it is in memory.
        sums: What the rows of ``flat`` are compared with when they are first read; None where they were just
            made.

    Every method that reads vectors raises `ChangedRowsError` where one is not what was written.
    """

    def __init__(
        self,
        rows: Rows,
        flat: faiss.Index,
        manifest: IndexManifest,
        approximate: Approximate | None = None,
        file: Path | None = None,
        sums: RowSums | None = None,
    ) -> None:
        self.rows = rows
        self.manifest = manifest
        self.flat, self.approximate, self.file = flat, approximate, file
        self.sums = sums
        self._local = threading.local()

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def build(
        cls,
        chunks: Iterable[tuple[NDArray[np.float16], Rows]],
        count: int,
        dim: int,
        file: Path | None = None,
    ) -> VectorIndex:
        """An exact index from ``count`` rows that come in chunks, in order of video and frame.

        Args:
            chunks: Vectors float16 and their metadata.
            count: Rows in all.
            dim: Length of a vector.
            file: Where the vectors go, to be mapped from there, so that they need not fit into memory; they
                stay in memory when None.

        Raises:
            OutputError: The file cannot be written.
        """
        began = time.monotonic()
        parts: list[Rows] = []

        def told() -> Iterator[NDArray[np.float16]]:
            for vectors, rows in chunks:
                parts.append(rows)
                yield vectors

        flat = flat_in_memory(told(), count, dim) if file is None else flat_in_file(told(), count, dim, file)
        manifest = IndexManifest("flat", count, dim, seconds=time.monotonic() - began)
        return cls(joined(parts), flat, manifest, file=file)

    def searching(self, settings: IndexSettings) -> VectorIndex:
        """The same vectors, searched the way the settings ask for at this size."""
        kind = settings.kind_for(len(self))
        if kind == "flat":
            manifest = IndexManifest("flat", len(self), self.manifest.dim, seconds=self.manifest.seconds)
            return VectorIndex(self.rows, self.flat, manifest, file=self.file, sums=self.sums)
        began = time.monotonic()
        approximate, report = build_approximate(self.flat, self.vectors, kind, settings)
        manifest = IndexManifest(
            kind,
            len(self),
            self.manifest.dim,
            report.recall_at_10,
            report.effort,
            report.lists,
            report.rerank,
            self.manifest.seconds + time.monotonic() - began,
        )
        return VectorIndex(self.rows, self.flat, manifest, approximate, self.file, self.sums)

    @cached_property
    def vectors(self) -> NDArray[np.float16]:
        """float16 (N, D), read-only, without a copy; all of them were compared with their checksums."""
        view = codes_of(self.flat, self.manifest.dim)
        view.flags.writeable = False
        if self.sums is not None:
            self.sums.check_all(view.view(np.uint8))
        return view

    @cached_property
    def _bytes(self) -> NDArray[np.uint8]:
        """uint8 (N, 2 D), not compared with anything yet."""
        return codes_of(self.flat, self.manifest.dim).view(np.uint8)

    def search(
        self, query: NDArray[np.float32], k: int, *, exact: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Row ids and inner products of the ``k`` nearest to a (D,) query, best first.

        Args:
            query: float32 (D,), unit length.
            k: Rows wanted.
            exact: Scan everything even when there is an approximate index.
        """
        k = min(k, len(self))
        if k <= 0:
            return NO_IDS, NO_SCORES
        row = np.ascontiguousarray(query, dtype=np.float32)[None]
        if self.approximate is not None and not exact:
            return self.scan(query, k, self.approximate.candidates(row, k))
        _ = self.vectors  # every one of them is read
        scores, positions = self.flat.search(row, k)
        return self.rows.ids[positions[0]], scores[0].astype(np.float32)

    def among(
        self,
        query: NDArray[np.float32],
        k: int,
        positions: NDArray[np.int64] | None,
        *,
        exact: bool = False,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """`scan` of some positions, `search` where they are None."""
        if positions is None:
            return self.search(query, k, exact=exact)
        return self.scan(query, k, positions)

    def take(self, positions: NDArray[np.int64] | None) -> tuple[NDArray[np.float16], Rows]:
        """Vectors (M, D) and metadata at ascending positions; all of both where they are None."""
        if positions is None:
            return self.vectors, self.rows
        return self.gather(positions), self.rows.take(positions)

    def scan(
        self, query: NDArray[np.float32], k: int, positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Row ids and inner products of the ``k`` nearest among some positions, best first, exact."""
        row = np.ascontiguousarray(query, dtype=np.float32)[None]
        found: list[NDArray[np.int64]] = [NO_IDS]
        scored: list[NDArray[np.float32]] = [NO_SCORES]
        flat, memory = self._scratch
        for start in range(0, len(positions), SCAN_ROWS):
            part = positions[start : start + SCAN_ROWS]
            self._bytes.take(part, axis=0, out=memory[: len(part)], mode="clip")
            if self.sums is not None:
                self.sums.check(memory[: len(part)], part)
            flat.ntotal = len(part)
            scores, near = flat.search(row, min(k, len(part)))
            found.append(part[near[0]])
            scored.append(scores[0])
        at, best = np.concatenate(found), np.concatenate(scored)
        order = np.argsort(-best, kind="stable")[:k]
        return self.rows.ids[at[order]], best[order].astype(np.float32)

    @property
    def _scratch(self) -> tuple[faiss.Index, NDArray[np.uint8]]:
        """A small exact index of this thread and its memory; fresh memory costs more than the search."""
        if not hasattr(self._local, "scratch"):
            flat: Any = empty_flat(self.manifest.dim)
            flat.codes.resize(2 * self.manifest.dim * SCAN_ROWS)
            flat.ntotal = SCAN_ROWS
            self._local.scratch = flat, codes_of(flat, self.manifest.dim).view(np.uint8)
        scratch: tuple[faiss.Index, NDArray[np.uint8]] = self._local.scratch
        return scratch

    def gather(self, positions: NDArray[np.int64]) -> NDArray[np.float16]:
        """float16 (M, D) at ascending positions; a view when they follow each other."""
        n = len(positions)
        picked: NDArray[np.uint8]
        if n and positions[-1] - positions[0] == n - 1:
            picked = self._bytes[positions[0] : positions[-1] + 1]
        else:
            # A mapped file does not align its numbers; as bytes rows are copied whole, many times as fast.
            picked = self._bytes.take(positions, axis=0)
        if self.sums is not None:
            self.sums.check(picked, positions)
        return picked.view(np.float16)
