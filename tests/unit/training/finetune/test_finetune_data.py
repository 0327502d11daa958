from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seektrack.encoders.base import Vocabulary
from seektrack.errors import InputError, QueryError
from seektrack.training.datasets import choose_world
from seektrack.training.finetune import FinetuneRecipe, read_pairs, world_pairs
from seektrack.training.finetune.batches import Batches, augment, other_names, split_pairs
from seektrack.training.finetune.data import digest, load_picture, pair_at
from seektrack.training.finetune.validate import recall_at_1
from seektrack.video import read_image


def picture(path: Path, value: int = 90, size: tuple[int, int] = (20, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 0, 0)).save(path)


def test_a_folder_with_captions(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 10)
    picture(tmp_path / "deep" / "b.png", 20)
    (tmp_path / "captions.csv").write_text(
        'file,caption,weight\na.png,"a dog, asleep",2\ndeep/b.png,ein Hündchen,\na.png,A dog.,2\n', "utf-8"
    )
    pairs = read_pairs(tmp_path)
    assert [(p.image, p.texts, p.weight) for p in pairs] == [
        (tmp_path / "a.png", ("a dog, asleep", "A dog."), 2.0),
        (tmp_path / "deep" / "b.png", ("ein Hündchen",), 1.0),
    ]
    assert load_picture(pairs[0].image)[0, 0].tolist() == [10, 0, 0]
    assert digest(pairs) == digest(read_pairs(tmp_path / "captions.csv")) != digest(pairs[:1])


def test_pictures_are_read_as_they_are_indexed(tmp_path: Path) -> None:
    deep, clear, turned = (tmp_path / name for name in ("deep.png", "clear.png", "turned.jpg"))
    Image.fromarray(np.full((4, 6), 30000, np.uint16)).save(deep)
    Image.new("RGBA", (6, 4), (0, 0, 0, 0)).save(clear)
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (6, 4), (9, 9, 9)).save(turned, exif=exif)
    for path in (deep, clear, turned):
        np.testing.assert_array_equal(load_picture(path), read_image(path))
    assert load_picture(deep)[0, 0].tolist() == [117, 117, 117]
    assert load_picture(clear)[0, 0].tolist() == [255, 255, 255]
    assert load_picture(turned).shape == (6, 4, 3)


@pytest.mark.parametrize("where", ["annotations", "images", "val2017"])
def test_coco_captions_find_their_pictures(tmp_path: Path, where: str) -> None:
    picture(tmp_path / where / "7.png")
    content = {
        "images": [{"id": 7, "file_name": "7.png"}, {"id": 8, "file_name": "uncaptioned.png"}],
        "annotations": [{"image_id": 7, "caption": "one\n"}, {"image_id": 7, "caption": "two"}],
    }
    file = tmp_path / "annotations" / "captions_val2017.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content))
    assert [(p.image, p.texts) for p in read_pairs(file)] == [(tmp_path / where / "7.png", ("one", "two"))]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("captions.csv", "name,text\na.png,x\n", "cannot tell the layout"),
        ("captions.csv", "file,caption\na.png,\n", "line 2: a file without a caption"),
        ("captions.csv", "file,caption,weight\na.png,x,heavy\n", "line 2: a weight that is no number"),
        ("captions.csv", "file,caption\ngone.png,x\n", r"line 2 \(gone.png\): a caption whose picture"),
        ("captions.csv", "file,caption\n", "no captions"),
        ("captions.json", "{", "no COCO captions file"),
        (
            "captions.json",
            '{"images": [], "annotations": [{"image_id": 1, "caption": "x"}]}',
            "annotation 1: a caption without a picture",
        ),
        ("captions.txt", "a.png x", "cannot tell the layout"),
        ("captions.xls", "a.png x", "neither"),
    ],
)
def test_malformed_captions_are_refused(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=says):
        read_pairs(tmp_path / name)


def test_what_is_not_there_or_no_picture_is_refused(tmp_path: Path) -> None:
    for data in (
        tmp_path,
        tmp_path / "gone.json",
        "world:many",
        "world:0",
        "world:2,colour=red",
        "world:2,pictures=0",
    ):
        with pytest.raises(InputError):
            read_pairs(data)
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(InputError, match="cannot be read as a picture"):
        load_picture(tmp_path / "a.png")
    for bad in [(7, ["x"]), ("a.png", [" "]), ("a.png", ["x"], -1), "a.png"]:
        with pytest.raises(InputError, match="pair 0"):
            pair_at([bad], 0)


@dataclass
class _Item:
    image: np.ndarray
    texts: list[str]


def test_pairs_of_any_form_are_taken() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    items = [(image, "one"), (image, ["one", "two "], 3), _Item(image, ["three"])]
    assert [pair_at(items, i).texts for i in range(3)] == [("one",), ("one", "two"), ("three",)]
    assert [pair_at(items, i).weight for i in range(3)] == [1.0, 3.0, 1.0]


def test_the_world_shows_what_its_captions_say() -> None:
    pairs = world_pairs(choose_world("world:2").seeds)
    assert pairs[0].image.shape == (256, 256, 3) and pairs[1].image.shape == (160, 160, 3)
    assert all(p.texts[0] in pairs[0].texts[0] for p in pairs[1:2])
    assert all((a.image == b.image).all() for a, b in zip(pairs, read_pairs("world:2"), strict=True))


def test_the_world_is_of_the_style_and_the_categories_asked_for() -> None:
    pairs = read_pairs("world:3,style=scan,categories=snail+teapot,frames=4,size=96,pictures=2")
    frames = [p for p in pairs if p.image.shape == (96, 96, 3)]
    names = {p.texts[0] for p in pairs if p.image.shape == (160, 160, 3)}
    assert len(frames) == 6 and all(p.texts[0].endswith(" scan") for p in frames)
    assert names and names <= {"a snail", "a teapot"}
    assert all(float(np.ptp(p.image.astype(int), axis=2).max()) <= 40 for p in frames), "scans are grey"
    assert not np.array_equal(frames[0].image, frames[1].image)


def test_batches_pass_over_all_pairs_and_know_equal_captions() -> None:
    texts = ["A dog.", "a  dog", "a cat", "a cow", "a hen"]
    pairs = [(np.full((4, 4, 3), i, np.uint8), [t], i) for i, t in enumerate(texts)]
    batches = Batches(pairs, np.arange(5), FinetuneRecipe(batch=5, augment=False))
    batch = batches(3)
    order = [int(image[0, 0, 0]) for image in batch.images]
    assert sorted(order) == [0, 1, 2, 3, 4] and batch.weights.tolist() == order
    alike = np.array([[i == j or {i, j} == {0, 1} for j in order] for i in order])
    assert (batch.matches == alike).all()
    assert batches(3).texts == batch.texts
    assert [batches(step).texts for step in range(3)] != [batch.texts] * 3


def test_the_split_is_disjoint_and_the_seeds_own() -> None:
    chosen, held_out = split_pairs(40, FinetuneRecipe(held_out=0.25))
    assert len(held_out) == 10 and sorted([*chosen, *held_out]) == list(range(40))
    assert not np.array_equal(held_out, split_pairs(40, FinetuneRecipe(held_out=0.25, seed=1))[1])
    assert len(split_pairs(40, FinetuneRecipe(held_out=0))[1]) == 0


def test_augmentation_never_turns_what_names_a_side(rng: np.random.Generator) -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    image[:, 15:] = 200
    turned = {m: sum(float(np.diff(augment(image, rng, mirror=m).mean((0, 2))[[0, -1]])[0]) < 0
                     for _ in range(40)) for m in (True, False)}  # fmt: skip
    assert turned[False] == 0
    assert 5 < turned[True] < 35
    left = [(image, ["the car on the left"])] * 4
    drawn = Batches(left, np.arange(4), FinetuneRecipe(batch=4))
    assert all(i[:, -1].mean() > i[:, 0].mean() for step in range(10) for i in drawn(step).images)


def test_recall_counts_any_right_answer() -> None:
    cosines = np.array([[0.9, 0.1, 0.8], [0.2, 0.3, 0.7]], np.float32)
    matches = np.array([[1, 1, 0], [0, 0, 1]], np.float32)
    assert recall_at_1(cosines, matches) == (1.0, round(1 / 3, 4))


def test_captions_that_name_a_thing_are_worded_anew_and_match_all_the_same() -> None:
    pairs = [
        (np.full((4, 4, 3), i, np.uint8), [t]) for i, t in enumerate(["a dog", "a cat", "it rains on us"])
    ]
    plain = FinetuneRecipe(batch=3, augment=False)
    worded = FinetuneRecipe(
        batch=3, augment=False, wordings=1, templates=("a scan of {}", "{}, seen from above")
    )
    one, two = Batches(pairs, np.arange(3), plain)(0), Batches(pairs, np.arange(3), worded)(0)
    assert (one.matches == two.matches).all()
    for before, after in zip(one.texts, two.texts, strict=True):
        assert after in (
            [before] if before == "it rains on us" else [f"a scan of {before}", f"{before}, seen from above"]
        )
    assert {t for step in range(6) for t in Batches(pairs, np.arange(3), worded)(step).texts} >= {
        "a scan of a dog", "a dog, seen from above"
    }  # fmt: skip
    with pytest.raises(QueryError, match="template"):
        FinetuneRecipe(wordings=0.5, templates=("no place",))


def test_the_learning_rate_follows_the_global_batch_where_asked() -> None:
    usual = FinetuneRecipe().rate(10**9)
    assert FinetuneRecipe(batch=256).rate(10**9) == usual
    assert FinetuneRecipe(batch=256, scale_rate=True).rate(10**9) == 2 * usual
    assert FinetuneRecipe(batch=16, scale_rate=True, learning_rate=1e-3).rate(1) == 5e-4


def test_few_captions_are_set_against_names_that_share_no_word_with_them() -> None:
    class Knowing:
        vocabulary = Vocabulary(("a red car", "a dog", "a lamp", "a tree"), ())

    image = np.zeros((8, 8, 3), np.uint8)
    few = [(image, ["A dog."]), (image, ["a lamp on the table"])]
    assert other_names(Knowing(), few, None) == ["a red car", "a tree"]
    assert other_names(Knowing(), few, 0) == []
    many = [(image, [f"a dog number {i}"]) for i in range(80)]
    assert other_names(Knowing(), many, None) == []
    assert other_names(Knowing(), many, 8) == ["a red car", "a lamp", "a tree"]
    pairs = [(image, ["a dog"]) for _ in range(6)]
    recipe = FinetuneRecipe(batch=4, contrast=2)
    batches = Batches(pairs, np.arange(6), recipe, others=other_names(Knowing(), pairs, recipe.contrast))
    assert len(set(batches(0).others)) == 2 and batches(0).others == batches(0).others
    assert {name for step in range(20) for name in batches(step).others} == {"a red car", "a lamp", "a tree"}
