from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seektrack.errors import InputError, VideoError
from seektrack.video import find_videos, open_video


def flat(value: int, size: tuple[int, int] = (8, 6)) -> Image.Image:
    return Image.new("RGB", size, (value, 10, 200))


def test_images_come_in_natural_order_whatever_their_format(tmp_path: Path) -> None:
    for name, value in {"f10.png": 100, "f2.png": 20, "F1.PNG": 10, "f9.bmp": 90, "f010.png": 101}.items():
        flat(value).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "sub.png").mkdir()
    source = open_video(tmp_path, fps=5)
    assert [int(f.image[0, 0, 0]) for f in source] == [10, 20, 90, 101, 100]
    assert [f.timestamp for f in source] == [Fraction(i, 5) for i in range(5)]
    assert (source.info.hw, source.info.n_frames, source.info.duration_s) == ((6, 8), 5, 1.0)


def test_masks_beside_the_frames_are_no_frames(tmp_path: Path) -> None:
    for i, value in enumerate((40, 90, 160)):
        flat(value).save(tmp_path / f"{i:05}.jpg", quality=100)
        flat(255).save(tmp_path / f"{i:05}.png")
    flat(200).save(tmp_path / "00003.png")  # a frame of its own
    shown = [int(f.image[0, 0, 0]) for f in open_video(tmp_path, fps=5)]
    assert np.abs(np.array(shown) - (40, 90, 160, 200)).max() <= 4


def test_grey_sixteen_bit_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    Image.new("L", (8, 6), 77).save(tmp_path / "0.png")
    Image.new("RGBA", (8, 6), (9, 8, 7, 100)).save(tmp_path / "1.png")
    Image.fromarray(np.full((6, 8), 0x4000, np.uint16)).save(tmp_path / "2.png")
    assert [f.image[0, 0].tolist() for f in open_video(tmp_path)] == [[77] * 3, [159, 158, 158], [64] * 3]


def test_images_default_to_25_frames_a_second(tmp_path: Path) -> None:
    flat(1).save(tmp_path / "0.png")
    assert open_video(tmp_path).info.fps == 25


def test_folders_that_are_no_video_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"no images in the folder .*find_videos"):
        open_video(tmp_path)
    flat(1).save(tmp_path / "0.png")
    flat(1, (9, 6)).save(tmp_path / "1.png")
    with pytest.raises(VideoError, match=r"1\.png is 9x6, the first image of the folder is 8x6"):
        list(open_video(tmp_path))
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=r"cannot read the image .*0\.png"):
        open_video(tmp_path)


@pytest.mark.parametrize(
    "images",
    [
        [], np.zeros((0, 4, 4, 3), np.uint8), np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4, 4), np.uint8),
        np.zeros((2, 4, 4, 3), np.float32), [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)],
        [[[1, 2, 3]]], np.zeros((1, 0, 4, 3), np.uint8),
    ],
)  # fmt: skip
def test_arrays_that_are_no_video_are_refused(images: object) -> None:
    with pytest.raises(VideoError, match="picture"):
        open_video(images)  # type: ignore[arg-type]


@pytest.mark.parametrize("thing", [None, 5.5, {"a": 1}])
def test_other_things_are_refused(thing: object) -> None:
    with pytest.raises(InputError, match="cannot open a"):
        open_video(thing)  # type: ignore[arg-type]


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(fps: float) -> None:
    with pytest.raises(InputError, match="fps"):
        open_video([np.zeros((4, 4, 3), np.uint8)], fps=fps)


def test_a_rate_given_as_float_is_the_fraction_it_stands_for() -> None:
    assert open_video([np.zeros((4, 4, 3), np.uint8)], fps=30000 / 1001).info.fps == Fraction(30000, 1001)


def test_find_videos_walks_folders_sorted_and_once(tmp_path: Path) -> None:
    for name in (
        "b.mp4",
        "a.MKV",
        "sub/c.webm",
        "sub/deep/d.mov",
        "x.txt",
        ".h.mp4",
        ".dir/e.mp4",
        "odd.bin",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    found = find_videos([tmp_path, tmp_path / "sub", tmp_path / "b.mp4"])
    assert [p.relative_to(tmp_path).as_posix() for p in found] == [
        "a.MKV",
        "b.mp4",
        "sub/c.webm",
        "sub/deep/d.mov",
    ]
    assert find_videos([tmp_path / "odd.bin"]) == [tmp_path / "odd.bin"]
    assert find_videos([]) == []


def test_find_videos_refuses_a_missing_path_and_a_bare_string(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"no such file or folder: .*gone"):
        find_videos([tmp_path, tmp_path / "gone"])
    with pytest.raises(InputError, match="several paths"):
        find_videos(os.fspath(tmp_path))


def test_find_videos_takes_scans_and_a_folder_of_pictures(
    tmp_path: Path, write_dicom: Callable[..., Path], write_nifti: Callable[..., Path]
) -> None:
    slices = np.zeros((3, 8, 8), np.int16)
    for name in ("series", "both", "pictures"):
        (tmp_path / name).mkdir()
    for i in range(3):
        write_dicom(tmp_path / "series" / f"{i}.dcm", slices[i], InstanceNumber=i)
        flat(i).save(tmp_path / "pictures" / f"{i}.png")
        flat(i).save(tmp_path / "both" / f"{i}.png")
    write_nifti(tmp_path / "both" / "head.nii.gz", slices)
    found = [p.relative_to(tmp_path).as_posix() for p in find_videos([tmp_path])]
    assert found == ["both/head.nii.gz", "series"], "pictures below a folder are not taken for a video"
    assert find_videos([tmp_path / "pictures"]) == [tmp_path / "pictures"]
    assert find_videos([tmp_path / "series"]) == [tmp_path / "series"]
