"""Time, length, rate and stream as a player has them, whatever the container states."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.video import open_video
from seektrack.video.sound import read_sound

MS10 = [100 * i for i in range(20)]


class Pipe(io.RawIOBase):
    """What a live recorder writes to: nothing can be put right at the end."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self._file.write(data)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "mpg", "ts", "mov"])
def test_one_rule_for_a_start_near_the_end(suffix: str, tmp_path: Path, write_film, pictures) -> None:
    fps = 25 if suffix == "mpg" else 10
    codec = {"avi": "mpeg4", "mpg": "mpeg2video"}.get(suffix, "libx264")
    path = write_film(tmp_path / f"a.{suffix}", pictures(), codec=codec, fps=fps)
    last = 19 / fps
    assert [f.index for f in open_video(path, start_s=last)] == [19], "the last frame's own time"
    between = open_video(path, start_s=last + 0.5 / fps)
    assert list(between) == list(between.frames_reversed()) == between.times() == []
    for start in (20 / fps, 20 / fps + 3):
        with pytest.raises(InputError, match="lies behind the end"):
            open_video(path, start_s=start)
    assert list(open_video(path).frames(start_s=20 / fps + 3)) == [], (
        "an interval of an open one is only empty"
    )


@pytest.mark.parametrize("suffix, codec", [("mp4", "libx264"), ("mkv", "libx264"), ("webm", "libvpx")])
def test_a_last_picture_long_after_the_others(
    suffix: str, codec: str, tmp_path: Path, write_film, pictures
) -> None:
    quick = {"deadline": "realtime"} if codec == "libvpx" else {}
    late = [*MS10[:19], 9000]
    path = write_film(tmp_path / f"v.{suffix}", pictures(), codec=codec, ms=late, options=quick)
    source = open_video(path, start_s=5)
    assert [f.index for f in source] == [19]
    assert source.info.duration_s >= 9


def test_pictures_end_before_the_sound(tmp_path: Path, write_film, pictures) -> None:
    path = write_film(tmp_path / "s.mkv", pictures(10), sound_s=0.5)
    assert open_video(path).info.duration_s == pytest.approx(1.0, abs=0.06)
    with pytest.raises(InputError, match="behind the end"):
        open_video(path, start_s=2.5)
    assert list(open_video(path, start_s=0.95)) == []


@pytest.mark.parametrize("gap, rate", [(40, 25), (33, 30), (100, 10), (17, 60)])
def test_the_rate_of_a_live_recording_is_that_of_its_stamps(
    gap: int, rate: int, tmp_path: Path, write_film, pictures
) -> None:
    path = tmp_path / "rec.webm"
    with path.open("wb") as file:
        write_film(
            Pipe(file), pictures(), fps=1000, codec="libvpx-vp9", ms=[gap * i for i in range(20)],
            format="webm", options={"live": "1", "deadline": "realtime", "cpu-used": "8"},
        )  # fmt: skip
    assert open_video(path).info.fps == pytest.approx(rate, rel=0.03)


def test_a_wrong_length_in_the_header_is_not_believed(tmp_path: Path, write_film, pictures) -> None:
    path = write_film(tmp_path / "a.mkv", pictures())
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3  # Duration, a float of eight bytes
    assert struct.unpack(">d", data[at : at + 8])[0] == pytest.approx(2000, abs=200)
    data[at : at + 8] = struct.pack(">d", 3_600_000.0)
    path.write_bytes(data)
    assert open_video(path).info.duration_s == pytest.approx(2.0, abs=0.11)
    data[at : at + 8] = struct.pack(">d", 500.0)
    path.write_bytes(data)
    assert [f.index for f in open_video(path, start_s=1.0)] == list(range(10, 20))


def test_more_frames_stated_than_there_is_room_for(tmp_path: Path, write_film, pictures) -> None:
    path = write_film(tmp_path / "a.avi", pictures(), codec="mjpeg", pix_fmt="yuvj420p")
    data = bytearray(path.read_bytes())
    at = data.index(b"avih") + 8 + 16
    assert struct.unpack("<I", data[at : at + 4])[0] == 20
    strh = data.index(b"strh") + 8 + 32
    data[at : at + 4] = data[strh : strh + 4] = struct.pack("<I", 90_000)
    path.write_bytes(data)
    source = open_video(path)
    assert source.info.n_frames in (None, 20)
    assert source.info.duration_s is None or source.info.duration_s < 3
    assert source.len_frames() == 20


def test_an_edit_list_is_followed(tmp_path: Path, write_film, pictures) -> None:
    """The first half second of the film is cut off by its edit list, as QuickTime's trim does."""
    path = write_film(tmp_path / "a.mp4", pictures(), gop=30)
    data = path.read_bytes()
    at = data.index(b"elst") + 4
    version_flags, count = struct.unpack(">II", data[at : at + 8])
    assert (version_flags, count) == (0, 1)
    length, start, rate = struct.unpack(">IiI", data[at + 8 : at + 20])
    base = 10_240  # x264's own time base here: 1024 ticks a frame
    edited = struct.pack(">IiI", length - 500, start + base // 2, rate)
    path.write_bytes(data[: at + 8] + edited + data[at + 20 :])
    whole = [f.image for f in open_video(write_film(tmp_path / "w.mp4", pictures(), gop=30))]
    source = open_video(path)
    shown = list(source)
    assert len(shown) == 15 and shown[0].timestamp == 0
    assert all(np.array_equal(f.image, whole[f.index + 5]) for f in shown)
    assert np.array_equal(source.frame_at(9).image, shown[9].image)
    assert source.info.duration_s == pytest.approx(1.5, abs=0.11)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_sound_that_begins_later_keeps_its_time(suffix: str, tmp_path: Path, write_film, pictures) -> None:
    path = write_film(tmp_path / f"s.{suffix}", pictures(), sound_s=1.0)
    first = next(read_sound(path, rate=16_000))
    assert float(first.timestamp) == pytest.approx(1.0, abs=0.07)
    assert open_video(path).times()[0] == 0


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_pictures_that_begin_later_keep_theirs(suffix: str, tmp_path: Path, write_film, pictures) -> None:
    """A player counts from where the sound begins."""
    path = write_film(tmp_path / f"s.{suffix}", pictures(), ms=[700 + t for t in MS10], sound_s=0.0)
    source = open_video(path)
    assert float(source.times()[0]) == pytest.approx(0.7, abs=0.07)
    assert float(next(read_sound(path, rate=16_000)).timestamp) == pytest.approx(0.0, abs=0.07)
    soon = float(source.times()[0]) + 0.05
    assert [f.index for f in open_video(path, start_s=0, end_s=soon)] == [0]


def test_a_hole_in_the_sound_is_silence(tmp_path: Path) -> None:
    path = tmp_path / "hole.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for start in (0, 24_000):
            tone = np.full((1, 8000), 8000, np.int16)
            frame = av.AudioFrame.from_ndarray(tone, "s16", "mono")
            frame.rate, frame.pts, frame.time_base = 8000, start, Fraction(1, 8000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    sound = next(read_sound(path, rate=8000))
    loud = np.abs(sound.samples) > 0.1
    assert loud[1000:7000].all() and not loud[9000:23_000].any() and loud[25_000:31_000].all()


def two_streams(path: Path, default: int, sizes: tuple[int, int], *, cover: bool = False) -> Path:
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=10) for _ in sizes]
        for i, (stream, width) in enumerate(zip(streams, sizes, strict=True)):
            stream.width, stream.height, stream.pix_fmt = width, width * 3 // 4, "yuv420p"
            disposition = av.stream.Disposition
            stream.disposition = disposition.default if i == default else disposition(0)
            if cover and i == 0:
                stream.disposition = disposition.attached_pic
        for _ in range(10):
            for stream in streams:
                grey = np.zeros((stream.height, stream.width, 3), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    "default, sizes, width",
    [(1, (80, 320), 320), (0, (80, 320), 80), (1, (320, 80), 80), (-1, (80, 320), 320), (-1, (320, 80), 320)],
)
def test_of_several_streams_the_one_ffmpeg_takes(
    default: int, sizes: tuple[int, int], width: int, tmp_path: Path
) -> None:
    """ffmpeg's own rule: the default one, else the largest."""
    source = open_video(two_streams(tmp_path / "two.mkv", default, sizes))
    assert source.info.width == width
    assert all(f.image.shape[1] == width for f in source)


def test_cover_art_is_no_film(tmp_path: Path, write_film) -> None:
    from PIL import Image

    cover = io.BytesIO()
    Image.new("RGB", (640, 640)).save(cover, "JPEG")
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        film = container.add_stream("libx264", rate=10)
        film.width, film.height, film.pix_fmt = 80, 60, "yuv420p"
        art = container.add_stream("mjpeg", rate=1)
        art.width, art.height, art.pix_fmt = 640, 640, "yuvj420p"
        art.disposition = av.stream.Disposition.attached_pic
        packet = av.Packet(cover.getvalue())
        packet.stream, packet.pts, packet.dts, packet.time_base = art, 0, 0, Fraction(1, 1)
        packet.is_keyframe = True
        container.mux(packet)
        for _ in range(10):
            container.mux(film.encode(av.VideoFrame.from_ndarray(np.zeros((60, 80, 3), np.uint8), "rgb24")))
        container.mux(film.encode())
    source = open_video(path)
    assert (source.info.width, source.len_frames()) == (80, 10)


@pytest.mark.parametrize("suffix, codec", [("mkv", "libx264"), ("mov", "mpeg4"), ("mkv", "mjpeg")])
def test_a_picture_every_forty_minutes(suffix: str, codec: str, tmp_path: Path, write_film, pictures) -> None:
    """A time-lapse with true stamps: its rate is slow, not 0."""
    minutes = [2_400_000 * i for i in range(40)]
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_film(tmp_path / f"v.{suffix}", pictures(40), codec=codec, ms=minutes, pix_fmt=pixels)
    source = open_video(path)
    assert float(source.info.fps) == pytest.approx(1 / 2400, rel=0.03)
    assert [float(frame.timestamp) for frame in source] == [2400.0 * i for i in range(40)]
    assert source.frame_at(4).timestamp == 9600
