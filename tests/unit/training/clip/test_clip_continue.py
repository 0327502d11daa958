"""Going on from a finished pocket CLIP: larger, deeper, with more to name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPModel, CLIPTokenizer

from seektrack.encoders import load_encoder
from seektrack.encoders.clip import ClipEncoder
from seektrack.errors import InputError, ModelError
from seektrack.training.clip import ClipRecipe, ClipSizes, mix_recipe, proposals_of, recipe_of, train_clip
from seektrack.training.clip.model import (
    build_model,
    build_processor,
    build_tokenizer,
    continue_model,
    embed_images,
    save_folder,
)
from seektrack.training.common import CsvLog, load_checkpoint
from seektrack.world import CATEGORIES, EVERYDAY, vocabulary

SIZES = ClipSizes(image_size=56, patch_size=14, width=32, layers=1, heads=2, text_width=32, text_layers=1,
                  dim=16, vocabulary=600)  # fmt: skip
LARGER = replace(SIZES, image_size=84, layers=3)
RECIPE = ClipRecipe(
    sizes=LARGER, clips=4, rich=0.5, frames_per_clip=2, objects=4, backgrounds=2, things=1, scenes=4,
    hard_texts=1, unknown_texts=2, early_size=56, early_scenes=4, steps=4, warmup=2, scene_weight=0.5,
    bf16=False, validation_clips=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    tokenizer = build_tokenizer(SIZES, seed=3)
    save_folder(build_model(SIZES, tokenizer, seed=3), build_processor(SIZES, tokenizer), folder)
    return folder


def test_a_deeper_network_at_first_answers_as_before(start: Path) -> None:
    pixels = torch.randn(2, 3, 56, 56)
    before = CLIPModel.from_pretrained(start, dtype=torch.float32).eval()
    after = continue_model(start, replace(SIZES, layers=3)).eval()
    assert len(after.vision_model.encoder.layers) == after.config.vision_config.num_hidden_layers == 3
    torch.testing.assert_close(embed_images(after, pixels), embed_images(before, pixels))


def test_a_larger_input_keeps_the_places(start: Path, tmp_path: Path) -> None:
    after = continue_model(start, LARGER)
    after.save_pretrained(tmp_path)
    loaded = CLIPModel.from_pretrained(tmp_path)
    codes = loaded.vision_model.embeddings.position_embedding.weight[1:].reshape(6, 6, -1)
    old = CLIPModel.from_pretrained(start).vision_model.embeddings.position_embedding.weight[1:]
    nearest = torch.cdist(codes.flatten(0, 1), old.float()).argmin(1)
    rows, columns = np.divmod(nearest.numpy().reshape(6, 6), 4)
    assert (np.diff(rows, axis=0) >= 0).all() and (np.diff(columns, axis=1) >= 0).all()
    assert (rows[0] == 0).all() and (rows[-1] == 3).all()


def test_training_goes_on_with_the_tokenizer_and_names_the_new_things(start: Path, tmp_path: Path) -> None:
    out, cache = tmp_path / "out", tmp_path / "frames"
    figures = train_clip(RECIPE, out, max_minutes=600, cache=cache, init=start)
    assert figures["steps"] == 4
    assert {"crop108", "frame_r1", "crop108_rich", "frame_r1_rich"} <= set(figures)
    assert CLIPTokenizer.from_pretrained(out).get_vocab() == CLIPTokenizer.from_pretrained(start).get_vocab()
    encoder = load_encoder(out, device="cpu")
    assert isinstance(encoder, ClipEncoder) and encoder.vocabulary is not None
    assert encoder.image_size == 84
    assert list(encoder.vocabulary.labels) == vocabulary([*CATEGORIES, *EVERYDAY])["labels"]
    assert list(encoder.vocabulary.background) == vocabulary()["background"]
    assert json.loads((out / "vocabulary.json").read_text())["labels"][:108] == vocabulary()["labels"]
    again = train_clip(RECIPE, out, max_minutes=600, cache=cache, init=tmp_path / "gone")
    assert again["steps"] == 4, "a checkpoint is gone on from, whatever --init was"


def test_time_ends_a_schedule_without_steps(start: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=10**6, rich=0.0)
    figures = train_clip(recipe, tmp_path, max_minutes=0.01, init=start)
    assert 1 <= figures["steps"] < 1000
    state = load_checkpoint(tmp_path / "training" / "checkpoint.pt")
    assert state is not None and state["seconds"] >= 0.6
    assert len(CsvLog(tmp_path / "training" / "curve.csv").rows()) == 1


def test_other_sizes_cannot_be_gone_on_from(start: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the recipe"):
        continue_model(start, replace(SIZES, width=64))
    with pytest.raises(ModelError, match="no CLIP to go on from"):
        continue_model(tmp_path, SIZES)


def test_recipes_of_the_styles() -> None:
    assert recipe_of("plain") == ClipRecipe()
    assert recipe_of("mix") == mix_recipe()
    assert recipe_of("rich").rich == 1
    with pytest.raises(InputError, match="plain, mix, rich"):
        recipe_of("poor")
    after = proposals_of(mix_recipe()).clip
    assert (after.rich, after.sizes, after.scenes) == (0.5, mix_recipe().sizes, 22)
    assert after.steps < 10**4 and after.learning_rate < mix_recipe().learning_rate
    with pytest.raises(InputError, match="share"):
        ClipRecipe(rich=1.5)
