from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import Sam2VideoModel

from seektrack.errors import InputError
from seektrack.geometry import mask_to_box
from seektrack.segmentation import VideoSession, load_sam2
from seektrack.training.sam2 import Sam2Trainer, deepen, smoke_recipe
from seektrack.types import Prompt
from seektrack.world import Split, render, sample_scene, seeds


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pocket():
    return load_sam2("pocket", device="cpu").model


def deeper_by(model, *more):
    had = model.config.vision_config.backbone_config.blocks_per_stage
    return [a + b for a, b in zip(had, more, strict=True)]


@pytest.mark.parametrize("more", [(0, 0, 0, 0), (1, 0, 2, 0), (1, 1, 1, 1)])
def test_a_deeper_network_says_what_the_shallow_one_said(pocket, more):
    deep = deepen(pocket, *deeper_by(pocket, *more))
    pixels = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = (m.vision_encoder(pixels).fpn_hidden_states for m in (pocket, deep))
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    shallow, grown = (sum(p.numel() for p in m.parameters()) for m in (pocket, deep))
    assert (grown > shallow) == any(more)


def test_a_deeper_network_is_an_ordinary_folder_that_answers_alike(pocket, tmp_path):
    deepen(pocket, *deeper_by(pocket, 1, 1, 2, 0)).save_pretrained(tmp_path)
    assert isinstance(Sam2VideoModel.from_pretrained(tmp_path), Sam2VideoModel)
    clip = render(sample_scene(next(iter(seeds(Split.VALIDATION, 1)))))
    largest = int(np.bincount(clip.ids[0].ravel())[1:].argmax()) + 1
    prompt = Prompt(1, 0, box=mask_to_box(clip.ids[0] == largest))
    masks = []
    for name in ("pocket", str(tmp_path)):
        session = VideoSession(load_sam2(name, device="cpu"), total_frames=3)
        session.add(prompt)
        masks.append([session.step(frame, t).masks()[0] for t, frame in enumerate(clip.frames[:3])])
    assert masks[0][0].any()
    assert all(np.array_equal(a, b) for a, b in zip(*masks, strict=True))


def test_every_new_block_learns(pocket):
    deep = deepen(pocket, *deeper_by(pocket, 1, 1, 1, 1)).train()
    deep.vision_encoder(torch.randn(1, 3, 64, 64)).fpn_hidden_states[0].square().mean().backward()
    still = [
        name
        for name, weight in deep.vision_encoder.backbone.named_parameters()
        if name.endswith(("attn.proj.weight", "mlp.proj_out.weight")) and not weight.grad.abs().any()
    ]
    assert not still


def test_a_network_does_not_lose_blocks(pocket):
    for blocks in ((1, 1, 1, 1), (2, 2, 4), (9, 9, 9, 9, 9)):
        with pytest.raises(InputError, match="cannot grow"):
            deepen(pocket, *blocks)


def test_a_recipe_grows_the_network_it_starts_from(tmp_path):
    image = replace(smoke_recipe().stages[2], steps=1)
    small = Sam2Trainer(replace(smoke_recipe(), stages=(image,), calibration=0), tmp_path / "a", workers=0)
    small.run()
    recipe = replace(smoke_recipe(), grow=(2, 1, 2, 1), stages=(image,), calibration=0)
    for out, init in (("b", "a"), ("c", "b")):  # a network that is already that deep stays as it is
        Sam2Trainer(recipe, tmp_path / out, init=tmp_path / init / "model", workers=0).run()
        model = Sam2VideoModel.from_pretrained(tmp_path / out / "model")
        assert model.config.vision_config.backbone_config.blocks_per_stage == [2, 1, 2, 1]
    again = Sam2Trainer(recipe, tmp_path / "b", init=tmp_path / "a" / "model", workers=0)
    assert again.state.stage == 1 and recipe == type(recipe).from_json(again._recipe_json())
