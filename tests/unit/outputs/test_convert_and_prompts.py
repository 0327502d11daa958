"""From format to format, and prompts from files, by Python and by the command line."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from seektrack.cli import app
from seektrack.errors import InputError
from seektrack.outputs import FORMATS, load_tracks, read_prompts, save_tracks
from seektrack.outputs.convert import named_for
from seektrack.outputs.davis import davis_palette
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo
from seektrack.video import VideoWriter

H, W = 36, 50


def block(x, y, w, h):
    array = np.zeros((H, W), bool)
    array[y : y + h, x : x + w] = True
    return array


@pytest.fixture
def tracks():
    seen = tuple(
        Observation(i, i / 10, (2.0 + i, 4.0, 10.0 + i, 12.0), Mask.from_array(block(2 + i, 4, 8, 8)), 0.5)
        for i in range(3)
    )
    return Tracks(
        VideoInfo("clip.mp4", W, H, Fraction(10)),
        "q",
        (Track(1, "car", 0.5, seen), Track(2, "dog", 0.5, (seen[2],))),
        {i: i / 10 for i in range(3)},
    )


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def video_file(path, times):
    with VideoWriter(path, width=W, height=H, fps=10) as writer:
        for time in times:
            writer.write(np.zeros((H, W, 3), np.uint8), time)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_the_usual_name_says_the_format(name):
    assert named_for(f"out/{FORMATS[name].filename}") == name
    ending = FORMATS[name].filename.partition(".")[2]
    if ending not in ("", "json", "txt"):
        assert named_for(f"other.{ending}") in (name, "ytvis")


def test_a_name_that_says_nothing_is_refused():
    with pytest.raises(InputError, match=r"which format.*--to"):
        named_for("out.txt")


def test_masks_travel_through_other_formats_unchanged(tracks, tmp_path):
    start = save_tracks(tracks, tmp_path / "tracks.json", "json")
    for n, name in enumerate(
        ("t.coco.json", "t.parquet", "masks", "t.npz", "t.cocovid.json", "t.pb", "t.json")
    ):
        result = run("convert", start, tmp_path / str(n) / name, "--json")
        assert json.loads(result.stdout)["observations"] == 4, name
        start = tmp_path / str(n) / name
    back = load_tracks(start)
    assert [[o.mask for o in t.observations] for t in back] == [
        [o.mask for o in t.observations] for t in tracks
    ]


def test_the_video_gives_size_and_the_time_of_each_frame(tracks, tmp_path):
    (tmp_path / "m.txt").write_text("1,1,3,5,8,8,1,-1,-1,-1\n3,1,5,5,8,8,1,-1,-1,-1\n")
    clip = video_file(tmp_path / "clip.mp4", [0, 0.5, 2])
    assert run("convert", tmp_path / "m.txt", tmp_path / "t.json", "--video", clip).exit_code == 0
    back = load_tracks(tmp_path / "t.json")
    assert back.video.hw == (H, W)
    assert [o.time_s for o in back.tracks[0].observations] == [0, 2]
    (tmp_path / "m.txt").write_text("9,1,3,5,8,8,1,-1,-1,-1\n")
    with pytest.raises(InputError, match="frame 8 is not in the video, which has 3 frames"):
        run("convert", tmp_path / "m.txt", tmp_path / "t.json", "--video", clip)


def test_size_and_rate_can_be_said(tracks, tmp_path):
    (tmp_path / "m.txt").write_text("1,1,3,5,8,8,1,-1,-1,-1\n3,1,5,5,8,8,1,-1,-1,-1\n")
    run("convert", tmp_path / "m.txt", tmp_path / "t.json", "--fps", "30000/1001", "--size", "640x480")
    back = load_tracks(tmp_path / "t.json")
    assert (back.video.width, back.video.height, back.video.fps) == (640, 480, Fraction(30000, 1001))
    assert back.tracks[0].observations[1].time_s == pytest.approx(2 * 1001 / 30000)
    for wrong in (["--size", "640"], ["--fps", "-1"], ["--fps", "1", "--video", "x.mp4"]):
        with pytest.raises(InputError):
            run("convert", tmp_path / "m.txt", tmp_path / "t.json", *wrong)


def test_boxes_over_many_frames_and_masks_become_prompts(tracks, tmp_path):
    boxes = read_prompts(save_tracks(tracks, tmp_path / "m.mot.txt", "mot"))
    assert [(p.obj_id, p.frame_index, p.box) for p in boxes] == [
        (1, 0, (2, 4, 10, 12)),
        (1, 1, (3, 4, 11, 12)),
        (1, 2, (4, 4, 12, 12)),
        (2, 2, (4, 4, 12, 12)),
    ]
    assert {p.label for p in boxes} == {"car", "dog"}
    masks = read_prompts(save_tracks(tracks, tmp_path / "t.coco.json", "coco"))
    assert [p.mask.area for p in masks] == [64, 64, 64, 64]
    assert all(p.box is None for p in masks)


def test_detections_without_identity_give_the_objects_of_their_first_frame(tmp_path):
    (tmp_path / "det.txt").write_text("5,-1,3,5,8,8,0.9\n5,-1,20,5,8,8,0.8\n6,-1,3,5,8,8,0.9\n")
    found = read_prompts(tmp_path / "det.txt")
    assert [(p.obj_id, p.frame_index, p.box) for p in found] == [
        (0, 4, (2, 4, 10, 12)),
        (1, 4, (19, 4, 27, 12)),
    ]
    (tmp_path / "det.txt").write_text("5,-1,3,5,8,8,0.9\n5,1,20,5,8,8,0.8\n")
    with pytest.raises(InputError, match="some have not"):
        read_prompts(tmp_path / "det.txt")


def test_pictures_of_masks_become_prompts(tmp_path):
    white = block(2, 4, 8, 8).astype(np.uint8) * 255
    Image.fromarray(white).save(tmp_path / "mask.png")
    (one,) = read_prompts(tmp_path / "mask.png")
    assert (one.frame_index, one.mask.box) == (0, (2, 4, 10, 12))
    (later,) = read_prompts(f"{tmp_path / 'mask.png'}@12")
    assert later.frame_index == 12
    numbers = block(2, 4, 8, 8).astype(np.uint8) + 2 * block(20, 4, 8, 8) + 255 * block(40, 30, 3, 3)
    picture = Image.fromarray(numbers.astype(np.uint8), mode="P")
    picture.putpalette(davis_palette().ravel().tolist())
    picture.save(tmp_path / "00007.png")
    both = read_prompts(tmp_path / "00007.png")
    assert [(p.obj_id, p.frame_index, p.mask.box) for p in both] == [
        (1, 7, (2, 4, 10, 12)),
        (2, 7, (20, 4, 28, 12)),
    ]
    Image.new("L", (W, H)).save(tmp_path / "none.png")
    for wrong in ("none.png", "gone.png", "gone.png@3", "gone.json"):
        with pytest.raises(InputError):
            read_prompts(tmp_path / wrong)


def test_track_takes_prompts_from_a_file(tracks, tmp_path):
    clip = tmp_path / "clip.mp4"
    with VideoWriter(clip, width=128, height=128, fps=10, crf=10) as writer:
        for i in range(4):
            image = np.full((128, 128, 3), 40, np.uint8)
            image[40:80, 30 + 4 * i : 80 + 4 * i] = (230, 40, 40)
            writer.write(image)
    mask = np.zeros((128, 128), np.uint8)
    mask[40:80, 30:80] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    result = run("track", clip, "--prompts", tmp_path / "mask.png", "-o", tmp_path / "o", "-f", "json",
                 "--no-overlay", "--json")  # fmt: skip
    assert result.exit_code == 0
    (found,) = load_tracks(tmp_path / "o" / "tracks.json")
    assert found.observations[0].mask.iou(Mask.from_array(mask > 0)) > 0.6
    with pytest.raises(InputError, match="--prompts"):
        run("track", clip, "--prompts", tmp_path / "mask.png", "--box", "1,1,9,9@0")
