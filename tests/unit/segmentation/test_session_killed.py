"""Sessions saved as they go and killed without warning go on in another process with the same masks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

SCRIPT = """
import hashlib, sys
from pathlib import Path
import numpy as np, torch
torch.set_num_threads(1)
from seektrack.segmentation import PropagationSettings, load_sam2, open_session, resume_session
from seektrack.types import Prompt

def picture(index):
    image = np.random.default_rng(0).integers(70, 110, (96, 128, 3)).astype(np.uint8)
    y, x = np.mgrid[:96, :128]
    for k, colour in enumerate(((220, 40, 40), (40, 60, 220))):
        image[(x - 30 - 50 * k - 2 * index) ** 2 + (y - 40 - 10 * k) ** 2 < 15 ** 2] = colour
    return image

folder, frames = Path(sys.argv[1]), int(sys.argv[2])
sam2 = load_sam2("pocket", device="cpu", resolution=128)
sessions = {}
for mode in ("memory", "hybrid", "flow"):
    if (folder / mode).exists():
        sessions[mode] = resume_session(folder / mode, sam2)
        continue
    sessions[mode] = session = open_session(sam2, PropagationSettings(mode=mode, every=3))
    session.add(Prompt(4, 0, box=(15.0, 25.0, 45.0, 55.0)))
    session.add(Prompt(7, 2, points=np.array([[84.0, 50.0]]), point_labels=np.array([1])))
for index in range(frames):
    for mode, session in sessions.items():
        if session.frame_index is not None and session.frame_index >= index:
            continue
        answer = session.step(picture(index), index)
        session.save(folder / mode)
        digest = hashlib.sha256(answer.logits.numpy().tobytes() + answer.masks().tobytes()).hexdigest()
        seen = getattr(session, "n_seen", index + 1)
        print(mode, index, seen, *answer.obj_ids, int(answer.masks().sum() > 0), digest, flush=True)
"""
N_FRAMES = 8


def start(folder: Path) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", SCRIPT, str(folder), str(N_FRAMES)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def by_mode(lines: list[str]) -> dict[str, list[list[str]]]:
    out: dict[str, list[list[str]]] = defaultdict(list)
    for line in lines:
        mode, *rest = line.split()
        out[mode].append(rest)
    return out


def test_killed_and_resumed(tmp_path: Path) -> None:
    whole = start(tmp_path / "whole")
    killed = start(tmp_path / "killed")
    assert killed.stdout is not None
    lines = [killed.stdout.readline().strip() for _ in range(13)]
    os.kill(killed.pid, signal.SIGKILL)
    lines += killed.communicate()[0].splitlines()
    assert killed.returncode == -signal.SIGKILL
    resumed = by_mode(start(tmp_path / "killed").communicate()[0].splitlines())
    wanted, before = by_mode(whole.communicate()[0].splitlines()), by_mode(lines)
    assert list(wanted) == ["memory", "hybrid", "flow"]
    for mode, want in wanted.items():
        seen, after = before[mode], resumed[mode]
        assert [int(line[0]) for line in want] == list(range(N_FRAMES))
        assert all(line[-2] == "1" for line in want), "masks must not be empty"
        assert want[-1][2:4] == ["4", "7"]
        first = int(after[0][0]) if after else N_FRAMES
        assert first in (len(seen), len(seen) + 1), "at most the frame being printed is not repeated"
        assert seen == want[: len(seen)]
        assert after == want[first:]
        assert 3 < first < N_FRAMES, "it was killed half way"
    assert int(wanted["hybrid"][-1][1]) < N_FRAMES and int(wanted["flow"][-1][1]) == 2
