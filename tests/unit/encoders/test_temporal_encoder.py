from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
import torch

from seektrack.encoders import Encoder, load_encoder
from seektrack.encoders.temporal import TemporalEncoder, save_temporal
from seektrack.encoders.temporal_network import TemporalModel, drift
from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.errors import InputError, ModelError
from seektrack.types import Frame

SIZES = TemporalSizes(
    frames=4, image_size=56, tower_width=32, tower_layers=1, tower_heads=2, channels=8,
    queries=4, width=32, layers=2, heads=2, dim=16,
)  # fmt: skip


def random_folder(folder, sizes=SIZES, seed=0):
    from transformers import CLIPTextConfig

    tokenizer = load_encoder("pocket").tokenizer
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=24,
        projection_dim=sizes.dim,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    save_temporal(TemporalModel(sizes, text), tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return random_folder(tmp_path_factory.mktemp("temporal") / "model")


@pytest.fixture(scope="module")
def encoder(folder):
    return load_encoder(folder)


def moving(n=6, step=6, seed=0):
    """A square that moves right over noise, uint8 (n, 48, 64, 3)."""
    frames = np.random.default_rng(seed).integers(60, 90, (n, 48, 64, 3)).astype(np.uint8)
    for t in range(n):
        frames[t, 16:32, 4 + step * t : 16 + step * t] = (220, 30, 30)
    return frames


def as_video(frames, fps=4):
    return [Frame(i, Fraction(i, fps), image) for i, image in enumerate(frames)]


def test_a_folder_loads_by_name_as_an_encoder(encoder, folder):
    assert isinstance(encoder, TemporalEncoder) and isinstance(encoder, Encoder)
    assert encoder.dim == 16 and encoder.n_frames == 4 and encoder.image_size == 56
    assert load_encoder(folder).fingerprint == encoder.fingerprint


def test_other_weights_have_another_fingerprint(encoder, tmp_path):
    assert load_encoder(random_folder(tmp_path / "b", seed=1)).fingerprint != encoder.fingerprint


def test_clips_and_texts_are_unit_rows_of_one_space(encoder):
    clips = encoder.embed_clips([moving(), moving(9)])
    texts = encoder.embed_texts(["a red car moving left", "a word " * 60])
    for rows in (clips, texts):
        assert rows.shape == (2, 16) and rows.dtype == np.float32
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    assert encoder.embed_clips([]).shape == encoder.embed_texts([]).shape == (0, 16)


def test_order_of_frames_matters_and_batches_do_not(encoder):
    clip = moving()
    both = encoder.embed_clips([clip, clip[::-1]], batch_size=1)
    assert np.abs(both[0] - both[1]).max() > 1e-3
    assert encoder.embed_clips([clip, clip[::-1]], batch_size=2) == pytest.approx(both, abs=1e-5)


def test_a_picture_counts_as_a_still_clip(encoder):
    picture = moving()[0]
    still = encoder.embed_clips([np.stack([picture] * 7)])
    assert encoder.embed_images([picture]) == pytest.approx(still, abs=1e-5)


def test_frames_of_a_long_clip_are_spread_evenly(encoder):
    clip = moving(10, step=4)
    assert encoder.embed_clips([clip]) == pytest.approx(encoder.embed_clips([clip[[0, 3, 6, 9]]]), abs=1e-5)


def test_features_of_frames_give_the_same_embedding(encoder):
    clip = moving(4)
    features = encoder.embed_frames(list(clip))
    assert features.shape == (4, 4, 4, 8)
    assert encoder.embed_features(features[None]) == pytest.approx(encoder.embed_clips([clip]), abs=1e-5)


def test_windows_of_a_video_are_its_clips(encoder):
    frames = moving(16, step=2)
    found = list(encoder.embed_video(as_video(frames), window_s=2.0, stride_s=1.0))
    assert [(w.start_s, w.end_s) for w in found] == [(0.0, 1.75), (1.0, 2.75), (2.0, 3.75)]
    clips = encoder.embed_clips([frames[0:8], frames[4:12], frames[8:16]])
    assert np.stack([w.vector for w in found]) == pytest.approx(clips, abs=1e-5)


def test_a_short_video_is_one_window(encoder):
    frames = moving(5)
    (found,) = encoder.embed_video(as_video(frames), window_s=2.0)
    assert (found.start_s, found.end_s) == (0.0, 1.0)
    assert list(encoder.embed_video([], window_s=1.0)) == []


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda e: e.embed_clips([[]]), "no frames"),
        (lambda e: e.embed_clips([moving()], batch_size=0), "batch_size"),
        (lambda e: e.embed_features(np.zeros((1, 3, 4, 4, 8))), "features of clips"),
        (lambda e: list(e.embed_video(as_video(moving()), window_s=0)), "window_s"),
        (lambda e: e.embed_images([np.zeros((4, 4), np.uint8)]), "uint8"),
    ],
)
def test_what_cannot_be_embedded_is_told(encoder, ask, words):
    with pytest.raises(InputError, match=words):
        ask(encoder)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"queries": 5},
        {"early_layer": 1},
        {"early_layer": -1},
        {"patch_size": 10},
        {"text_config": None},
    ],
)
def test_a_damaged_folder_is_a_model_error(tmp_path, change):
    folder = random_folder(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError):
        load_encoder(folder)


@pytest.mark.parametrize(("dx", "dy"), [(1, 0), (-2, 0), (0, 1), (1, -1), (0, 0)])
def test_patches_that_drift_are_followed(dx, dy):
    noise = torch.randn(1, 30, 30, 20, generator=torch.Generator().manual_seed(0))
    frames = [noise[:, 8 - dy * t : 20 - dy * t, 8 - dx * t : 20 - dx * t] for t in range(4)]
    found = drift(torch.stack(frames, 1))
    inner = found[0, :3, 3:-3, 3:-3]
    assert inner[..., :2].mean((0, 1, 2)).tolist() == pytest.approx([dx, dy], abs=0.1)
    assert (inner[..., 4].mean() > 1) == ((dx, dy) != (0, 0))
    assert found[0, 3].abs().max() == 0
