"""What an encoder was shown, and how far pictures lie from it."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from seektrack.checkpoints import folder_fingerprint
from seektrack.encoders import (
    Calibration,
    Domain,
    embed_and_measure,
    features,
    load_encoder,
    read_calibration,
)
from seektrack.encoders.domain import read_domain, settled
from seektrack.encoders.features import picture_features
from seektrack.errors import InputError, ModelError
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds

F = 40


def cloud(n: int, seed: int, *, away: float = 0.0) -> np.ndarray:
    """Features that vary in a few directions, and lie off them by ``away``."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(0).normal(size=(6, F))
    return rng.normal(size=(n, 6)) @ mix + 0.1 * rng.normal(size=(n, F)) + away


def fractal(seed: int, side: int = 256) -> np.ndarray:
    """A picture with the spectrum of natural ones, and of nothing."""
    rng = np.random.default_rng(seed)
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    planes = [
        np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) / (f + 1 / side)).real for _ in range(3)
    ]
    out = planes[0][..., None] + 0.3 * np.moveaxis(planes, 0, -1)
    return np.clip(128 + 45 * out / out.std(), 0, 255).astype(np.uint8)


def drawn(n: int, split: Split = Split.TEST, start: int = 0) -> list[np.ndarray]:
    settings = SceneSettings(n_frames=1)
    return [render(sample_scene(seed, settings)).frames[0] for seed in seeds(split, n, start=start)]


def test_what_is_like_the_pictures_shown_is_inside_and_what_is_not_is_outside():
    domain = Domain.fit(cloud(400, 1), cloud(200, 2), weights="w")
    assert (domain.distance(cloud(300, 3)) <= 1).mean() >= 0.96
    assert (domain.distance(cloud(100, 4, away=3.0)) > 1).all()


def test_pictures_of_another_kind_sharpen_the_border():
    def away(seed: int) -> np.ndarray:
        shift = np.zeros(F)
        shift[:4] = 0.35
        return cloud(200, seed) + shift

    wide = Domain.fit(cloud(400, 1), cloud(200, 2), weights="w")
    sharp = Domain.fit(cloud(400, 1), cloud(200, 2), unlike=away(5), weights="w")
    taken = [(one.distance(away(6)) <= 1).mean() for one in (wide, sharp)]
    assert taken[1] < 0.2 and taken[0] > 2 * taken[1]
    assert (sharp.distance(cloud(300, 3)) <= 1).mean() >= 0.96


def test_a_domain_lies_beside_the_weights_it_was_made_with_and_is_not_used_with_others(tmp_path: Path):
    made = Domain.fit(cloud(100, 1), cloud(50, 2), weights="one", about="a cloud")
    made.save(tmp_path)
    read = read_domain(tmp_path, weights="one")
    assert read is not None and read.digest == made.digest and read.about == "a cloud"
    assert np.allclose(read.distance(cloud(9, 3)), made.distance(cloud(9, 3)))
    assert read_domain(tmp_path, weights="two") is None
    assert read_domain(tmp_path / "none", weights="one") is None
    (tmp_path / "domain.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelError, match="cannot read"):
        read_domain(tmp_path, weights="one")


def test_too_few_pictures_or_other_features_are_refused():
    with pytest.raises(InputError, match="at least 50 pictures"):
        Domain.fit(cloud(20, 1), cloud(50, 2), weights="w")
    domain = Domain.fit(cloud(100, 1), cloud(50, 2), weights="w")
    with pytest.raises(InputError, match="40 features"):
        domain.distance(cloud(5, 1)[:, :7])


def test_one_odd_frame_among_others_is_none():
    assert settled([0.5, 0.5, 3.0, 0.5, 0.5]).tolist() == [False] * 5
    assert settled([3.0, 3.0, 0.9, 3.0, 3.0]).tolist() == [True] * 5
    assert settled([np.nan, 2.0]).tolist() == [True, True]
    assert settled([np.nan]).tolist() == [False]


def test_numbers_of_an_encoder_lie_beside_it(tmp_path: Path):
    mine = Calibration(min_confidence=0.7, weight=0.3)
    mine.save(tmp_path, weights="one")
    assert read_calibration(tmp_path, weights="one") == mine
    assert read_calibration(tmp_path, weights="two") is None
    (tmp_path / "calibration.json").write_text(json.dumps({"weights": "one", "min_confidence": 7}))
    with pytest.raises(ModelError, match="cannot read"):
        read_calibration(tmp_path, weights="one")


def test_measuring_an_encoder_does_not_make_it_another(tmp_path: Path):
    with resources.as_file(resources.files("seektrack") / "pretrained" / "clip") as pocket:
        shutil.copytree(pocket, tmp_path / "clip")
    before = folder_fingerprint(tmp_path / "clip")
    for name in ("domain.safetensors", "calibration.json"):
        (tmp_path / "clip" / name).unlink()
    assert folder_fingerprint(tmp_path / "clip") == before == load_encoder("pocket").fingerprint


def test_a_picture_has_the_same_statistics_at_any_size():
    small = fractal(1, 192)
    large = np.repeat(np.repeat(small, 3, axis=0), 3, axis=1)
    assert np.abs(picture_features(small) - picture_features(large)).max() < 0.05


def test_the_pocket_encoder_knows_the_drawn_world_and_no_natural_textures():
    encoder = load_encoder("pocket")
    vectors, inside = embed_and_measure(encoder, drawn(12))
    assert np.allclose(vectors, encoder.embed_images(drawn(12)), atol=1e-5)
    _, outside = embed_and_measure(encoder, [fractal(s) for s in range(6)])
    assert inside is not None and outside is not None
    assert (inside <= 1).mean() >= 0.9 and (outside > 1).all()


def test_quantiles_are_those_of_numpy_to_the_bit():
    rng = np.random.default_rng(5)
    for size in (1, 2, 3, 10, 999, 36_672):
        values = np.abs(rng.normal(size=size)).astype(np.float32)
        assert np.array_equal(features._quantiles(values), np.quantile(values, features._QUANTILES))
