"""`eval real`: things named in photographs, by what the pocket encoder knows of drawn ones."""

import csv

import cv2
import pytest
import torch
from PIL import Image

from seektrack.errors import InputError
from seektrack.evaluation.real import RealSettings, evaluate_real
from seektrack.geometry import mask_to_box
from seektrack.training.photos.labelled import COLUMNS
from seektrack.training.photos.names import load_concepts
from seektrack.world import render, sample_scene


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def write_table(folder, rows):
    with (folder / "things.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def write_scenes(folder, *, names=None, scenes=6):
    """Frames of the drawn world with its things named, rightly or all as ``names``."""
    folder.mkdir()
    known, rows = load_concepts().number, []
    for seed in range(scenes):
        clip = render(sample_scene(seed=seed))
        cv2.imwrite(str(folder / f"{seed}.jpg"), clip.frames[0][..., ::-1])
        Image.fromarray(clip.ids[0]).save(folder / f"{seed}.0.png")
        for number, actor in enumerate(clip.scene.actors, start=1):
            seen = clip.ids[0] == number
            if actor.category in known and seen.sum() > 900 and clip.visibility[0][number - 1] > 0.9:
                box = [int(side) for side in mask_to_box(seen)]
                rows.append([seed, names or actor.category, *box, 0, number])
    write_table(folder, rows)
    return rows


def test_right_names_are_believed_and_wrong_ones_are_not(tmp_path):
    rows = write_scenes(tmp_path / "right")
    (right,) = evaluate_real(tmp_path / "right", only=["things"])[str(tmp_path / "right")]
    figures = right.figures
    assert 5 < figures["things"] <= len(rows) and figures["names"] > 2
    assert figures["believed"] > 0.6 and figures["first"] > 0.6 and figures["wrong"] < 0.1
    assert sum(item["things"] for item in right.items.values()) == figures["things"]
    write_scenes(tmp_path / "wrong", names="mushroom")
    (wrong,) = evaluate_real(tmp_path / "wrong", RealSettings(limit=4), only=["things"]).popitem()[1]
    assert wrong.figures["believed"] < 0.1


def test_a_table_that_names_what_nobody_knows(tmp_path):
    write_scenes(tmp_path / "own", scenes=1)
    write_table(tmp_path / "own", [[0, "gryphon", 1, 2, 30, 40, "", ""]])
    with pytest.raises(InputError, match="gryphon") as told:
        evaluate_real(tmp_path / "own", only=["things"])
    assert "table of names" in str(told.value.hint)
    (tmp_path / "own" / "things.csv").unlink()
    with pytest.raises(InputError, match="nothing to measure"):
        evaluate_real(tmp_path / "own", only=["things"])
