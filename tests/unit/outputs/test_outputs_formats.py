from __future__ import annotations

import csv
import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from seektrack.errors import InputError, OutputError
from seektrack.files import new_file, new_folder
from seektrack.outputs import FORMATS, load_tracks, save_formats, save_tracks
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo

H, W = 24, 32
FPS = Fraction(30000, 1001)


def square(x, y, side=8):
    mask = np.zeros((H, W), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def seen(index, x, y, score=0.9):
    mask = Mask.from_array(square(x, y))
    return Observation(index, float(index / FPS), mask.box, mask, score)


@pytest.fixture
def tracks():
    """A dog that hides on frame 2, and a cat that overlaps it and is surer; frame 3 is empty."""
    hidden = Observation(2, float(2 / FPS), (6.5, 4.25, 14.5, 12.25), None, 0.4, visible=False)
    dog = Track(3, "dog", 0.8, (seen(0, 2, 4, 0.7), seen(1, 4, 4, 0.7), hidden))
    cat = Track(11, "cat", 0.9, (seen(1, 8, 6, 0.95),))
    video = VideoInfo("clips/a walk.mp4", W, H, FPS, 4 / float(FPS), 4)
    return Tracks(video, "a dog, a cat", (dog, cat), {i: float(i / FPS) for i in range(4)})


def simplified(tracks):
    return [(t.obj_id, t.label, t.score, t.observations) for t in tracks]


def test_json_loses_nothing(tracks, tmp_path):
    back = load_tracks(save_tracks(tracks, tmp_path / "t.json", "json"), "json")
    assert simplified(back) == simplified(tracks)
    assert back.video == tracks.video
    assert (back.query, back.frame_times) == (tracks.query, tracks.frame_times)


def test_json_of_another_version_or_kind_is_refused(tracks, tmp_path):
    path = save_tracks(tracks, tmp_path / "t.json", "json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "version": 99}))
    with pytest.raises(InputError, match="version 99"):
        load_tracks(path, "json")
    with pytest.raises(InputError, match=r"not a seektrack\.tracks"):
        load_tracks(save_tracks(tracks, tmp_path / "c.json", "coco"), "json")


def test_csv_has_every_observation_with_velocity_in_pixels_a_second(tracks, tmp_path):
    with save_tracks(tracks, tmp_path / "t.csv", "csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    keys = [(r["frame_index"], r["obj_id"], r["visible"]) for r in rows]
    assert keys == [("0", "3", "1"), ("1", "3", "1"), ("1", "11", "1"), ("2", "3", "0")]
    first, second, cat = rows[0], rows[1], rows[2]
    assert [float(first[k]) for k in ("x0", "y0", "x1", "y1", "cx", "cy")] == [2, 4, 10, 12, 6, 8]
    assert float(first["vx"]) == pytest.approx(2 * float(FPS), abs=1e-3)
    assert float(second["vx"]) == pytest.approx(4.5 / 2 * float(FPS), abs=1e-3)
    assert float(second["vy"]) == pytest.approx(0.25 / 2 * float(FPS), abs=1e-3)
    assert (cat["vx"], cat["label"]) == ("0", "cat")


def test_mot_is_read_by_motmetrics_and_back(tracks, tmp_path):
    import motmetrics

    path = save_tracks(tracks, tmp_path / "t.txt", "mot")
    table = motmetrics.io.loadtxt(path, fmt="mot15-2D")
    assert sorted(table.index) == [(1, 3), (2, 3), (2, 11)]
    # motmetrics takes 1 off to count pixels from 0, as we do
    assert table.loc[(1, 3)][["X", "Y", "Width", "Height"]].tolist() == [2, 4, 8, 8]
    back = load_tracks(path, "mot", video=tracks.video)
    assert [(t.obj_id, [(o.frame_index, o.box) for o in t.observations]) for t in back] == [
        (3, [(0, (2, 4, 10, 12)), (1, (4, 4, 12, 12))]),
        (11, [(1, (8, 6, 16, 14))]),
    ]
    assert back.tracks[0].observations[1].time_s == pytest.approx(1 / float(FPS))


def test_mot_ground_truth_leaves_out_rows_not_to_be_considered(tmp_path):
    (tmp_path / "seqinfo.ini").write_text(
        "[Sequence]\nname=x\nframeRate=10\nimWidth=64\nimHeight=48\nseqLength=5\n"
    )
    folder = tmp_path / "gt"
    folder.mkdir()
    (folder / "gt.txt").write_text("1,1,1,1,10,10,1,1,0.9\n3,1,2,1,10,10,1,1,1\n1,2,5,5,4,4,0,8,1\n")
    gt = load_tracks(folder / "gt.txt", "mot")
    assert [(t.obj_id, t.label, len(t)) for t in gt] == [(1, "pedestrian", 2)]
    assert (gt.video.width, gt.video.height, gt.video.fps) == (64, 48, 10)
    assert gt.tracks[0].observations[1].time_s == pytest.approx(0.2)


def test_mots_masks_do_not_overlap_and_the_surer_object_keeps_the_pixels(tracks, tmp_path):
    from pycocotools import mask as coco_mask

    path = save_tracks(tracks, tmp_path / "t.txt", "mots")
    rows = [line.split() for line in path.read_text().splitlines()]
    assert [(r[0], r[3], r[4]) for r in rows] == [("1", "24", "32"), ("2", "24", "32"), ("2", "24", "32")]
    assert all(int(r[1]) // 1000 == int(r[2]) for r in rows)
    decoded = {
        (int(r[0]), int(r[1]) % 1000): coco_mask.decode({"size": [H, W], "counts": r[5].encode()}).astype(
            bool
        )
        for r in rows
    }
    assert np.array_equal(decoded[2, 11], square(8, 6))
    assert np.array_equal(decoded[2, 3], square(4, 4) & ~square(8, 6))
    back = load_tracks(path, "mots", video=tracks.video)
    assert [(t.obj_id, t.label, len(t)) for t in back] == [(3, "dog", 2), (11, "cat", 1)]


def test_coco_is_loaded_by_pycocotools_and_back(tracks, tmp_path):
    from pycocotools.coco import COCO

    path = save_tracks(tracks, tmp_path / "t.json", "coco")
    coco = COCO(str(path))
    assert len(coco.imgs) == 4
    assert sorted(c["name"] for c in coco.cats.values()) == ["cat", "dog"]
    dog = coco.anns[coco.getAnnIds(imgIds=[2], catIds=coco.getCatIds(["dog"]))[0]]
    assert (dog["track_id"], dog["bbox"], dog["area"]) == (3, [4, 4, 8, 8], 64)
    assert np.array_equal(coco.annToMask(dog).astype(bool), square(4, 4))
    assert 0 not in coco.anns

    back = load_tracks(path, "coco")
    visible = [(t.obj_id, t.label, t.score, tuple(o for o in t.observations if o.visible)) for t in tracks]
    assert simplified(back) == visible
    assert (back.video, back.query, back.frame_times) == (tracks.video, tracks.query, tracks.frame_times)


def test_coco_of_another_program_with_polygons_reads_too(tmp_path):
    size = {"width": W, "height": H}
    annotation = {"id": 1, "image_id": 9, "category_id": 4, "track_id": 5, "bbox": [2, 3, 6, 4]}
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", **size}, {"id": 9, "file_name": "b.jpg", **size}],
        "categories": [{"id": 4, "name": "box"}],
        "annotations": [{**annotation, "segmentation": [[2, 3, 8, 3, 8, 7, 2, 7]]}],
    }
    path = tmp_path / "other.json"
    path.write_text(json.dumps(content))
    (track,) = load_tracks(path, "coco")
    assert (track.obj_id, track.label) == (5, "box")
    assert track.observations[0].frame_index == 1
    assert track.observations[0].mask.box == (2, 3, 8, 7)
    del content["annotations"][0]["track_id"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="no track_id"):
        load_tracks(path, "coco")


def test_youtube_vis_lists_run_over_every_processed_frame(tracks, tmp_path):
    from pycocotools import mask as coco_mask

    content = json.loads(save_tracks(tracks, tmp_path / "t.json", "ytvis").read_text())
    (video,) = content["videos"]
    assert (video["length"], len(video["file_names"])) == (4, 4)
    dog, cat = content["annotations"]
    assert [s is not None for s in dog["segmentations"]] == [True, True, False, False]
    assert [b for b in cat["bboxes"] if b] == [[8, 6, 8, 8]]
    rle = coco_mask.frPyObjects(dog["segmentations"][1], H, W)
    assert np.array_equal(coco_mask.decode(rle).astype(bool), square(4, 4))
    assert dog["areas"] == [64, 64, None, None]


def test_davis_pictures_hold_the_number_of_each_object(tracks, tmp_path):
    from PIL import Image

    path = save_tracks(tracks, tmp_path / "davis", "davis")
    pictures = sorted((path / "a walk").iterdir())
    assert [p.name for p in pictures] == ["00000.png", "00001.png", "00002.png", "00003.png"]
    with Image.open(pictures[1]) as picture:
        assert picture.mode == "P"
        assert picture.getpalette()[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
        values = np.array(picture)
    expected = np.where(square(8, 6), 2, np.where(square(4, 4), 1, 0))
    assert np.array_equal(values, expected)
    with Image.open(pictures[2]) as picture:
        assert not np.array(picture).any()
    objects = json.loads((path / "objects.json").read_text())["objects"]
    assert [(o["value"], o["obj_id"]) for o in objects] == [(1, 3), (2, 11)]


def test_png_masks_keep_overlaps(tracks, tmp_path):
    from PIL import Image

    path = save_tracks(tracks, tmp_path / "masks", "masks-png")
    names = sorted(str(p.relative_to(path)) for p in path.rglob("*.png"))
    assert names == ["11/00001.png", "3/00000.png", "3/00001.png"]
    with Image.open(path / "3" / "00001.png") as picture:
        assert np.array_equal(np.array(picture), square(4, 4) * np.uint8(255))


def test_npz_is_read_by_numpy(tracks, tmp_path):
    with np.load(save_tracks(tracks, tmp_path / "m.npz", "npz")) as archive:
        assert archive["obj_ids"].tolist() == [3, 11]
        assert archive["labels"].tolist() == ["dog", "cat"]
        assert archive["frames_3"].tolist() == [0, 1]
        assert archive["masks_3"].dtype == bool
        assert np.array_equal(archive["masks_3"], np.stack([square(2, 4), square(4, 4)]))
        assert archive["times_s"].tolist() == list(tracks.frame_times.values())


def names_in(folder):
    """The files of a folder, without those that stand beside a result."""
    return {p.name for p in folder.iterdir()} - {"out.objects.json", "out.labels.txt"}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_an_empty_result(name, tmp_path):
    empty = Tracks(VideoInfo("v.mp4", W, H, FPS), "nothing", (), {})
    path = save_tracks(empty, tmp_path / "deep" / "out", name)
    assert path.exists()
    assert names_in(tmp_path / "deep") == {"out"}


@pytest.mark.parametrize("name", FORMATS)
def test_a_path_that_cannot_be_written_is_named_and_nothing_is_left(name, tracks, tmp_path):
    (tmp_path / "file").write_text("in the way")
    target = tmp_path / "file" / "out"
    with pytest.raises(OutputError, match=str(target)) as caught:
        save_tracks(tracks, target, name)
    assert "objects.json" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_failed_write_leaves_the_earlier_result_whole(name, tracks, tmp_path, monkeypatch):
    def content(path):
        return {p.name: p.read_bytes() for p in ([path] if path.is_file() else path.rglob("*.*"))}

    def full(*_):
        raise OSError(28, "No space left on device")

    path = save_tracks(tracks, tmp_path / "out", name)
    before = content(path)
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OutputError, match=f"{path}: No space left on device"):
        save_tracks(replace(tracks, tracks=tracks.tracks[:1]), path, name)
    assert content(path) == before
    assert names_in(tmp_path) == {"out"}


def test_a_writer_that_fails_half_way_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="out"), new_file(tmp_path / "out") as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "folder") as temporary:
        (temporary / "half").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_export_is_replaced_and_a_foreign_folder_is_not(tracks, tmp_path):
    path = save_tracks(tracks, tmp_path / "masks", "masks-png")
    only_cat = replace(tracks, tracks=tracks.tracks[1:])
    save_tracks(only_cat, path, "masks-png")
    assert sorted(p.name for p in path.iterdir()) == ["11", "objects.json"]
    mine = tmp_path / "holiday"
    mine.mkdir()
    (mine / "photo.jpg").write_bytes(b"precious")
    with pytest.raises(OutputError, match="not an earlier export"):
        save_tracks(tracks, mine, "davis")
    assert (mine / "photo.jpg").read_bytes() == b"precious"
    with pytest.raises(OutputError, match="is a folder"):
        save_tracks(tracks, mine, "json")


def test_neither_the_video_nor_a_folder_of_mine_with_a_manifest_is_replaced(tracks, tmp_path):
    film = tmp_path / "clip.mp4"
    film.write_bytes(b"film")
    from_film = replace(tracks, video=replace(tracks.video, path=str(film)))
    with pytest.raises(OutputError, match="is the file being read"):
        save_tracks(from_film, film, "json")
    path = save_tracks(from_film, tmp_path / "davis", "davis")
    for mine in (path / "notes.txt", path / from_film.video.name / "mine.png"):
        mine.write_bytes(b"mine")
        with pytest.raises(OutputError, match="not an earlier export"):
            save_tracks(from_film, path, "davis")
        mine.unlink()
    (path / "objects.json").write_text('{"objects": []}')
    with pytest.raises(OutputError, match="not an earlier export"):
        save_tracks(from_film, path, "davis")
    assert film.read_bytes() == b"film"


def test_save_formats_uses_the_usual_names_and_checks_them_first(tracks, tmp_path):
    written = save_formats(tracks, tmp_path / "out", ["json", "davis"])
    assert {n: p.name for n, p in written.items()} == {"json": "tracks.json", "davis": "davis"}
    with pytest.raises(InputError, match=r"unknown format 'avi'.*json, json-frames, csv"):
        save_formats(tracks, tmp_path / "none", ["json", "avi"])
    assert not (tmp_path / "none").exists()


def test_what_a_format_cannot_hold_is_said(tracks, tmp_path):
    many = replace(tracks, tracks=tuple(replace(tracks.tracks[1], obj_id=i) for i in range(1000)))
    with pytest.raises(OutputError, match="254 objects"):
        save_tracks(many, tmp_path / "d", "davis")
    with pytest.raises(OutputError, match="999 tracks"):
        save_tracks(many, tmp_path / "m", "mots")
    with pytest.raises(InputError, match="unique"):
        save_tracks(replace(tracks, tracks=tracks.tracks[:1] * 2), tmp_path / "t", "json")
    small = replace(tracks, video=replace(tracks.video, width=10))
    with pytest.raises(InputError, match="track 3, frame 0"):
        save_tracks(small, tmp_path / "t", "json")
    unknown = replace(tracks.tracks[1], score=float("nan"))
    with pytest.raises(OutputError, match="finite"):
        save_tracks(replace(tracks, tracks=(unknown,)), tmp_path / "t", "json")


def test_unreadable_files_are_refused_in_words(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_tracks(tmp_path / "none.json", "json")
    bad = tmp_path / "bad"
    bad.write_text("1,2,three\n")
    for name in ("json", "coco", "mot", "mots"):
        with pytest.raises(InputError, match="bad"):
            load_tracks(bad, name)
