"""Two processes take the steps of one: the groups of a step are shared, their gradients added up."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import seektrack
from seektrack.errors import InputError
from seektrack.segmentation import load_sam2
from seektrack.training.common import load_checkpoint
from seektrack.training.sam2 import Sam2Finetune, Sam2Trainer, smoke_recipe, tune_sam2

SOURCE = str(Path(seektrack.__file__).parents[1])


def run_command(*arguments: str) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    env |= {"PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "seektrack", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def apart(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    """How far two networks are from each other: the norm of all differences together."""
    assert one.keys() == two.keys()
    return float(torch.stack([(one[n] - two[n]).norm() for n in one]).norm())


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_the_pocket_training_in_two_processes_is_that_of_one(tmp_path):
    recipe = replace(smoke_recipe(), bf16=False, accumulate=2)
    alone = Sam2Trainer(recipe, tmp_path / "one", workers=0, device="cpu")
    alone.run()
    (tmp_path / "recipe.json").write_text((tmp_path / "one" / "recipe.json").read_text())
    told = run_command(
        "pocket", "sam2", "--processes", "2", "--recipe", str(tmp_path / "recipe.json"),
        "--out", str(tmp_path / "two"),
        "--workers", "0", "--device", "cpu", "--json",
    )  # fmt: skip
    assert json.loads(told)["J_box"] >= 0
    one, two = (load_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("one", "two"))
    assert one["state"]["groups"] == two["state"]["groups"] == 0
    start = Sam2Trainer(recipe, tmp_path / "start", workers=0, device="cpu").learner.model.state_dict()
    moved = apart(start, one["model"])
    assert apart(two["model"], one["model"]) < 0.1 * moved
    half = replace(recipe, accumulate=1)
    other = Sam2Trainer(half, tmp_path / "half", workers=0, device="cpu")
    other.run()
    assert apart(other.learner.model.state_dict(), one["model"]) > 0.3 * moved, (
        "half of the groups are not the same"
    )


def test_a_fine_tuning_in_two_processes_is_that_of_one(tmp_path):
    data = "world:4,frames=4,size=64"
    settings = Sam2Finetune(steps=2, frames=2, accumulate=2, resolution=64, held_out=0, learning_rate=1e-3)
    tune_sam2(settings, data, tmp_path / "one", device="cpu", max_minutes=600)
    told = run_command(
        "train", "sam2", "--processes", "2", "--accumulate", "2", "--data", data,
        "--steps", "2", "--frames", "2",
        "--resolution", "64", "--held-out", "0", "--learning-rate", "0.001", "--device", "cpu",
        "--minutes", "600", "--workers", "0", "--out", str(tmp_path / "two"), "--json",
    )  # fmt: skip
    assert json.loads(told)["steps"] == 2
    one, two = (load_checkpoint(tmp_path / n / "training" / "checkpoint.pt") for n in ("one", "two"))
    untouched = load_sam2("pocket", device="cpu").model.state_dict()
    moved = apart({n: untouched[n] for n in one["weights"]}, one["weights"])
    assert apart(two["weights"], one["weights"]) < 0.1 * moved


def test_groups_that_processes_cannot_share_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("seektrack.training.scale.dist.init_process_group", lambda *a, **k: None)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="shared by 2"):
        Sam2Trainer(smoke_recipe(), tmp_path, workers=0, device="cpu")
