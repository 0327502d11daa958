from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest
import torch

from seektrack.encoders import load_encoder
from seektrack.encoders.temporal import TemporalEncoder
from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.errors import InputError, ModelError
from seektrack.training.temporal import TemporalRecipe, train_temporal
from seektrack.training.temporal import model as growing
from seektrack.training.temporal.batches import shifted
from seektrack.training.temporal.loop import Run
from seektrack.training.temporal.recipe import motion_scenes

SIZES = TemporalSizes(frames=4, image_size=112, channels=8, queries=4, width=16, heads=2)
RECIPE = TemporalRecipe(
    sizes=SIZES, clips=4, validation_clips=2, drawn_frames=6, batch=4, texts=2, steps=4, warmup=1, bf16=False
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A training of four steps, and one stopped after two and gone on with."""
    patch = pytest.MonkeyPatch()
    patch.setattr(growing, "_FITTED", 2)
    folder = tmp_path_factory.mktemp("runs")
    scenes = folder / "scenes"
    whole = train_temporal(RECIPE, folder / "whole", max_minutes=1e6, cache=scenes)
    work = folder / "parts" / "training"
    run = Run(RECIPE, work, scenes, model="pocket", resume=True, progress=None)
    run.step()
    run.step()
    run.save()
    parts = train_temporal(RECIPE, folder / "parts", max_minutes=1e6, cache=scenes)
    yield folder, whole, parts
    patch.undo()


def test_the_result_is_a_temporal_encoder_with_its_curve(runs):
    folder, whole, _ = runs
    encoder = load_encoder(folder / "whole")
    assert isinstance(encoder, TemporalEncoder) and encoder.n_frames == 4
    assert encoder.embed_clips([np.zeros((5, 64, 64, 3), np.uint8)]).shape == (1, 128)
    assert whole["steps"] == 4 and np.isfinite(whole["loss"])
    rows = list(csv.DictReader((folder / "whole/training/curve.csv").open()))
    assert rows[-1]["step"] == "4" and "object_r1" in rows[-1]


def test_a_stopped_training_goes_on_to_the_same_weights(runs):
    folder, _, parts = runs
    assert parts["steps"] == 4
    states = [
        torch.load(folder / n / "training/checkpoint.pt", weights_only=True) for n in ("whole", "parts")
    ]
    for name, value in states[0]["average"].items():
        assert torch.equal(value, states[1]["average"][name]), name


def test_the_towers_are_those_of_the_clip_it_grew_from(runs):
    folder, _, _ = runs
    state = torch.load(folder / "whole/training/checkpoint.pt", weights_only=True)["model"]
    clip = load_encoder("pocket", device="cpu", dtype="float32").network
    ours = next(v for k, v in state.items() if k.endswith("patch_embedding.weight"))
    assert torch.equal(ours, clip.vision_model.embeddings.patch_embedding.weight)
    assert not any("layers.2." in k for k in state if k.startswith("frames."))


def test_an_early_layer_lies_before_the_last_and_each_is_reduced_by_itself(monkeypatch):
    monkeypatch.setattr(growing, "_FITTED", 2)
    sizes = dataclasses.replace(SIZES, tower_layers=3, early_layer=1, channels=7)
    grown, _ = growing.grow("pocket", sizes, motion_scenes(sizes, 4), seed=0)
    clip = load_encoder("pocket", device="cpu", dtype="float32").network
    pixels = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        seen = clip.vision_model(pixel_values=pixels, output_hidden_states=True).hidden_states
        patches = grown.frames.patches(pixels)
        torch.testing.assert_close(patches, torch.cat([seen[1][:, 1:], seen[3][:, 1:]], -1))
        found = grown.frames(pixels).flatten(1, 2)
        assert found.shape == (2, 64, 7)
        early = patches.clone()
        early[..., 192:] = 0
        torch.testing.assert_close(grown.frames.reduce(early)[..., :3], found[..., :3])


def test_another_recipe_is_refused_but_more_scenes_may_join(runs):
    folder, _, _ = runs
    with pytest.raises(ModelError, match="another recipe"):
        train_temporal(dataclasses.replace(RECIPE, texts=1), folder / "whole", max_minutes=1)
    more = dataclasses.replace(RECIPE, clips=6)
    joined = Run(
        more, folder / "whole/training", folder / "scenes", model="pocket", resume=True, progress=None
    )
    assert joined.steps == 4 and len(joined.data) == 6


def test_recipes_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="even number"):
        TemporalRecipe(batch=3)
    with pytest.raises(InputError, match="drawn frames"):
        TemporalRecipe(drawn_frames=4)


def test_shifting_repeats_the_edge():
    grid = np.arange(9, dtype=np.float16).reshape(1, 3, 3, 1)
    assert shifted(grid, 0, 0).tolist() == grid.tolist()
    assert shifted(grid, 1, 0)[0, :, :, 0].tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    assert shifted(grid, 0, -1)[0, :, :, 0].tolist() == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]
