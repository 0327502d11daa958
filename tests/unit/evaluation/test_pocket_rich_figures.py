from __future__ import annotations

import zlib

import numpy as np
import pytest

from seektrack.evaluation.pocket_rich import NAMES, RichSet, collect_rich, evaluate_rich
from seektrack.world import vocabulary
from seektrack.world.languages import LANGUAGES


@pytest.fixture(scope="module")
def found() -> RichSet:
    return collect_rich(32, crops=25, frames=8, start=900)


def test_captions_name_what_the_frame_shows_in_every_language(found: RichSet) -> None:
    assert len(found.crops) == len(found.labels) == 25
    labels = vocabulary(NAMES)["labels"]
    assert set(found.captions) == set(LANGUAGES)
    for texts in found.captions.values():
        assert len(texts) == len(found.frames) == 8
    assert len(set(found.captions["en"])) == 8
    for caption, numbers in zip(found.captions["en"], found.shown, strict=True):
        assert 1 <= len(numbers) <= 6
        assert all(labels[n] in caption for n in numbers)


class _Knows:
    """Embeds the set's pictures as their English texts; all else at random."""

    name, fingerprint, image_size, logit_scale, dim = "knows", "0", 32, 60.0, 300

    def __init__(self, found: RichSet) -> None:
        labels = vocabulary(NAMES)["labels"]
        crops = {c.tobytes(): labels[n] for c, n in zip(found.crops, found.labels, strict=True)}
        frames = {f.tobytes(): c for f, c in zip(found.frames, found.captions["en"], strict=True)}
        self.known = crops | frames

    def embed_texts(self, texts: list[str], *, batch_size: int = 64) -> np.ndarray:
        rows = np.stack([np.random.default_rng(zlib.crc32(t.encode())).normal(size=self.dim) for t in texts])
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    def embed_images(self, images: list[np.ndarray], *, batch_size: int = 32) -> np.ndarray:
        return self.embed_texts([self.known[i.tobytes()] for i in images])


def test_figures_follow_what_the_encoder_knows(found: RichSet) -> None:
    figures = evaluate_rich(_Knows(found), crops=25, frames=8, start=900)
    right = ("crop162_rich", "category_rich", "colour_rich", "crop108_rich", "text_to_frame_r1_rich")
    assert {figures[name] for name in right} == {1.0}
    assert figures["crop162_rich_de"] < 0.3 and figures["text_to_frame_r1_rich_fr"] < 0.6
