"""Detections and trackers by name, through the public door, with the pocket networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seektrack import InputError, Track, Tracks, track_objects
from seektrack.cli import main
from seektrack.evaluation.footage import Footage, write_footage
from seektrack.outputs import load_tracks
from seektrack.pipeline import Models
from seektrack.tracking import TRACKERS, Detection
from seektrack.world import SceneSettings, Split, seeds


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    """A pink robot and a blue car on the move for a second and a half."""
    settings = SceneSettings(
        n_frames=12, cast=(("robot", "pink"), ("car", "blue")), actors=(0, 0), street_only=True,
        occluders=0, look_alikes=0.0, object_size=(40.0, 50.0),
    )  # fmt: skip
    return write_footage(tmp_path_factory.mktemp("film"), seeds(Split.TEST, 1, start=7300), settings)[0]


@pytest.fixture(scope="module")
def models() -> Models:
    return Models("pocket", device="cpu")


@pytest.fixture(scope="module")
def boxes(film: Footage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The true boxes as a detector would give them: moved a little, in no order, without ids."""
    rng = np.random.default_rng(4)
    rows = []
    for track in film.truth:
        for o in track.observations:
            if o.visible:
                x0, y0, x1, y1 = np.array(o.box) + rng.uniform(-1, 1, 4)
                rows.append((o.frame_index + 1, f"-1,{x0 + 1},{y0 + 1},{x1 - x0},{y1 - y0},0.9,-1,-1,-1"))
    path = tmp_path_factory.mktemp("boxes") / "det.txt"
    path.write_text("".join(f"{f},{rest}\n" for f, rest in sorted(rows, key=lambda r: (r[0], r[1][-20:]))))
    return path


def whose(track: Track, truth: Tracks) -> set[str]:
    """Labels of the true objects a track's boxes lie on."""
    found = set()
    for o in track.observations:
        for true in truth:
            at = true.at(o.frame_index)
            if o.visible and at is not None:
                centre = (o.box[0] + o.box[2]) / 2, (o.box[1] + o.box[3]) / 2
                near = np.hypot(centre[0] - at.centre[0], centre[1] - at.centre[1])
                if near < 6:
                    found.add(true.label)
    return found


@pytest.mark.parametrize("name", [None, *TRACKERS])
def test_boxes_from_anywhere_get_identities(name, film: Footage, boxes: Path, models: Models):
    tracks = track_objects(film.path, detections=boxes, tracker=name, model=models)
    assert len(tracks) == len(film.truth)
    found = [whose(t, film.truth) for t in tracks]
    assert all(len(labels) == 1 for labels in found)
    assert sorted(*zip(*found, strict=True)) == sorted(t.label for t in film.truth)
    assert all(len(t) >= len(film.truth.frame_times) - 1 for t in tracks)
    assert tracks.query == "" and tracks.min_confidence is None


def test_from_the_command_line_with_masks(film: Footage, boxes: Path, tmp_path: Path, capsys):
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        main(
            ["track", str(film.path), "--detections", str(boxes), "--tracker", "sort", "--masks"]
            + ["--frames", "4", "--out", str(out), "--no-overlay", "--json"]
        )
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told[0]["tracks"]) == len(film.truth)
    read = load_tracks(out / "tracks.json")
    assert all(o.mask is not None for t in read for o in t.observations if o.visible)
    for track in read:
        (label,) = whose(track, film.truth)
        true = film.truth[[t.label for t in film.truth].index(label)]
        pairs = [(o.mask, true.at(o.frame_index).mask) for o in track.observations if o.visible]
        assert np.mean([a.iou(b) for a, b in pairs]) > 0.5


def test_a_tracker_by_name_links_what_is_grounded(film: Footage, models: Models):
    text = "a pink robot; a blue car"
    tracks = track_objects(
        film.path, text, tracker="bytetrack", ground_every=2, min_confidence=0.4, model=models
    )
    assert {t.label for t in tracks} == {"a pink robot", "a blue car"}
    assert tracks.min_confidence == 0.4
    for track in tracks:
        assert whose(track, film.truth) == {track.label}
        seen = [o.frame_index for o in track.observations if o.visible]
        assert all(f % 2 == 0 for f in seen)
        between = [o for o in track.observations if not o.visible]
        assert between and all(o.mask is None for o in between)


def refusal(capsys, *args: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in args])
    assert ended.value.code == 2
    err: str = capsys.readouterr().err
    return err


def test_what_does_not_go_together_is_one_line(film: Footage, boxes: Path, tmp_path: Path, capsys):
    bad = tmp_path / "bad.txt"
    bad.write_text(boxes.read_text().splitlines()[0] + "\n2,-1,3,4,x,6,1\n")
    late = tmp_path / "late.txt"
    late.write_text("500,-1,3,4,5,6,1\n")
    start = ("track", film.path, "--out", tmp_path / "o")
    for args, says in (
        (("--detections", bad), "line 2: column 5"),
        (("--detections", late), "no detection lies on a frame that is shown"),
        (("--detections", tmp_path / "none.txt"), "no such file"),
        (("--detections", boxes, "--text", "a car"), "both --text and --detections"),
        (("--detections", boxes, "--tracker", "sorted"), "unknown tracker 'sorted'"),
        (("--text", "a car", "--grounder", "hf"), "write hf:ID"),
        (("--text", "a car", "--masks"), "--masks goes with --detections"),
        (("--box", "1,2,30,40@0", "--tracker", "sort"), "--tracker goes with"),
        (("--text", "a car", "--ground-every", "2"), "name a --tracker"),
    ):
        err = refusal(capsys, *start, *args)
        assert says in err, (args, err)
        assert err.count("error:") == 1 and "Traceback" not in err
    with pytest.raises(InputError, match="min_confidence must lie within 0 to 1"):
        track_objects(film.path, "a car", min_confidence=1.5)


def test_five_hundred_objects_by_detections():
    frames = np.full((3, 240, 400, 3), 90, dtype=np.uint8)
    places = [(8 + 15 * (k % 25), 5 + 11 * (k // 25)) for k in range(500)]
    given = {
        t: [Detection((x + t, y, x + t + 10.0, y + 8.0), None, 0.9) for x, y in places] for t in range(3)
    }
    tracks = track_objects(frames, detections=given, tracker="sort")
    assert len(tracks) == 500
    assert len({t.obj_id for t in tracks}) == 500
