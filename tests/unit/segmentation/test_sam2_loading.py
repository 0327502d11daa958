"""Loading SAM 2 from disk, at the checkpoint's resolution and at others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from seektrack.errors import ModelError
from seektrack.segmentation import load_sam2
from seektrack.training.sam2.config import PocketSize, build_pocket


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("checkpoints") / "sam2"
    build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))).save_pretrained(path)
    return path


@pytest.fixture
def image(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 255, (50, 70, 3), dtype=np.uint8)


def test_the_weights_arrive(folder: Path) -> None:
    from safetensors.torch import load_file

    stored = load_file(folder / "model.safetensors")
    held = load_sam2(folder, device="cpu").model.state_dict()
    assert all(torch.equal(held[name], weight) for name, weight in stored.items())


@pytest.mark.parametrize("resolution", [None, 64, 96, 128])
def test_any_resolution_follows_objects(folder: Path, image: np.ndarray, resolution: int | None) -> None:
    from seektrack.segmentation import VideoSession
    from seektrack.types import Prompt

    sam2 = load_sam2(folder, device="cpu", resolution=resolution)
    side = resolution or 64
    assert sam2.resolution == side
    features = sam2.encode(image)
    assert features.top.shape[-2:] == (side // 16, side // 16)
    assert features.s0.shape[-2:] == (side // 4, side // 4)
    assert features.hw == (50, 70)
    session = VideoSession(sam2)
    session.add(Prompt(0, 0, box=(5.0, 5.0, 30.0, 30.0)))
    for i in range(3):
        answer = session.step(image, i)
    assert answer.logits.shape == (1, side // 4, side // 4)


def test_preprocessing_is_imagenets_on_an_area_resize(folder: Path) -> None:
    image = np.zeros((128, 128, 3), dtype=np.uint8)
    image[::2] = 200
    pixels = load_sam2(folder, device="cpu").preprocess(image)
    assert pixels.shape == (1, 3, 64, 64)
    wanted = (100 / 255 - 0.485) / 0.229
    assert float(pixels[0, 0, 8:-8].mean()) == pytest.approx(wanted, abs=0.02)
    assert float(pixels[0, 0, 8:-8].std()) < 0.05, "stripes must blend, not alias"


def test_half_precision(folder: Path, image: np.ndarray) -> None:
    sam2 = load_sam2(folder, device="cpu", dtype=torch.bfloat16)
    whole = load_sam2(folder, device="cpu")
    assert sam2.dtype == torch.bfloat16
    got, wanted = sam2.encode(image).top.float(), whole.encode(image).top
    assert torch.nn.functional.cosine_similarity(got.flatten(), wanted.flatten(), dim=0) > 0.99


def test_what_cannot_be_loaded(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="unknown model"):
        load_sam2("giant")
    with pytest.raises(ModelError, match=r"without a config\.json"):
        load_sam2(tmp_path)
    with pytest.raises(ModelError, match="cannot be fetched"):
        load_sam2("somebody/not-downloaded")
    with pytest.raises(ModelError, match="multiple of 32"):
        load_sam2(folder, resolution=100)
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"model_type": "clip"}))
    (other / "model.safetensors").touch()
    with pytest.raises(ModelError, match="'clip' checkpoint"):
        load_sam2(other)


def test_incomplete_checkpoints(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    config = (folder / "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        load_sam2(tmp_path)
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        load_sam2(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_sam2(tmp_path)
    weights.pop("no_object_pointer")
    save_file(weights, str(tmp_path / "model.safetensors"), metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks 1 weights, among them no_object_pointer"):
        load_sam2(tmp_path)


def test_an_edgetam_checkpoint_is_named_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "edgetam_video"}))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelError, match="'edgetam_video' checkpoint, not SAM 2") as caught:
        load_sam2(tmp_path)
    assert "sam2_video" in str(caught.value)
