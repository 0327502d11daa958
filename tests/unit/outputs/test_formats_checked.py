"""What a file says is checked before it is believed: refused by its place, never decoded, never a crash."""

from __future__ import annotations

import copy
import json
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seektrack import limits, metrics
from seektrack.errors import InputError
from seektrack.outputs import FORMATS, load_tracks, save_tracks
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo

ROW = "10,20,30,40,1,-1,-1,-1\n"
FAR = "300,20,30,40,1,-1,-1,-1\n"
H, W = 48, 64


@pytest.fixture
def mot(tmp_path):
    def read(rows, name="m.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rows if isinstance(rows, bytes) else rows.encode())
        return load_tracks(path, "mot")

    return read


@pytest.fixture
def coco(tmp_path):
    def read(segmentation=None, *, images=None, annotations=None, **more):
        one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "track_id": 1}
        content = {
            "images": images or [{"id": 1, "file_name": "x.jpg", "width": W, "height": H}],
            "categories": [{"id": 1, "name": "car"}],
            "annotations": annotations or [{**one, "segmentation": segmentation, **more}],
        }
        (tmp_path / "c.json").write_text(json.dumps(content))
        return load_tracks(tmp_path / "c.json", "coco")

    return read


def some_tracks():
    array = np.zeros((H, W), bool)
    array[5:20, 5:25] = True
    seen = tuple(
        Observation(i, i / 10, (5.0, 5.0, 25.0, 20.0), Mask.from_array(array), 0.9) for i in range(3)
    )
    video = VideoInfo("clip.mp4", W, H, Fraction(10), 0.3, 3)
    pair = (Track(3, "a red car", 0.9, seen), Track(1000, "a person", 0.5, seen[:1]))
    return Tracks(video, "q", pair, {i: i / 10 for i in range(3)})


@pytest.mark.parametrize("rows", ["1,1," + FAR + "1,1," + ROW, "1,1," + ROW + "1,1," + FAR])
def test_an_id_twice_in_a_frame_has_no_score_by_the_order_of_rows(rows, mot):
    with pytest.raises(InputError, match=r"line 2: object 1 is on frame 0 twice, first at line 1"):
        metrics.clear(metrics.frame_matches(mot("1,1," + ROW), mot(rows)))


def test_an_id_twice_in_a_frame_is_refused_in_mots_csv_and_coco(mot, coco, tmp_path):
    mask = Mask.from_array(np.eye(H, W, dtype=bool)).counts.decode()
    row = f"1 1001 1 {H} {W} {mask}\n"
    (tmp_path / "m.txt").write_text(row + row)
    with pytest.raises(InputError, match="line 2"):
        load_tracks(tmp_path / "m.txt", "mots")
    line = "4,7,1,1,2,2\n"
    (tmp_path / "t.csv").write_text("frame_index,obj_id,x0,y0,x1,y1\n" + line + line)
    with pytest.raises(InputError, match="line 3: object 7 is on frame 4 twice"):
        load_tracks(tmp_path / "t.csv")
    one = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "track_id": 1}
    with pytest.raises(InputError, match=r"annotations\[1\]"):
        coco(annotations=[{**one, "id": 1}, {**one, "id": 2}])


def test_frames_counted_from_0_are_refused_with_the_fix(mot, tmp_path):
    with pytest.raises(InputError, match=r"line 1: frame 0, .*awk"):
        mot("0,1," + ROW)
    with pytest.raises(InputError, match="line 2: frame 0"):
        mot("3,1," + ROW + "0 1 10 20 30 40 1 -1 -1\n")
    (tmp_path / "yolo" / "labels").mkdir(parents=True)
    (tmp_path / "yolo" / "labels" / "clip_0.txt").write_text("0 .5 .5 .1 .1 1\n")
    with pytest.raises(InputError, match=r"clip_0\.txt: frame must lie within 1"):
        load_tracks(tmp_path / "yolo", "yolo", video=some_tracks().video)


def test_results_of_nine_columns_keep_every_row(mot):
    both = mot("1,1,10,20,30,40,0.9,-1,-1\n2,1,10,20,30,40,0,-1,-1\n")
    assert [(t.label, len(t)) for t in both] == [("", 2)]
    truth = mot("1,1,10,20,30,40,1,3,0.5\n2,1,10,20,30,40,0,3,0.5\n")
    assert [(t.label, len(t)) for t in truth] == [("car", 1)]
    placed = mot("1,1,10,20,30,40,0.5,7,8.5,0\n")  # columns 8 to 10 are a place in the world
    assert [(t.label, t.score) for t in placed] == [("", 0.5)]


def test_classes_are_named_by_labels_txt(mot, tmp_path):
    (tmp_path / "cv" / "gt").mkdir(parents=True)
    (tmp_path / "cv" / "gt" / "labels.txt").write_text("car\nzebra\n")
    rows = "1,1,10,20,30,40,1,2,1\n"
    assert mot(rows, "cv/gt/gt.txt").tracks[0].label == "zebra"
    assert load_tracks(tmp_path / "cv").tracks[0].label == "zebra"
    assert mot("1,1,10,20,30,40,0.7,2,-1,-1\n", "cv/gt/gt.txt").tracks[0].label == "zebra"
    assert mot("1,1,10,20,30,40,0.7,3,-1,-1\n", "cv/gt/gt.txt").tracks[0].label == "class 3"


@pytest.mark.parametrize("rows", ["1,-1," + ROW + "1,-1," + FAR, "2,-1.0," + ROW, "1,-1,10,20,30,40\n"])
def test_detections_without_identity_are_refused_with_the_fix(rows, mot):
    with pytest.raises(InputError, match=r"line 1: id -1 is a detection.*--prompts"):
        mot(rows)


@pytest.mark.parametrize(
    "polygons",
    [
        [[]],
        [[10, 8]],
        [[10, 8, 30, 24]],
        [[10, 8, 30, 24, 12]],
        [[10, 8, 10, 8, 10, 8]],
        [[1e9, 8, 30, 24, 12, 40]],
        [[10, 8, 30, "x", 12, 40]],
        [{"x": 1}],
    ],
)
def test_polygons_that_enclose_nothing_are_refused(polygons, coco):
    with pytest.raises(InputError, match=r"c\.json: annotations\[0\]"):
        coco(polygons)
    assert coco([[10, 8, 30, 8, 30, 24, 10, 24]]).tracks[0].observations[0].mask.area == 320


@pytest.mark.parametrize(
    "code",
    [
        {"size": [H, W], "counts": [5, 999999]},
        {"size": [H, W], "counts": [5, 5]},
        {"size": [H, W], "counts": [H * W + 5, -5]},
        {"size": [H, W], "counts": [H * W, 0.5]},
        {"size": [H, W], "counts": "0"},
        {"size": [H, W], "counts": "~~~~"},
        {"size": [H, W], "counts": "PPPPPPPPPPPP"},
        {"size": [H, W], "counts": "\u00e9"},
        {"size": [H, W], "counts": None},
        {"size": [H], "counts": "0"},
        {"size": [10**6, 10**6], "counts": "0"},
        {"size": [2**31, 2**31], "counts": [2**62]},
        {"size": [2**32 + 48, 2**32 + 64], "counts": [H * W]},
        {"size": [0, 0], "counts": []},
        {"size": [-48, -64], "counts": [H * W]},
        {"size": ["48", "64"], "counts": [H * W]},
    ],
)
def test_run_lengths_that_do_not_fill_their_picture_reach_no_decoder(code, coco):
    with pytest.raises(InputError):
        Mask.from_coco(code)
    with pytest.raises(InputError, match=r"annotations\[0\]"):
        coco(code)
    content = json.loads(json.dumps(code))
    if len(content["size"]) == 2 and isinstance(content["counts"], str) and content["counts"].isascii():
        with pytest.raises(InputError):
            Mask(tuple(content["size"]), content["counts"].encode())


def test_run_lengths_of_foreign_writers_are_read(coco):
    inside = coco({"size": [H, W], "counts": [5, 0, 0, 10, H * W - 15]}).tracks[0].observations[0].mask
    assert inside.area == 10
    assert np.flatnonzero(inside.to_array().ravel(order="F")).tolist() == list(range(5, 15))
    assert coco({"size": [H, W], "counts": inside.counts.decode()}).tracks[0].observations[0].mask == inside


def test_identity_is_found_wherever_others_put_it(coco):
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4]}
    for where in ({"attributes": {"track_id": 5}}, {"track_id": "5"}, {"instance_id": 5.0}):
        assert coco(annotations=[{**one, **where}]).tracks[0].obj_id == 5
    for where in ({}, {"attributes": {"track_id": None}}, {"track_id": "five"}, {"track_id": -5}):
        with pytest.raises(InputError, match=r"annotations\[0\]"):
            coco(annotations=[{**one, **where}])


def test_the_frame_of_an_image_is_the_number_in_its_name(coco):
    def images(*names):
        return [{"id": 9 - n, "file_name": name, "width": W, "height": H} for n, name in enumerate(names)]

    one = {"id": 1, "image_id": 9, "category_id": 1, "bbox": [1, 1, 4, 4], "track_id": 1}
    for names, want in (
        (("frame_000007.jpg", "frame_000003.jpg"), 7),
        (("12.png", "a/3.png"), 12),
        (("cat.jpg", "dog7.jpg"), 1),
        (("a/3.jpg", "b/3.jpg"), 1),
    ):
        found = coco(images=images(*names), annotations=[one])
        assert found.tracks[0].observations[0].frame_index == want, names


def test_rows_parted_by_spaces_tabs_and_marks_are_read(mot):
    for rows in (
        "1 1 10 20 30 40 1 -1 -1 -1\n",
        "1\t1\t10\t20\t30\t40\t1\n",
        "1;1;10;20;30;40;1\n",
        "\ufeff1,1,10,20,30,40,1,-1,-1,-1\r\n",
        "1, 1, 10, 20, 30, 40, 1, -1, -1, -1,\n",
        "1,1,10,20,30,40,1,-1,-1\n\n",
        "# frame,id\n1.0,1.0,10,20,30,40\n",
    ):
        assert mot(rows).tracks[0].observations[0].box == (9, 19, 39, 59), rows


@pytest.mark.parametrize(
    "row",
    [
        "1,1,nan,20,30,40",
        "1,1,inf,20,30,40",
        "1,1,10,20,-30,40",
        "1,1,10,20,30,1e308",
        "1e400,1,10,20,30,40",
        "1.5,1,10,20,30,40",
        "1,1.5,10,20,30,40",
        "1,99999999999999999999,10,20,30,40",
        "99999999999,1,10,20,30,40",
        "1,1,10,20,thirty,40",
        "1,1,10,20",
        "1,1,10,20,30,40,1,2,3,4,5",
        "-3,1,10,20,30,40",
    ],
)
def test_numbers_that_are_none_are_refused_by_line(row, mot):
    with pytest.raises(InputError, match=r"m\.txt: line 2"):
        mot(f"1,2,{ROW}{row}\n")


def broken_json(change):
    def apply(tmp_path, name="json"):
        path = save_tracks(some_tracks(), tmp_path / "t.json", name)
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        return lambda: load_tracks(path, name)

    return apply


def first(content):
    return content["tracks"][0]["observations"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda c: first(c).update(frame_index="x"),
        lambda c: first(c).update(frame_index=-1),
        lambda c: first(c).update(frame_index=2**40),
        lambda c: first(c).update(time_s="x"),
        lambda c: first(c).update(time_s=float("inf")),
        lambda c: first(c).update(box=[1, 2, float("nan"), 4]),
        lambda c: first(c).update(box=[1, 2, 3]),
        lambda c: first(c).update(box=[9, 2, 3, 4]),
        lambda c: first(c).update(score=None),
        lambda c: first(c).update(score=2),
        lambda c: first(c).update(visible="yes"),
        lambda c: first(c)["mask"].update(size=[10**6, 10**6]),
        lambda c: first(c)["mask"].update(size=[2**32 + H, W]),
        lambda c: first(c)["mask"].update(size=[W, H], counts="0"),
        lambda c: first(c).update(mask=Mask.from_array(np.ones((W, H), bool)).to_coco()),
        lambda c: c["video"].update(fps=-1),
        lambda c: c["video"].update(fps="0/0"),
        lambda c: c["video"].update(fps="1e999999999"),
        lambda c: c["video"].update(width=0),
        lambda c: c["video"].update(width=10**9),
        lambda c: c["video"].update(path=None),
        lambda c: c["tracks"].append(c["tracks"][0]),
        lambda c: c["tracks"][0]["observations"].append(first(c)),
        lambda c: c["tracks"][0].update(obj_id=-1),
        lambda c: c["tracks"][0].update(obj_id=True),
        lambda c: c["tracks"][0].update(label=7),
        lambda c: c["frames"].append(c["frames"][0]),
        lambda c: c["frames"].append([1]),
        lambda c: c.update(tracks={}),
        lambda c: c.pop("video"),
        lambda c: c.update(query=None),
    ],
)
def test_wrong_values_of_our_own_json_are_refused(change, tmp_path):
    with pytest.raises(InputError, match=r"t\.json"):
        broken_json(change)(tmp_path)()


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 5000,
        '{"format": "seektrack.tracks", "version": 1, "frames": NaN}',
        "",
        "{",
        "null",
        "[[]]",
        "\x00",
    ],
)
@pytest.mark.parametrize("name", ["json", "json-frames", "coco", "ytvis", "ytvis-results", "label-studio"])
def test_json_that_is_none_or_bottomless_is_refused(name, text, tmp_path):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError, match=r"t\.json"):
        load_tracks(tmp_path / "t.json", name)


@pytest.mark.parametrize(
    "xml",
    [
        "<annotations><track id='1'><box frame='0' xtl='nan' ytl='0' xbr='1' ybr='1'/></track></annotations>",
        "<annotations><track id='x' label='a'/></annotations>",
        "<annotations><track id='1'><box frame='-1' xtl='0' ytl='0' xbr='1' ybr='1'/></track></annotations>",
        "<annotations><track id='1'><box frame='0' xtl='0' ytl='0' xbr='1' ybr='1'/>"
        "<box frame='2000000000' xtl='0' ytl='0' xbr='1' ybr='1'/></track></annotations>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><annotations>&b;</annotations>",
        "<annotations>",
        "<html/>",
        "<a>" * 100_000,
    ],
)
def test_xml_that_is_not_cvats_is_refused(xml, tmp_path):
    (tmp_path / "t.xml").write_text(xml)
    with pytest.raises(InputError, match=r"t\.xml"):
        load_tracks(tmp_path / "t.xml")


def test_arrays_are_bounded_before_they_are_read(tmp_path):
    def header(path, shape, kind="<u2"):
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": kind, "fortran_order": False, "shape": shape}
            )

    for shape in ((1, 10**6, 10**6), (10**9, 10**4, 10**4), (1, 4, 4), (-1, 4, 4), (4, 4)):
        header(tmp_path / "m.npy", shape)
        with pytest.raises(InputError, match=r"m\.npy"):
            load_tracks(tmp_path / "m.npy")
    np.save(tmp_path / "m.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="Python objects"):
        load_tracks(tmp_path / "m.npy")
    np.save(tmp_path / "m.npy", np.zeros((1, 4, 4), np.float32))
    with pytest.raises(InputError, match="whole numbers"):
        load_tracks(tmp_path / "m.npy")


def test_pictures_are_bounded_before_they_are_decoded(tmp_path):
    from PIL import Image

    path = save_tracks(some_tracks(), tmp_path / "davis", "davis")
    picture = path / "clip" / "00001.png"
    sound = picture.read_bytes()
    picture.write_bytes(sound[:16] + (60000).to_bytes(4, "big") * 2 + sound[24:])
    with pytest.raises(InputError, match=r"00001\.png"):
        load_tracks(path)
    picture.write_bytes(sound[: len(sound) // 2])
    with pytest.raises(InputError, match=r"00001\.png"):
        load_tracks(path)
    Image.new("RGB", (W, H)).save(picture)
    with pytest.raises(InputError, match="mode RGB"):
        load_tracks(path)
    Image.new("L", (W + 1, H)).save(picture)
    with pytest.raises(InputError, match="pictures before it"):
        load_tracks(path)


def test_bounds_can_be_set(tmp_path):
    assert limits.Limits.from_environment({"SEEKTRACK_MAX_SIDE": "40"}).max_side == 40
    with limits.use(max_side=40), pytest.raises(InputError, match="out of bounds"):
        Mask.from_array(np.ones((H, W), bool))
    path = tmp_path / "m.txt"
    path.write_text("1,9,10,20,30,40,1,-1,-1,-1\n")
    with limits.use(max_id=8), pytest.raises(InputError, match="line 1: id"):
        load_tracks(path, "mot")


ODD = [None, True, -1, 2**70, 1e308, -0.5, "x", "", "9" * 400, [], {}, [[]], [1, 2], "\u0000"]


@pytest.mark.parametrize(
    "name", ["json", "json-frames", "coco", "cocovid", "ytvis", "ytvis-results", "label-studio"]
)
def test_any_value_changed_gives_tracks_or_an_input_error(name, tmp_path):
    path = save_tracks(some_tracks(), tmp_path / "t.json", name)
    sound = json.loads(path.read_text())
    rng = random.Random(5)

    def places(value, way=()):
        yield way
        items = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, held in items:
            yield from places(held, (*way, key))

    every = [way for way in places(sound) if way]
    for way in rng.sample(every, min(len(every), 120)):
        for odd in rng.sample(ODD, 4):
            content = copy.deepcopy(sound)
            holder = content
            for key in way[:-1]:
                holder = holder[key]
            holder[way[-1]] = odd
            path.write_text(json.dumps(content))
            whole_or_refused(path, name)


def whole_or_refused(path, name):
    try:
        tracks = load_tracks(path, name)
    except InputError:
        return
    for track in tracks:
        for o in track.observations:
            assert o.mask is None or o.mask.to_array().shape == tracks.video.hw
            assert np.isfinite([*o.box, o.time_s, o.score]).all()


@pytest.mark.parametrize(
    "name", ["csv", "mot", "mots", "kitti-mots", "cvat", "parquet", "protobuf", "npz", "npy", "json"]
)
def test_any_byte_changed_gives_tracks_or_an_input_error(name, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bytes")
    path = save_tracks(some_tracks(), folder / FORMATS[name].filename, name)
    sound = path.read_bytes()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.data())
    def changed(data):
        flipped = bytearray(sound)
        for _ in range(data.draw(st.integers(1, 3))):
            flipped[data.draw(st.integers(0, len(flipped) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(bytes(flipped[: data.draw(st.integers(0, len(flipped)))]))
        whole_or_refused(path, name)

    changed()
