from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from seektrack.errors import InputError, ModelError
from seektrack.evaluation.pocket_trajectory import evaluate_trajectory
from seektrack.geometry import mask_to_box
from seektrack.tracking import load_predictor
from seektrack.tracking.predict_network import TrajectorySizes
from seektrack.training.trajectory import TrajectoryRecipe, train_trajectory, trajectories
from seektrack.training.trajectory.data import clip, sample, starts, way
from seektrack.training.trajectory.losses import surprise
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds

SIZES = TrajectorySizes(kind="transformer", past=5, future=4, width=16, layers=1, heads=2)


def recipe(**changes):
    small = TrajectoryRecipe(
        sizes=SIZES, scenes=3, validation_scenes=2, frames=12, steps=30, batch=16, warmup=3
    )
    return dataclasses.replace(small, **changes)


def test_ways_are_where_the_renderer_draws():
    settings = SceneSettings(height=128, width=128, n_frames=4, actors=(1, 1), occluders=0)
    off = []
    for seed in seeds(Split.TEST, 12):
        scene = sample_scene(seed, settings)
        drawn = render(scene)
        boxes = clip(way(scene.actors[0], scene)[None], np.array([[128.0, 128.0]]))[0]
        for t in range(4):
            truth = mask_to_box(drawn.ids[t] == 1)
            if truth is not None:
                off.append(np.abs(boxes[t] - truth).max())
    # Thin tips (aerials, beaks, masts) fall between the pixels; the rest is off by their rounding.
    assert len(off) > 20 and np.median(off) < 1.6 and np.mean(np.array(off) < 1.8) > 0.8


def test_samples_hide_some_of_the_past_never_the_last_and_aim_at_the_truth():
    data = trajectories(seeds(Split.TEST, 4), SceneSettings(n_frames=12))
    places = starts(data, past=5, future=4)
    rng = np.random.default_rng(0)
    cut = sample(data, places, rng, past=5, future=4, gap=1.0, noise=0.0)
    known = cut.steps[..., 4]
    assert (known[:, -1] == 1).all() and (known.mean(1) < 1).all()
    row, frame = places[0]
    future = data.boxes[row, frame + 1 : frame + 5]
    last = clip(data.boxes[row : row + 1, frame], data.hw[row : row + 1])[0]
    centre = (future[:, :2] + future[:, 2:]) / 2 - (last[:2] + last[2:]) / 2
    ratio = cut.target[0, :, :2] / np.where(np.abs(centre) > 1e-6, centre, np.nan)
    assert np.nanstd(ratio) == pytest.approx(0, abs=1e-4)


def test_surprise_is_that_of_students_t():
    spread, centre, target = torch.tensor([0.3, -1.0]), torch.tensor([0.0, 1.0]), torch.tensor([0.7, 0.2])
    scale = spread.exp() / 2**0.5
    density = torch.distributions.StudentT(4.0, centre, scale).log_prob(target)
    constant = torch.distributions.StudentT(4.0, 0.0, 1.0).log_prob(torch.tensor(0.0))
    assert float(surprise(centre, spread, target)) == pytest.approx(
        float((constant - density).mean()), abs=1e-5
    )


def test_training_learns_and_goes_on_where_it_stopped(tmp_path):
    first = train_trajectory(recipe(steps=2), tmp_path / "short", max_minutes=1e6)
    whole = train_trajectory(recipe(), tmp_path / "whole", max_minutes=1e6)
    assert whole["held_out"] < first["held_out"] and whole["steps"] == 30
    again = train_trajectory(recipe(), tmp_path / "whole", max_minutes=1e6)
    assert again["steps"] == 30 and again["held_out"] == whole["held_out"]
    assert load_predictor(tmp_path / "whole").model.sizes == SIZES
    with pytest.raises(ModelError, match="another recipe"):
        train_trajectory(recipe(noise=0.5), tmp_path / "whole", max_minutes=1)


def test_recipes_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="frames"):
        recipe(frames=8)


def test_figures_of_the_filter_grow_with_the_horizon():
    found = evaluate_trajectory(["kalman"], scenes=4)
    assert 0 < found["kalman_fde_1"] < found["kalman_fde_5"] < found["kalman_fde_15"]
    assert found["kalman_ade_1"] == found["kalman_fde_1"] and found["kalman_ade_15"] < found["kalman_fde_15"]
    assert found["n"] >= 4 and 0.5 < found["kalman_within99"] <= 1
    with pytest.raises(InputError, match="scenes"):
        evaluate_trajectory(["kalman"], scenes=0)
