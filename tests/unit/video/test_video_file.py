"""What only files have: rotation, colour tags, odd sizes, damage."""

from __future__ import annotations

import os
import threading
import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack.errors import InputError, VideoError
from seektrack.video import Damage, VideoWriter, open_video

RED, GREEN, BLUE, GREY = (220, 30, 30), (30, 200, 40), (20, 40, 220), (120, 120, 120)


def quadrants(h: int = 48, w: int = 64) -> NDArray[np.uint8]:
    """Red, green / blue, grey: no turn or mirror leaves it as it is."""
    image = np.zeros((h, w, 3), np.uint8)
    image[: h // 2, : w // 2], image[: h // 2, w // 2 :] = RED, GREEN
    image[h // 2 :, : w // 2], image[h // 2 :, w // 2 :] = BLUE, GREY
    return image


def encode(
    path: Path,
    images: list[NDArray[np.uint8]],
    *,
    turn: float = 0,
    mirror: bool = False,
    pix_fmt: str = "yuv420p",
    colour: tuple[int, int] | None = None,
) -> Path:
    """Plain PyAV; ``colour`` is the (matrix, range) the pictures are converted to and tagged with."""
    with av.open(str(path), "w", container_options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = 12
        stream.codec_context.thread_count = 1
        if turn or mirror:
            stream.set_display_rotation(turn, hflip=mirror)
        if colour:
            stream.codec_context.colorspace, stream.codec_context.color_range = colour
        for image in images:
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            if colour:
                frame = frame.reformat(format=pix_fmt, dst_colorspace=colour[0], dst_color_range=colour[1])
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def moving(n: int = 60) -> list[NDArray[np.uint8]]:
    images = []
    for i in range(n):
        noise = np.random.default_rng(i).integers(0, 80, (48, 64, 3))
        images.append(noise.astype(np.uint8))
    return images


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_rotation_and_mirroring_are_applied(tmp_path: Path, quarter: int, mirror: bool) -> None:
    upright = quadrants()
    source = open_video(encode(tmp_path / "r.mp4", [upright] * 3, turn=90 * quarter, mirror=mirror))
    # FFmpeg's matrix mirrors what it has turned (av_display_matrix_flip), counter-clockwise.
    expected = np.rot90(upright, quarter)
    expected = expected[:, ::-1] if mirror else expected
    for frame in source:
        assert frame.image.shape == expected.shape
        assert frame.image.flags.c_contiguous
        assert np.abs(frame.image.astype(int) - expected).mean() < 4
    assert source.info.hw == expected.shape[:2]


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("full_range", [1, 2])
def test_colours_follow_the_files_tags(tmp_path: Path, matrix: int, full_range: int) -> None:
    path = encode(tmp_path / "c.mp4", [quadrants()] * 2, colour=(matrix, full_range))
    image = open_video(path).frame_at(0).image
    for (y, x), colour in {(10, 10): RED, (10, 50): GREEN, (40, 10): BLUE, (40, 50): GREY}.items():
        assert np.abs(image[y, x].astype(int) - colour).max() <= 6


@pytest.mark.parametrize("hw", [(35, 47), (36, 47), (35, 64)])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p10le"])
def test_odd_sizes_and_other_pixel_formats(tmp_path: Path, hw: tuple[int, int], pix_fmt: str) -> None:
    if pix_fmt != "yuv444p":
        hw = (hw[0] + hw[0] % 2, hw[1] + hw[1] % 2)
    image = quadrants(*hw)
    source = open_video(encode(tmp_path / "o.mp4", [image] * 2, pix_fmt=pix_fmt))
    got = source.frame_at(1).image
    assert got.shape == image.shape == (*source.info.hw, 3)
    assert np.abs(got.astype(int) - image).mean() < 6


def test_info_says_what_the_container_says(tmp_path: Path) -> None:
    info = open_video(encode(tmp_path / "clip one.mp4", moving(30))).info
    assert (info.name, info.n_frames, info.fps) == ("clip one", 30, Fraction(25))
    assert info.duration_s == pytest.approx(1.2)


def test_a_start_behind_the_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"start_s=9 lies behind the end .*1\.200 s"):
        open_video(encode(tmp_path / "s.mp4", moving(30)), start_s=9)


def test_a_file_takes_no_fps(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"fps=10 given for"):
        open_video(encode(tmp_path / "f.mp4", moving(2)), fps=10)


def test_several_threads_read_one_source(tmp_path: Path) -> None:
    images = moving(30)
    source = open_video(encode(tmp_path / "t.mp4", images))
    expected = [f.image for f in source]
    wrong: list[int] = []

    def read() -> None:
        wrong.extend(f.index for f in source if not np.array_equal(f.image, expected[f.index]))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_leaving_early_closes_the_file(tmp_path: Path) -> None:
    path = encode(tmp_path / "l.mp4", moving(30))

    def held() -> int:
        links = [os.path.join("/proc/self/fd", n) for n in os.listdir("/proc/self/fd")]
        return sum(os.path.realpath(link) == str(path.resolve()) for link in links)

    with open_video(path) as source:
        for _ in source:
            break
        next(source.frames_reversed())
        source.frame_at(20)
        assert held() == 1
    assert held() == 0


def test_missing_empty_and_foreign_files_are_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video, only words " * 99)
    (tmp_path / "notes.txt").write_text("no video, only words " * 99)
    encode(tmp_path / "real.ts", moving(30))
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.2,\nreal.ts\n#EXT-X-ENDLIST\n"
    )
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    says = {
        "gone.mp4": "no such video",
        "empty.mp4": "file is empty",
        "text.mp4": "not a readable video",
        "notes.txt": "text or a playlist",
        "list.m3u8": "text or a playlist",
        "sound.mp4": "no video stream .* audio",
    }
    for name, words in says.items():
        with pytest.raises(VideoError, match=words) as caught:
            open_video(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 3


def test_an_mp4_cut_before_its_index_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in moving(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(VideoError, match="not a readable video"):
        open_video(path)


def test_a_file_cut_short_gives_what_is_there_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = encode(tmp_path / "cut.mp4", moving(60))
    whole = [f.image for f in open_video(path)]
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    source = open_video(path)
    assert source.damage == Damage(cut_short=True), "known before a picture is decoded"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = list(source)
        list(source)
    assert [r.getMessage() for r in caplog.records] == [f"{path} is damaged: {source.damage}"]
    assert source.damage.cut_short and source.damage.frames == len(frames)
    assert 20 < len(frames) < 50
    assert all(np.array_equal(f.image, whole[f.index]) for f in frames[:-1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert source.len_frames() == len(source.times()) == len(frames)
        assert source.frame_at(len(frames) - 1).index == len(frames) - 1
        assert [f.index for f in source.frames_reversed()] == [f.index for f in frames][::-1]
        with pytest.raises(InputError):
            source.frame_at(len(frames))


def test_damage_inside_is_stepped_over(tmp_path: Path) -> None:
    path = encode(tmp_path / "hole.mp4", moving(60))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(3).bytes(3000)
    path.write_bytes(data)
    source = open_video(path)
    assert source.damage is None, "nothing is known of it before the pictures are met"
    frames = list(source)
    assert source.damage is not None and source.damage.errors > 0 and not source.damage.cut_short
    assert str(len(frames)) in str(source.damage) and source.damage.reason in str(source.damage)
    assert [f.index for f in frames] == list(range(len(frames)))
    assert 40 < len(frames) <= 60
    assert source.times() == [f.timestamp for f in frames] == sorted({f.timestamp for f in frames})
    assert frames[-1].timestamp == Fraction(59, 25)
    assert [f.index for f in source.frames_reversed()] == [f.index for f in frames][::-1]
    for frame in frames[::7]:
        assert np.array_equal(source.frame_at(frame.index).image, frame.image)


def test_backwards_over_damage_not_yet_met_shows_each_picture_once(tmp_path: Path) -> None:
    path = encode(tmp_path / "hole.mp4", moving(60))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(3).bytes(3000)
    path.write_bytes(data)
    forward = [f.timestamp for f in open_video(path)]
    backward = open_video(path)
    assert [f.timestamp for f in backward.frames_reversed()] == forward[::-1]
    assert backward.damage


def test_a_file_whose_pictures_are_all_destroyed_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "dead.mp4", moving(20))
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"no picture of .*dead\.mp4 can be decoded"):
        open_video(path)


def test_walking_backwards_holds_few_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One long group of pictures is walked in several passes when it would not fit."""
    path = tmp_path / "long.mp4"
    with VideoWriter(path, width=320, height=240, fps=100) as writer:
        for image in moving(70):
            writer.write(np.tile(image, (5, 5, 1)))
    monkeypatch.setenv("SEEKTRACK_BACKWARD_MB", "1")
    source = open_video(path)
    forward = [f.image for f in source]
    frames = list(source.frames_reversed(66))
    assert [f.index for f in frames] == list(range(66, -1, -1))
    assert all(np.array_equal(f.image, forward[f.index]) for f in frames)
