"""What an encoder knows, measured from the command line: written beside its weights, and read again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.unit.encoders.test_domain import fractal

import seektrack
from seektrack.cli import main
from seektrack.errors import InputError
from seektrack.training.calibrate import FRAMES_OF_A_FILM, pictures_in
from seektrack.video import VideoWriter


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as people have them: pictures, a film, a text, a picture that is none."""
    folder = tmp_path_factory.mktemp("foreign")
    for seed in range(30):
        Image.fromarray(fractal(seed)).save(folder / f"{seed}.png")
    with VideoWriter(folder / "film.mp4", width=256, height=256, fps=10) as writer:
        for step in range(20):
            writer.write(np.roll(fractal(99), 3 * step, axis=1))
    (folder / "README.md").write_text("nothing to see")
    (folder / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (4, 4)).save(folder / "dot.png")
    return folder


def ask(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in args])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_pictures_and_frames_of_films_are_taken_and_what_is_neither_is_passed_over(foreign: Path):
    found = list(pictures_in([foreign]))
    assert len(found) == 30 + FRAMES_OF_A_FILM and all(one.shape == (256, 256, 3) for one in found)
    with pytest.raises(InputError, match=r"broken\.png"):
        list(pictures_in([foreign / "broken.png"]))


def test_an_encoder_is_calibrated_and_then_tells_known_from_foreign(
    foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    model = tmp_path / "clip"
    shutil.copytree(Path(seektrack.__file__).parent / "pretrained" / "clip", model)
    shipped = (model / "domain.safetensors").read_bytes()
    how = ("--world", "plain", "--drawn", "100", "--unlike", foreign)
    status, out, err = ask(capsys, "train", "calibrate", model, *how)
    assert status == 0 and "what it was shown: 100" in err and "unlike_inside" in out
    assert (model / "domain.safetensors").read_bytes() != shipped
    status, out, err = ask(capsys, "eval", "domain", foreign, "--frames", "6", "--model", model, "--json")
    figures = json.loads(out)
    assert status == 0 and figures["inside_plain"] >= 0.8 and figures["inside_foreign0"] <= 0.05
