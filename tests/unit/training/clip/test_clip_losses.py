from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from transformers.models.clip.modeling_clip import image_text_contrastive_loss

from seektrack.training.clip.losses import matching_loss, shared_loss, vocabulary_loss
from seektrack.world import vocabulary

N_LABELS = len(vocabulary()["labels"])


def test_one_match_each_is_the_loss_of_transformers() -> None:
    logits = torch.randn(7, 7)
    assert matching_loss(logits, torch.eye(7)) == pytest.approx(
        float(image_text_contrastive_loss(logits)), abs=1e-6
    )


def test_a_column_without_match_still_is_a_wrong_answer() -> None:
    logits = torch.zeros(2, 3)
    matches = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    tempted = logits.clone()
    tempted[:, 2] = 5
    assert matching_loss(tempted, matches) > matching_loss(logits, matches) + 1


def test_several_matches_want_equal_shares() -> None:
    matches = torch.tensor([[1.0, 1, 0]])
    even, uneven = torch.tensor([[3.0, 3, 0]]), torch.tensor([[5.0, 1, 0]])
    assert matching_loss(even, matches) < matching_loss(uneven, matches)


def test_vocabulary_loss_is_cross_entropy_over_the_parts() -> None:
    n_background = 3
    logits = torch.randn(4, N_LABELS + n_background + 12 + 9)
    labels = torch.tensor([0, 107, 40, 9])
    joint = logits[:, : N_LABELS + n_background]
    background = joint[:, N_LABELS:]
    category = torch.cat([logits[:, N_LABELS + n_background : -9], background], 1)
    expected = (
        F.cross_entropy(joint, labels)
        + 0.5 * F.cross_entropy(category, labels // 9)
        + 0.25 * F.cross_entropy(logits[:, -9:], labels % 9)
    )
    assert float(vocabulary_loss(logits, labels, n_background)) == pytest.approx(float(expected), abs=1e-5)


def test_a_refused_crop_may_be_any_background() -> None:
    logits = torch.zeros(1, N_LABELS + 3 + 12 + 9)
    losses = []
    for winner in (N_LABELS, N_LABELS + 2, 5):
        tried = logits.clone()
        tried[0, winner] = 8
        losses.append(float(vocabulary_loss(tried, torch.tensor([-1]), 3)))
    assert losses[0] == pytest.approx(losses[1])
    assert losses[2] > losses[0] + 3


def test_better_matches_want_larger_shares() -> None:
    logits = torch.tensor([[3.0, 2.0, 0.0]], dtype=torch.float64)
    matches = torch.tensor([[1.0, 0.25, 0.0]], dtype=torch.float64)
    wanted = torch.tensor([[0.8, 0.2, 0.0]], dtype=torch.float64)
    # One picture only: each text that matches has it as its only answer, which costs nothing.
    assert float(matching_loss(logits, matches)) == pytest.approx(float(F.cross_entropy(logits, wanted)) / 2)


def test_what_nobody_can_tell_counts_neither_way() -> None:
    logits, matches = torch.randn(3, 5), torch.zeros(3, 5)
    matches[0, 0] = matches[1, 1] = matches[2, 2] = 1
    without = matching_loss(logits[:, :4], matches[:, :4])
    matches[:, 4] = -1
    assert float(matching_loss(logits, matches)) == pytest.approx(float(without), abs=1e-6)


def test_more_categories_make_a_longer_bank() -> None:
    logits = torch.randn(2, 18 * 9 + 3 + 18 + 9)
    labels = torch.tensor([161, 3])
    category = torch.cat([logits[:, 165:183], logits[:, 162:165]], 1)
    expected = (
        F.cross_entropy(logits[:, :165], labels)
        + 0.5 * F.cross_entropy(category, labels // 9)
        + 0.25 * F.cross_entropy(logits[:, -9:], labels % 9)
    )
    assert float(vocabulary_loss(logits, labels, 3, n_categories=18)) == pytest.approx(
        float(expected), abs=1e-5
    )


def test_a_scene_shares_itself_among_its_labels() -> None:
    logits = torch.randn(2, 12)
    present = torch.zeros(2, 9, dtype=torch.bool)
    present[0, [1, 4]] = True
    expected = F.cross_entropy(logits[:1, :9], present[:1].float() / 2)
    assert float(shared_loss(logits, present)) == pytest.approx(float(expected), abs=1e-6)
