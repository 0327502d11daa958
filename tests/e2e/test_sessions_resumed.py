"""Sessions that were killed while the video was followed, and the session by the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seektrack import InputError, Prompt, Tracks, open_session, start_session, track_objects
from seektrack.cli import main
from seektrack.evaluation.footage import write_scene
from seektrack.outputs import load_tracks
from seektrack.pipeline import session_log
from seektrack.pipeline.models import Models
from seektrack.tracking import FollowSettings
from seektrack.world import SceneSettings, sample_scene

FRAMES = 8


class KilledError(Exception):
    """Stands for a kill: nothing after it is written."""


@pytest.fixture(scope="module")
def models() -> Models:
    torch.set_num_threads(1)
    return Models("pocket", device="cpu")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tracks]:
    settings = SceneSettings(
        n_frames=FRAMES, cast=(("robot", "pink"), ("car", "blue")), actors=(0, 0), street_only=True,
        occluders=0, look_alikes=0.0, object_size=(34.0, 40.0), texture=0.0, rough=0.0, speed=(2.0, 3.0),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("film") / "street.mp4"
    return path, write_scene(sample_scene(7305, settings), path)


def boxes(truth: Tracks, frame: int) -> list[Prompt]:
    return [Prompt(t.obj_id, frame, box=o.box, mask=o.mask) for t in truth if (o := t.at(frame)) is not None]


def run(*args: str) -> int:
    """The status of ``seektrack track``."""
    with pytest.raises(SystemExit) as ended:
        main(["track", *args])
    return int(ended.value.code or 0)


def killed_at(step: int):
    """A progress that raises at a step."""
    count = 0

    def progress(done: int, total: int, stage: str) -> None:
        nonlocal count
        count += stage in ("forward", "backward")
        if count == step:
            raise KilledError

    return progress


@pytest.mark.parametrize("step", [2, FRAMES + 3])
def test_a_killed_run_goes_on_and_ends_the_same(film, models, tmp_path, monkeypatch, step):
    monkeypatch.setattr(session_log, "KEEP_EVERY_S", 0.0)
    path, truth = film
    prompts = [replace(p, mask=None) for p in boxes(truth, 4)]
    whole = track_objects(path, prompts=prompts, model=models)
    file = tmp_path / "film.session"
    with pytest.raises(KilledError), start_session(path, prompts=prompts, path=file, model=models) as session:
        session.follow(progress=killed_at(step))
    steps: list[tuple[int, int]] = []
    put = session_log.FollowLog.put
    monkeypatch.setattr(
        session_log.FollowLog, "put", lambda self, s, k, a: (steps.append((s, k)), put(self, s, k, a))[1]
    )
    with open_session(file, model=models) as session:
        assert not session.followed
        assert session.follow() == whole
    assert steps and ((0, 0) in steps) == (step == 2)


def test_a_text_is_followed_on_as_well(film, models, tmp_path, monkeypatch):
    monkeypatch.setattr(session_log, "KEEP_EVERY_S", 0.0)
    settings = FollowSettings(both_ways=False)
    file = tmp_path / "film.session"
    with (
        pytest.raises(KilledError),
        start_session(film[0], "a pink robot", path=file, model=models, settings=settings) as session,
    ):
        session.follow(progress=killed_at(6))
    whole = track_objects(film[0], "a pink robot", model=models, settings=settings)
    again = track_objects(film[0], "a pink robot", model=models, settings=settings, session=file)
    assert again == whole and len(whole) == 1
    with pytest.raises(InputError, match="follows something else"):
        track_objects(film[0], "a blue car", model=models, settings=settings, session=file)


def test_the_command_line_is_killed_and_goes_on(film, tmp_path, capsys):
    path, truth = film
    box = ",".join(f"{v:g}" for v in boxes(truth, 4)[1].box or ())
    file, out = tmp_path / "film.session", tmp_path / "out"
    asked = [str(path), "--box", f"{box}@4", "--session", str(file), "-o", str(out), "--no-overlay"]
    code = "import sys; from seektrack.cli import main; sys.exit(main(sys.argv[1:]))"
    running = subprocess.Popen(
        [sys.executable, "-c", code, "track", *asked], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 60
    while not file.exists() and running.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.5)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert file.exists() and not (out / "tracks.json").exists()
    assert run("--session", str(file), "-o", str(out), "--no-overlay", "-q") == 0
    whole = track_objects(path, prompts=[Prompt(0, 4, box=boxes(truth, 4)[1].box)])
    (found,), (wanted,) = load_tracks(out / "tracks.json"), whole
    assert [o.box for o in found.observations] == [o.box for o in wanted.observations]
    capsys.readouterr()


def test_objects_are_put_right_from_the_command_line(film, tmp_path, capsys):
    path, truth = film
    file, out = tmp_path / "film.session", tmp_path / "out"
    told = tmp_path / "truth.json"
    from seektrack.outputs import save_tracks

    save_tracks(truth, told, "json")
    common = ["--session", str(file), "-o", str(out), "--no-overlay", "-q", "-f", "json"]
    assert run(str(path), "--tracks", str(told), *common) == 0
    before = (out / "tracks.json").read_bytes()
    mask = boxes(truth, 5)[0].mask
    assert mask is not None
    ys, xs = np.nonzero(mask.to_array())
    edge = int(ys.argmin())
    click = f"{xs[edge] + 0.5},{ys[edge] + 0.5},0@5#{truth.tracks[0].obj_id}"
    assert run(*common, "--correct", click, "--edit", "rename 2 a blue car, parked") == 0
    robot, car = load_tracks(out / "tracks.json")
    seen = robot.at(5)
    assert seen is not None and seen.mask is not None
    assert not seen.mask.to_array()[ys[edge], xs[edge]] and car.label == "a blue car, parked"
    assert run(*common, "--undo", "--undo") == 0
    assert (out / "tracks.json").read_bytes() == before
    held = file.read_bytes()
    capsys.readouterr()
    for wrong, said in (
        (["--correct", "5,5@99#1"], "no frame 99"),
        (["--correct", "5,5@3#8"], "no object 8"),
        (["--correct", "5,5"], "cannot read"),
        (["--edit", "paint 3"], "cannot read the edit"),
        (["--undo"], "nothing to undo"),
    ):
        assert run(*common, *wrong) == 2
        line, *hint = capsys.readouterr().err.strip().splitlines()
        assert said in line and len(hint) <= 1
    assert file.read_bytes() == held
    assert run(*common, "--correct", click, "--correct", "5,5@3#8") == 2  # all of it or nothing
    assert run(*common) == 0 and (out / "tracks.json").read_bytes() == before
    assert run(*common, "--undo") == 2
    assert run(*common, "--edit", "rename 2 a van") == 0
    renamed = (out / "tracks.json").read_bytes()
    assert run(*common, "--undo", "--correct", "5,5@3#8") == 2
    held = file.read_bytes()
    edited = ["--undo", "--edit", "rename 1 a lamp", "--edit", "delete 2", "--correct", "5,5@3#8"]
    assert run(*common, *edited) == 2  # also what an edit had left to be redone
    assert file.read_bytes() == held
    assert run(*common) == 0 and (out / "tracks.json").read_bytes() == renamed
    assert run(str(path), "--correct", "5,5@3") == 2
    assert "go with --session" in capsys.readouterr().err


def test_a_mask_from_a_picture_adds_an_object(film, tmp_path):
    import cv2

    path, truth = film
    mask = boxes(truth, 5)[1].mask
    assert mask is not None
    picture = tmp_path / "car.png"
    cv2.imwrite(str(picture), mask.to_array().astype(np.uint8) * 255)
    file, out = tmp_path / "film.session", tmp_path / "out"
    args = ["--session", str(file), "-o", str(out), "--no-overlay", "-q", "-f", "json"]
    assert run(str(path), *args, "--correct", f"{picture}@5") == 0
    (car,) = load_tracks(out / "tracks.json")
    assert car.at(5) is not None and len(car) > FRAMES // 2
