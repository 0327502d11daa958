"""Exact FAISS indexes over half-precision vectors, in memory or in a file that is mapped."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from seektrack.files import new_file

_COUNT_AT = 8
"""Where the number of vectors stands in a serialised index, behind its kind and their length."""
_UINT64 = struct.Struct("<Q")


def empty_flat(dim: int) -> faiss.IndexScalarQuantizer:
    """An exact inner-product index over half-precision vectors; that form needs no training."""
    flat = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    flat.is_trained = True
    return flat


def flat_in_memory(chunks: Iterable[NDArray[np.float16]], count: int, dim: int) -> faiss.Index:
    """An exact index over ``count`` vectors float16 (N, D) that come in chunks."""
    flat = empty_flat(dim)
    codes: Any = flat.codes
    codes.resize(2 * dim * count)
    flat.ntotal = count
    memory, at = codes_of(flat, dim), 0
    for vectors in chunks:
        memory[at : at + len(vectors)] = vectors
        at += len(vectors)
    return flat


def flat_in_file(chunks: Iterable[NDArray[np.float16]], count: int, dim: int, file: Path) -> faiss.Index:
    """The same in a file as FAISS writes it, mapped from there: only one chunk is in memory at a time.

    Raises:
        OutputError: The file cannot be written.
    """
    with new_file(file) as temporary, temporary.open("wb") as stream:
        stream.write(_header(count, dim))
        for vectors in chunks:
            stream.write(np.ascontiguousarray(vectors, dtype="<f2").data)
    return mapped(file)


def mapped(file: Path) -> faiss.Index:
    """Map a FAISS file into memory where this FAISS can (from 1.11 on), read it otherwise."""
    return faiss.read_index(str(file), getattr(faiss, "IO_FLAG_MMAP_IFC", 0))


def is_whole(file: Path, count: int, dim: int) -> bool:
    """Whether a file is as long as such an index and begins as one does; its vectors are not looked at."""
    header = _header(count, dim)
    if file.stat().st_size != len(header) + 2 * dim * count:
        return False
    with file.open("rb") as stream:
        return stream.read(len(header)) == header


def codes_of(flat: Any, dim: int) -> NDArray[np.float16]:
    """The vectors float16 (N, D) of such an index, without a copy."""
    return np.asarray(_Codes(flat, dim)) if flat.ntotal else np.zeros((0, dim), dtype=np.float16)


def _header(count: int, dim: int) -> bytes:
    """What FAISS writes before the vectors: that of an empty index, with the numbers of this one."""
    raw = bytearray(faiss.serialize_index(empty_flat(dim)).tobytes())
    _UINT64.pack_into(raw, _COUNT_AT, count)
    _UINT64.pack_into(raw, len(raw) - _UINT64.size, 2 * dim * count)
    return bytes(raw)


class _Codes:
    """Memory of a FAISS index as an array that keeps the index alive."""

    def __init__(self, flat: Any, dim: int) -> None:
        self._flat = flat
        self.__array_interface__: dict[str, Any] = {
            "version": 3,
            "shape": (flat.ntotal, dim),
            "typestr": "<f2",
            "data": (int(flat.codes.data()), False),
        }
