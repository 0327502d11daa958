"""Which videos a folder holds, and what was passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from seektrack.errors import VideoError
from seektrack.video import find_videos, look_for_videos, open_video
from seektrack.video.finding import VIDEO_SUFFIXES


@pytest.mark.parametrize(
    "suffix, form",
    [
        ("m2t", "mpegts"), ("3gpp", "3gp"), ("3g2", "3g2"), ("qt", "mov"), ("mk3d", "matroska"),
        ("f4v", "mp4"), ("m2v", "mpeg2video"), ("divx", "avi"), ("trp", "mpegts"), ("ogm", "ogg"),
        ("nut", "nut"), ("ivf", "ivf"), ("vro", "vob"), ("m4v", "mp4"), ("MTS", "mpegts"),
        ("y4m", "yuv4mpegpipe"),
    ],
)  # fmt: skip
def test_every_suffix_is_found_and_opens(
    suffix: str, form: str, tmp_path: Path, write_film, pictures
) -> None:
    codec = {
        "mpeg2video": "mpeg2video",
        "avi": "mpeg4",
        "ogg": "libvpx",
        "ivf": "libvpx",
        "vob": "mpeg2video",
    }
    codec["yuv4mpegpipe"] = "wrapped_avframe"
    if form == "yuv4mpegpipe":
        (tmp_path / f"a.{suffix}").write_bytes(
            b"YUV4MPEG2 W16 H16 F10:1 Ip A1:1 C420jpeg\n" + (b"FRAME\n" + bytes(384)) * 6
        )
    else:
        quick = {"deadline": "realtime"} if codec.get(form) == "libvpx" else {}
        write_film(
            tmp_path / f"a.{suffix}", pictures(6), codec=codec.get(form, "libx264"), format=form,
            fps=25, options=quick,
        )  # fmt: skip
    assert find_videos([tmp_path]) == [tmp_path / f"a.{suffix}"]
    assert len(list(open_video(tmp_path / f"a.{suffix}"))) == 6


def test_the_suffixes_are_those_of_formats_with_pictures() -> None:
    from av import ContainerFormat, formats_available

    known: set[str] = set()
    for name in formats_available:
        try:
            known |= {f".{e}" for e in ContainerFormat(name, "r").extensions}
        except ValueError:
            continue
    videos = {".mkv", ".mp4", ".mov", ".avi", ".flv", ".m2ts", ".ts", ".webm", ".3g2", ".mj2", ".ivf", ".y4m"}
    assert videos & known <= VIDEO_SUFFIXES


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.mp4").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.mp4").touch()
    (tmp_path / "films" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "films" / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "films" / "round").symlink_to(tmp_path / "films")
    (tmp_path / "films" / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    found = look_for_videos([tmp_path / "films"])
    assert sorted(p.name for p in found.videos) == ["a.mp4", "b.mp4"]
    reasons = sorted((p.name, why) for p, why in found.passed_over)
    assert ("gone.mp4", "broken link") in reasons and ("round", "folder met before") in reasons
    assert len(reasons) == 3
    assert [p.name for p in find_videos([tmp_path / "elsewhere", tmp_path / "films"])] == ["b.mp4", "a.mp4"]


def test_what_is_passed_over_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "README").write_text("words")
    (tmp_path / "index.ts").write_text("export const answer = 42;\n" * 40)
    Image.new("RGB", (4, 4)).save(tmp_path / "still.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "still.webp")
    moving = [Image.new("RGB", (4, 4), (60 * i, 0, 0)) for i in range(3)]
    for name in ("moves.webp", "moves.png", "pages.tif"):
        moving[0].save(tmp_path / name, save_all=True, append_images=moving[1:])
    found = look_for_videos([tmp_path])
    assert [p.name for p in found.videos] == ["a.mp4", "moves.png", "moves.webp", "pages.tif"]
    assert {p.name: why for p, why in found.passed_over} == {
        "README": "no video by name (no suffix)",
        "index.ts": "text named .ts",
        "notes.txt": "no video by name (.txt)",
        "still.png": "picture",
        "still.webp": "picture",
    }
    assert found.summary().startswith("2 × picture, ")


def test_a_folder_of_pictures_is_taken_as_one_and_passes_none_over(tmp_path: Path) -> None:
    for i in range(3):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{i}.png")
    (tmp_path / "list.txt").touch()
    found = look_for_videos([tmp_path])
    assert found.videos == [tmp_path]
    assert [p.name for p, _ in found.passed_over] == ["list.txt"]


def test_slices_of_a_series_are_not_passed_over(tmp_path: Path, write_dicom) -> None:
    import numpy as np

    for i in range(2):
        write_dicom(tmp_path / f"{i}.dcm", np.zeros((8, 8), np.int16), InstanceNumber=i)
    found = look_for_videos([tmp_path])
    assert (found.videos, found.passed_over) == ([tmp_path], [])


def test_a_name_the_system_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"cannot look at|no such file"):
        look_for_videos([tmp_path / ("x" * 5000)])
    with pytest.raises(VideoError, match=r"cannot look at|no such file"):
        look_for_videos(["a\0b"])
