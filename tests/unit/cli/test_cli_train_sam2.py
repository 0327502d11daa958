import json

import pytest
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
        "--soft-iou", "0.2", "--targets", "0.1", "--scale-rate",
        "--held-out", "0.3", "--out", str(tmp_path), "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["mode"] == "head" and figures["steps"] == 1 and {"JF_before", "JF"} <= set(figures)
    assert load_sam2(tmp_path).resolution == 64


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
