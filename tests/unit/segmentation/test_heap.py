"""Memory that is free inside the process goes back to the system, now and then, without being asked."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from seektrack.segmentation import Sam2, VideoSession, heap, session
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.types import Prompt

PIECE, N_PIECES = 100_000, 600


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    """The C library is looked up anew in every test."""
    heap._trim.cache_clear()
    yield
    heap._trim.cache_clear()


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def test_free_memory_between_kept_pieces_goes_back() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    pieces = [library.malloc(PIECE) for _ in range(N_PIECES)]
    for piece in pieces:
        ctypes.memset(piece, 1, PIECE)
    for i, piece in enumerate(pieces):
        if i % 20:
            library.free(piece)
    before = resident_mb()
    released = heap.release_free_memory()
    after = resident_mb()
    for piece in pieces[::20]:
        library.free(piece)
    if platform.libc_ver()[0] == "glibc":
        assert released and before - after > 0.6 * PIECE * N_PIECES / 2**20
    else:
        assert not released


@pytest.mark.parametrize("found", [None, object()], ids=["no C library", "another C library"])
def test_where_there_is_no_glibc_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, found: object | None
) -> None:
    def load(name: None) -> object:
        if found is None:
            raise OSError("there is none")
        return found

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert heap.release_free_memory() is False


def test_a_session_gives_back_what_it_does_not_need(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    sam2 = Sam2(build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))).eval(), 64)
    given_back: list[int | None] = []
    following = VideoSession(sam2)
    monkeypatch.setattr(session, "release_free_memory", lambda: given_back.append(following.frame_index))
    following.add(Prompt(1, 0, box=(5.0, 5.0, 30.0, 30.0)))
    for index in range(2 * session.RELEASE_EVERY + 3):
        following.step(np.full((40, 60, 3), 90, dtype=np.uint8), index)
    assert given_back == [session.RELEASE_EVERY - 1, 2 * session.RELEASE_EVERY - 1]
