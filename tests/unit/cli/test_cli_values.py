"""What the command line says options take is what the parts behind it take; a shell completes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import typer

from seektrack.cli import app, values
from seektrack.cli.source_options import opening, parse_window
from seektrack.errors import InputError
from seektrack.library import LibraryStore
from seektrack.video import Opening


def test_the_values_are_those_of_the_parts_behind() -> None:
    from seektrack import defaults
    from seektrack.library.index_settings import IndexSettings
    from seektrack.pipeline import REGIONS
    from seektrack.segmentation import PRECISIONS, REMEMBER
    from seektrack.segmentation.flow import FlowName
    from seektrack.segmentation.propagation import Mode
    from seektrack.segmentation.refine import METHODS
    from seektrack.tracking import PREDICTORS
    from seektrack.video.filters import FILTERS
    from seektrack.video.how import CACHES

    assert set(values.PROPAGATION) == set(get_args(Mode))
    assert set(values.FLOW) == set(get_args(FlowName))
    assert set(values.REMEMBER) == set(REMEMBER)
    assert set(values.REFINE) == set(METHODS)
    assert set(values.PREDICTORS) == set(PREDICTORS) and defaults.PREDICTOR in PREDICTORS
    assert set(values.PRECISION) == set(PRECISIONS)
    assert set(values.CACHE) == set(CACHES)
    assert set(values.FILTERS) == set(FILTERS)
    assert set(values.REGIONS) == set(REGIONS)
    for kind in values.ANN:
        IndexSettings(kind=kind)  # type: ignore[arg-type]


def test_every_step_of_post_is_one() -> None:
    from seektrack.segmentation import parse_steps

    for step in values.POST:
        try:
            parse_steps(step)
        except InputError as error:
            assert "needs" in str(error) or "number" in str(error) or ":" in str(error), error  # a size


def completed(*words: str, cwd: Path) -> list[str]:
    """What a shell offers for the last of the words."""
    env = os.environ | {
        "_SEEKTRACK_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["seektrack", *words]),
        "COMP_CWORD": str(len(words)),
        "PYTHONPATH": str(Path(values.__file__).parents[2]),
    }
    code = "from seektrack.cli import main; main()"
    asked = [sys.executable, "-c", code]
    done = subprocess.run(asked, capture_output=True, text=True, env=env, cwd=cwd, check=False)
    return done.stdout.split()


def test_a_shell_completes_values(tmp_path: Path) -> None:
    assert completed("track", "a.mp4", "--propagation", "", cwd=tmp_path) == ["memory", "hybrid", "flow"]
    assert completed("track", "a.mp4", "--format", "co", cwd=tmp_path) == ["coco", "cocovid"]


def test_the_last_of_several_is_completed() -> None:
    assert values.completing_several(values.FILTERS)("nlm=6,c") == ["nlm=6,clahe"]


def test_models_are_names_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "other", "runs/best"):
        Path(name).mkdir(parents=True)
    Path("mine/config.json").touch()
    Path("runs/best/clip").mkdir()
    assert values.complete_model("m") == ["multilingual", "mine"]
    assert values.complete_model("runs/") == ["runs/best"]
    assert values.complete_model(f"{tmp_path}/mi") == [f"{tmp_path}/mine"]
    assert values.complete_model("/no/such/") == []


def test_videos_of_the_library_named_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fractions import Fraction

    from seektrack.types import VideoInfo

    monkeypatch.chdir(tmp_path)
    with LibraryStore.create(tmp_path / "my lib", model="m", fingerprint="f", dim=2) as store:
        for name in ("beach.mp4", "boat.mp4", "car.mp4"):
            Path(name).touch()
            store.begin_video(tmp_path / name, VideoInfo(name, 4, 4, Fraction(25))).finish()
    command = typer.main.get_command(app).commands["search"]  # type: ignore[attr-defined]
    context = typer.Context(command)
    context.params["library"] = Path("my lib")
    assert values.complete_video(context, "b") == ["beach.mp4", "boat.mp4"]
    context.params["library"] = Path("nosuch")
    assert values.complete_video(context, "b") == []


def test_how_a_video_is_opened_is_read_from_options() -> None:
    assert opening() is None
    assert opening(
        start=1, end=2.5, frames=3, fps=10, window="40,400", cache="raw", interpolate=2
    ) == Opening(start_s=1, end_s=2.5, frames=3, fps=10, window=(40, 400), cache="raw", interpolate=2)
    assert parse_window("-600,1500") == (-600, 1500)


@pytest.mark.parametrize(
    "how, said",
    [
        ({"start": 5, "end": 3}, "--end 3 does not lie after --start 5"),
        ({"start": 3, "end": 3}, "no frame is between"),
        ({"fps": float("nan")}, "--fps cannot be nan"),
        ({"window": "40"}, "--window cannot be '40'"),
        ({"window": "1,2,3"}, "LEVEL,WIDTH"),
        ({"window": "40,0"}, "the width above 0"),
        ({"cache": "tape"}, "raw, jpeg"),
    ],
)
def test_what_is_impossible_is_said(how: dict, said: str) -> None:
    with pytest.raises(InputError) as refused:
        opening(**how)
    assert said in str(refused.value)
