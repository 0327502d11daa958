"""`eval real`: folders found by their layout, and figures against answers worked out by hand."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from seektrack.cli import app
from seektrack.errors import InputError
from seektrack.evaluation.real import LAYOUTS, RealSettings, evaluate_real
from seektrack.evaluation.real.films import film_scores, innermost
from seektrack.evaluation.real.regions import agreed, covered, regions_of
from seektrack.segmentation import load_sam2
from seektrack.training.datasets import RegionPicture, masks_beside

H, W = 64, 96


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def write_film(folder: Path, name: str, *, still: bool = True, n: int = 4) -> None:
    """A red disc on grey that stands still or moves."""
    (folder / name).mkdir(parents=True)
    ys, xs = np.mgrid[:H, :W]
    for t in range(n):
        disc = (ys - 32) ** 2 + (xs - 30 - (0 if still else 8 * t)) ** 2 < 18**2
        picture = np.full((H, W, 3), 110, np.uint8)
        picture[disc] = (210, 30, 30)
        cv2.imwrite(str(folder / name / f"{t:05d}.jpg"), picture[..., ::-1])
        Image.fromarray((255 * disc).astype(np.uint8)).save(folder / name / f"{t:05d}.png")


def write_region(folder: Path) -> None:
    folder.mkdir(parents=True)
    labels = np.ones((H, W), np.uint8)
    labels[16:48, 20:60] = 2
    picture = np.full((H, W, 3), 110, np.uint8)
    picture[labels == 2] = (30, 60, 200)
    cv2.imwrite(str(folder / "one.jpg"), picture[..., ::-1])
    for person in (0, 1):
        Image.fromarray(labels).save(folder / f"one.{person}.png")


def test_an_easy_disc_is_followed_and_a_folder_of_folders_is_looked_into(tmp_path):
    write_film(tmp_path / "films", "still")
    write_film(tmp_path / "films", "moves", still=False)
    write_region(tmp_path / "pictures" / "test")
    found = evaluate_real(tmp_path)
    assert {Path(folder).name: [one.layout for one in several] for folder, several in found.items()} == {
        "films": ["films"],
        "test": ["regions"],
    }
    (films,) = found[str(tmp_path / "films")]
    assert set(films.items) == {"still", "moves"} and films.figures["objects"] == 2
    for kind in ("mask", "box", "click"):
        figures = [item[f"JF_{kind}"] for item in films.items.values()]
        assert films.figures[f"JF_{kind}"] == pytest.approx(np.mean(figures), abs=1e-3)
    assert films.items["still"]["J_mask"] > 0.7
    (regions,) = found[str(tmp_path / "pictures" / "test")]
    assert regions.figures["regions"] == 4 and regions.figures["agreed_regions"] == 2
    assert 0 <= regions.figures["J_click"] <= 1 and regions.figures["J_box"] > 0.3


def test_the_frame_asked_for_does_not_count(tmp_path):
    """An engine that answers nothing at all has no share in the frame that was given to it."""

    class Silent:
        def __init__(self, sam2, **_):
            self.ids = []

        def add(self, prompt):
            self.ids.append(prompt.obj_id)

        def step(self, image, t):
            masks = [np.zeros(image.shape[:2], bool) for _ in self.ids]
            return type("Answer", (), {"obj_ids": self.ids, "masks": lambda _: masks})()

    write_film(tmp_path, "disc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seektrack.evaluation.real.films.VideoSession", Silent)
        scores = film_scores(load_sam2("pocket"), masks_beside(tmp_path)[0], RealSettings(prompts=("mask",)))
    assert {name: scores[f"{name}_mask"] for name in ("JF", "J", "F", "lost")} == {
        "JF": [0.0],
        "J": [0.0],
        "F": [0.0],
        "lost": [1.0],
    }


def test_a_click_falls_on_the_innermost_pixel():
    mask = np.zeros((40, 60), bool)
    mask[10:31, 20:41] = True
    assert innermost(mask).tolist() == [30.5, 20.5]
    mask[:] = False
    mask[3, 5] = True
    assert innermost(mask).tolist() == [5.5, 3.5]


def test_a_region_counts_once_however_many_drew_it_and_not_if_one_did():
    first, second = np.ones((40, 40), np.uint8), np.ones((40, 40), np.uint8)
    first[5:15, 5:15], first[20:35, 20:35] = 2, 3
    second[5:15, 5:16], second[20:35, 20:26] = 2, 3
    regions = regions_of(RegionPicture("x", np.zeros((40, 40, 3), np.uint8), (first, second)))
    assert [len(person) for person in regions] == [3, 3]
    kept = agreed(regions)  # the ground and the small square; the large one was drawn differently
    assert [int(mask.sum()) for mask in kept] == [1600 - 100 - 225, 100]
    assert covered(kept, [second == 2]) == [False, True] and covered(kept, []) == [False, False]


def test_a_picture_of_one_region_is_measured_too(tmp_path):
    write_region(tmp_path / "one")
    for person in (0, 1):  # the ground is nobody's region
        labels = np.asarray(Image.open(tmp_path / "one" / f"one.{person}.png")) == 2
        Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "one" / f"one.{person}.png")
    (tmp_path / "one" / "one.1.png").unlink()
    (one,) = evaluate_real(tmp_path, only=["regions"]).popitem()[1]
    assert one.figures["regions"] == 1
    assert one.figures["J_box"] > 0.3 and 0 <= one.figures["J_click"] <= 1


def test_folders_and_questions_that_make_no_sense(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        evaluate_real(tmp_path / "missing")
    with pytest.raises(InputError, match="nothing to measure"):
        evaluate_real(tmp_path)
    with pytest.raises(InputError, match="unknown layout"):
        evaluate_real(tmp_path, only=["paintings"])
    with pytest.raises(InputError, match="prompts"):
        RealSettings(prompts=("scribble",))
    assert {"films", "regions"} <= set(LAYOUTS)


def test_the_command_gives_tables_and_json(tmp_path):
    write_film(tmp_path, "disc", n=3)
    run = CliRunner().invoke
    asked = ["eval", "real", str(tmp_path), "--prompts", "box", "--quiet"]
    table = run(app, asked)
    assert table.exit_code == 0 and "disc" in table.output and "JF_box" in table.output
    ((one,),) = json.loads(run(app, [*asked, "--json"]).output).values()
    assert one["layout"] == "films" and set(one["items"]["disc"]) == {"JF_box", "J_box", "F_box"}
