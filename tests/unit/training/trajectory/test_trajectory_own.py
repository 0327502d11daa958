"""Predictors trained on tracks of one's own: what is read, what is learnt, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seektrack.cli import main
from seektrack.errors import InputError, ModelError
from seektrack.evaluation.own_trajectory import train_on_tracks
from seektrack.evaluation.pocket_trajectory import compare_predictors
from seektrack.outputs import save_tracks
from seektrack.tracking import load_predictor
from seektrack.tracking.predict import History
from seektrack.tracking.predict_learned import predict_at
from seektrack.tracking.predict_network import TrajectoryModel, TrajectorySizes, save_trajectory
from seektrack.training.datasets import read_tracks
from seektrack.training.trajectory import TrajectoryRecipe, train_trajectory, ways_of
from seektrack.training.trajectory.own import parted

SIZES = TrajectorySizes(kind="lstm", past=6, future=6, width=32, layers=1, box=True, step_s=0.1)
FPS, LENGTH = 10, 45


def sequence(root: Path, name: str, *, seed: int, extra: str = "") -> None:
    """Objects that swing to and fro and grow while they do: a straight line is wrong of them."""
    home = root / name
    (home / "gt").mkdir(parents=True)
    (home / "seqinfo.ini").write_text(
        f"[Sequence]\nname={name}\nimDir=img1\nframeRate={FPS}\nseqLength={LENGTH}\nimWidth=400\nimHeight=300\n"
    )
    rng, rows = np.random.default_rng(seed), []
    for obj_id in (1, 2):
        phase, speed = rng.uniform(0, 6), 0.25
        for t in range(LENGTH):
            x = 180 + 90 * np.sin(speed * t + phase)
            side = 30 + 8 * np.sin(speed * t + phase + 1)
            rows.append(f"{t + 1},{obj_id},{x:.2f},{120 * obj_id - 40},{side:.2f},{side:.2f},1,1,1")
    (home / "gt" / "gt.txt").write_text("\n".join([*rows, extra]) + "\n")


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    for seed, name in enumerate("abc"):
        sequence(tmp_path / "data", name, seed=seed)
    return tmp_path / "data"


def test_tracks_are_read_without_pictures_and_what_cannot_be_is_named(tmp_path: Path) -> None:
    extra = "3,1,a,b\n4,9,-90,10,30,30,1,1,1\n5,9,10,10,0,30,1,1,1\n6,9,10,10,30,30,1,1,1"
    sequence(tmp_path, "a", seed=0, extra=extra)
    found = read_tracks(tmp_path)
    assert len(found) == 1 and len(found[0].tracks) == 3
    last = 2 * LENGTH
    assert [(o.where, o.why) for o in found.left_out] == [
        (f"line {last + 1}", "no row of boxes"),
        (f"line {last + 2}", "a box outside of the picture"),
        (f"line {last + 3}", "a box without area"),
    ]


def test_results_of_a_tracker_are_tracks_too(sequences: Path, tmp_path: Path) -> None:
    (tracks, *_) = read_tracks(sequences)
    (tmp_path / "results").mkdir()
    save_tracks(tracks, tmp_path / "results" / "a.json", "json")
    (tmp_path / "results" / "notes.json").write_text("{}")
    again = read_tracks(tmp_path / "results")
    assert [len(t.observations) for t in again[0].tracks] == [LENGTH] * 2
    assert [(Path(o.file).name, o.why) for o in again.left_out] == [
        ("notes.json", "no tracks that can be read")
    ]
    with pytest.raises(InputError, match="holds no tracks"):
        read_tracks(tmp_path / "results" / "notes.json")


def test_ways_know_where_nothing_is_known(sequences: Path) -> None:
    (tracks, *_) = read_tracks(sequences)
    ways = ways_of([tracks], step_s=0.1, past=6, future=6, phases=1)
    assert ways.boxes.shape == (2, LENGTH + 11, 4) and ways.known is not None
    assert not ways.known[:, :5].any() and ways.known[:, 5:-6].all() and not ways.known[:, -6:].any()
    one = tracks.tracks[0].observations
    np.testing.assert_allclose(ways.boxes[0, 5:-6], [o.box for o in one], atol=1e-9)


def test_what_is_held_out_is_whole_videos_or_the_later_part_of_one(sequences: Path) -> None:
    every = list(read_tracks(sequences))
    train, kept = parted(every, 0.34, 0)
    assert len(train) == 2 and len(kept) == 1 and kept[0] not in train
    (early,), (late,) = parted(every[:1], 0.25, 0)
    last = max(o.frame_index for t in early for o in t.observations)
    first = min(o.frame_index for t in late for o in t.observations)
    assert first == last + 1 and 0.2 < len(late.tracks[0].observations) / LENGTH < 0.3


def test_a_whole_box_is_learnt_better_than_the_filter_knows_it(sequences: Path, tmp_path: Path) -> None:
    save_trajectory(TrajectoryModel(SIZES), tmp_path / "start")
    figures, left_out = train_on_tracks(
        sequences, tmp_path / "out", model=str(tmp_path / "start"), max_minutes=1e6, steps=150,
        learning_rate=1e-2, held_out=0.34,
    )  # fmt: skip
    assert figures["held_out"] < figures["held_out_before"] and not left_out
    assert figures["trained_fde_5"] < 0.7 * figures["kalman_fde_5"]
    assert figures["trained_iou_5"] > figures["kalman_iou_5"]
    assert figures["better"] > figures["worse"] and "| off_5 |" in Path(figures["report"]).read_text()
    assert (tmp_path / "out/report/better-1.jpg").is_file()
    assert "--predictor" in (tmp_path / "out/README.md").read_text()
    predictor = load_predictor(tmp_path / "out")
    assert predictor.model.sizes == SIZES
    again, _ = train_on_tracks(
        sequences, tmp_path / "out", model=str(tmp_path / "start"), max_minutes=1e6, steps=150,
        learning_rate=1e-2, held_out=0.34,
    )  # fmt: skip
    assert again["steps"] == 150 and again["off_5"] == figures["off_5"]


def test_the_shipped_predictor_grows_to_the_whole_box_with_the_answers_it_had(tmp_path: Path) -> None:
    from seektrack.checkpoints import packaged_folder
    from seektrack.training.trajectory.loop import start_from

    shipped = load_predictor("lstm").model
    grown = TrajectoryModel(TrajectorySizes(**{**vars(shipped.sizes), "box": True}))
    start_from(grown, packaged_folder("trajectory/lstm"))
    way = [(0.1 * i, (10 + 3 * i, 20, 30 + 3 * i, 60 + i)) for i in range(12)]
    history = History([way], 1.9, (100, 200))
    ours, theirs = predict_at(grown.eval(), history), predict_at(shipped, history)
    np.testing.assert_allclose(ours.centre, theirs.centre, atol=1e-4)
    np.testing.assert_allclose(ours.spread, theirs.spread, atol=1e-4)
    assert ours.sides is not None and theirs.sides is None
    np.testing.assert_allclose(ours.sides, [[20, 51]], atol=1e-3)
    with pytest.raises(ModelError, match="sizes"):
        start_from(TrajectoryModel(SIZES), packaged_folder("trajectory/lstm"))


def test_the_command_learns_tells_and_goes_on(
    sequences: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["train", "trajectory", "--data", str(sequences), "--out", str(tmp_path / "out"), "--steps", "3"]
    with pytest.raises(SystemExit) as done:
        main([*given, "--json"])
    figures = json.loads(capsys.readouterr().out)
    assert not done.value.code and figures["steps"] == 3 and "start_fde_15" in figures
    with pytest.raises(SystemExit) as done:
        main(
            [
                "eval",
                "trajectory",
                str(sequences),
                "--predictor",
                "kalman",
                "--predictor",
                str(tmp_path / "out"),
                "--json",
            ]
        )
    found = json.loads(capsys.readouterr().out)
    assert not done.value.code and found["n"] > 10 and 0 < found["kalman_iou_5"] < found["kalman_iou_1"] < 1


def test_what_cannot_be_learnt_from_is_refused(sequences: Path, tmp_path: Path) -> None:
    recipe = TrajectoryRecipe(sizes=SIZES, steps=2, batch=4)
    with pytest.raises(InputError, match="holds no tracks"):
        read_tracks(_empty(tmp_path))
    tracks = list(read_tracks(sequences))
    train_trajectory(recipe, tmp_path / "out", max_minutes=1e6, data=tracks)
    with pytest.raises(ModelError, match="another recipe, model or data"):
        train_trajectory(recipe, tmp_path / "out", max_minutes=1e6, data=tracks[:2])
    with pytest.raises(InputError, match="no track"):
        compare_predictors([parted(tracks[:1], 0.1, 0)[1][0]], ["kalman"])


def _empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"
