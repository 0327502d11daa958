import csv
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import Sam2VideoModel

from seektrack.errors import ModelError
from seektrack.segmentation import network
from seektrack.training.sam2 import (
    Augment,
    LossWeights,
    PromptMix,
    Sam2Trainer,
    deepen_recipe,
    follow_recipe,
    mixture,
    pocket_recipe,
    polish_recipe,
    smoke_recipe,
    steady_recipe,
    train,
    train_sam2,
)
from seektrack.training.sam2.data import WorldClips, make_batch, world_settings
from seektrack.training.sam2.losses import dense_loss, mask_loss
from seektrack.training.sam2.prompts import BOX, POINT, sample_prompt
from seektrack.world import Split, seeds


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_every_stage_runs_and_the_result_is_an_ordinary_folder(tmp_path):
    rows = []
    recipe = replace(
        smoke_recipe(),
        losses=LossWeights(boundary=0.5, consistency=0.5),
        prompts=PromptMix(image=(0, 0, 1), points=2, corrections=2, later=1.0),
        augment=Augment(affine=1.0, colour=1.0, blur=1.0, jpeg=1.0, freeze=0.3, occlude=1.0, copy_paste=1.0),
    )
    train_sam2(recipe, tmp_path / "run", workers=0, progress=rows.append)
    assert [r["stage"] for r in rows] == ["0-dense", "1-decoder", "2-image", "3-clip"]
    assert all(np.isfinite(r["loss"]) for r in rows)
    model = Sam2VideoModel.from_pretrained(tmp_path / "run" / "model")
    assert model.image_size == 64
    assert [r["stage"] for r in csv.DictReader((tmp_path / "run" / "curve.csv").open())][-1] == "3-clip"
    # Each stage counts its steps anew and is a run of its own in TensorBoard.
    for row in rows:
        events = EventAccumulator(str(tmp_path / "run" / "tensorboard" / row["stage"])).Reload()
        assert [(e.step, e.value) for e in events.Scalars("loss")] == [
            (row["step"], pytest.approx(row["loss"], rel=1e-6))
        ]


def test_a_training_cut_short_goes_on_to_the_same_weights(tmp_path):
    whole, cut = (Sam2Trainer(smoke_recipe(), tmp_path / name, workers=0) for name in ("whole", "cut"))
    whole.run()
    cut.run(max_steps=1)
    assert (cut.state.stage, cut.state.step) == (0, 1)
    while cut.state.stage < len(smoke_recipe().stages):
        cut = Sam2Trainer(smoke_recipe(), tmp_path / "cut", workers=0)
        cut.run(max_steps=1)
    for (name, a), b in zip(
        whole.learner.average.state_dict().items(), cut.learner.average.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name


def test_no_scene_is_in_two_stages_of_a_recipe_nor_of_those_that_go_on_from_it():
    def scenes(recipe):
        for number, stage in enumerate(recipe.stages):
            first = number * train._SEEDS_PER_STAGE + stage.first_scene
            yield range(first, first + stage.steps * stage.group)

    for recipes in ([pocket_recipe()], [polish_recipe(), follow_recipe(), deepen_recipe(), steady_recipe()]):
        taken = sorted((r for recipe in recipes for r in scenes(recipe)), key=lambda r: r.start)
        assert all(a.stop <= b.start for a, b in itertools.pairwise(taken)), taken


def test_a_stage_may_pass_over_scenes_that_others_saw(tmp_path, monkeypatch):
    taken = []

    class Noted(WorldClips):
        def group(self, number):
            taken.append(self.numbers[number * self.stage.group])
            return super().group(number)

    monkeypatch.setattr(mixture, "WorldClips", Noted)
    first, *_ = smoke_recipe().stages
    for name, start in (("one", 0), ("two", 700)):
        recipe = replace(smoke_recipe(), stages=(replace(first, first_scene=start),), calibration=0)
        Sam2Trainer(recipe, tmp_path / name, workers=0).run(max_steps=1)
    assert taken == [seeds(Split.TRAIN, 1)[0], seeds(Split.TRAIN, 1, start=700)[0]]


def test_long_clips_run_at_the_pace_of_the_world():
    long, short, still = (world_settings(64, n).speed for n in (48, 8, 1))
    assert long == still and short[1] == 2.5 * still[1]
    assert still[1] < world_settings(64, 12).speed[1] < short[1]


def test_a_folder_of_another_recipe_is_refused(tmp_path):
    Sam2Trainer(smoke_recipe(), tmp_path, workers=0).run(max_steps=1)
    with pytest.raises(ModelError, match="another recipe"):
        Sam2Trainer(replace(smoke_recipe(), seed=1), tmp_path, workers=0)


def test_the_right_mask_costs_less_than_a_wrong_one_and_a_neighbour_more_than_background():
    target = torch.zeros(1, 64, 64)
    target[:, 16:40, 16:40] = 1
    others = torch.zeros(1, 64, 64)
    others[:, 44:60, 16:40] = 1

    def cost(mask: torch.Tensor) -> float:
        small = torch.nn.functional.interpolate(mask[:, None], size=(16, 16), mode="area")
        decoded = network.Decoded(
            (small * 20 - 10).expand(1, 4, -1, -1),
            torch.ones(1, 4),
            torch.zeros(1, 4, 8),
            torch.full((1, 1), 9.0),
        )
        return float(mask_loss(decoded, target, others, torch.tensor([True]), LossWeights(iou=0))[0])

    beside = torch.zeros(1, 64, 64)
    beside[:, 16:40, 44:60] = 1
    right, background, neighbour = cost(target), cost(target + beside), cost(target + others)
    assert right < background < neighbour


def test_dense_loss_is_zero_cost_only_for_the_exact_centre_offsets():
    ids = torch.zeros(1, 8, 8, dtype=torch.long)
    ids[0, 2:5, 1:6] = 1
    ys, xs = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    exact = torch.stack([torch.where(ids[0] > 0, 30.0, -30.0), (3 - xs) / 8, (3 - ys) / 8])[None]
    assert float(dense_loss(exact, ids)) < 1e-6
    assert float(dense_loss(exact + torch.tensor([0.0, 0.5, 0.0])[None, :, None, None], ids)) > 0.1


def test_prompts_lie_on_the_object():
    rng = np.random.default_rng(0)
    mask = np.zeros((64, 64), bool)
    mask[20:30, 40:60] = True
    for _ in range(50):
        (point,), labels = sample_prompt(rng, mask, POINT)
        assert mask[int(point[1]), int(point[0])] and labels == [1]
        (a, b), labels = sample_prompt(rng, mask, BOX)
        assert labels == [2, 3]
        assert (
            abs(a[0] - 40) <= 3.1
            and abs(b[0] - 60) <= 3.1
            and abs(a[1] - 20) <= 1.6
            and abs(b[1] - 30) <= 1.6
        )


def test_a_batch_holds_each_object_apart_from_the_others():
    frames = np.zeros((2, 64, 64, 3), np.uint8)
    ids = np.zeros((2, 64, 64), np.uint8)
    ids[:, 5:20, 5:20], ids[:, 30:50, 30:50] = 1, 2
    batch = make_batch(None, [(frames, ids)], per_clip=4, min_area=10)
    assert batch is not None
    assert batch.masks.shape == (2, 2, 64, 64)
    assert (batch.masks[0] == torch.from_numpy(ids == 1)).all()
    assert (batch.others[0] == batch.masks[1]).all()
    assert make_batch(None, [(frames, np.zeros_like(ids))], per_clip=4, min_area=10) is None
