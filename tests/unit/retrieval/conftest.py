"""A small library whose every picture is a sum of known words, so that each answer can be told beforehand."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack.encoders import Vocabulary, l2_normalise
from seektrack.library import FrameRow, LibraryStore
from seektrack.types import VideoInfo

WIDTH = 64
NAMES = tuple(f"a {c} {n}" for c in ("red", "blue", "green") for n in ("car", "dog", "bird"))

Shown = Mapping[str, Sequence[tuple[float, float]]]
MakeLibrary = Callable[[Mapping[str, Shown]], LibraryStore]


class SumOfWords:
    """A text is the sum of its words' directions; an image carries a name's number in its first pixel."""

    name, dim, fingerprint, logit_scale, image_size = "sums", WIDTH, "sums-1", 30.0, 8
    vocabulary = Vocabulary(NAMES, ("an empty street", "the sky"))

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        return l2_normalise(np.stack([sum(word_direction(w) for w in t.split()) for t in texts]))

    def embed_images(self, images: Sequence[np.ndarray], *, batch_size: int = 32) -> np.ndarray:
        return self.embed_texts([NAMES[int(image[0, 0, 0])] for image in images])


@functools.cache
def word_direction(word: str) -> np.ndarray:
    if word in ("a", "an", "the"):
        return np.zeros(WIDTH)
    return np.random.default_rng(list(word.lower().encode())).normal(size=WIDTH)


@pytest.fixture
def sums() -> SumOfWords:
    return SumOfWords()


@pytest.fixture
def make_library(tmp_path: Path, sums: SumOfWords, rng: np.random.Generator) -> MakeLibrary:
    """Makes a library of 20-second videos at 2 frames/s from ``{video: {text: [(from_s, to_s), …]}}``.

    Each text is an object of every frame within its intervals; ``frame:text`` is the whole frame instead.
    """

    def look(text: str) -> np.ndarray:
        return l2_normalise(sums.embed_texts([text])[0] + 0.04 * rng.normal(size=WIDTH))

    def make(videos: Mapping[str, Shown]) -> LibraryStore:
        library = LibraryStore.create(tmp_path / "made", model="sums", fingerprint="sums-1", dim=WIDTH)
        for name, shown in videos.items():
            path = tmp_path / name
            path.write_bytes(name.encode())
            with library.begin_video(path, VideoInfo(str(path), 320, 240, Fraction(30), 20.0, 600)) as handle:
                for i in range(40):
                    t = Fraction(i, 2)
                    now = [text for text, spans in shown.items() if any(a <= t < b for a, b in spans)]
                    whole = [text[6:] for text in now if text.startswith("frame:")] or ["an empty street"]
                    rows = [FrameRow(15 * i, t, look(whole[0]))]
                    rows += [
                        FrameRow(15 * i, t, look(text), (60.0 * j, 10, 60.0 * j + 50, 60), "object")
                        for j, text in enumerate(x for x in now if not x.startswith("frame:"))
                    ]
                    handle.append(rows)
                handle.finish()
        return library

    return make
