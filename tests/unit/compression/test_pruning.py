"""What does nothing is what goes; what is left is an ordinary checkpoint."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seektrack.checkpoints import packaged_folder
from seektrack.cli import main
from seektrack.compression import export_model, prune, pruning
from seektrack.encoders import load_encoder
from seektrack.errors import InputError
from seektrack.evaluation.bench.scene import picture
from seektrack.segmentation import VideoSession, load_sam2
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.types import Prompt


def pictures(count: int = 2) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 255, (64, 80, 3), dtype=np.uint8) for _ in range(count)]


@pytest.fixture(scope="module")
def half_idle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SAM 2 of which every second hidden channel is heard by nobody, and one block adds nothing."""
    folder = tmp_path_factory.mktemp("sam2")
    torch.manual_seed(0)
    model = build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 2, 2, 1))).eval()
    with torch.no_grad():
        for name, module in model.named_modules():
            stacked = ("vision_encoder.", "mask_decoder.transformer.layers", "memory_")
            if name.startswith(stacked) and name.endswith(("mlp.proj_out", "linear2", "pointwise_conv2")):
                module.weight[:, ::2] = 0
        idle = model.vision_encoder.backbone.blocks[4]
        for last in (idle.attn.proj, idle.mlp.proj_out):
            last.weight.zero_()
            last.bias.zero_()
    model.save_pretrained(folder)
    return folder


def followed(model: Path) -> NDArray[np.float32]:
    session = VideoSession(load_sam2(model, device="cpu"))
    session.add(Prompt(1, 0, box=(10.0, 10.0, 50.0, 50.0)))
    return np.stack([session.step(one, n).logits.numpy() for n, one in enumerate(pictures(3))])


def test_what_nobody_hears_goes_and_no_answer_changes(half_idle: Path, tmp_path: Path) -> None:
    made = prune(half_idle, "mask", to=tmp_path / "half", share=0.5, blocks=1, pictures=pictures())
    assert made.blocks == ("vision_encoder.backbone.blocks.4",)
    before, after = made.parameters
    assert after < before
    np.testing.assert_allclose(followed(tmp_path / "half"), followed(half_idle), atol=1e-3)
    prune(half_idle, "mask", to=tmp_path / "more", share=0.75, pictures=pictures())
    assert np.abs(followed(tmp_path / "more") - followed(half_idle)).max() > 1e-2


def test_a_pruned_encoder_is_a_model_at_every_door(tmp_path: Path) -> None:
    film = tmp_path / "film"
    film.mkdir()
    shown = [picture(n, 4) for n in range(2)]
    for number, one in enumerate(shown):
        cv2.imwrite(str(film / f"{number}.png"), one[..., ::-1])
    small = tmp_path / "small"
    with pytest.raises(SystemExit) as ended:
        main(["models", "prune", "pocket", "--to", str(small), "--by", str(film), "--blocks", "1", "--json"])
    assert not ended.value.code
    own, pruned = load_encoder("pocket", runtime="torch"), load_encoder(small / "clip")
    for one, other in (
        (own.embed_texts(["a red car"]), pruned.embed_texts(["a red car"])),
        (own.embed_images(shown), pruned.embed_images(shown)),
    ):
        assert 0.5 < float((one * other).sum(1).min()) < 0.999999
    assert own.fingerprint != pruned.fingerprint
    whole, less = (load_sam2(name, device="cpu", runtime="torch") for name in ("pocket", small / "sam2"))
    assert len(less.sets) == 2, "both of a segmenter's sets of weights are pruned"
    for one in shown:
        assert less.for_picture(one).weights == whole.for_picture(one).weights
    weights = [packaged_folder("clip"), small / "clip"]
    large, less = ((folder / "model.safetensors").stat().st_size for folder in weights)
    assert less < 0.8 * large
    (graphs,) = export_model(small / "clip", to=tmp_path / "graphs")
    assert graphs.fingerprint == pruned.fingerprint
    assert len(load_encoder(tmp_path / "graphs").embed_texts(["a red car"])) == 1


def test_what_goes_is_told_by_what_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, others = [picture(n, 4) for n in range(8)], [picture(n, 7) for n in range(20, 24)]
    whole = load_encoder("pocket", runtime="torch").embed_images(others)
    off = []
    for name, ridge in (("told", pruning.RIDGE), ("lost", 1e9)):
        monkeypatch.setattr(pruning, "RIDGE", ridge)
        prune("pocket", "text", to=tmp_path / name, share=0.4, pictures=shown)
        off.append(1 - float((load_encoder(tmp_path / name).embed_images(others) * whole).sum(1).mean()))
    assert off[0] < 0.75 * off[1], "on pictures that were not pruned by"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"share": 0.95}, "a share of 0.95"),
        ({"pictures": []}, "by 0 pictures"),
        ({"blocks": 3}, "3 blocks cannot go, 2 may"),
    ],
)
def test_what_cannot_be_pruned_is_said(asked, said, half_idle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        prune(half_idle, "mask", to=tmp_path / "no", **{"share": 0.1, "pictures": pictures(), **asked})


def test_blocks_without_prune_are_refused(capsys, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "sam2", "--data", "world:2", "--out", str(tmp_path), "--prune-blocks", "1"])
    assert ended.value.code == 2 and "go with --prune" in capsys.readouterr().err
