from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seektrack.training.temporal.batches import reverses
from seektrack.training.temporal.facts import Fact
from seektrack.training.temporal.losses import backwards_loss, reverse_loss

CAR = ("car", "red")


def test_only_texts_true_one_way_are_asked_of_the_reverse():
    # Texts: true forwards, true backwards, true both ways, nobody can tell.
    matches = torch.tensor([[1.0, 0, 1, -1], [0, 1, 1, 0]])
    logits = torch.tensor([[3.0, -1, 9, 9], [1.0, 1, -9, -9]])
    expected = (math.log1p(math.exp(-2)) * 2) / 2
    assert float(backwards_loss(logits, matches)) == pytest.approx(expected, abs=1e-6)
    assert float(backwards_loss(logits[:, 2:], matches[:, 2:])) == 0


def test_the_loss_falls_when_the_right_way_wins():
    matches = torch.tensor([[1.0], [0.0]])
    good, bad = (float(backwards_loss(torch.tensor([[a], [b]]), matches)) for a, b in ((2.0, -2), (-2.0, 2)))
    assert good < math.log(2) < bad


def test_texts_are_compared_with_their_reverse_where_it_is_false():
    left, right, still = Fact(CAR, "left"), Fact(CAR, "right"), Fact(CAR, "still")
    matches = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], np.float32)
    found = reverses([left, right, still], matches)
    assert sorted(map(tuple, found.tolist())) == [(0, 0, 1), (1, 1, 0)]
    logits = torch.tensor([[2.0, 1, 0], [1, 3, 0], [0, 0, 0]])
    expected = (math.log1p(math.exp(-1)) + math.log1p(math.exp(-2))) / 2
    assert float(reverse_loss(logits, torch.from_numpy(found))) == pytest.approx(expected, abs=1e-6)
    assert float(reverse_loss(logits, torch.zeros((0, 3), dtype=torch.long))) == 0
