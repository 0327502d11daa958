"""What we write is judged by TrackEval and read by pycocotools and motmetrics as what it is.

TrackEval reads our files from the disk, as a truth and as a tracker's results; its figures must be those of
`seektrack.metrics` on the same tracks read back by us. It is installed by the Makefile, without the
opencv-python it asks for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from fractions import Fraction

import numpy as np
import pytest
import trackeval

from seektrack import metrics
from seektrack.outputs import load_tracks, save_tracks
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo

H, W, N = 60, 80, 12
VIDEO = VideoInfo("film.mp4", W, H, Fraction(10), N / 10, N)


def disc(x, y, radius):
    ys, xs = np.mgrid[:H, :W]
    return Mask.from_array((xs - x) ** 2 + (ys - y) ** 2 <= radius**2)


def observed(i, x, y, radius, score):
    mask = disc(x, y, radius)
    return Observation(i, i / 10, mask.box, mask, score)


def film(*, shift=0, swap=False, labels=("person", "person")):
    """Two discs that pass each other at a distance; the second is gone on two frames."""
    one = [observed(i, 12 + 4 * i + shift, 18, 7, 0.9) for i in range(N)]
    two = [observed(i, 60 - 4 * i + shift, 42, 8, 0.6) for i in range(N) if i not in (5, 6)]
    if swap:
        one, two = one[:6] + two[5:], two[:5] + one[6:]
    times = {i: i / 10 for i in range(N)}
    return Tracks(
        VIDEO, "q", (Track(1, labels[0], 0.9, tuple(one)), Track(4, labels[1], 0.6, tuple(two))), times
    )


@pytest.fixture(autouse=True)
def old_names(monkeypatch):
    """TrackEval's own code still says np.float and np.bool in places."""
    for name, kind in (("float", float), ("int", int), ("bool", bool)):
        if name not in np.__dict__:
            monkeypatch.setattr(np, name, kind, raising=False)


def judge(dataset, measures):
    config = {"PRINT_RESULTS": False, "PRINT_CONFIG": False, "TIME_PROGRESS": False, "OUTPUT_SUMMARY": False,
              "OUTPUT_DETAILED": False, "PLOT_CURVES": False, "OUTPUT_EMPTY_CLASSES": False,
              "BREAK_ON_ERROR": True, "PRINT_ONLY_COMBINED": True, "LOG_ON_ERROR": None}  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        results, _ = trackeval.Evaluator(config).evaluate([dataset], measures)
    (of_dataset,) = results.values()
    (of_tracker,) = of_dataset.values()
    return of_tracker


@pytest.mark.parametrize("settings", [{}, {"shift": 2}, {"swap": True}, {"shift": 1, "swap": True}], ids=str)
def test_mot_is_judged_as_we_judge_it(settings, tmp_path):
    (tmp_path / "gt").mkdir()
    save_tracks(film(), tmp_path / "gt" / "film", "mot-sequence")
    path = save_tracks(film(**settings), tmp_path / "t" / "ours" / "data" / "film.txt", "mot")
    dataset = trackeval.datasets.MotChallenge2DBox(
        {"GT_FOLDER": str(tmp_path / "gt"), "TRACKERS_FOLDER": str(tmp_path / "t"), "SKIP_SPLIT_FOL": True,
         "SEQ_INFO": {"film": None}, "TRACKERS_TO_EVAL": ["ours"], "PRINT_CONFIG": False}
    )  # fmt: skip
    quiet = {"PRINT_CONFIG": False}
    measures = [trackeval.metrics.HOTA(), trackeval.metrics.CLEAR(quiet), trackeval.metrics.Identity(quiet)]
    theirs = judge(dataset, measures)
    found = theirs["film"]["pedestrian"]
    matches = metrics.frame_matches(load_tracks(tmp_path / "gt" / "film"), load_tracks(path))
    ours = metrics.hota(matches)
    assert found["HOTA"]["HOTA"].mean() == pytest.approx(ours.hota, abs=1e-9)
    assert found["HOTA"]["AssA"] == pytest.approx(ours.ass_a_A, abs=1e-9)
    assert found["CLEAR"]["MOTA"] == pytest.approx(metrics.clear(matches).mota)
    assert found["Identity"]["IDF1"] == pytest.approx(metrics.identity(matches).idf1)
    assert (ours.hota == pytest.approx(1)) == (settings == {})


@pytest.mark.parametrize("settings", [{}, {"shift": 2, "swap": True}], ids=str)
def test_kitti_mots_is_judged_as_we_judge_it(settings, tmp_path):
    labels = ("a red car", "a person")
    truth = save_tracks(film(labels=labels), tmp_path / "gt" / "label_02" / "film.txt", "kitti-mots")
    path = save_tracks(
        film(labels=labels, **settings), tmp_path / "t" / "ours" / "data" / "film.txt", "kitti-mots"
    )
    dataset = trackeval.datasets.KittiMOTS(
        {"GT_FOLDER": str(tmp_path / "gt"), "TRACKERS_FOLDER": str(tmp_path / "t"), "SEQ_INFO": {"film": N},
         "TRACKERS_TO_EVAL": ["ours"], "PRINT_CONFIG": False}
    )  # fmt: skip
    theirs = judge(dataset, [trackeval.metrics.HOTA()])["film"]
    gt, pred = load_tracks(truth, "kitti-mots"), load_tracks(path, "kitti-mots")
    for kind, label in (("car", "a red car"), ("pedestrian", "a person")):
        one, other = (
            dataclasses.replace(t, tracks=tuple(x for x in t if x.label == label)) for t in (gt, pred)
        )
        ours = metrics.hota(metrics.frame_matches(one, other, by="mask")).hota
        assert theirs[kind]["HOTA"]["HOTA"].mean() == pytest.approx(ours, abs=1e-9), kind
        assert (ours == pytest.approx(1)) == (settings == {})


def test_mots_challenge_takes_our_rows(tmp_path):
    (tmp_path / "gt" / "film" / "gt").mkdir(parents=True)
    save_tracks(film(), tmp_path / "gt" / "film" / "gt" / "gt.txt", "mots")
    save_tracks(film(), tmp_path / "t" / "ours" / "data" / "film.txt", "mots")
    dataset = trackeval.datasets.MOTSChallenge(
        {"GT_FOLDER": str(tmp_path / "gt"), "TRACKERS_FOLDER": str(tmp_path / "t"), "SEQ_INFO": {"film": N},
         "TRACKERS_TO_EVAL": ["ours"], "SKIP_SPLIT_FOL": True, "PRINT_CONFIG": False}
    )  # fmt: skip
    assert judge(dataset, [trackeval.metrics.HOTA()])["film"]["pedestrian"]["HOTA"]["HOTA"].mean() == 1


@pytest.mark.parametrize(("settings", "whole"), [({}, True), ({"swap": True}, False)], ids=str)
def test_youtube_vis_results_are_judged_against_our_truth(settings, whole, tmp_path):
    name = "youtube_vis_val"
    save_tracks(film(labels=("car", "dog")), tmp_path / "gt" / name / "truth.json", "ytvis")
    results = film(labels=("car", "dog"), **settings)
    path = save_tracks(results, tmp_path / "t" / name / "ours" / "data" / "results.json", "ytvis-results")
    (tmp_path / "t" / name / "ours" / "data" / "results.objects.json").rename(tmp_path / "beside.json")
    config = {"GT_FOLDER": f"{tmp_path}/gt/", "TRACKERS_FOLDER": f"{tmp_path}/t/", "SPLIT_TO_EVAL": "val",
              "TRACKERS_TO_EVAL": ["ours"], "PRINT_CONFIG": False}  # fmt: skip
    dataset = trackeval.datasets.YouTubeVIS(config)
    measure = {"PRINT_CONFIG": False, **dataset_defaults(dataset)}
    theirs = judge(dataset, [trackeval.metrics.TrackMAP(measure), trackeval.metrics.HOTA()])["COMBINED_SEQ"]
    for kind in ("car", "dog"):
        assert (theirs[kind]["TrackMAP"]["AP_all"].mean() == pytest.approx(1)) == whole
        assert (theirs[kind]["HOTA"]["HOTA"].mean() == pytest.approx(1)) == whole
    back = load_tracks(path, "ytvis-results", video=VIDEO)
    assert [[o.mask for o in t.observations] for t in back] == [
        [o.mask for o in t.observations] for t in results
    ]


def dataset_defaults(dataset):
    return {"USE_AREA_RANGES": False, "USE_TIME_RANGES": False}


@pytest.mark.parametrize("shift", [0, 2])
def test_davis_pictures_are_judged_as_we_judge_them(shift, tmp_path):
    truth = save_tracks(film(), tmp_path / "truth", "davis")
    pred = save_tracks(film(shift=shift), tmp_path / "pred", "davis")
    (tmp_path / "t" / "ours").mkdir(parents=True)
    pred.rename(tmp_path / "t" / "ours" / "data")
    dataset = trackeval.datasets.DAVIS(
        {"GT_FOLDER": str(truth), "TRACKERS_FOLDER": str(tmp_path / "t"), "TRACKERS_TO_EVAL": ["ours"],
         "SEQ_INFO": {"film": N}, "PRINT_CONFIG": False}
    )  # fmt: skip
    theirs = judge(dataset, [trackeval.metrics.JAndF()])["film"]["general"]["JAndF"]
    gt = load_tracks(truth)
    ours = load_tracks(tmp_path / "t" / "ours" / "data")
    scores = []
    for a, b in zip(gt, ours, strict=True):
        stacks = [
            [np.zeros((H, W), bool) if t.at(i) is None else t.at(i).mask.to_array() for i in range(N)]
            for t in (a, b)
        ]
        scores.append(metrics.sequence_scores(*stacks))
    assert np.mean(theirs["J-Mean"]) == pytest.approx(np.mean([s.j_mean for s in scores]), abs=1e-9)
    assert (np.mean(theirs["J-Mean"]) == pytest.approx(1)) == (shift == 0)


def test_pycocotools_finds_every_mask_and_scores_it_whole(tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    for name in ("coco", "cocovid"):
        path = save_tracks(film(labels=("car", "dog")), tmp_path / f"{name}.json", name)
        annotations = json.loads(path.read_text())["annotations"]
        results = [
            {"image_id": a["image_id"], "category_id": a["category_id"], "segmentation": a["segmentation"],
             "score": a["score"]}
            for a in annotations
        ]  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(path))
            scored = COCOeval(coco, coco.loadRes(results), "segm")
            scored.evaluate()
            scored.accumulate()
            scored.summarize()
        assert scored.stats[0] == pytest.approx(1)
        for a in annotations:
            want = film()[0 if a["track_id"] == 1 else 1].at(a["image_id"] - 1).mask.to_array()
            assert np.array_equal(coco.annToMask(coco.anns[a["id"]]).astype(bool), want)


def test_motmetrics_reads_our_rows_to_the_last_bit(tmp_path):
    import motmetrics

    moved = film()
    odd = tuple(
        dataclasses.replace(o, box=tuple(v + 0.1 + 0.2 for v in o.box)) for o in moved[0].observations
    )
    tracks = dataclasses.replace(moved, tracks=(dataclasses.replace(moved[0], observations=odd),))
    path = save_tracks(tracks, tmp_path / "film.txt", "mot")
    table = motmetrics.io.loadtxt(path, fmt="mot15-2D")
    for o in odd:
        row = table.loc[(o.frame_index + 1, 1)]
        assert pytest.approx(o.box[:2], abs=1e-12) == (row.X, row.Y)
        assert row.ClassId == 1
    assert [o.box for o in load_tracks(path)[0].observations] == [o.box for o in odd]


def test_pandas_and_pyarrow_read_our_tables(tmp_path):
    import pandas as pd
    import pyarrow.parquet as pq

    tracks = film()
    table = pq.read_table(save_tracks(tracks, tmp_path / "t.parquet", "parquet"))
    assert table.num_rows == 2 * N - 2
    assert json.loads(table.schema.metadata[b"seektrack"])["video"]["width"] == W
    first = table.to_pylist()[0]
    rle = {"size": [first["mask_height"], first["mask_width"]], "counts": first["mask_counts"]}
    assert Mask.from_coco(rle) == tracks[0].observations[0].mask
    frame = pd.read_csv(save_tracks(tracks, tmp_path / "t.csv", "csv"))
    assert frame.x0.tolist() == table.column("x0").to_pylist()


def test_protobuf_reads_our_message_by_its_schema(tmp_path):
    from google.protobuf import json_format

    from seektrack.outputs.schema import tracks_pb2

    tracks = film()
    message = tracks_pb2.Tracks()
    message.ParseFromString(save_tracks(tracks, tmp_path / "t.pb", "protobuf").read_bytes())
    held = json_format.MessageToDict(message)
    assert held["video"] == {
        "path": "film.mp4",
        "width": W,
        "height": H,
        "fps": "10",
        "durationS": 1.2,
        "nFrames": "12",
    }
    assert len(held["tracks"][0]["observations"]) == N
