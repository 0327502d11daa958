"""The zero of the object score, set on held-out clips."""

import numpy as np
import pytest
import torch

from seektrack.training.sam2 import smoke_recipe
from seektrack.training.sam2.calibrate import best_zero, calibrate_score
from seektrack.training.sam2.config import build_pocket


def test_the_zero_tells_most_apart_and_never_loses_too_many_of_those_that_are_there():
    there, gone = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10]), np.array([-2.0, -1, 0, 0.5])
    assert best_zero(there, gone, most_lost=0.05) == 0.5
    mixed = np.array([-2.0, 0, 5.5])
    assert best_zero(there, mixed, most_lost=0.0) == 0.0
    assert best_zero(there, mixed, most_lost=0.6) == 0.0
    assert best_zero(there, np.array([5.4, 5.5, 5.6]), most_lost=0.6) == 5.6
    assert best_zero(there, np.array([]), most_lost=0.05) == 0.0


def test_a_network_that_always_says_there_learns_to_say_gone():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_pocket(smoke_recipe().size).eval()
    bias = model.mask_decoder.pred_obj_score_head.proj_out.bias
    bias.data.fill_(40.0)
    shift = calibrate_score(model, resolution=64, scenes=6, n_frames=8)
    assert shift > 20
    assert float(bias) == pytest.approx(40.0 - shift)
