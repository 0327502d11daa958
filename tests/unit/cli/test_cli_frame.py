"""``seektrack frame``: which frame is meant, what is written, what is told."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from seektrack.cli import main
from seektrack.cli.frame import Place, split_place
from seektrack.outputs.grid import draw_grid, grid_scale, grid_step
from seektrack.video import VideoWriter, open_video

N = 30


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with VideoWriter(tmp_path / "my film.mp4", width=96, height=64, fps=10, crf=4) as writer:
        for i in range(N):
            writer.write(np.full((64, 96, 3), 20 + 7 * i, np.uint8))
    return Path("my film.mp4")


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["frame", *map(str, args)])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


@pytest.mark.parametrize(
    "text, name, place",
    [
        ("a.mp4", "a.mp4", Place()),
        ("a.mp4@312", "a.mp4", Place(index=312)),
        ("a.mp4@12.5", "a.mp4", Place(time_s=12.5)),
        ("a.mp4@12s", "a.mp4", Place(time_s=12)),
        ("a.mp4@1:02.5", "a.mp4", Place(time_s=62.5)),
        ("a.mp4@1:00:02", "a.mp4", Place(time_s=3602)),
        ("a@b.mp4@7", "a@b.mp4", Place(index=7)),
        ("rtsp://me:pw@host/1", "rtsp://me:pw@host/1", Place()),
        ("rtsp://me:pw@host/1@3", "rtsp://me:pw@host/1", Place(index=3)),
        ("a.mp4@soon", "a.mp4@soon", Place()),
        ("@5", "@5", Place()),
    ],
)
def test_the_place_is_behind_the_last_at(text: str, name: str, place: Place) -> None:
    assert split_place(text) == (name, place)


def test_a_name_that_exists_is_not_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clip@2").touch()
    assert split_place("clip@2") == ("clip@2", Place())


@pytest.mark.parametrize(
    "where, index",
    [("", 0), ("@0", 0), ("@12", 12), ("@1.24", 12), ("@1.26", 13), ("@2.9", 29), ("@0:01.0", 10)],
)
def test_the_frame_meant_is_written_as_it_is(
    where: str, index: int, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, f"{film}{where}", "--json")
    told = json.loads(out)
    assert (status, told["frame_index"], told["time_s"]) == (0, index, index / 10)
    assert told["written"] == f"my film-{index}.png"
    with Image.open(told["written"]) as picture:
        assert np.array_equal(np.asarray(picture), open_video(film).frame_at(index).image)


def test_for_people_it_says_how_to_point_into_it(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, f"{film}@12", "--grid", "--out", "look/at.png")
    assert status == 0
    assert "frame 12 at 0:01.2 (1.200 s) of my film.mp4, 96x64" in out
    assert "written to look/at.png, a line every 10 pixels, 7 times as large" in out
    assert "seektrack track 'my film.mp4' --point X,Y@12" in err
    with Image.open("look/at.png") as picture:
        assert picture.size == (7 * 96, 7 * 64)


def test_every_source_has_frames(
    tmp_path: Path, film: Path, capsys: pytest.CaptureFixture[str], write_nifti
) -> None:
    write_nifti(tmp_path / "head.nii.gz", np.arange(3 * 8 * 8, dtype=np.int16).reshape(3, 8, 8))
    status, out, _ = run(capsys, "head.nii.gz@2", "--window", "150,60", "--json")
    assert (status, json.loads(out)["written"]) == (0, "head.nii-2.png")
    Path("pictures").mkdir()
    cv2.imwrite("pictures/a.png", np.full((8, 8, 3), 9, np.uint8))
    assert run(capsys, "pictures", "--out", "x.jpg")[0] == 0
    status, out, _ = run(capsys, f"{film}@5", "--interpolate", "2", "--json")
    assert (status, json.loads(out)["time_s"]) == (0, 0.25)


@pytest.mark.parametrize(
    "args, status, said",
    [
        (["my film.mp4@30"], 2, "frames 0 to 29 exist"),
        (["my film.mp4@99.5"], 2, "second 99.5 lies behind the end"),
        (["nosuch.mp4@2"], 3, "no such video: nosuch.mp4"),
        (["my film.mp4", "--out", "a.gif"], 2, ".png, .jpg"),
        (["my film.mp4", "--step", "5"], 2, "--step goes with --grid"),
        (["my film.mp4", "--out", "my film.mp4/x.png"], 7, "cannot write"),
    ],
)
def test_what_cannot_be_is_said(
    args: list[str], status: int, said: str, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, _, err = run(capsys, *args)
    assert (ended, said in err) == (status, True), err


@pytest.mark.parametrize("hw", [(64, 96), (720, 1280), (2160, 3840), (5, 7)])
def test_lines_lie_at_multiples_of_the_step(hw: tuple[int, int]) -> None:
    grey = np.full((*hw, 3), 100, np.uint8)
    drawn = draw_grid(grey)
    scale, step = grid_scale(hw), grid_step(hw)
    assert drawn.shape == (hw[0] * scale, hw[1] * scale, 3)
    assert 4 <= max(hw) / step <= 16
    row = drawn[drawn.shape[0] // 2 + scale // 2 + 2, :, 0].astype(int)  # between numbers, most likely
    bright = set(np.flatnonzero(row > 150))
    assert {x * scale for x in range(step, hw[1] - step, step)} <= bright
    assert (grey == 100).all()
