import itertools
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from seektrack.errors import ModelError
from seektrack.segmentation import load_sam2, network
from seektrack.training.sam2 import Sam2Recipe, Sam2Trainer, Stage, schedule, smoke_recipe
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.training.sam2.data import Groups, WorldClips
from seektrack.training.sam2.schedule import learning_rate, stage_progress, stage_seconds
from seektrack.training.sam2.sides import set_side

TINY = PocketSize(resolution=64, stem=16, blocks=(1, 1, 2, 1))


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_time_left_is_dealt_out_by_shares_and_what_a_stage_saves_goes_to_the_rest():
    stages = tuple(Stage(name="image", steps=1, resolution=64, clips=1, share=s) for s in (1, 3, 4))
    recipe = Sam2Recipe(stages=stages)
    assert [stage_seconds(recipe, i, minutes=8, spent_s=s) for i, s in enumerate((0, 60, 240))] == [
        60,
        180,
        240,
    ]
    assert stage_seconds(recipe, 1, minutes=8, spent_s=0) == pytest.approx(480 * 3 / 7)
    assert stage_seconds(recipe, 2, minutes=8, spent_s=999) == 0


def test_the_learning_rate_rises_and_ends_at_its_floor_by_steps_or_by_the_clock():
    stage = Stage(name="image", steps=100, resolution=64, clips=1, lr=1.0, warmup=10, floor=0.05)
    rates = [learning_rate(stage, s, stage_progress(stage, s, used_s=0, allowed_s=None)) for s in range(100)]
    assert max(rates) == rates[9] > 0.97 and rates[0] < 0.11
    assert rates[-1] == pytest.approx(0.05, abs=0.01)
    assert stage_progress(stage, 20, used_s=30, allowed_s=40) == pytest.approx(0.7 / 0.95)
    assert stage_progress(stage, 20, used_s=9, allowed_s=40) == 0.2  # the clock is not clearly ahead
    assert learning_rate(stage, 20, stage_progress(stage, 20, used_s=40, allowed_s=40)) == pytest.approx(0.05)


def test_a_training_short_of_time_still_runs_every_stage_to_a_low_learning_rate(tmp_path, monkeypatch):
    clock = itertools.count(step=6)
    monkeypatch.setattr(schedule.time, "monotonic", lambda: next(clock))
    recipe = smoke_recipe()
    recipe = replace(recipe, stages=tuple(replace(s, steps=9999, warmup=1) for s in recipe.stages[::3]))
    trainer, rates, rows = Sam2Trainer(recipe, tmp_path, workers=0), [], []
    step = trainer._step

    def noted(stage, *rest):
        out = step(stage, *rest)
        rates.append((trainer.state.stage, trainer.learner.optimiser.param_groups[0]["lr"] / stage.lr))
        return out

    monkeypatch.setattr(trainer, "_step", noted)
    trainer.run(max_minutes=2.0, progress=rows.append)
    assert [r["stage"] for r in rows if r["step"]][-1] == "1-clip" and trainer.state.stage == 2
    for number in (0, 1):
        of_one = [rate for stage, rate in rates if stage == number]
        assert of_one[0] == 1 and of_one[-1] < 0.3 and of_one == sorted(of_one, reverse=True)
    assert 100 <= trainer.state.seconds <= 150


def test_an_older_recipe_reads_with_the_defaults_of_what_it_did_not_know():
    recipe = smoke_recipe()
    old = asdict(recipe)
    del old["prompts"], old["augment"], old["losses"]["boundary"]
    for stage in old["stages"]:
        del stage["share"], stage["floor"]
    assert Sam2Recipe.from_json(json.dumps(old)) == recipe
    assert Sam2Recipe.from_json(json.dumps(asdict(recipe))) == recipe
    old["stages"][0]["lr"] = 7
    assert Sam2Recipe.from_json(json.dumps(old)) != recipe
    for broken in ("{", "[]", json.dumps({**old, "unheard": 1})):
        with pytest.raises(ModelError):
            Sam2Recipe.from_json(broken)


def test_another_side_in_place_is_what_loading_at_that_resolution_gives(tmp_path):
    torch.manual_seed(0)
    model = build_pocket(TINY).eval()
    model.save_pretrained(tmp_path)
    pixels, points = torch.randn(1, 3, 128, 128), torch.tensor([[[20.0, 90.0]]])
    labels = torch.ones(1, 1, dtype=torch.int32)
    answers = []
    with torch.no_grad():
        for one in (load_sam2(tmp_path, resolution=128, device="cpu").model, set_side(model, 128)):
            features = network.encode(one, pixels)
            embedding = network.without_memory(one, features)
            decoded = network.decode(one, features, embedding, points=points, labels=labels)
            memory = network.remember(one, features.top, torch.ones(1, 1, 128, 128), torch.ones(1, 1))
            later = network.condition(
                one, features, memories=memory[None], offsets=torch.tensor([0]),
                pointers=decoded.tokens[:, :1], pointer_offsets=torch.tensor([1]),
            )  # fmt: skip
            answers.append((decoded.logits, later))
    for loaded, in_place in zip(*answers, strict=True):
        torch.testing.assert_close(loaded, in_place, rtol=0, atol=1e-5)
    with pytest.raises(ModelError, match="multiple of 32"):
        set_side(model, 100)


def test_a_stream_mixes_sizes_and_styles_and_goes_on_where_it_was_left():
    stage = Stage(
        name="image", steps=1, resolution=64, clips=3, resolutions=(64, 96), style="scan", style_share=0.5
    )
    source = WorldClips(stage)
    numbered = list(itertools.islice(Groups(source), 6))
    whole = [group for _, group in numbered]
    later = list(itertools.islice(Groups(source, start=3).stream(2), 3))
    shared = [next(iter(Groups(source, start=3, rank=rank, world=2))) for rank in range(2)]
    for found in (later, shared):
        for (number, a), (again, b) in zip(numbered[3:], found, strict=False):
            assert number == again
            assert all(
                np.array_equal(x, y) for c, d in zip(a, b, strict=True) for x, y in zip(c, d, strict=True)
            )
    sides = [{frames.shape[1] for frames, _ in group} for group in whole]
    assert all(len(s) == 1 for s in sides) and set.union(*sides) == {64, 96}
    assert {len(g) for g, s in zip(whole, sides, strict=True) if s == {96}} == {1}
    grey = [np.ptp(frames.astype(int), axis=-1).max() < 30 for group in whole for frames, _ in group]
    assert 0 < sum(grey) < len(grey)
