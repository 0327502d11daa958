"""A session saved as it goes and killed without warning goes on in another process with the same masks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import hashlib, sys
from pathlib import Path
import numpy as np, torch
torch.set_num_threads(1)
from seektrack.segmentation import VideoSession, load_sam2
from seektrack.types import Prompt

def picture(index):
    image = np.random.default_rng(0).integers(70, 110, (96, 128, 3)).astype(np.uint8)
    y, x = np.mgrid[:96, :128]
    for k, colour in enumerate(((220, 40, 40), (40, 60, 220))):
        image[(x - 30 - 50 * k - 2 * index) ** 2 + (y - 40 - 10 * k) ** 2 < 15 ** 2] = colour
    return image

path, frames = Path(sys.argv[1]), int(sys.argv[2])
sam2 = load_sam2("pocket", device="cpu", resolution=128)
if path.exists():
    session = VideoSession.load(path, sam2)
else:
    session = VideoSession(sam2)
    session.add(Prompt(4, 0, box=(15.0, 25.0, 45.0, 55.0)))
    session.add(Prompt(7, 2, points=np.array([[84.0, 50.0]]), point_labels=np.array([1])))
first = 0 if session.frame_index is None else session.frame_index + 1
for index in range(first, frames):
    answer = session.step(picture(index), index)
    session.save(path)
    digest = hashlib.sha256(answer.logits.numpy().tobytes() + answer.masks().tobytes()).hexdigest()
    print(index, *answer.obj_ids, int(answer.masks().sum() > 0), digest, flush=True)
"""
N_FRAMES = 8


def start(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(path), str(N_FRAMES)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_killed_and_resumed(tmp_path: Path) -> None:
    whole = start(tmp_path / "whole")
    killed = start(tmp_path / "killed")
    assert killed.stdout is not None
    seen = [killed.stdout.readline().strip() for _ in range(4)]
    os.kill(killed.pid, signal.SIGKILL)
    seen += killed.communicate()[0].splitlines()
    assert killed.returncode == -signal.SIGKILL
    resumed = start(tmp_path / "killed").communicate()[0].splitlines()
    want = whole.communicate()[0].splitlines()
    assert len(want) == N_FRAMES
    assert all(line.split()[-2] == "1" for line in want), "masks must not be empty"
    assert want[-1].split()[1:3] == ["4", "7"]
    first = int(resumed[0].split()[0]) if resumed else N_FRAMES
    assert first in (len(seen), len(seen) + 1), "at most the frame being printed is not repeated"
    assert seen == want[: len(seen)]
    assert resumed == want[first:]
    assert first < N_FRAMES, "it was killed before the end"
