"""Foreign files and foreign code: whatever they do is a VideoError that names the file, and nothing hangs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from seektrack import limits
from seektrack.errors import InputError, SeekTrackError, VideoError
from seektrack.types import Mask
from seektrack.video import Limits, LiveSource, open_video, prefetch
from seektrack.video.convert import Converter
from seektrack.video.decoder import Decoder
from seektrack.video.sidedata import display_matrix
from seektrack.video.sound import read_sound
from seektrack.video.wall import wall


def camera_jpegs(path: Path, n: int, orientation: int = 1, *, codec_fps: int = 10) -> Path:
    """Frames of a camera whose JPEGs carry EXIF, which FFmpeg hands on as side data PyAV has no name for."""
    exif = Image.Exif()
    exif[271], exif[274] = "Cam", orientation
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=codec_fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for i in range(n):
            data = io.BytesIO()
            image = np.full((48, 64, 3), 40, np.uint8)
            image[:24, :32] = (220, 30, 30)
            Image.fromarray(image).save(data, "JPEG", exif=exif, quality=95)
            packet = av.Packet(data.getvalue())
            packet.stream, packet.pts, packet.dts = stream, i, i
            packet.time_base, packet.is_keyframe = Fraction(1, codec_fps), True
            container.mux(packet)
    return path


@pytest.mark.parametrize("suffix", ["avi", "mov", "mkv"])
def test_side_data_nobody_has_a_name_for_stops_no_frame(suffix: str, tmp_path: Path) -> None:
    path = camera_jpegs(tmp_path / f"a.{suffix}", 6)
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
    with pytest.raises(ValueError, match="not a valid Type"):
        len(first.side_data)  # if this passes one day, PyAV knows them and the detour can go
    assert display_matrix(first) is None
    assert len(list(open_video(path))) == 6
    assert [f.index for f in open_video(path).frames_reversed()] == [5, 4, 3, 2, 1, 0]
    with LiveSource(path) as live:
        assert live.info.hw == (48, 64)


@pytest.mark.parametrize("orientation", [3, 6, 2])
def test_a_turn_told_beside_it_is_followed(orientation: int, tmp_path: Path) -> None:
    path = camera_jpegs(tmp_path / "a.avi", 2, orientation)
    image = open_video(path).frame_at(0).image
    red = np.argwhere(image[..., 0] > 150).mean(axis=0) / image.shape[:2]
    assert image.shape[:2] == ((64, 48) if orientation == 6 else (48, 64))
    assert [bool(v > 0.5) for v in red] == {3: [True, True], 6: [False, True], 2: [False, True]}[orientation]


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "avi"])
def test_tags_in_any_encoding_are_no_hindrance(suffix: str, tmp_path: Path, write_film, pictures) -> None:
    path = write_film(tmp_path / f"a.{suffix}", pictures(5), codec="mpeg4", sound_s=0.0)
    with av.open(str(path)) as source, av.open(str(tmp_path / f"b.{suffix}"), "w") as target:
        target.metadata["title"] = "XXXXcafe"
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    odd = (tmp_path / f"b.{suffix}").read_bytes().replace(b"XXXXcafe", b"XX\xe9\xfc\xffafe")
    (tmp_path / f"c.{suffix}").write_bytes(odd)
    with pytest.raises(UnicodeDecodeError):
        av.open(str(tmp_path / f"c.{suffix}"))
    assert len(list(open_video(tmp_path / f"c.{suffix}"))) == 5
    assert next(read_sound(tmp_path / f"c.{suffix}", rate=16_000)).samples.size
    with LiveSource(tmp_path / f"c.{suffix}") as live:
        assert live.info.hw == (120, 160)


@pytest.mark.parametrize(
    "name", ["12:30.mp4", "file:x.mp4", "http:y.mp4", "a%03d.mp4", "concat:z.mp4", "-.mp4"]
)
def test_names_that_look_like_addresses_are_files(
    name: str, tmp_path: Path, write_film, pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write_film(tmp_path / "a.mp4", pictures(4), sound_s=0.0)
    made.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_video(name))) == 4
    assert next(read_sound(name, rate=16_000)).samples.size


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(VideoError, match="is no file"):
            open_video(path)


def test_a_log_the_program_listens_to_hangs_nothing(tmp_path: Path, write_film, pictures) -> None:
    """In a process of its own: FFmpeg's threads log, which takes the lock whoever ends them holds."""
    path = write_film(
        tmp_path / "a.mp4", pictures(30), codec="libx265", options={"x265-params": "log-level=none"}
    )
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    start = data.index(b"mdat") + 3000
    for at in rng.integers(start, start + 30_000, 400):
        data[at] ^= 255
    path.write_bytes(data)
    program = """
import sys, av
av.logging.set_level(getattr(av.logging, sys.argv[2]))
import logging; logging.disable(logging.CRITICAL)
from seektrack.video import open_video
for _ in range(12):
    source = open_video(sys.argv[1])
    for i, frame in enumerate(source):
        if i == 5: break
    source.frame_at(9)
    del source
print("done")
"""
    for level in ("PANIC", "VERBOSE"):
        done = subprocess.run(
            [sys.executable, "-c", program, str(path), level],
            check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.stdout == "done\n", done.stderr[-500:]


@pytest.mark.parametrize("error", [OSError(95, "Operation not supported"), ValueError("odd"), MemoryError()])
def test_whatever_conversion_raises_names_the_file(
    error: Exception, tmp_path: Path, write_film, pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_video(write_film(tmp_path / "a.mp4", pictures(3)))

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Converter, "_shown", fail)
    with pytest.raises(VideoError, match=r"a\.mp4"):
        next(iter(source))


@pytest.mark.parametrize(
    "error", [UnicodeDecodeError("utf-8", b"x", 0, 1, "no"), AssertionError(), OSError(5)]
)
def test_whatever_decoding_raises_is_damage(
    error: Exception, tmp_path: Path, write_film, pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "a.mp4", pictures(20))
    source = open_video(path)
    plain, calls = Decoder._decode, []

    class Odd:
        """A stream that fails once."""

        def __init__(self, stream: av.VideoStream) -> None:
            self._stream = stream

        def __getattr__(self, name: str) -> object:
            return getattr(self._stream, name)

        def decode(self, packet: object) -> list[av.VideoFrame]:
            calls.append(1)
            if len(calls) == 10:
                raise error
            return self._stream.decode(packet)  # type: ignore[arg-type]

    def through(self: Decoder, packet: object) -> list[av.VideoFrame]:
        stream, self.stream = self.stream, Odd(self.stream)  # type: ignore[assignment]
        try:
            return plain(self, packet)  # type: ignore[arg-type]
        finally:
            self.stream = stream

    monkeypatch.setattr(Decoder, "_decode", through)
    assert 10 < len(list(source)) < 20
    assert source.damage and source.damage.errors == 1


def test_errors_of_ours_and_wishes_to_end_pass_the_wall() -> None:
    for error in (KeyboardInterrupt(), SystemExit(3), InputError("mine")):
        with pytest.raises(type(error)) as passed, wall("a.mp4"):
            raise error
        assert passed.value is error
    with pytest.raises(VideoError, match=r"cannot read a\.mp4: two lines"), wall("a.mp4"):
        raise RuntimeError("two\nlines")
    with pytest.raises(VideoError, match="KeyError"), wall("a.mp4"):
        raise KeyError


def test_scans_whose_headers_make_no_sense(tmp_path: Path, write_nifti, write_dicom) -> None:
    volume = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    path = write_nifti(tmp_path / "a.nii", volume)
    rng = np.random.default_rng(1)
    whole = path.read_bytes()
    slices = write_dicom(tmp_path / "b.dcm", volume[0]).read_bytes()
    failed = 0
    for name, good in (("a.nii", whole), ("b.dcm", slices)):
        for _ in range(120):
            data = bytearray(good)
            for at in rng.integers(0, min(len(data), 700), 4):
                data[at] = int(rng.integers(0, 256))
            (tmp_path / name).write_bytes(data)
            try:
                list(open_video(tmp_path / name))
            except SeekTrackError as error:
                failed += 1
                assert name in str(error)
    assert failed > 20


@pytest.mark.parametrize(
    "suffix, codec",
    [
        ("mp4", "libx264"), ("mkv", "libx265"), ("avi", "mjpeg"), ("ts", "mpeg2video"), ("webm", "libvpx"),
        ("mov", "png"), ("gif", "gif"),
    ],
)  # fmt: skip
def test_flipped_and_cut_media_raise_nothing_else(
    suffix: str, codec: str, tmp_path: Path, write_film, pictures
) -> None:
    pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24", "gif": "rgb8"}.get(codec, "yuv420p")
    options = {"libx265": {"x265-params": "log-level=none"}, "libvpx": {"deadline": "realtime"}}
    whole = write_film(
        tmp_path / f"a.{suffix}", pictures(8, h=64, w=64), codec=codec, pix_fmt=pix_fmt, fps=25,
        options=options.get(codec, {}),
    ).read_bytes()  # fmt: skip
    rng = np.random.default_rng(len(suffix))
    path = tmp_path / f"b.{suffix}"
    for i in range(40):
        data = bytearray(whole)
        for at in rng.integers(0, len(data) if i % 2 else min(2000, len(data)), 1 + i % 7):
            data[at] = int(rng.integers(0, 256))
        path.write_bytes(data[: len(data) if i % 5 else int(rng.integers(1, len(data)))])
        try:
            with open_video(path) as source:
                frames = sum(1 for _ in source)
                if frames:
                    source.frame_at(source.len_frames() - 1)
        except SeekTrackError as error:
            assert path.name in str(error)


def test_bounds_stand_in_one_place_and_can_be_moved(
    tmp_path: Path, write_film, pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "a.mp4", pictures(4))
    monkeypatch.setattr(limits, "_HELD", [])
    monkeypatch.setenv("SEEKTRACK_MAX_PIXELS", str(120 * 160 - 1))
    with pytest.raises(VideoError, match="19199"):
        open_video(path)
    with pytest.raises(InputError, match="out of bounds"):  # of a mask as of a picture
        Mask.from_array(np.ones((120, 160), bool))
    with limits.use(max_pixels=120 * 160):
        assert len(list(open_video(path))) == 4
    assert Limits.current().max_pixels == 120 * 160 - 1
    for given in ("0", "-1", "many", "1.5", ""):
        with pytest.raises(InputError, match=r"silent_s must be a whole number.*") as refused:
            Limits.from_environment({"SEEKTRACK_SILENT_S": given})
        assert "SEEKTRACK_SILENT_S" in str(refused.value.hint)
    with pytest.raises(InputError, match="no bound 'max_pixel'"), limits.use(max_pixel=3):
        pass


def test_what_waits_between_threads_is_bounded_by_bytes() -> None:
    made: list[int] = []

    def frames():
        for i in range(12):
            made.append(i)
            yield i

    with limits.use(ahead_mb=3):
        ahead = prefetch(frames(), depth=8, item_bytes=2**20)
        assert next(ahead) == 0
        time.sleep(0.1)
        assert len(made) <= 4
        assert list(ahead) == list(range(1, 12))
        assert list(prefetch(frames(), depth=8, item_bytes=2**30)) == list(range(12)), "one at least"


def test_a_file_that_gives_no_picture_is_not_read_for_ever(
    tmp_path: Path, write_film, pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "a.ts", pictures(40))
    source = open_video(path)
    monkeypatch.setattr(Decoder, "_decode", lambda self, packet: [])
    monkeypatch.setattr("seektrack.video.decoder.time.monotonic", iter(range(0, 100_000, 7)).__next__)
    decoder = Decoder(path)
    assert list(decoder.frames()) == []
    assert decoder.errors[-1] == "no picture came for 60 s"
    del source
