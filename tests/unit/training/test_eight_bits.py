"""Quantisation-aware training: what is simulated is what ONNX Runtime computes from the exported weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from seektrack.cli import main
from seektrack.compression.smaller import make_smaller
from seektrack.errors import InputError
from seektrack.training.datasets import world_masks
from seektrack.training.eight_bits import EightBits
from seektrack.training.finetune import FinetuneRecipe
from seektrack.training.sam2 import Sam2Finetune, tune_sam2
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.world import SceneSettings, Split, seeds


def in_eight_bits(layer: nn.Linear, x: torch.Tensor, folder: Path) -> np.ndarray:
    """The layer's answer by ONNX Runtime, written in eight bits as an export would write it."""
    weight = numpy_helper.from_array(layer.weight.detach().T.contiguous().numpy(), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", layer.in_features])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", layer.out_features])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(folder / "fp32.onnx"))
    assert make_smaller(folder / "fp32.onnx", folder / "int8.onnx", "dynamic")
    session = ort.InferenceSession(str(folder / "int8.onnx"), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x.numpy()})[0])


def test_what_is_simulated_is_what_the_runtime_computes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(64, 48, bias=False)
    x = torch.randn(20, 64) + 1.5
    with torch.no_grad():
        plain = layer(x).numpy()
        with EightBits():
            simulated = layer(x).numpy()
    told = in_eight_bits(layer, x, tmp_path)
    assert np.abs(plain - told).max() > 5e-3
    np.testing.assert_allclose(simulated, told, atol=1e-5)


def test_the_gradient_passes_the_rounding() -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 16)
    teacher, layer = nn.Linear(16, 4), nn.Linear(16, 4)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.02)
    for _ in range(300):
        with EightBits():
            loss = (layer(x) - teacher(x).detach()).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 2e-3
    assert len(layer.weight.unique()) == layer.weight.numel(), "the weights themselves are not rounded"


def test_a_segmenter_learns_in_eight_bits(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    start = tmp_path / "start"
    build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))).save_pretrained(start)
    clips = world_masks(seeds(Split.TEST, 3, start=90), SceneSettings(height=64, width=96, n_frames=3))
    recipe = Sam2Finetune(
        steps=1, frames=2, clips=1, objects=2, held_out=0.4, held_out_frames=3, measurements=1, warmup=1
    )
    figures = [
        tune_sam2(
            replace(recipe, quantisation_aware=aware), clips, tmp_path / str(aware), model=start, device="cpu"
        )
        for aware in (False, True)
    ]
    assert figures[0]["loss"] != figures[1]["loss"] and figures[1]["steps"] == 1


def test_names_have_no_weights_to_round(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="moves no weight that eight bits would round"):
        FinetuneRecipe(mode="names", quantisation_aware=True)
    with pytest.raises(SystemExit) as ended:
        main(
            ["train", "clip", "--data", "world:2", "--out", str(tmp_path / "o"), "--recipe", "names"]
            + ["--quantisation-aware"]
        )
    assert ended.value.code == 2 and "moves no weight" in capsys.readouterr().err
