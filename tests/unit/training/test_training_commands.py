"""Every ``seektrack train`` command: killed outright it goes on to the same weights, and two processes take
the steps of one."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import seektrack
from seektrack.cli import main
from seektrack.encoders.temporal import save_temporal
from seektrack.encoders.temporal_network import TemporalModel
from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.training.clip import ClipSizes
from seektrack.training.clip.model import build_model, build_processor, build_tokenizer
from seektrack.training.common import load_checkpoint
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.video import VideoWriter

SOURCE = str(Path(seektrack.__file__).parents[1])
TEXTS = ClipSizes(image_size=28, patch_size=14, width=32, layers=1, heads=2, text_width=32, text_layers=1,
                  dim=16, vocabulary=600)  # fmt: skip
MOMENTS = TemporalSizes(frames=4, image_size=28, patch_size=7, tower_width=16, tower_layers=1, tower_heads=2,
                        channels=16, queries=8, width=16, layers=1, heads=2, dim=16)  # fmt: skip
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "white": (230, 230, 230)}


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Small data, a small model to start from and five steps for each command."""
    home = tmp_path_factory.mktemp("trainings")
    torch.manual_seed(0)
    tokenizer = build_tokenizer(TEXTS)
    build_model(TEXTS, tokenizer).save_pretrained(home / "clip")
    build_processor(TEXTS, tokenizer).save_pretrained(home / "clip")
    save_temporal(
        TemporalModel(MOMENTS, build_model(TEXTS, tokenizer).config.text_config), tokenizer, home / "temporal"
    )
    build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))).save_pretrained(home / "sam2")
    _pictures(home / "pictures")
    _films(home / "films")
    _ways(home / "ways")
    return {
        "clip": ["--data", str(home / "pictures"), "--model", str(home / "clip"), "--recipe", "lora",
                 "--batch", "6", "--epochs", "3", "--held-out", "0.25", "--balance", "--device", "cpu"],
        "sam2": ["--data", "world:4,frames=4,size=64", "--model", str(home / "sam2"), "--frames", "2",
                 "--steps", "5", "--held-out", "0.25", "--workers", "0", "--learning-rate", "0.001",
                 "--device", "cpu"],
        "temporal": ["--data", str(home / "films"), "--model", str(home / "temporal"), "--batch", "4",
                     "--steps", "5", "--held-out", "0.3", "--precision", "fp32"],
        "trajectory": ["--data", str(home / "ways"), "--model", "new-lstm", "--steps", "5"],
    }  # fmt: skip


def _pictures(home: Path) -> None:
    home.mkdir()
    lines = ["file,caption,weight"]
    for i, (above, below) in enumerate(itertools.product(COLOURS, COLOURS)):
        image = np.zeros((30, 30, 3), np.uint8)
        image[:15], image[15:] = COLOURS[above], COLOURS[below]
        Image.fromarray(image).save(home / f"{i}.png")
        lines.append(f"{i}.png,{above} over {below},{1 + i % 3}")
    (home / "captions.csv").write_text("\n".join(lines))


def _films(home: Path) -> None:
    home.mkdir()
    rows = ["video,start,end,text"]
    for i in range(8):
        with VideoWriter(home / f"{i}.mp4", width=32, height=32, fps=8) as writer:
            for t in range(8):
                image = np.full((32, 32, 3), 40, np.uint8)
                image[4 + i : 14 + i, 3 * t : 3 * t + 8] = 230
                writer.write(image if i % 2 else image[:, ::-1])
        rows.append(f"{i}.mp4,0,0.9,a block going {'right' if i % 2 else 'left'}")
    (home / "moments.csv").write_text("\n".join(rows) + "\n")


def _ways(home: Path) -> None:
    for seed, name in enumerate("abc"):
        (home / name / "gt").mkdir(parents=True)
        (home / name / "seqinfo.ini").write_text(
            f"[Sequence]\nname={name}\nimDir=img1\nframeRate=10\nseqLength=60\nimWidth=400\nimHeight=300\n"
        )
        rng, rows = np.random.default_rng(seed), []
        for obj_id, t in itertools.product((1, 2), range(60)):
            x = 180 + 90 * np.sin(0.25 * t + seed + obj_id) + rng.normal(0, 0.5)
            rows.append(f"{t + 1},{obj_id},{x:.2f},{120 * obj_id - 40},30,30,1,1,1")
        (home / name / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")


_KILLED = """
import os, signal, sys, torch
from pathlib import Path
torch.set_num_threads(1)
import seektrack.training.finetune.loop as clip, seektrack.training.sam2.tune as sam2
import seektrack.training.temporal.own as temporal, seektrack.training.trajectory.loop as trajectory
for each in (clip.finetune_clip, sam2.tune_sam2, temporal.train_moments, trajectory.train_trajectory):
    each.__kwdefaults__["checkpoint_every_s"] = 0
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
from seektrack.cli import main
main(sys.argv[1:])
"""


def _env() -> dict[str, str]:
    alone = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    return alone | {"PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def _told(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> dict[str, Any]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        main([*arguments, "--minutes", "600", "--json", "--quiet"])
    said = capsys.readouterr()
    assert not done.value.code, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def _weights(out: Path) -> dict[str, torch.Tensor]:
    state = load_checkpoint(out / "training" / "checkpoint.pt")
    assert state is not None
    found: dict[str, torch.Tensor] = state["weights" if "weights" in state else "model"]
    return found


@pytest.mark.parametrize("command", ["clip", "sam2", "temporal", "trajectory"])
def test_killed_half_way_through_a_checkpoint_it_goes_on_to_the_same_weights(
    command: str, commands: dict[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["train", command, *commands[command]]
    cut = [*given, "--out", str(tmp_path / "cut")]
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, *cut, "--minutes", "600", "--quiet"],
        env=_env(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    halfway = load_checkpoint(tmp_path / "cut" / "training" / "checkpoint.pt")
    assert halfway is not None and halfway["steps"] == 2
    gone_on = _told(capsys, cut)
    whole = _told(capsys, [*given, "--out", str(tmp_path / "whole")])
    assert gone_on["steps"] == whole["steps"] > 2
    one, two = (_weights(tmp_path / name) for name in ("cut", "whole"))
    assert all(torch.equal(one[name], two[name]) for name in two)


@pytest.mark.parametrize("command", ["temporal", "trajectory"])
def test_two_processes_take_the_steps_of_one(
    command: str,
    commands: dict[str, list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What dropout draws is each process's own: without it the two are the same.
    (tmp_path / "sitecustomize.py").write_text("import torch\ntorch.nn.Dropout.forward = lambda self, x: x\n")
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
    env = _env()
    env["PYTHONPATH"] = f"{tmp_path}:{env['PYTHONPATH']}"
    given = ["train", command, *commands[command]]
    alone = _told(capsys, [*given, "--out", str(tmp_path / "one")])
    _told(capsys, [*given, "--steps", "1", "--learning-rate", "1e-9", "--out", str(tmp_path / "start")])
    both = [*given, "--out", str(tmp_path / "two"), "--processes", "2", "--minutes", "600", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "seektrack", *both],
        env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["steps"] == alone["steps"] and told["loss"] == pytest.approx(alone["loss"], abs=1e-3)
    one, two, start = (_weights(tmp_path / name) for name in ("one", "two", "start"))
    assert _apart(one, two) < 0.02 * _apart(one, start)


def _apart(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    return float(torch.stack([(one[n] - two[n]).norm() for n in one]).norm())
