from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from seektrack.errors import InputError
from seektrack.training.clip.losses import matching_loss
from seektrack.training.finetune import FinetuneRecipe
from seektrack.training.finetune.losses import GradientBalancer, alignment_loss, info_nce


def test_info_nce_is_cross_entropy_where_each_picture_has_one_text() -> None:
    logits, weights = torch.randn(5, 5), torch.tensor([1.0, 2.0, 0.0, 0.5, 1.0])
    to_text, to_image = info_nce(logits, torch.eye(5), weights)
    each = F.cross_entropy(logits, torch.arange(5), reduction="none")
    other = F.cross_entropy(logits.T, torch.arange(5), reduction="none")
    assert to_text.item() == pytest.approx(float((each * weights).sum() / 4.5), rel=1e-5)
    assert to_image.item() == pytest.approx(float((other * weights).sum() / 4.5), rel=1e-5)


def test_a_caption_that_comes_twice_is_a_right_answer_twice() -> None:
    logits = torch.randn(4, 4)
    matches = torch.eye(4)
    matches[0, 1] = matches[1, 0] = 1
    both = sum(info_nce(logits, matches, torch.ones(4))) / 2
    assert both.item() == pytest.approx(matching_loss(logits, matches).item(), rel=1e-5)
    targets = matches / matches.sum(1, keepdim=True)
    assert info_nce(logits, matches, torch.ones(4))[0].item() == pytest.approx(
        F.cross_entropy(logits, targets).item(), rel=1e-5
    )


def test_names_of_other_things_are_wrong_answers_of_pictures_alone() -> None:
    torch.manual_seed(0)
    logits, others, weights = torch.randn(4, 4), torch.randn(4, 3), torch.ones(4)
    to_text, to_image = info_nce(logits, torch.eye(4), weights, others)
    asked = torch.cat([logits, others], 1)
    assert torch.allclose(to_text, torch.nn.functional.cross_entropy(asked, torch.arange(4)))
    assert torch.equal(to_image, info_nce(logits, torch.eye(4), weights)[1])


def test_alignment_is_the_weighted_squared_distance() -> None:
    a, b = F.normalize(torch.randn(3, 4), dim=1), F.normalize(torch.randn(3, 4), dim=1)
    weights = torch.tensor([1.0, 3.0, 0.0])
    by_hand = sum(w * torch.dist(x, y) ** 2 for w, x, y in zip([1.0, 3.0], a, b, strict=False)) / 4
    assert alignment_loss(a, b, weights).item() == pytest.approx(float(by_hand), rel=1e-5)
    assert alignment_loss(a, -a, weights).item() == pytest.approx(4.0, rel=1e-5)


def test_balanced_losses_pull_equally_hard() -> None:
    x = torch.ones(3, requires_grad=True)
    balancer = GradientBalancer(["weak", "strong"], restoring=0.0)
    for _ in range(100):
        weights = balancer.update({"weak": x.sum(), "strong": 9 * x.sum()}, (x, torch.ones(2)))
    assert weights["weak"] == pytest.approx(9 * weights["strong"], rel=1e-3)
    assert sum(weights.values()) == pytest.approx(2.0)


def test_a_loss_that_lags_behind_pulls_harder() -> None:
    x = torch.tensor(1.0, requires_grad=True)
    y = torch.tensor(1.0, requires_grad=True)
    balancer = GradientBalancer(["falls", "stays"], restoring=1.0, momentum=0.0)
    assert balancer.update({"falls": x * 2, "stays": y * 2}, (x, y)) == {"falls": 1.0, "stays": 1.0}
    again = GradientBalancer(["falls", "stays"], restoring=1.0, momentum=0.0)
    again.load_state_dict(balancer.state_dict())
    weights = again.update({"falls": x * 2 - 1.5, "stays": y * 2}, (x, y))
    assert weights["stays"] == pytest.approx(4 * weights["falls"])
    assert math.isclose(sum(weights.values()), 2.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "half"}, {"rank": 0}, {"batch": 1}, {"steps": 0}, {"alignment": -1.0}, {"held_out": 1.0},
        {"learning_rate": 0.0}, {"image_to_text": 0.0, "text_to_image": 0.0, "alignment": 1.0},
    ],
)  # fmt: skip
def test_recipes_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        FinetuneRecipe(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_small_networks_and_small_parts_learn_faster() -> None:
    assert FinetuneRecipe().rate(1_000_000) == 10 * FinetuneRecipe().rate(150_000_000)
    assert FinetuneRecipe(mode="lora").rate(150_000_000) > FinetuneRecipe().rate(150_000_000)
    assert FinetuneRecipe(learning_rate=0.5).rate(1) == 0.5
