"""Photographs and films as what a segmenter learns from."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from seektrack.cli import app
from seektrack.errors import InputError, ModelError
from seektrack.segmentation.network import Decoded
from seektrack.training.datasets import masks_beside, region_pictures
from seektrack.training.sam2 import (
    LossWeights,
    PromptMix,
    Sam2Recipe,
    Sam2Trainer,
    Stage,
    read_clips,
    read_material,
    real_recipe,
    smoke_recipe,
    stages,
)
from seektrack.training.sam2.config import build_pocket
from seektrack.training.sam2.cutouts import Motion, cut, things
from seektrack.training.sam2.data import VOID
from seektrack.training.sam2.losses import click_loss
from seektrack.training.sam2.mixture import Material, Mixture, stage_source
from seektrack.training.sam2.photographs import Photographs, moving, still
from seektrack.training.sam2.prompts import background_points
from seektrack.training.sam2.stages import group_batch, step_loss

H, W = 60, 90
CLIPS = Stage(name="clip", steps=1, resolution=64, clips=2, frames=4, mix=(0.0, 1.0, 0.0))


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def write_pictures(folder: Path, count: int = 3) -> Path:
    """Photographs of a red disc and a green square on noise, each cut into regions by two people."""
    folder.mkdir(parents=True, exist_ok=True)
    ys, xs = np.mgrid[:H, :W]
    for n in range(count):
        picture = np.random.default_rng(n).integers(90, 120, (H, W, 3)).astype(np.uint8)
        labels = np.ones((H, W), np.uint8)
        disc, square = (ys - 20) ** 2 + (xs - 25 - n) ** 2 < 144, np.zeros((H, W), bool)
        square[25:50, 60:80] = True
        picture[disc], picture[square] = (220, 20, 20), (20, 200, 20)
        labels[disc], labels[square] = 2, 3
        cv2.imwrite(str(folder / f"{n}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])
        Image.fromarray(labels).save(folder / f"{n}.0.png")
        Image.fromarray(np.where(labels == 3, 1, labels).astype(np.uint8)).save(folder / f"{n}.1.png")
    return folder


def write_films(folder: Path, *, bits: bool = False, value: int = 255) -> Path:
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for t in range(5):
            mask = np.zeros((H, W), np.uint8)
            mask[10:40, 10 + 4 * t : 40 + 4 * t] = value
            picture = np.full((H, W, 3), 60, np.uint8)
            picture[mask > 0] = (30, 60, 220)
            cv2.imwrite(str(folder / name / f"{t:05d}.jpg"), picture[..., ::-1])
            drawn = Image.fromarray(mask)
            (drawn.convert("1") if bits else drawn).save(folder / name / f"{t:05d}.png")
    (folder / "names.json").write_text(json.dumps({"cat": "a cat", "dog": "a dog"}))
    return folder


@pytest.mark.parametrize("bits", [False, True])
def test_white_beside_a_film_is_its_object_and_not_the_unknown(tmp_path, bits):
    clips = read_clips(write_films(tmp_path / "films", bits=bits))
    assert [clip.key for clip in clips] == ["cat", "dog"]
    (frame, known), *_ = clips[0].frames()
    assert frame.hw == (H, W) and known.void is None and list(known.masks) == [1]
    assert known.masks[1].to_array()[10:40, 10:40].all() and known.masks[1].area == 900
    assert clips[0].categories == {1: "a cat"}
    assert len(list(clips[1].frames())) == 5  # masks are no pictures of the film


def test_a_film_with_numbered_objects_beside_it_is_refused(tmp_path):
    clips = masks_beside(write_films(tmp_path / "films", value=7))
    with pytest.raises(InputError, match="value 7"):
        list(clips[0].frames())


def test_pictures_are_read_with_what_each_person_drew_and_folders_put_together(tmp_path):
    write_pictures(tmp_path / "all" / "train")
    write_pictures(tmp_path / "all" / "val", count=2)
    found = region_pictures(tmp_path / "all")
    assert len(found) == 5
    assert found[0].image.shape == (H, W, 3) and len(found[0].maps) == 2
    assert set(np.unique(found[0].maps[0])) == {1, 2, 3}
    with pytest.raises(InputError, match="no picture with regions"):
        region_pictures(write_films(tmp_path / "films"))


def test_things_leave_out_what_lies_behind():
    labels = np.ones((H, W), np.uint8)
    labels[10:30, 10:30], labels[:, 80:], labels[0, 0] = 2, 3, 4
    assert things(labels) == [2]  # 1 is too large, 3 reaches three sides, 4 is a speck


def test_groups_are_the_same_whenever_asked_and_differ_from_each_other(tmp_path):
    source = Photographs(region_pictures(write_pictures(tmp_path)), CLIPS, seed=3)
    again = Photographs(region_pictures(tmp_path), CLIPS, seed=3)
    first, second = source.group(5), again.group(5)
    for (frames, ids), (other, theirs) in zip(first, second, strict=True):
        assert frames.shape == (4, 64, 64, 3) and frames.dtype == np.uint8 and ids.dtype == np.uint8
        assert (frames == other).all() and (ids == theirs).all()
    assert not (source.group(6)[0][0] == first[0][0]).all()


def test_what_is_cut_out_carries_its_own_pixels_and_moves(tmp_path):
    picture = region_pictures(write_pictures(tmp_path))[0]
    rng = np.random.default_rng(0)
    shown = 0
    for _ in range(20):
        motion = Motion(rng, cut(rng, picture, 40.0), 96, 8)
        places = []
        for t in range(8):
            canvas = np.zeros((96, 96, 3), np.float32)
            mask = motion.draw(t, canvas)
            if mask.sum() > 30:
                inside = canvas[mask].mean(0)
                assert max(inside[0], inside[1]) > 2 * inside[2]  # red or green, as the photograph's
                assert canvas[~cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))).astype(bool)].max() < 60
                places.append(np.argwhere(mask).mean(0))
        shown += len(places)
        if len(places) > 4:
            assert np.ptp(np.array(places), axis=0).max() > 0
    assert shown > 80


def test_ids_follow_the_pixels_of_a_moving_camera(tmp_path):
    pictures = list(region_pictures(write_pictures(tmp_path)))
    right = seen = 0
    for seed in range(12):
        frames, ids = moving(np.random.default_rng(seed), pictures, 64, 6)
        for number in set(np.unique(ids)) - {0, VOID}:
            for frame, labels in zip(frames, ids, strict=True):
                inside = cv2.erode((labels == number).astype(np.uint8), np.ones((3, 3))) > 0
                if inside.sum() > 20:
                    seen += 1
                    right += np.median(frame[inside].max(-1)) > 130  # noise is at 120 at most
    assert seen > 50 and right / seen > 0.9
    picture, ids = still(np.random.default_rng(0), pictures[0], 64)
    assert picture.shape == (1, 64, 64, 3)
    lies_behind = (picture[ids == 1].max(-1) < 160).mean()
    assert set(np.unique(ids)) - {VOID} >= {1, 2} and 0 not in ids and lies_behind > 0.6


def test_where_nothing_is_is_told_only_where_somebody_knows(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(stages, "background_points", lambda *a: asked.append(1) or background_points(*a))
    stage = replace(CLIPS, frames=1, clips=1, image_objects=2, objects=1)
    picture = next(iter(region_pictures(write_pictures(tmp_path))))
    clip = still(np.random.default_rng(0), picture, 64)
    model = build_pocket(smoke_recipe().size)
    for foreground in (False, True):
        recipe = replace(smoke_recipe(), foreground=foreground, prompts=PromptMix(image=(0, 1, 0)))
        step_loss(model, None, stage, [clip], np.random.default_rng(0), recipe, 0.0)
        assert bool(asked) == foreground


def test_more_objects_are_asked_of_a_single_picture(tmp_path):
    picture = next(iter(region_pictures(write_pictures(tmp_path))))
    one, film = (
        still(np.random.default_rng(0), picture, 64),
        moving(np.random.default_rng(2), [picture, picture], 64, 3),
    )
    stage, rng = replace(CLIPS, min_area=1, objects=1, image_objects=8), np.random.default_rng(0)
    assert len(group_batch(stage, [one], rng).owner) == len(set(np.unique(one[1])) - {VOID}) > 1
    assert len(group_batch(stage, [film], rng).owner) == 1
    assert len(group_batch(replace(stage, image_objects=0), [one], rng).owner) == 1


def test_a_mixture_takes_from_each_source_by_its_share(tmp_path):
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def group(self, number: int) -> list:
            return [(self.name, number)]

    mixed = Mixture([Named("a"), Named("b")], [3, 1], seed=0)
    drawn = [mixed.group(n)[0] for n in range(400)]
    assert drawn == [mixed.group(n)[0] for n in range(400)]
    assert 0.68 < sum(name == "a" for name, _ in drawn) / 400 < 0.82
    with pytest.raises(InputError, match="none"):
        stage_source(CLIPS, Material(), start=0, seed=0)
    material = Material(pictures=region_pictures(write_pictures(tmp_path)))
    assert len(stage_source(CLIPS, material, start=0, seed=0).group(0)) == 2


def test_a_clicked_pixel_costs_until_it_is_obeyed():
    logits = torch.full((1, 4, 16, 16), -4.0)
    said = Decoded(logits, torch.zeros(1, 4), torch.zeros(1, 1), torch.zeros(1, 4, 8))
    points = torch.tensor([[[32.0, 32.0], [8.0, 8.0]]])
    assert click_loss(said, points, torch.tensor([[1, 0]]), 64) == pytest.approx(2.0, abs=0.05)
    assert click_loss(said, points, torch.tensor([[2, 3]]), 64) == 0  # corners of a box
    logits[:, :, 7:9, 7:9] = 4.0
    assert click_loss(said, points, torch.tensor([[1, 0]]), 64) < 0.1


def test_training_on_photographs_and_films_goes_on_where_it_was_cut(tmp_path):
    material = read_material([write_pictures(tmp_path / "p")], [write_films(tmp_path / "f")])
    stage = replace(smoke_recipe().stages[-1], steps=4, mix=(0.2, 0.4, 0.4), film_clips=2, image_clips=2)
    recipe = replace(
        smoke_recipe(), stages=(stage,), foreground=False, calibration=0, losses=LossWeights(clicked=0.3),
        prompts=PromptMix(mixed=True, corrections=1, later=1.0),
    )  # fmt: skip
    assert Sam2Recipe.from_json(json.dumps(_plain(recipe))) == recipe
    whole, cut_short = (
        Sam2Trainer(recipe, tmp_path / name, workers=0, material=material) for name in ("whole", "cut")
    )
    whole.run()
    cut_short.run(max_steps=2)
    with pytest.raises(ModelError, match="other pictures and films"):
        Sam2Trainer(recipe, tmp_path / "cut", workers=0)
    cut_short = Sam2Trainer(recipe, tmp_path / "cut", workers=0, material=material)
    cut_short.run()
    for a, b in zip(whole.learner.average.parameters(), cut_short.learner.average.parameters(), strict=True):
        assert torch.equal(a, b)


def _plain(recipe: Sam2Recipe) -> dict:
    from dataclasses import asdict

    return asdict(recipe)


def test_the_command_says_what_is_missing(tmp_path):
    run = CliRunner().invoke
    out = ["--out", str(tmp_path / "run")]
    told = run(app, ["pocket", "sam2", "--recipe", "real", "--init", "pocket", *out])
    assert told.exit_code and "--pictures" in str(told.exception or told.output)
    pictures = ["--pictures", str(write_pictures(tmp_path / "p"))]
    told = run(app, ["pocket", "sam2", "--recipe", "smoke", *pictures, *out])
    assert told.exit_code and "world alone" in str(told.exception or told.output)
    assert sum(real_recipe().stages[0].mix) == pytest.approx(1)
