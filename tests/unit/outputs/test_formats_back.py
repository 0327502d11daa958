"""Whatever is written is read back, as exactly as its format can hold it."""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack.errors import InputError, OutputError
from seektrack.outputs import FORMATS, load_tracks, recognise, registry, save_tracks
from seektrack.types import Mask, Missed, Observation, Track, Tracks, VideoInfo

H, W = 36, 50
FPS = Fraction(30000, 1001)
WHOLE = {"json", "json-frames", "parquet", "protobuf"}
BOXES_OF_OWN = {*WHOLE, "csv", "mot", "mot-sequence", "cvat-mot", "coco", "cocovid", "cvat"}
BOXES_NEARLY = {"yolo", "yolo-dataset", "label-studio"}
NO_MASKS = {"csv", "mot", "mot-sequence", "cvat-mot", "cvat", "label-studio", "yolo", "yolo-dataset"}
SCORES = {*WHOLE, "csv", "mot", "coco", "cocovid", "yolo"}
SAYS_OF_ITSELF = {*WHOLE, "csv", "coco", "cocovid", "davis", "masks-png", "npz", "npy", "yolo", "mots",
                  "yolo-dataset", "kitti-mots", "ytvis", "ytvis-results"}  # fmt: skip
"""Formats with a place for what a result says of itself: unknown footage, damage, why nothing was found."""
NO_LABEL_OF_BLANK = {"cvat", "label-studio", "mot-sequence", "cvat-mot"}
"""Formats that call what has no label "object"."""


def seen(index, x, y, w, h, score, *, box=None):
    array = np.zeros((H, W), bool)
    array[y : y + h, x : x + w] = True
    array[y, x] = False
    mask = Mask.from_array(array)
    return Observation(index, float(index / FPS), box or mask.box, mask, score)


@pytest.fixture
def tracks():
    """Two that never overlap, with odd boxes and an odd label; one hides, frame 4 is empty."""
    hidden = Observation(2, float(2 / FPS), (6.1, 4.25, 14.7, 12.3), None, 0.1 + 0.2, visible=False)
    rows = (seen(0, 2, 4, 5, 6, 0.7, box=(2.1, 4.0, 7.3, 10.2)), seen(1, 4, 4, 5, 6, 1 / 3), hidden)
    red = Track(3, "a red car, 'old'", 0.8, (*rows, seen(3, 8, 4, 5, 6, 0.61)))
    odd = Track(1000, "=SUM(A1)", 2 / 3, (seen(1, 30, 20, 9, 7, 0.95, box=(29.9, 20.1, 39.05, 27.7)),))
    video = VideoInfo("clips/a walk.mp4", W, H, FPS, 5 / float(FPS), 5)
    return Tracks(video, "a car; =1", (red, odd), {i: float(i / FPS) for i in range(5)})


def observed(tracks, *, boxes, masks, scores):
    """Everything seen, by object and frame."""
    return {
        (t.obj_id, o.frame_index): (
            o.box if boxes else None,
            o.mask if masks else None,
            o.score if scores else None,
        )
        for t in tracks
        for o in t.observations
        if o.visible
    }


def test_what_loses_nothing_gives_the_same_tracks(tracks, tmp_path):
    for name in sorted(WHOLE):
        back = load_tracks(save_tracks(tracks, tmp_path / f"t.{name}", name), name)
        assert back == tracks, name


@pytest.mark.parametrize("name", FORMATS)
def test_ids_labels_and_frames_come_back(name, tracks, tmp_path):
    back = load_tracks(save_tracks(tracks, tmp_path / "t", name), name)
    assert [(t.obj_id, t.label) for t in back] == [(t.obj_id, t.label) for t in tracks]
    kept = {
        "boxes": name in BOXES_OF_OWN,
        "masks": name not in NO_MASKS,
        "scores": name in SCORES,
    }
    assert observed(back, **kept) == observed(tracks, **kept)
    if name not in ("csv", "mot"):
        assert back.video.hw == (H, W)


@pytest.mark.parametrize("name", sorted(BOXES_NEARLY))
def test_boxes_in_shares_come_back_to_the_billionth(name, tracks, tmp_path):
    back = load_tracks(save_tracks(tracks, tmp_path / "t", name), name)
    want = observed(tracks, boxes=True, masks=False, scores=False)
    found = observed(back, boxes=True, masks=False, scores=False)
    for key, (box, _, _) in want.items():
        assert found[key][0] == pytest.approx(box, abs=1e-8), key
    whole = {key: box for key, (box, _, _) in want.items() if all(v == int(v) for v in box)}
    assert whole
    assert {key: found[key][0] for key in whole} == whole


@pytest.mark.parametrize("name", FORMATS)
def test_a_second_trip_changes_nothing(name, tracks, tmp_path):
    once = load_tracks(save_tracks(tracks, tmp_path / "one", name), name)
    twice = load_tracks(save_tracks(once, tmp_path / "two", name), name)
    assert dataclasses.replace(twice, video=once.video) == once


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_recognised_by_its_name_or_content(name, tracks, tmp_path):
    path = save_tracks(tracks, tmp_path / FORMATS[name].filename, name)
    assert recognise(path) == name
    assert len(load_tracks(path)) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_found_is_read_back_too(name, tmp_path):
    empty = Tracks(VideoInfo("v.mp4", W, H, FPS), "nothing", (), {0: 0.0})
    path = save_tracks(empty, tmp_path / FORMATS[name].filename, name)
    assert len(load_tracks(path, name)) == 0


@pytest.mark.parametrize("name", sorted(SAYS_OF_ITSELF))
def test_what_a_result_says_of_itself_comes_back(name, tracks, tmp_path):
    known = dataclasses.replace(
        tracks,
        tracks=tuple(dataclasses.replace(t, domain="inside") for t in tracks),
        notices=("'quickly' was left aside",),
        damage="2 errors",
    )
    back = load_tracks(save_tracks(known, tmp_path / FORMATS[name].filename, name))
    assert {t.domain for t in back} == {"inside"} and back.domain == "inside"
    if name == "csv":
        return  # a table of observations
    assert (back.notices, back.damage, back.missed) == (known.notices, known.damage, ())
    why = Missed("mask", "a red car", 3, 0.1, (1.0, 2.0, 30.5, 30.0), 0.4, "inside")
    nothing = dataclasses.replace(known, tracks=(), missed=(why, Missed("frame", "a bus")))
    back = load_tracks(save_tracks(nothing, tmp_path / "nothing" / FORMATS[name].filename, name), name)
    assert back.missed == nothing.missed and back.domain == "inside" and len(back) == 0


def test_a_remark_that_cannot_be_is_refused(tracks, tmp_path):
    path = save_tracks(tracks, tmp_path / "tracks.json", "json")
    whole = path.read_text()
    for said in ('"domain": "elsewhere"', '"missed": [{"stage": "luck"}]', '"damage": 3', '"missed": 3'):
        path.write_text(whole.replace('"query"', f'{said}, "query"', 1))
        with pytest.raises(InputError, match=r"missed|domain|damage|readable"):
            load_tracks(path)


def test_what_has_no_label_stays_without_one(tracks, tmp_path):
    bare = dataclasses.replace(tracks, tracks=tuple(dataclasses.replace(t, label="") for t in tracks))
    for name in FORMATS:
        back = load_tracks(save_tracks(bare, tmp_path / name, name), name)
        want = "object" if name in NO_LABEL_OF_BLANK else ""
        assert {t.label for t in back} == {want}, name


def test_labels_cannot_become_formulas_and_come_back(tracks, tmp_path):
    labels = ["=1+1", "'=1", "''@x", "-red", "+a", "\tb", "it's", "'", "a=b", "plain"]
    every = tuple(
        dataclasses.replace(tracks.tracks[0], obj_id=i, label=label) for i, label in enumerate(labels)
    )
    path = save_tracks(dataclasses.replace(tracks, tracks=every), tmp_path / "t.csv", "csv")
    import csv

    with path.open(newline="") as file:
        cells = {row["label"] for row in csv.DictReader(file)}
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)
    assert [t.label for t in load_tracks(path)] == labels


def test_mots_keeps_ids_where_it_can_and_says_which_is_which(tracks, tmp_path):
    path = save_tracks(tracks, tmp_path / "t.txt", "mots")
    rows = [line.split() for line in path.read_text().splitlines()]
    assert {(r[1], r[2]) for r in rows} == {("1003", "1"), ("3001", "3")}
    assert (tmp_path / "t.objects.json").is_file()
    people = ["a person", "two men in red", "the pedestrian near a car", "cars", "a car with a dog", "bus"]
    from seektrack.outputs.mots import category

    assert [category(label) for label in people] == [2, 2, 2, 1, 1, None]


def test_kitti_mots_counts_frames_from_0(tracks, tmp_path):
    path = save_tracks(tracks, tmp_path / "t.txt", "kitti-mots")
    assert path.read_text().startswith("0 1003 1 36 50 ")
    with pytest.raises(InputError, match=r"line 1: frame 0.*use kitti-mots"):
        load_tracks(path, "mots")


def test_a_format_of_another_package_is_found_by_its_entry_point(tracks, tmp_path, monkeypatch):
    def write(tracks, path):
        path.write_text(" ".join(str(t.obj_id) for t in tracks))

    class Point:
        def __init__(self, name, value):
            self.name, self.value = name, value

        def load(self):
            if isinstance(self.value, Exception):
                raise self.value
            return self.value

    points = [
        Point("ids", registry.Format("ids", "ids.txt", "ids only", write)),
        Point("broken", ImportError("no module")),
        Point("json", registry.Format("json", "x", "ours twice", write)),
    ]
    monkeypatch.setattr(
        "seektrack.registry.metadata.entry_points",
        lambda group: points if group == registry.GROUP else [],
    )
    fresh = type(registry.FORMATS)(registry.Format, registry.GROUP, registry._OWN, what="format")
    monkeypatch.setattr(registry, "FORMATS", fresh)
    with pytest.warns(UserWarning, match="broken"):
        path = save_tracks(tracks, tmp_path / "t", "ids")
    assert path.read_text() == "3 1000"
    assert registry.FORMATS["json"].filename == "tracks.json"
    with pytest.raises(InputError, match="cannot be read from ids"):
        load_tracks(path, "ids")


def test_the_schema_is_what_the_code_was_made_from():
    from seektrack.outputs.schema import tracks_pb2

    text = (Path(tracks_pb2.__file__).with_name("tracks.proto")).read_text()
    written = {
        message: {name: int(number) for name, number in re.findall(r"(\w+) = (\d+);", body)}
        for message, body in re.findall(r"message (\w+) \{(.*?)\n\}", text, re.S)
    }
    made = {
        name: {field.name: field.number for field in message.fields}
        for name, message in tracks_pb2.DESCRIPTOR.message_types_by_name.items()
    }
    assert written == made


def test_pixels_count_from_1_in_mot_challenge_and_from_0_in_cvat(tracks, tmp_path):
    for name, first in (("mot-sequence", 1), ("cvat-mot", 0)):
        path = save_tracks(tracks, tmp_path / name, name)
        columns = (path / "gt" / "gt.txt").read_text().splitlines()[0].split(",")
        assert [float(v) for v in columns[2:4]] == pytest.approx([2.1 + first, 4 + first])
    assert (tmp_path / "cvat-mot" / "gt" / "labels.txt").read_text() == "=SUM(A1)\na red car, 'old'\n"


def test_a_yolo_data_set_is_laid_out_as_trainers_take_it(tracks, tmp_path):
    """Five columns a row, none with an exponent, names in order, and a place for the pictures."""
    beyond = Observation(3, 0.1, (-4.0, 30.0, 1e-4, 40.0), None, 0.5)
    outside = Observation(4, 0.13, (-9.0, 1.0, -2.0, 5.0), None, 0.5)
    tracks = dataclasses.replace(tracks, tracks=(*tracks, Track(7, "at: the edge", 0.5, (beyond, outside))))
    folder = save_tracks(tracks, tmp_path / "set", "yolo-dataset")
    rows = [
        line.split(" ")
        for file in sorted((folder / "labels/train").iterdir())
        for line in file.read_text().splitlines()
    ]
    assert len(rows) == 5
    for row in rows:
        assert len(row) == 5 and all(re.fullmatch(r"\d+(\.\d+)?", value) for value in row), row
        assert all(0 <= float(value) <= 1 for value in row[1:])
    assert (folder / "images/train").is_dir()
    assert (folder / "data.yaml").read_text().splitlines()[:3] == [
        "path: .", "train: images/train", "val: images/train"
    ]  # fmt: skip
    assert "1: \"a red car, 'old'\"" in (folder / "data.yaml").read_text()
    save_tracks(tracks, folder, "yolo-dataset")  # again, over an earlier one
    (folder / "images/train/a walk_1.jpg").write_bytes(b"a picture")
    with pytest.raises(OutputError):
        save_tracks(tracks, folder, "yolo-dataset")
    (folder / "labels/train/a walk_1.txt").write_text("")
    with pytest.raises(InputError, match="0 rows"):
        load_tracks(folder)
    (folder / "objects.json").unlink()
    with pytest.raises(InputError, match=r"objects\.json"):
        load_tracks(folder, "yolo-dataset")
