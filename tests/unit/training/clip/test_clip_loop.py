from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoProcessor, CLIPModel

from seektrack.errors import InputError, ModelError
from seektrack.training.clip import ClipRecipe, ClipSizes, train_clip
from seektrack.training.clip.model import build_model, build_tokenizer, embed_images, normalise, sine_places
from seektrack.training.common import CsvLog, load_checkpoint
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
RECIPE = ClipRecipe(
    sizes=SIZES, clips=4, frames_per_clip=2, objects=4, backgrounds=2, things=1, scenes=3, unknown_texts=2,
    early_size=14, early_scenes=1, steps=6, warmup=2, bf16=False, validation_clips=6,
)  # fmt: skip


class _Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frames")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    out = tmp_path_factory.mktemp("clip")
    figures = train_clip(RECIPE, out, max_minutes=600, cache=cache)
    assert figures["steps"] == 6
    return out


def test_the_folder_loads_in_transformers_and_is_half_precision(trained: Path) -> None:
    model, processor = (
        CLIPModel.from_pretrained(trained),
        AutoProcessor.from_pretrained(trained, use_fast=False),
    )
    assert {p.dtype for p in model.parameters()} == {torch.float16}
    picture = np.zeros((40, 60, 3), np.uint8)
    inputs = processor(
        text=["a red car", "ein grünes Auto qwyx"], images=[picture], return_tensors="pt", padding=True
    )
    assert inputs["pixel_values"].shape == (1, 3, 28, 28)
    out = model.float()(**inputs)
    assert out.logits_per_image.shape == (1, 2)
    assert (
        json.loads((trained / "vocabulary.json").read_text(encoding="utf-8")).items() >= vocabulary().items()
    )
    assert [r["step"] for r in CsvLog(trained / "training" / "curve.csv").rows()] == ["6"]


def test_a_training_cut_short_goes_on_to_the_same_weights(tmp_path: Path, trained: Path, cache: Path) -> None:
    seen = []

    def stop(done: int, total: int, stage: str) -> None:
        seen.append((done, total, stage))
        if len(seen) == 4:
            raise _Stopped

    with pytest.raises(_Stopped):
        train_clip(RECIPE, tmp_path, max_minutes=600, cache=cache, progress=stop, checkpoint_every_s=0)
    assert seen[-1][1:] == (1000, "training")
    cut = load_checkpoint(tmp_path / "training" / "checkpoint.pt")
    assert cut is not None and cut["steps"] == 3
    train_clip(RECIPE, tmp_path, max_minutes=600, cache=cache)
    mine = load_checkpoint(tmp_path / "training" / "checkpoint.pt")
    whole = load_checkpoint(trained / "training" / "checkpoint.pt")
    assert mine is not None and whole is not None
    for part in ("model", "average"):
        assert all(torch.equal(mine[part][k], whole[part][k]) for k in whole[part])
    assert mine["loss"] == whole["loss"]


def test_another_recipe_does_not_continue_a_checkpoint(trained: Path, cache: Path) -> None:
    with pytest.raises(ModelError, match="another recipe"):
        train_clip(replace(RECIPE, seed=1), trained, max_minutes=600, cache=cache)


def test_a_time_budget_used_up_still_leaves_a_model(tmp_path: Path, cache: Path) -> None:
    figures = train_clip(RECIPE, tmp_path, max_minutes=1e-6, cache=cache)
    assert figures["steps"] <= 1
    assert CLIPModel.from_pretrained(tmp_path).config.projection_dim == 16


def test_the_loss_falls(tmp_path: Path, cache: Path) -> None:
    recipe = replace(RECIPE, early_share=0.0, learning_rate=4e-3, warmup=5)
    losses = []
    for steps in (1, 60):
        figures = train_clip(
            replace(recipe, steps=steps), tmp_path / str(steps), max_minutes=600, cache=cache
        )
        losses.append(figures["loss"])
    assert losses[1] < losses[0] - 1.5


def test_the_tokenizer_is_the_same_every_time_and_spells_unknown_words() -> None:
    first, second = build_tokenizer(ClipSizes()), build_tokenizer(ClipSizes())
    assert first.get_vocab() == second.get_vocab()
    assert len(first) == 2000
    for text in ("a red car", "ein grünes auto", "qwyx 42!"):
        ids = first(text).input_ids
        assert ids == second(text).input_ids
        assert (ids[0], ids[-1]) == (first.bos_token_id, first.eos_token_id)
        assert first.decode(ids, skip_special_tokens=True).replace(" ", "") == text.replace(" ", "")
    assert first("A Red CAR").input_ids == first("a red car").input_ids
    assert len(first("a red car").input_ids) == 5


def test_the_network_takes_both_sizes_and_knows_where_its_patches_are() -> None:
    tokenizer = build_tokenizer(SIZES)
    model = build_model(SIZES, tokenizer)
    rng = np.random.default_rng(0)
    for side in (14, 28, 42):
        out = embed_images(
            model, normalise(rng.integers(0, 255, (2, side, side, 3), dtype=np.uint8), _Settings())
        )
        assert out.norm(dim=1).detach().numpy() == pytest.approx([1, 1], abs=1e-5)
    codes = sine_places(8, 192)
    distance = torch.cdist(codes, codes)
    nearest = distance.topk(2, largest=False).indices[:, 1]
    assert set((nearest - torch.arange(64)).abs().tolist()) <= {1, 8}


class _Settings:
    class image_processor:
        image_mean, image_std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def test_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(InputError, match="no multiple"):
        ClipSizes(image_size=100, patch_size=14)
