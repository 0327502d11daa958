"""Checksums of the rows of a mapped file: each row is compared with its own before it first answers.

A checksum of the whole file would read all of it to answer one question, ten gigabytes for ten million rows.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2048


class ChangedRowsError(Exception):
    """Rows of an index are not what was written; those who search build it anew from the database."""


def row_sums(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A checksum of each row of bytes (N, B), B even.

    Words of 32 bits (16 where B is no multiple of four) times odd numbers of 64 bits, added modulo 2**64
    (multilinear hashing; Lemire and Kaser, "Strongly universal string hashing is fast", 2014). Changes within
    one word always show, as an odd number has an inverse; others with a chance of some 2**-32 to be missed.
    """
    words = rows.view(np.uint32 if rows.shape[1] % 4 == 0 else np.uint16)
    keys = _keys(words.shape[1])
    out = np.empty(len(rows), dtype=np.uint64)
    for start in range(0, len(rows), _BLOCK):
        np.einsum(
            "nw,w->n", words[start : start + _BLOCK].astype(np.uint64), keys, out=out[start : start + _BLOCK]
        )
    return out


@cache
def _keys(count: int) -> NDArray[np.uint64]:
    return np.random.Generator(np.random.PCG64(0)).integers(2**64, size=count, dtype=np.uint64) | np.uint64(1)


class RowSums:
    """Which rows were found to be what was written.

    Args:
        sums: uint64 (N,), what `row_sums` said of each row when it was written.
    """

    def __init__(self, sums: NDArray[np.uint64]) -> None:
        self.sums = sums
        self._known = np.zeros(len(sums), dtype=bool)

    def check(self, rows: NDArray[np.uint8], positions: NDArray[np.int64]) -> None:
        """Compare rows of bytes (M, B), read from these positions (M,), with their checksums, each once.

        Raises:
            ChangedRowsError: One is not what was written.
        """
        fresh = np.flatnonzero(~self._known[positions])
        if not len(fresh):
            return
        at = positions[fresh]
        if (row_sums(rows if len(fresh) == len(rows) else rows[fresh]) != self.sums[at]).any():
            raise ChangedRowsError
        self._known[at] = True

    def check_all(self, rows: NDArray[np.uint8]) -> None:
        """The same of all rows (N, B), of which those that are known already are not read.

        Raises:
            ChangedRowsError: One is not what was written.
        """
        for start in range(0, len(rows), _BLOCK):
            if not self._known[start : start + _BLOCK].all():
                some = rows[start : start + _BLOCK]
                self.check(some, np.arange(start, start + len(some)))
