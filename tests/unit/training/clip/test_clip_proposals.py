from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import CLIPModel

from seektrack.errors import ModelError
from seektrack.segmentation import Sam2, load_sam2
from seektrack.training.clip import ClipRecipe, ClipSizes, ProposalRecipe, train_clip, train_proposals
from seektrack.training.clip.losses import either_loss
from seektrack.training.common import load_checkpoint
from seektrack.world import vocabulary

SIZES = ClipSizes(
    image_size=28,
    patch_size=14,
    width=32,
    layers=1,
    heads=2,
    text_width=32,
    text_layers=1,
    dim=16,
    vocabulary=600,
)
CLIP = ClipRecipe(
    sizes=SIZES, clips=2, frames_per_clip=1, objects=3, backgrounds=2, things=1, scenes=2, unknown_texts=2,
    early_share=0.0, steps=4, warmup=2, bf16=False, validation_clips=5,
)  # fmt: skip
STAGE = ProposalRecipe(
    clip=replace(CLIP, seed=1, learning_rate=4e-3), scenes=1, validation_scenes=1, mined=10, mix=0.75
)

N_LABELS = len(vocabulary()["labels"])


class _Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def sam2() -> Sam2:
    return load_sam2()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("start")
    train_clip(CLIP, out, max_minutes=600)
    return out


def test_the_stage_goes_on_from_a_folder_and_from_where_it_was_stopped(
    tmp_path: Path, start: Path, sam2: Sam2
) -> None:
    before = (start / "model.safetensors").read_bytes()
    whole = train_proposals(STAGE, start, tmp_path / "whole", sam2, max_minutes=600)
    assert whole["steps"] == 4
    assert 0 <= whole["proposal_wrong"] <= 1 and 0 <= whole["proposal_named"] <= 1
    assert (start / "model.safetensors").read_bytes() == before
    old = CLIPModel.from_pretrained(start).state_dict()
    new = CLIPModel.from_pretrained(tmp_path / "whole").state_dict()
    moved = [float((old[k].float() - new[k].float()).abs().max()) for k in old]
    assert 1e-5 < max(moved) < 0.05
    checkpoint = load_checkpoint(tmp_path / "whole" / "training" / "checkpoint.pt")
    assert checkpoint is not None
    name = "visual_projection.weight"
    mixed = 0.25 * old[name].float() + 0.75 * checkpoint["average"][name]
    assert torch.allclose(new[name].float(), mixed, atol=3e-4)
    assert not torch.allclose(checkpoint["average"][name], mixed, atol=4e-4)

    steps = []

    def stop(done: int, total: int, stage: str) -> None:
        steps.append(stage)
        if steps.count("training") == 3:
            raise _Stopped

    again = tmp_path / "again"
    with pytest.raises(_Stopped):
        train_proposals(STAGE, start, again, sam2, max_minutes=600, progress=stop, checkpoint_every_s=0)
    assert train_proposals(STAGE, start, again, sam2, max_minutes=600)["steps"] == 4
    states = [
        load_checkpoint(folder / "training" / "checkpoint.pt") for folder in (again, tmp_path / "whole")
    ]
    assert states[0] is not None and states[1] is not None
    assert all(torch.equal(states[0]["model"][k], v) for k, v in states[1]["model"].items())
    with pytest.raises(ModelError, match="another recipe"):
        train_proposals(replace(STAGE, hard=0.1), start, again, sam2, max_minutes=600)


def test_a_crop_with_one_right_answer_is_cross_entropy_and_any_right_answer_will_do() -> None:
    logits = torch.randn(5, N_LABELS + 3 + 21)
    joint = logits[:, : N_LABELS + 3]
    labels = torch.tensor([0, 7, 107, 30, 2])
    one = F.one_hot(labels, N_LABELS + 3).bool()
    assert either_loss(logits, one) == pytest.approx(float(F.cross_entropy(joint, labels)), abs=1e-5)
    several = one.clone()
    several[:, N_LABELS:] = True
    right = (joint.softmax(1) * several).sum(1)
    assert either_loss(logits, several) == pytest.approx(float(-right.log().mean()), abs=1e-5)
