"""A training killed with SIGKILL at any moment goes on to the very weights of one that was left alone."""

import os
import signal
import subprocess
import sys
import time

import torch

from seektrack.training.sam2 import Sam2Trainer, smoke_recipe

SCRIPT = """
import sys, torch
torch.set_num_threads(1)
from seektrack.training.sam2 import Sam2Trainer, smoke_recipe
Sam2Trainer(smoke_recipe(), sys.argv[1], workers=0).run(save_every_s=0)
"""


def test_killed_in_the_middle_it_goes_on_to_the_same_weights(tmp_path):
    torch.set_num_threads(1)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path / "killed")], env=environment)
    checkpoint = tmp_path / "killed" / "checkpoint.pt"
    while child.poll() is None and not checkpoint.exists():
        time.sleep(0.005)
    time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    resumed = Sam2Trainer(smoke_recipe(), tmp_path / "killed", workers=0)
    assert (resumed.state.stage, resumed.state.step) != (0, 0)
    resumed.run()
    whole = Sam2Trainer(smoke_recipe(), tmp_path / "whole", workers=0)
    whole.run()
    for network in ("model", "average", "head"):
        kept, expected = (getattr(t.learner, network).state_dict() for t in (resumed, whole))
        for name, value in expected.items():
            assert torch.equal(kept[name], value), (network, name)
    files = [tmp_path / run / "model" / "model.safetensors" for run in ("killed", "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()
