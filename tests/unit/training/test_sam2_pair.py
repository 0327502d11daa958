"""Two networks in one folder, the gate between them, and which of the two a training goes on from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from seektrack.checkpoints import packaged_folder
from seektrack.cli import app
from seektrack.compression import export_model, sam2_parts
from seektrack.errors import ModelError
from seektrack.segmentation import load_sam2
from seektrack.segmentation.gate import Gate
from seektrack.segmentation.paired import GATE, SECOND
from seektrack.training.datasets import RegionPicture, world_masks
from seektrack.training.sam2 import Material, fit_gate, gate_figures, pair, smoke_recipe
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.training.sam2.gate import drawn_pictures
from seektrack.training.sam2.learner import Learner
from seektrack.training.sam2.recipe import Stage
from seektrack.training.sam2.weights import Weights, publish, set_for
from seektrack.world import SceneSettings, Split, seeds

SIZE = PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two small networks of one build."""
    folders = []
    for seed in range(2):
        torch.manual_seed(seed)
        folders.append(tmp_path_factory.mktemp(f"network-{seed}"))
        publish(build_pocket(SIZE).half(), folders[-1])
    return folders[0], folders[1]


def test_each_becomes_a_set_of_the_folder(two: tuple[Path, Path], tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["pocket", "sam2-pair", *map(str, two), "--out", str(tmp_path)])
    assert told.exit_code == 0, told.output
    found = load_sam2(tmp_path, device="cpu")
    assert found.gate is not None
    assert found.gate.fingerprint == Gate.load(packaged_folder("sam2")).fingerprint
    for one, part in zip(two, (tmp_path, tmp_path / SECOND), strict=True):
        own, kept = (load_file(folder / "model.safetensors") for folder in (one, part))
        assert own.keys() == kept.keys() and all(torch.equal(own[name], kept[name]) for name in own)
        assert (part / "config.json").read_text() == (one / "config.json").read_text()


def test_one_set_is_exchanged_in_place(two: tuple[Path, Path], tmp_path: Path) -> None:
    pair(*two, tmp_path)
    pair(tmp_path, two[0], tmp_path)
    found = load_sam2(tmp_path, device="cpu")
    assert found.sets[0].fingerprint != load_sam2(two[1], device="cpu").fingerprint
    held = [load_file(folder / "model.safetensors") for folder in (tmp_path, tmp_path / SECOND)]
    assert all(torch.equal(held[0][name], held[1][name]) for name in held[0])


def test_photographs_may_be_seen_in_a_larger_square(two: tuple[Path, Path], tmp_path: Path) -> None:
    asked = ["pocket", "sam2-pair", *map(str, two), "--out", str(tmp_path), "--resolution", "96"]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0, told.output
    found, alone = load_sam2(tmp_path, device="cpu"), load_sam2(two[1], device="cpu", resolution=96)
    assert [one.resolution for one in found.sets] == [64, 96]
    assert found.sets[1].fingerprint == alone.fingerprint
    with pytest.raises(ModelError, match="resolution 100 does not fit"):
        pair(*two, tmp_path, resolution=100)


def test_two_that_are_not_built_alike_are_refused(two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not built alike"):
        pair("pocket", two[1], tmp_path)


def test_graphs_hold_both_sets(
    two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript")
    whole = sam2_parts.sam2_parts
    smallest = "mask_shrinker"  # writing all of them takes half a minute
    monkeypatch.setattr(
        sam2_parts, "sam2_parts", lambda model: [part for part in whole(model) if part.name == smallest]
    )
    folder = pair(*two, tmp_path / "both")
    found = export_model(folder, to=tmp_path / "graphs")
    assert [graphs.folder.name for graphs in found] == ["graphs", SECOND]
    graphs = load_sam2(tmp_path / "graphs", device="cpu")
    assert graphs.runtime == "onnx" and graphs.fingerprint == load_sam2(folder, device="cpu").fingerprint
    assert (tmp_path / "graphs" / GATE).read_bytes() == (folder / GATE).read_bytes()


def speckled(count: int) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 255, (120, 160, 3)).astype(np.uint8) for _ in range(count)]


def test_a_gate_is_taught_what_photographs_look_like() -> None:
    material = Material(pictures=[RegionPicture(str(i), image, ()) for i, image in enumerate(speckled(4))])
    gate = fit_gate(material, scenes=8, steps=12)
    figures = gate_figures(gate, drawn_pictures(Split.VALIDATION, 6), speckled(6))
    assert figures["drawings_told"] == 1.0 and figures["photographs_told"] == 1.0


def test_a_training_goes_on_from_the_set_that_knows_its_clips(tmp_path: Path) -> None:
    settings = SceneSettings(height=96, width=128, n_frames=2)
    drawn = world_masks(seeds(Split.TEST, 3, start=40), settings)
    assert Weights("pocket", "head", device="cpu", clips=drawn).sam2.weights == "drawn"

    class Elsewhere(Gate):
        def odds(self, pixels: Any) -> Any:
            return -super().odds(pixels)

    both = load_sam2("pocket", device="cpu")
    turned = dataclasses.replace(both, gate=Elsewhere(both.gate._weights))  # type: ignore[union-attr]
    assert set_for(turned, drawn).weights == "photographs"
    out = tmp_path / "out"
    Weights("pocket", "head", device="cpu", clips=drawn).save(out)
    assert len(load_sam2(out, device="cpu").sets) == 1
    assert json.loads((out / "config.json").read_text())["dtype"] == "float16"


def test_a_recipe_goes_on_from_the_set_of_its_world() -> None:
    drawn = smoke_recipe()
    real = type(drawn)(stages=(Stage(name="clip", steps=1, resolution=64, clips=1, mix=(0.5, 0.5, 0.0)),))
    for recipe, name in ((drawn, "drawn"), (real, "photographs")):
        learner = Learner(recipe, init="pocket", device=torch.device("cpu"))
        wanted = load_sam2(f"pocket:{name}", device="cpu").model.state_dict()
        assert all(torch.equal(weight, wanted[key]) for key, weight in learner.model.state_dict().items())
