"""Things named in photographs, networks that grow, and pictures that are stretched."""

import csv
from dataclasses import replace
from importlib import resources

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from seektrack.encoders.photo_network import PhotoNetwork, PhotoSizes
from seektrack.training.photos.growth import grown
from seektrack.training.photos.labelled import COLUMNS
from seektrack.training.photos.names import load_concepts
from seektrack.training.photos.recipe import PhotoRecipe
from seektrack.training.photos.samples import UNNAMED, PhotoSampler, place
from seektrack.training.photos.scenes import load_photographs, unnamed_crop
from seektrack.training.photos.tiles import Tiles

PICTURE, NAME, BOX = "3063", "airplane", (5, 83, 358, 242)
"""A row of the table: its person 2 drew the thing as region 2."""


@pytest.fixture(scope="module")
def concepts():
    return load_concepts()


@pytest.fixture
def photographs(tmp_path, concepts):
    """A photograph that is red where the thing is that the table names, and grey elsewhere."""
    picture, labels = np.full((321, 481, 3), 128, np.uint8), np.ones((321, 481), np.uint8)
    x0, y0, x1, y1 = BOX
    labels[y0:y1, x0:x1] = 2
    labels[100:140, 100:160] = 3  # a part of the thing
    labels[260:290, 400:440] = 4  # and something else
    picture[labels == 2] = picture[labels == 3] = (255, 0, 0)
    cv2.imwrite(str(tmp_path / f"{PICTURE}.jpg"), picture[..., ::-1])
    for person in range(3):
        Image.fromarray(labels).save(tmp_path / f"{PICTURE}.{person}.png")
    return load_photographs([tmp_path], concepts)


def test_the_table_names_what_can_be_named_within_its_pictures(concepts):
    text = resources.files("seektrack.training.photos").joinpath("things.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) > 1000
    assert {row["name"] for row in rows} <= set(concepts.number)
    for row in rows:
        x0, y0, x1, y1 = (int(row[side]) for side in ("x0", "y0", "x1", "y1"))
        assert 0 <= x0 < x1 <= 481 and 0 <= y0 < y1 <= 481 and bool(row["person"]) == bool(row["regions"])


def test_a_named_thing_has_its_box_and_its_outline(photographs, concepts):
    ((thing,),) = photographs.things
    assert (thing.concept, thing.box) == (concepts.number[NAME], BOX)
    assert thing.mask.to_array()[90, 20] and not thing.mask.to_array()[120, 120]


def test_what_was_named_is_never_shown_as_nothing(photographs, tmp_path, concepts):
    assert all(box[0] >= 400 for box, _ in photographs.regions[0])  # no part of the thing
    rows = [COLUMNS, ("whole", NAME, 0, 0, 200, 160, "", ""), ("half", NAME, 0, 0, 100, 160, "", "")]
    for number, key in enumerate(("none", "half", "whole")):
        picture = np.full((160, 200, 3), 128, np.uint8)
        picture[:, : 100 * number] = (255, 0, 0)
        cv2.imwrite(str(tmp_path / f"{key}.jpg"), picture[..., ::-1])
        Image.fromarray(np.ones((160, 200), np.uint8)).save(tmp_path / f"{key}.0.png")
    with (tmp_path / "things.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    (tmp_path / f"{PICTURE}.jpg").unlink()
    shown, rng = load_photographs([tmp_path], concepts), np.random.default_rng(0)
    assert [len(things) for things in shown.things] == [1, 0, 1]
    crops = [unnamed_crop(shown, 32, rng) for _ in range(200)]
    red = np.array([np.mean((crop[..., 0] > 200) & (crop[..., 1] < 60)) for crop in crops])
    assert (red < 0.2).all()


def test_batches_show_it_by_its_name(photographs, concepts):
    tiles = Tiles(np.zeros((4, 32, 32, 3), np.uint8), np.zeros(4, np.intp), np.zeros(4, np.intp), ("own",))
    recipe = PhotoRecipe(tiles=2, films=6, unnamed=2, rough=0.0, masked=0.0)
    pictures, numbers = PhotoSampler(tiles, concepts, recipe, photographs=photographs).batch(0, view=32)
    assert numbers.tolist() == [0] * 2 + [concepts.number[NAME]] * 6 + [UNNAMED] * 2
    assert (pictures[2:8, 16, 16, 0] > 150).all() and (pictures[2:8, 16, 16, 1] < 100).all()


def test_a_grown_network_answers_as_before_and_all_of_it_can_learn():
    torch.manual_seed(0)
    small = PhotoNetwork(PhotoSizes(widths=(8, 16, 16), dim=16), concepts=3, backgrounds=1).eval()
    larger = replace(small.tower.sizes, blocks=(2, 1, 3))
    out, view = grown(small, larger).eval(), torch.randn(8, 3, 32, 32)
    assert out.tower.sizes == larger and len(out.tower.trunk) == 9
    assert (out.tower.embed(view) * small.tower.embed(view)).sum(1).min() > 0.9
    out.train().tower.embed(view)[:, 0].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in out.tower.trunk.parameters())
    assert grown(small, replace(larger, widths=(8, 8, 8))) is small
    assert grown(out, small.tower.sizes) is out


def test_a_stretched_tile_is_wider_than_high():
    tile = np.zeros((32, 32, 3), np.uint8)
    tile[12:20, 12:20] = 255
    shown = place(tile, 32, 1.0, np.zeros(2), 0.0, stretch=2.0)[..., 0] > 127
    assert shown.any(0).sum() > 1.6 * shown.any(1).sum()
    assert abs(shown.sum() - 64) < 16
