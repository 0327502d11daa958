"""The table of names, the mosaics of tiles, and how words are read."""

import json
from collections import Counter

import cv2
import numpy as np
import pytest

from seektrack.encoders.lexicon import Lexicon, singulars
from seektrack.errors import InputError
from seektrack.training.photos.files import colour_words, named_labels
from seektrack.training.photos.names import LANGUAGES, load_concepts, superclasses
from seektrack.training.photos.tiles import load_tiles


@pytest.fixture(scope="module")
def concepts():
    return load_concepts()


def test_every_class_of_the_three_sets_has_one_name(concepts):
    classes = Counter(shown for row in concepts.rows for shown in row.classes)
    assert set(classes.values()) == {1}
    sets = Counter(shown.split("/")[0] if "/" in shown else "tinyimagenet" for shown in classes)
    assert sets == {"cifar10": 10, "cifar100": 100, "tinyimagenet": 200}


def test_kinds_are_names_too_and_go_up_all_the_way(concepts):
    names = {row.name for row in concepts.rows}
    assert {parent for row in concepts.rows for parent in row.parents} <= names
    of = concepts.number

    def is_kind(name, kind):
        return bool(concepts.kind_of[of[name], of[kind]])

    assert all(
        is_kind(dog, "dog") and is_kind(dog, "pet") for dog in ("Chihuahua", "poodle", "golden retriever")
    )
    assert is_kind("ladybug", "animal") and is_kind("baby", "person") and is_kind("convertible", "vehicle")
    assert not is_kind("dog", "poodle") and not is_kind("banana", "animal")
    assert (concepts.kind_of & concepts.kind_of.T == np.eye(len(names), dtype=bool)).all()


def test_a_word_means_one_thing_and_120_names_have_four_languages(concepts):
    owners = {}
    for row in concepts.rows:
        for language in ("en", *LANGUAGES):
            for word in row.words[language]:
                owners.setdefault((language, word.lower()), set()).add(row.name)
    assert [word for word, several in owners.items() if len(several) > 1] == []
    spoken = [row for row in concepts.rows if all(row.words[language] for language in LANGUAGES)]
    assert len(spoken) >= 120


def test_the_twenty_groups_share_the_hundred_classes_out(concepts):
    classes = [f"cifar100/{name}" for group in superclasses().values() for name in group]
    assert len(superclasses()) == 20 and len(set(classes)) == 100
    assert set(classes) <= set(concepts.of_class)


@pytest.mark.parametrize(
    ("text", "things", "colours", "unknown"),
    [
        ("a dog", ["dog"], [], []),
        ("two small puppies on the grass", ["dog"], [], ["grass"]),
        ("a photo of a red car", ["car"], ["red"], []),
        ("an orange", ["orange"], [], []),
        ("an orange car", ["car"], ["orange"], []),
        ("ein roter Lastwagen", ["truck"], ["red"], []),
        ("une voiture verte", ["car"], ["green"], []),
        ("perros negros", ["dog"], ["black"], []),
        ("a person on a bicycle", ["person", "bicycle"], [], []),
        ("a giraffe", [], [], ["giraffe"]),
        ("a wooden cup", ["cup"], [], ["wooden"]),
        ("school buses", ["school bus"], [], []),
        ("children", ["child"], [], []),
        ("l'ours et un porc-épic", ["bear", "porcupine"], [], []),
        ("two go-karts", ["go-kart"], [], []),
        ("a German shepherd", ["German shepherd"], [], []),
    ],
)
def test_texts_are_read_by_their_words(concepts, text, things, colours, unknown):
    read = Lexicon(concepts.words(), colour_words()).read(text)
    assert (list(read.things), list(read.colours), list(read.unknown)) == (things, colours, unknown)


def test_plurals_keep_the_word_itself_first():
    assert singulars("buses")[0] == "buses" and "bus" in singulars("buses")
    assert "puppy" in singulars("puppies") and "animal" in singulars("animaux")


def test_labels_leave_the_drawn_names_to_the_drawn_world(concepts):
    labels = named_labels(concepts)
    assert "a bee" in labels and "an apple" in labels
    assert not {"a car", "a dog", "an insect"} & set(labels)


def write_mosaic(folder, key, colours):
    path = folder / f"{key}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    mosaic = np.zeros((32, 32 * (len(colours) + 1), 3), np.uint8)
    for i, colour in enumerate(colours):
        mosaic[:, 32 * i : 32 * i + 32] = colour[::-1]
    cv2.imwrite(str(path), mosaic, [cv2.IMWRITE_JPEG_QUALITY, 100])


def test_tiles_come_out_of_mosaics_with_their_names(tmp_path, concepts):
    write_mosaic(tmp_path, "mine/train/dog", [(200, 10, 10), (10, 200, 10)])
    write_mosaic(tmp_path, "cifar100/train/bee", [(10, 10, 200)])
    write_mosaic(tmp_path, "cifar10/train/dog", [(90, 90, 90), (10, 200, 10)])
    counts = {"cifar100/train/bee": 1, "cifar10/train/dog": 2, "mine/train/nobody": 3}
    (tmp_path / "counts.json").write_text(json.dumps(counts))
    with pytest.raises(InputError, match="no test pictures"):
        load_tiles(tmp_path, "test", concepts)
    tiles = load_tiles(tmp_path, "train", concepts)
    assert [concepts.rows[i].name for i in tiles.concepts] == ["bee", "dog", "dog"]
    assert (
        np.abs(tiles.pictures[:, 16, 16].astype(int) - [[10, 10, 200], [90, 90, 90], [10, 200, 10]]).max() < 6
    )
    (tmp_path / "counts.json").write_text(json.dumps({"cifar100/train/bee": 9}))
    with pytest.raises(InputError, match="room for 2"):
        load_tiles(tmp_path, "train", concepts)
    (tmp_path / "counts.json").write_text("{")
    with pytest.raises(InputError, match=r"counts\.json"):
        load_tiles(tmp_path, "train", concepts)
