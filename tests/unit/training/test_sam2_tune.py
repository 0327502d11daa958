import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import Sam2VideoConfig, Sam2VideoModel

from seektrack.errors import InputError, ModelError
from seektrack.segmentation import load_sam2
from seektrack.training.datasets import world_masks
from seektrack.training.sam2 import (
    LossWeights,
    PromptMix,
    Sam2Finetune,
    Sam2Trainer,
    smoke_recipe,
    tune_sam2,
)
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.training.sam2.finetune import split_clips
from seektrack.training.sam2.follow import FollowValidator
from seektrack.training.sam2.weights import Weights
from seektrack.world import SceneSettings, Split, seeds

CLIPS = world_masks(
    seeds(Split.TEST, 5, start=90), SceneSettings(height=64, width=96, n_frames=4, actors=(2, 4))
)
TINY = Sam2Finetune(
    steps=2, frames=2, clips=1, objects=2, held_out=0.2, held_out_frames=3, measurements=2, warmup=1,
    image_share=0.5, learning_rate=1e-3,
    losses=LossWeights(boundary=0.3, consistency=0.3, soft_iou=0.5, targets=0.5),
    prompts=PromptMix(points=2, corrections=1, later=0.5),
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    torch.manual_seed(0)
    build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))).half().save_pretrained(folder)
    return folder


MOVES = {
    "full": lambda name: True,
    "frozen-image": lambda name: not name.startswith("vision_encoder"),
    "head": lambda name: name.startswith("mask_decoder"),
    "lora": lambda name: "attn" in name or "memory_attention" in name,
}


@pytest.mark.parametrize("mode", list(MOVES))
def test_a_mode_moves_its_weights_and_writes_an_ordinary_folder(tmp_path, start, mode):
    figures = tune_sam2(replace(TINY, mode=mode), CLIPS, tmp_path, model=start, device="cpu")
    assert figures["steps"] == 2 and figures["stopped"] == "done" and figures["held_out"] == 1
    assert figures["JF"] >= figures["JF_before"]
    state = torch.load(tmp_path / "training" / "checkpoint.pt", weights_only=True)
    weights = Weights(start, mode, seed=TINY.seed, device="cpu")
    before = weights.state()
    assert {n for n in before if not torch.equal(before[n], state["weights"][n])}
    assert all(MOVES[mode](name) for name in before) and figures["trainable"] == sum(
        p.numel() for p in before.values()
    )
    rows = list(csv.DictReader((tmp_path / "training" / "curve.csv").open()))
    assert [int(r["step"]) for r in rows] == [0, 1, 2] and float(rows[0]["JF"]) == figures["JF_before"]
    events = EventAccumulator(str(tmp_path / "training" / "tensorboard")).Reload()
    assert [e.step for e in events.Scalars("JF")] == [0, 1, 2]
    # The folder holds the best of the measured means, in half precision as the start was, nothing else.
    again = load_sam2(tmp_path, device="cpu").model
    untouched = load_sam2(start, device="cpu").model.state_dict()
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float16"
    for name, value in again.state_dict().items():
        if not MOVES[mode](name):
            assert torch.equal(value, untouched[name]), name
    assert (tmp_path / "adapter" / "adapter_model.safetensors").exists() == (mode == "lora")


def test_the_weights_written_are_those_that_were_measured_best(tmp_path, start):
    recipe = replace(TINY, learning_rate=1e-2)
    figures = tune_sam2(recipe, CLIPS, tmp_path, model=start, held_out=CLIPS[:2], device="cpu")
    measured = FollowValidator(CLIPS[:2], frames=recipe.held_out_frames)(load_sam2(tmp_path, device="cpu"))
    assert measured["JF"] == pytest.approx(figures["JF"], abs=0.02)
    assert figures["clips"] == 5 and figures["held_out"] == 2
    assert Sam2Trainer(smoke_recipe(), tmp_path / "on", init=tmp_path, workers=0).state.step == 0


def test_adapters_alone_on_the_untouched_model_give_the_merged_one(tmp_path, start):
    from peft import PeftModel

    tune_sam2(replace(TINY, mode="lora", held_out=0.0), CLIPS, tmp_path, model=start, device="cpu")
    base = Sam2VideoModel.from_pretrained(start, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, tmp_path / "adapter").merge_and_unload().state_dict()
    untouched = load_sam2(start, device="cpu").model.state_dict()
    moved = 0
    for name, value in load_sam2(tmp_path, device="cpu").model.state_dict().items():
        torch.testing.assert_close(merged[name], value, rtol=0, atol=1e-3)
        moved += not torch.equal(value, untouched[name])
    assert moved > 0


def test_interrupted_it_goes_on_to_the_same_weights(tmp_path, start):
    recipe = replace(TINY, steps=3)
    tune_sam2(recipe, CLIPS, tmp_path / "whole", model=start, device="cpu")
    first = tune_sam2(recipe, CLIPS, tmp_path / "cut", model=start, device="cpu", max_steps=1)
    assert first["stopped"] == "interrupted"
    tune_sam2(recipe, CLIPS, tmp_path / "cut", model=start, device="cpu")
    whole, cut = (
        torch.load(tmp_path / run / "training" / "checkpoint.pt", weights_only=True)
        for run in ("whole", "cut")
    )
    for name, value in whole["mean"].items():
        assert torch.equal(value, cut["mean"][name]), name
    assert whole["best"] == cut["best"]
    with pytest.raises(ModelError, match="another recipe"):
        tune_sam2(replace(recipe, seed=1), CLIPS, tmp_path / "cut", model=start, device="cpu")


def test_it_stops_when_measurements_get_no_better(tmp_path, start):
    recipe = replace(TINY, steps=50, measurements=50, patience=2, learning_rate=1e-12)
    figures = tune_sam2(recipe, CLIPS, tmp_path, model=start, device="cpu")
    assert figures["stopped"] == "patience" and figures["steps"] == 2
    assert figures["best_step"] == 0 and figures["JF"] == figures["JF_before"]


def test_a_network_of_the_published_geometry_is_tuned_at_a_small_size(tmp_path):
    torch.manual_seed(0)
    Sam2VideoModel(Sam2VideoConfig()).half().save_pretrained(tmp_path / "start")
    recipe = replace(TINY, mode="head", steps=1, resolution=64, held_out=0.0)
    figures = tune_sam2(recipe, CLIPS, tmp_path / "out", model=tmp_path / "start", device="cpu")
    assert np.isfinite(figures["loss"]) and figures["steps"] == 1
    assert load_sam2(tmp_path / "out", device="cpu").resolution == 64


def test_what_cannot_be_is_refused(tmp_path, start):
    for wrong in ({"mode": "all"}, {"frames": 1}, {"learning_rate": 0.0}, {"held_out": 1.0}, {"steps": 0}):
        with pytest.raises(InputError):
            replace(TINY, **wrong)
    with pytest.raises(InputError, match="model to start from"):
        tune_sam2(TINY, CLIPS, start, model=start)
    with pytest.raises(InputError, match="hold out"):
        tune_sam2(TINY, CLIPS[:1], tmp_path, model=start, device="cpu")


def test_held_out_clips_are_apart_from_those_trained_on_and_follow_the_seed():
    chosen, kept = split_clips(20, TINY, seed=0)
    assert len(kept) == 4 and not set(chosen) & set(kept) and len(chosen) == 16
    assert split_clips(20, TINY, seed=0) == (chosen, kept) != split_clips(20, TINY, seed=1)
    assert split_clips(3, None, seed=0) == ([0, 1, 2], [])


def test_of_a_session_what_a_person_said_is_measured(start):
    sam2 = load_sam2(start, device="cpu")
    (whole, *_) = FollowValidator(CLIPS[:1], frames=4).each(sam2)
    said = replace(CLIPS[0], sure={whole.obj_id: frozenset({0, 2})})
    (one, *_) = FollowValidator([said], frames=4).each(sam2)
    assert one.obj_id == whole.obj_id and len(one.truth) == 4
    assert one.j == pytest.approx(one.truth[2].iou(one.answer[2]), abs=1e-6)
    ious = [a.iou(b) for a, b in zip(whole.truth[1:], whole.answer[1:], strict=True)]
    assert whole.j == pytest.approx(np.mean(ious), abs=1e-6)


def test_half_of_the_start_is_kept_in_what_is_written(tmp_path, start):
    recipe = replace(TINY, held_out=0.0, learning_rate=1e-2)
    for name, keep in (("all new", 0.0), ("half", 0.5)):
        tune_sam2(replace(recipe, keep=keep), CLIPS, tmp_path / name, model=start, device="cpu")
    old, new, half = (
        load_sam2(one, device="cpu").model.state_dict()
        for one in (start, tmp_path / "all new", tmp_path / "half")
    )
    assert any(not torch.equal(old[name], new[name]) for name in old)
    for name, value in half.items():
        torch.testing.assert_close(value, (old[name] + new[name]) / 2, rtol=0, atol=1e-3)
    with pytest.raises(InputError, match="'lora'"):
        replace(recipe, keep=0.5, mode="lora")
