"""The FAISS index of a library: a disposable copy of its vectors that answers nearest-neighbour queries fast.

SQLite holds the truth. The index lies beside it in one file named after the library's generation, written to
a temporary name, synced and renamed, so a reader finds a whole file or none.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray


class VectorIndex:
    """Exact inner-product search over float16 vectors (FAISS flat, half the memory of float32).

    Args:
        index: A FAISS index that returns row ids.
    """

    def __init__(self, index: faiss.Index) -> None:
        self._index = index

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @classmethod
    def build(cls, ids: NDArray[np.int64], vectors: NDArray[np.float16]) -> VectorIndex:
        """Build from (N,) row ids and (N, D) vectors."""
        flat = faiss.IndexScalarQuantizer(
            vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        index = faiss.IndexIDMap2(flat)
        if len(ids):
            flat.train(np.ascontiguousarray(vectors[:1], dtype=np.float32))
        for start in range(0, len(ids), 65536):
            part = slice(start, start + 65536)
            index.add_with_ids(np.ascontiguousarray(vectors[part], dtype=np.float32), ids[part])
        return cls(index)

    def search(self, query: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Row ids and inner products of the ``k`` nearest to a (D,) query, best first."""
        k = min(k, len(self))
        if k <= 0:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        scores, ids = self._index.search(np.ascontiguousarray(query, dtype=np.float32)[None], k)
        return ids[0].astype(np.int64), scores[0].astype(np.float32)


def load_index(folder: Path, generation: str) -> VectorIndex | None:
    """The index of this generation, or None when it is missing or damaged."""
    path = _path(folder, generation)
    if not path.is_file():
        return None
    try:
        return VectorIndex(faiss.read_index(str(path)))
    except RuntimeError:
        return None


def save_index(folder: Path, generation: str, index: VectorIndex) -> None:
    """Write an index for others to find and drop those of earlier generations; failing to is no harm."""
    target = _path(folder, generation)
    temporary = target.with_suffix(f".{uuid.uuid4().hex[:8]}.tmp")
    try:
        faiss.write_index(index._index, str(temporary))
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except (OSError, RuntimeError):
        with contextlib.suppress(OSError):
            temporary.unlink()
        return
    for old in folder.glob("vectors-*.faiss"):
        if old != target:
            with contextlib.suppress(OSError):
                old.unlink()


def _path(folder: Path, generation: str) -> Path:
    return folder / f"vectors-{generation}.faiss"
