"""Several processes take the steps of one, and what was killed goes on to the same weights."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import seektrack
from seektrack.errors import InputError, ModelError
from seektrack.training.clip import ClipRecipe, ClipSizes, train_clip
from seektrack.training.clip.model import build_model, build_processor, build_tokenizer
from seektrack.training.common import load_checkpoint
from seektrack.training.finetune import FinetuneRecipe, finetune_clip
from seektrack.training.scale import Scale

SIZES = ClipSizes(image_size=28, patch_size=14, width=32, layers=1, heads=2, text_width=32, text_layers=1,
                  dim=16, vocabulary=600)  # fmt: skip
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "white": (230, 230, 230)}
SOURCE = str(Path(seektrack.__file__).parents[1])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = build_tokenizer(SIZES)
    build_model(SIZES, tokenizer).save_pretrained(folder)
    build_processor(SIZES, tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    lines = ["file,caption,weight"]
    for i, (above, below) in enumerate(itertools.product(COLOURS, COLOURS)):
        image = np.zeros((30, 30, 3), np.uint8)
        image[:15], image[15:] = COLOURS[above], COLOURS[below]
        Image.fromarray(image).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{above} over {below},{1 + i % 3}")
    (folder / "captions.csv").write_text("\n".join(lines))
    return folder


def run(command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command that finds the package, on one thread like this process."""
    env = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    env |= {"PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **more}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)


def weights(out: Path, part: str = "weights") -> dict[str, torch.Tensor]:
    state = load_checkpoint(out / "training" / "checkpoint.pt")
    assert state is not None
    found: dict[str, torch.Tensor] = state[part]
    return found


def test_two_processes_end_with_the_weights_of_one(model: Path, pictures: Path, tmp_path: Path) -> None:
    recipe = FinetuneRecipe(
        batch=8, epochs=2, held_out=0.25, learning_rate=3e-3, alignment=0.2, image_to_text=0.4, patience=0
    )
    alone = finetune_clip(recipe, pictures, tmp_path / "one", model=model, device="cpu", max_minutes=600)
    command = [
        sys.executable, "-m", "seektrack", "train", "clip", "--processes", "2",
        "--out", str(tmp_path / "two"), "--data", str(pictures), "--model", str(model),
        "--batch", "8", "--epochs", "2", "--held-out", "0.25", "--learning-rate", "0.003",
        "--alignment", "0.2", "--image-to-text", "0.4", "--patience", "0",
        "--device", "cpu", "--minutes", "600", "--json",
    ]  # fmt: skip
    done = run(command)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["steps"] == alone["steps"] == 2
    assert figures["loss"] == pytest.approx(alone["loss"], abs=1e-3)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    for name in one:
        # A key's bias adds the same to all logits: its gradient is rounding, which Adam enlarges.
        if not name.endswith("k_proj.bias"):
            torch.testing.assert_close(two[name], one[name], atol=1e-5, rtol=0)
    start = build_model(SIZES, build_tokenizer(SIZES)).state_dict()
    assert max(float((one[n] - start[n]).abs().max()) for n in one) > 1e-3


_KILLED = """
import os, signal, sys, torch
from pathlib import Path
torch.set_num_threads(1)
real, count = torch.save, 0
def save(state, path):
    global count
    count += 1
    real(state, path)
    if count == 3:
        whole = Path(path).read_bytes()
        Path(path).write_bytes(whole[: len(whole) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
torch.save = save
"""


def killed(program: str) -> None:
    """Run a program that is killed, as by kill -9, half-way through its third checkpoint."""
    done = run([sys.executable, "-c", _KILLED + program])
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_killed_pocket_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    recipe = ClipRecipe(
        sizes=SIZES, clips=2, rich=0.5, frames_per_clip=1, objects=3, backgrounds=1, things=1, scenes=3,
        hard_texts=1, unknown_texts=1, early_size=14, early_scenes=1, steps=5, warmup=2, scene_weight=0.5,
        bf16=False, validation_clips=3,
    )  # fmt: skip
    cache = tmp_path / "frames"
    train_clip(recipe, tmp_path / "whole", max_minutes=600, cache=cache)
    killed(
        "from seektrack.training.clip import ClipRecipe, ClipSizes, train_clip\n"
        f"train_clip({recipe!r}, Path({str(tmp_path / 'cut')!r}), max_minutes=600,"
        f" cache=Path({str(cache)!r}), checkpoint_every_s=0)"
    )
    halfway = load_checkpoint(tmp_path / "cut" / "training" / "checkpoint.pt")
    assert halfway is not None and halfway["steps"] == 2
    train_clip(recipe, tmp_path / "cut", max_minutes=600, cache=cache)
    for part in ("model", "average"):
        whole, cut = weights(tmp_path / "whole", part), weights(tmp_path / "cut", part)
        assert all(torch.equal(cut[name], whole[name]) for name in whole)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_step_in_any_precision_goes_downhill_in_float32(precision: str) -> None:
    scale = Scale(device="cpu", precision=precision)
    network = nn.Linear(8, 4)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.5)
    inputs, wanted = torch.randn(16, 8), torch.randn(16, 4)
    losses, computed = [], set()
    for _ in range(15):
        with scale.autocast():
            out = scale.spread(network)(inputs)
        computed.add(out.dtype)
        loss = (scale.gather(out).float() - wanted).square().mean()
        scale.step(loss, optimiser, network.parameters(), max_norm=10.0)
        losses.append(float(loss.detach()))
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert computed == {kind}
    assert network.weight.dtype == torch.float32
    assert losses[-1] < 0.8 * losses[0]
    again = Scale(device="cpu", precision=precision)
    again.load_state_dict(scale.state_dict())
    assert again.state_dict() == scale.state_dict()
    assert bool(scale.state_dict()) == (precision == "fp16")


def test_a_gradient_that_overflows_is_left_out_and_the_scale_falls() -> None:
    scale = Scale(device="cpu", precision="fp16")
    network = nn.Linear(2, 1)
    before = network.weight.detach().clone()
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    start = scale.state_dict()["scale"]
    scale.step(network(torch.ones(1, 2)).sum() * 1e38, optimiser, network.parameters(), max_norm=1.0)
    assert torch.equal(network.weight, before)
    assert scale.state_dict()["scale"] < start


def test_parts_of_a_batch_are_disjoint_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    scale, parts = Scale(device="cpu"), []
    assert (scale.main, scale.backend, scale.agree(3)) == (True, None, 3)
    scale.world = 3
    for scale.rank in range(3):
        parts += list(scale.share(range(12)))
    assert parts == list(range(12))
    with pytest.raises(InputError, match="multiple of 3"):
        scale.fits(8)


def test_what_cannot_be_joined_or_computed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="fp32, bf16, fp16"):
        Scale(precision="int4")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(ModelError, match="cannot join"):
        Scale(device="cpu")
