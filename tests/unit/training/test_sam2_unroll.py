"""The differentiable video step: frames followed without gradient first, and an encoder left as it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from seektrack.training.sam2 import LossWeights, smoke_recipe
from seektrack.training.sam2.config import build_pocket
from seektrack.training.sam2.data import WorldClips, make_batch
from seektrack.training.sam2.prompts import BOX
from seektrack.training.sam2.recipe import Stage
from seektrack.training.sam2.unroll import unroll


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_pocket(smoke_recipe().size)


@pytest.fixture
def batch():
    stage = Stage(name="clip", steps=1, resolution=64, clips=1, frames=4)
    found = make_batch(None, WorldClips(stage).group(0), per_clip=2, min_area=12)
    assert found is not None
    return found


def _follow(model, batch, **options):
    rng = np.random.default_rng(0)
    return unroll(model, batch, kind=BOX, rng=rng, weights=LossWeights(consistency=0.5), **options)


def test_a_lead_changes_what_is_learnt_from_and_not_what_is_answered(model, batch):
    whole, late = _follow(model, batch), _follow(model, batch, lead=3)
    torch.testing.assert_close(late.logits, whole.logits)
    torch.testing.assert_close(late.scores, whole.scores)
    assert not torch.isclose(late.loss, whole.loss)


@pytest.mark.parametrize("precise", [True, False])
def test_weights_learn_after_a_lead_in_either_precision(model, batch, precise):
    """Autocast keeps weights it has cast; those cast without gradient must not serve where there is one."""
    with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
        loss = _follow(model, batch, lead=2).loss
    loss.backward()
    for part in ("mask_decoder.transformer.layers.0", "memory_attention.layers.0", "vision_encoder.backbone"):
        moved = [
            p
            for n, p in model.named_parameters()
            if n.startswith(part) and n.endswith("weight") and p.ndim == 2
        ]
        assert moved
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in moved), part


def test_a_fixed_encoder_gets_no_gradient_and_the_rest_does(model, batch):
    _follow(model, batch, fixed_encoder=True).loss.backward()
    assert all(p.grad is None for p in model.vision_encoder.parameters())
    assert model.memory_attention.layers[0].linear1.weight.grad.abs().sum() > 0


def test_steps_on_single_pictures_take_scenes_of_their_own_and_clips_their_leads():
    stage = Stage(
        name="clip", steps=1, resolution=64, clips=1, frames=2, image_share=0.5, image_clips=3, leads=(0, 2)
    )
    groups = [WorldClips(stage).group(number) for number in range(24)]
    shapes = {(len(group), len(group[0][0])) for group in groups}
    assert shapes == {(3, 1), (1, 2), (1, 4)}
    pictures = {frames[0].tobytes() for group in groups for frames, _ in group}
    assert len(pictures) == sum(map(len, groups)), "no scene is shown twice"
    assert len(WorldClips(replace(stage, image_share=1.0)).group(0)) == 3
