import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from seektrack.cli import app
from seektrack.errors import InputError
from seektrack.segmentation import load_sam2

RUN = CliRunner()


def call(group: str, *arguments: str):
    return RUN.invoke(app, [group, "sam2", *arguments], catch_exceptions=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    result = call(
        "pocket", "--recipe", "smoke", "--style", "plain", "--workers", "0", "--out", str(out), "--json"
    )
    assert result.exit_code == 0, result.output
    return out


def test_a_training_ends_in_a_model_and_goes_on_by_its_own_recipe(trained):
    assert load_sam2(trained / "model").resolution == 64
    again = call("pocket", "--workers", "0", "--out", str(trained), "--quiet")
    assert again.exit_code == 0, again.output
    assert json.loads((trained / "recipe.json").read_text())["stages"][0]["steps"] == 2


def test_fine_tuning_from_the_command_line(trained, tmp_path):
    result = call(
        "train", "--data", "world:3,frames=3,size=64", "--model", str(trained / "model"), "--recipe", "head",
        "--steps", "1", "--frames", "2", "--workers", "0", "--boundary", "0.2", "--corrections", "1",
        "--soft-iou", "0.2", "--targets", "0.1", "--scale-rate", "--keep", "0.5",
        "--held-out", "0.3", "--out", str(tmp_path), "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["mode"] == "head" and figures["steps"] == 1 and {"JF_before", "JF"} <= set(figures)
    assert load_sam2(tmp_path).resolution == 64


def test_what_cannot_be_used_is_named_and_the_rest_is_trained_on(trained, tmp_path):
    home = tmp_path / "data"
    for name in ("good", "fine", "spoilt", "astray"):
        for part in ("JPEGImages", "Annotations"):
            (home / part / name).mkdir(parents=True)
        for t in range(4):
            ids = np.zeros((64, 64), np.uint8)
            ids[10 + t : 40 + t, 10:40] = 1
            picture = np.stack([90 + 100 * ids] * 3, -1)
            Image.fromarray(picture).save(home / "JPEGImages" / name / f"{t:05d}.jpg")
            Image.fromarray(ids).save(home / "Annotations" / name / f"{t:05d}.png")
    spoilt = home / "Annotations" / "spoilt"
    (spoilt / "00001.png").write_bytes((spoilt / "00000.png").read_bytes()[:60])
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(spoilt / "00002.png")
    Image.fromarray(np.ones((32, 64), np.uint8)).save(spoilt / "00003.png")
    (home / "JPEGImages" / "astray" / "00003.jpg").unlink()
    (home / "JPEGImages" / "fine" / "00002.jpg").write_bytes(b"no picture")
    result = call(
        "train", "--data", str(home), "--model", str(trained / "model"), "--recipe", "head", "--steps", "2",
        "--frames", "2", "--workers", "0", "--held-out", "0.3", "--out", str(tmp_path / "out"), "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    rows = list(csv.DictReader((tmp_path / "out/training/left-out.csv").open()))
    assert figures["left_out"] == len(rows) and figures["clips"] + figures["held_out"] == 3
    told = {(Path(row["file"]).name, row["where"]): row["why"] for row in rows}
    assert told[("spoilt", "frame 1")] == "cannot be read"
    assert told[("spoilt", "frame 2")] == "a mask in colour"
    assert told[("spoilt", "frame 3")] == "masks of another size than the frame"
    assert told[("astray", "")] == "a mask without a picture"
    assert "left out, a mask in colour: 1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("pocket", "--recipe", "nothing"), "unknown recipe"),
        (("pocket", "--recipe", "polish"), "no --init"),
        (("pocket", "--recipe", "follow"), "follow goes on"),
        (("pocket", "--recipe", "deepen"), "deepen goes on"),
        (("train", "--model", "pocket"), "no --data"),
        (("train", "--data", "nowhere"), "no such folder"),
        (("train", "--data", "world:3", "--recipe", "everything"), "unknown recipe"),
    ],
)
def test_contradictions_are_told(tmp_path, arguments, told):
    result = call(*arguments, "--out", str(tmp_path / "out"))
    assert isinstance(result.exception, InputError) and told in str(result.exception)
