from dataclasses import replace

import numpy as np
import pytest
import torch

from seektrack.errors import InputError
from seektrack.training.sam2.config import build_pocket
from seektrack.training.sam2.data import WorldClips
from seektrack.training.sam2.prompts import (
    BOX,
    MASK,
    POINT,
    PromptMix,
    corrective_clicks,
    fed_back,
    prompts_for,
    rough_mask,
)
from seektrack.training.sam2.recipes import smoke_recipe
from seektrack.training.sam2.stages import step_loss


def square(y0: int, y1: int, x0: int, x1: int, side: int = 64) -> torch.Tensor:
    mask = torch.zeros(side, side)
    mask[y0:y1, x0:x1] = 1
    return mask


def logits(mask: torch.Tensor) -> torch.Tensor:
    return mask * 20 - 10


def test_corrective_clicks_are_positive_where_the_answer_misses_and_negative_where_it_goes_too_far():
    rng = np.random.default_rng(0)
    truth = torch.stack([square(8, 40, 8, 40), square(8, 24, 8, 24)])
    answer = torch.stack([logits(square(8, 40, 8, 24)), logits(square(8, 24, 8, 40))])
    for _ in range(20):
        points, labels = corrective_clicks(rng, answer, truth)
        assert labels.tolist() == [[1], [0]]
        (missed,), (extra,) = points.tolist()
        assert 24 <= missed[0] <= 40 and 8 <= missed[1] <= 40
        assert 24 <= extra[0] <= 40 and 8 <= extra[1] <= 24


def test_a_right_answer_gets_a_click_beside_the_object():
    truth = square(8, 40, 8, 40)[None]
    for seed in range(20):
        points, labels = corrective_clicks(np.random.default_rng(seed), logits(truth[0])[None], truth)
        x, y = points[0, 0].tolist()
        assert labels.tolist() == [[0]] and truth[0, int(y), int(x)] == 0


def test_nobody_clicks_where_nothing_is_known():
    truth, known = square(8, 40, 8, 40)[None], torch.ones(1, 64, 64)
    known[:, :, 24:] = 0
    for seed in range(20):
        points, _ = corrective_clicks(
            np.random.default_rng(seed), torch.full((1, 16, 16), -5.0), truth, known
        )
        assert points[0, 0, 0] < 24


def test_an_answer_fed_back_is_clipped_and_carries_no_gradient():
    answer = torch.full((2, 16, 16), 99.0, requires_grad=True)
    out = fed_back(answer * 2)
    assert out.shape == (2, 1, 16, 16) and not out.requires_grad and float(out.max()) == 32


def test_several_clicks_lie_inside_and_their_number_varies():
    rng, masks = np.random.default_rng(0), torch.stack([square(4, 9, 30, 60), square(40, 60, 2, 5)])
    counts = set()
    for _ in range(30):
        points, labels = prompts_for(rng, masks, POINT, PromptMix(points=3))
        counts.add(points.shape[1])
        assert (labels == 1).all() and points.shape[:2] == labels.shape
        for mask, clicks in zip(masks, points, strict=True):
            assert all(mask[int(y), int(x)] == 1 for x, y in clicks.tolist())
    assert counts == {1, 2, 3}


def test_a_box_without_jitter_is_the_object_s():
    points, labels = prompts_for(
        np.random.default_rng(0), square(4, 9, 30, 60)[None], BOX, PromptMix(jitter=0)
    )
    assert points.tolist() == [[[30, 4], [60, 9]]] and labels.tolist() == [[2, 3]]


def test_a_rough_mask_is_near_the_true_one_but_not_it():
    truth = square(8, 40, 8, 40)[None]
    exact = torch.nn.functional.interpolate(truth[:, None], size=(16, 16), mode="area") > 0.5
    overlaps = []
    for seed in range(20):
        rough = rough_mask(np.random.default_rng(seed), truth) > 0
        overlaps.append(float((rough & exact).sum() / (rough | exact).sum()))
    assert min(overlaps) > 0.4 and min(overlaps) < 0.95


def test_the_mix_decides_what_an_object_starts_with():
    rng = np.random.default_rng(0)
    mix = PromptMix(image=(1, 0, 0), clip=(0, 0, 1))
    assert {mix.kind(rng, clip=False) for _ in range(20)} == {BOX}
    assert {mix.kind(rng, clip=True) for _ in range(20)} == {MASK}


@pytest.mark.parametrize(
    "wrong", [{"points": 0}, {"image": (0, 0, 0)}, {"clip": (1, -1, 1)}, {"later": 1.5}, {"corrections": -1}]
)
def test_a_mix_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(InputError):
        PromptMix(**wrong)


def test_mixed_prompts_train_boxes_and_clicks_of_one_picture_in_one_step() -> None:
    recipe = replace(smoke_recipe(), prompts=PromptMix(mixed=True, even_jitter=True))
    stage = replace(recipe.stages[2], resolutions=(), objects=6, clips=3)
    torch.manual_seed(0)
    model, head = build_pocket(recipe.size), torch.nn.Conv2d(recipe.size.width, 3, 1)
    rng = np.random.default_rng(0)
    found = step_loss(model, head, stage, WorldClips(stage).group(0), rng, recipe, 0.0)
    assert found is not None
    loss, overlap = found
    loss.backward()
    moved = model.prompt_encoder.point_embed.weight.grad.abs().sum(1)
    assert torch.isfinite(loss) and 0 <= overlap <= 1
    assert (moved[[1, 2, 3]] > 0).all()  # clicks inside, and both corners of boxes


def test_even_jitter_leaves_some_boxes_exact_and_none_further_off_than_before() -> None:
    mask = torch.zeros(1, 64, 64)
    mask[0, 10:40, 20:50] = 1
    truth = torch.tensor([[20.0, 10.0], [50.0, 40.0]])
    rng, mix = np.random.default_rng(0), PromptMix(even_jitter=True)
    off = [float((prompts_for(rng, mask, BOX, mix)[0][0] - truth).abs().max()) for _ in range(200)]
    assert min(off) < 0.15 and max(off) <= 2.5 * 0.06 * 30 + 1e-4
