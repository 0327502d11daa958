from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seektrack.encoders import load_encoder
from seektrack.errors import InputError
from seektrack.evaluation import pocket_clip
from seektrack.evaluation.pocket_clip import calibration, evaluate_clip, probabilities
from seektrack.evaluation.pocket_set import collect
from seektrack.world import vocabulary


def test_probabilities_gather_the_backgrounds_into_one_class(rng: np.random.Generator) -> None:
    unit = rng.normal(size=(9, 4))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    p = probabilities(unit[:3], unit[3:7], unit[7:], 20.0)
    assert p.shape == (3, 5)
    assert p.sum(1) == pytest.approx([1, 1, 1])
    plain = np.exp(20.0 * unit[:3] @ unit[3:].T)
    plain /= plain.sum(1, keepdims=True)
    assert p[:, :4] == pytest.approx(plain[:, :4])


def test_calibration_is_zero_when_confidence_tells_the_truth(rng: np.random.Generator) -> None:
    confidence = rng.random(20_000)
    honest, rows = calibration(confidence, rng.random(20_000) < confidence)
    boastful, _ = calibration(confidence, rng.random(20_000) < confidence**2)
    assert honest < 0.02
    assert boastful == pytest.approx(1 / 2 - 1 / 3, abs=0.02)
    assert sum(row[0] for row in rows) == pytest.approx(1)


def test_the_set_holds_what_is_asked_and_no_caption_twice() -> None:
    found = collect(32, crops=25, frames=8, start=900)
    again = collect(32, crops=25, frames=8, start=900)
    assert len(found.crops) == len(found.labels) == len(found.sides) == len(found.shifted) == 25
    assert len(set(found.captions)) == len(found.frames) == 8
    for caption, numbers in zip(found.captions, found.shown, strict=True):
        assert all(vocabulary()["labels"][n] in caption for n in numbers)
    assert all(np.array_equal(a, b) for a, b in zip(found.crops, again.crops, strict=True))


class _Oracle:
    """An encoder that knows the set: crops and frames embed as their labels do."""

    name, fingerprint, image_size, logit_scale, dim = "oracle", "0", 32, 60.0, 300

    def __init__(self, wrong: float) -> None:
        found = collect(32, crops=40, frames=10, start=0)
        rng = np.random.default_rng(0)
        self.known = {}
        for image, shifted, label in zip(found.crops, found.shifted, found.labels, strict=True):
            shown = int(rng.integers(108)) if rng.random() < wrong else int(label)
            self.known[image.tobytes()] = self.known[shifted.tobytes()] = vocabulary()["labels"][shown]
        self.known |= {f.tobytes(): c for f, c in zip(found.frames, found.captions, strict=True)}
        self.blank = vocabulary()["background"][0]

    def _vector(self, text: str) -> np.ndarray:
        import zlib

        rng = np.random.default_rng(zlib.crc32(text.encode()))
        v = rng.normal(size=self.dim)
        return np.asarray(v / np.linalg.norm(v), np.float32)

    def embed_texts(self, texts: list[str], *, batch_size: int = 64) -> np.ndarray:
        return np.stack([self._vector(t) for t in texts])

    def embed_images(self, images: list[np.ndarray], *, batch_size: int = 32) -> np.ndarray:
        return np.stack([self._vector(self.known.get(i.tobytes(), self.blank)) for i in images])


@pytest.mark.parametrize("wrong", [0.0, 0.5])
def test_figures_follow_the_encoder(monkeypatch: pytest.MonkeyPatch, wrong: float) -> None:
    oracle = _Oracle(wrong)
    monkeypatch.setattr(pocket_clip, "load_encoder", lambda folder: oracle)
    figures = evaluate_clip("oracle", crops=40, frames=10)
    assert figures["text_to_frame_r1"] == 1.0
    assert figures["background_false_accept"] == figures["thing_false_accept"] == 0.0
    assert figures["unknown_false_accept"] == 0.0
    if wrong:
        assert 0.3 < figures["crop108"] < 0.75
        assert figures["crop108"] <= figures["category"]
        assert figures["calibration_error"] > 0.15
    else:
        assert figures["crop90"] == figures["crop108"] == figures["crop108_shifted"] == 1.0
        assert figures["text_to_crop_p1"] == figures["recall_at_half"] == 1.0
        assert figures["calibration_error"] < 0.02
    assert figures["crop108_de"] < 0.2


def test_nothing_to_measure_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        evaluate_clip(tmp_path, crops=0)


def test_the_shipped_model_is_above_its_floor() -> None:
    assert load_encoder("pocket").image_size == 112
    figures = evaluate_clip("pocket", crops=120, frames=10, start=5_000)
    assert figures["crop90"] >= 0.78
    assert figures["background_false_accept"] <= 0.2
    assert figures["crop108_shifted"] >= 0.7
    assert figures["calibration_error"] <= 0.15
