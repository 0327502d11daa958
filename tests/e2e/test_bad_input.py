"""Everything that goes wrong in one folder: a clear line for each, the rest indexed, a status that counts."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack.cli import main
from seektrack.encoders import register_encoder, registry
from seektrack.library import LibraryStore

DIM = 12
LONG_NAME = "é" * 120 + ".mp4"


class Thumbnail:
    """The cheapest encoder there is: four mean colours."""

    name, dim, fingerprint, logit_scale, image_size = "thumbnail", DIM, "thumbnail-4", 100.0, 2

    def embed_images(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int = 32
    ) -> NDArray[np.float32]:
        corners = np.stack([np.concatenate([x[0, 0], x[0, -1], x[-1, 0], x[-1, -1]]) for x in images]) + 1.0
        return (corners / np.linalg.norm(corners, axis=1, keepdims=True)).astype(np.float32)

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        return np.full((len(texts), DIM), DIM**-0.5, np.float32)


@pytest.fixture(autouse=True)
def thumbnail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    register_encoder("thumbnail")(lambda *, device, dtype: Thumbnail())  # noqa: PLW0108


def clip(
    path: Path,
    n: int = 5,
    *,
    hw: tuple[int, int] = (32, 48),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    turn: int = 0,
    stamps: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *hw, pix_fmt
        if turn:
            stream.set_display_rotation(turn)
        for i in range(n):
            picture = np.full((*hw, 3), (30 * i) % 200 + 20, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts = stamps[i] if stamps else i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())


def no_frames(path: Path) -> None:
    """A header, an index, and nothing in it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        container.start_encoding()


def cut_short(path: Path) -> None:
    whole = clip(path, 30).read_bytes()
    path.write_bytes(whole[: len(whole) - 300])


GOOD: dict[str, Callable[[Path], object]] = {
    "plain.mp4": clip,
    "one frame.mp4": lambda p: clip(p, 1),
    "odd size.mp4": lambda p: clip(p, hw=(33, 47), pix_fmt="yuv444p"),
    "1x1.mkv": lambda p: clip(p, hw=(1, 1), codec="ffv1", pix_fmt="bgr0"),
    "8k.mp4": lambda p: clip(p, 2, hw=(4320, 7680), options={"preset": "ultrafast"}),
    "rotated.mp4": lambda p: clip(p, turn=90),
    "variable rate.mkv": lambda p: clip(p, stamps=(0, 1, 7, 8, 30)),
    "日本 – übung 🎬 [bold] %s.mp4": clip,
    LONG_NAME: clip,
    "/".join(["deep" * 50] * 14) + "/far.mp4": clip,
    "-looks like an option.mp4": clip,
    "SHOUTED.MP4": clip,
}
BAD: dict[str, Callable[[Path], object]] = {
    "empty.mp4": Path.touch,
    "words.mp4": lambda p: p.write_text("only words, no video " * 99),
    "noise.mkv": lambda p: p.write_bytes(np.random.default_rng(0).bytes(5000)),
    "cut short.mp4": cut_short,
    "sound only.mp4": sound_only,
    "no frames.mp4": no_frames,
    "no volume.nii.gz": lambda p: p.write_bytes(b"not gzip"),
}


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    write_dicom: Callable[..., Path],
    write_nifti: Callable[..., Path],
) -> Path:
    where = tmp_path_factory.mktemp("everything")
    for name, make in {**GOOD, **BAD}.items():
        make(where / name)
    slices = np.arange(5 * 8 * 8, dtype=np.int16).reshape(5, 8, 8)
    write_nifti(where / "head.nii.gz", slices)
    (where / "scan").mkdir()
    for i, one in enumerate(slices):
        write_dicom(where / "scan" / f"{i}.dcm", one, InstanceNumber=i + 1)
    (where / "broken scan").mkdir()
    (where / "broken scan" / "1.dcm").write_bytes(b"nothing of the kind")
    return where


def index(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["index", *map(str, args), "--model", "thumbnail", "--regions", "none", "--sampling", "every=1"])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def test_what_can_be_read_is_indexed_and_the_rest_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    status, out, err = index(capsys, folder, "--library", tmp_path / "lib", "--json")
    report = json.loads(out)
    bad = [*BAD, "broken scan"]
    failed = {Path(path).name: error["message"] for path, error in report["failed"]}
    assert sorted(failed) == sorted(bad)
    assert status == 10 + len(bad)
    assert report["indexed"] == len(GOOD) + 2
    for name, message in failed.items():
        assert name in message
        assert "Traceback" not in message
    with LibraryStore.open(tmp_path / "lib", readonly=True) as store:
        frames = {str(Path(v.path).relative_to(folder)): v.frames for v in store.videos() if v.done}
        sizes = {Path(v.path).name: (v.width, v.height) for v in store.videos()}
    few = {"one frame.mp4": 1, "8k.mp4": 2}
    assert frames == {name: few.get(name, 5) for name in [*GOOD, "scan", "head.nii.gz"]}
    assert sizes["8k.mp4"] == (7680, 4320)
    assert sizes["rotated.mp4"] == (32, 48)
    assert (status, "Traceback" in err) == (10 + len(bad), False)


def test_for_people_each_failure_is_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in BAD:
        shutil.copy(folder / name, tmp_path)
    status, out, _ = index(capsys, tmp_path, "--library", tmp_path / "lib")
    head, *lines = out.splitlines()
    assert status == 10 + len(BAD)
    assert head.startswith(f"0 indexed, 0 unchanged, {len(BAD)} failed")
    assert sorted(Path(line.split(": ")[0].strip()).name for line in lines) == sorted(BAD)


def test_a_folder_that_may_not_be_read_is_named_and_the_rest_indexed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(tmp_path / "in" / "open" / "a.mp4")
    clip(tmp_path / "in" / "shut" / "b.mp4")
    look = os.scandir

    def refusing(path: str | os.PathLike[str] = ".") -> object:
        if os.fspath(path).endswith("shut"):  # as it is for who may not read it, which root always may
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return look(path)

    monkeypatch.setattr(os, "scandir", refusing)
    status, out, _ = index(capsys, tmp_path / "in", "--library", tmp_path / "lib", "--json")
    report = json.loads(out)
    assert (status, report["indexed"]) == (11, 1)
    [[path, error]] = report["failed"]
    assert path == str(tmp_path / "in" / "shut")
    assert error["message"].endswith("shut: Permission denied")


@pytest.fixture
def too_deep(tmp_path: Path) -> Iterator[Path]:
    """A folder whose path is longer than the system takes, made step by step."""
    here = os.open(".", os.O_RDONLY)
    os.chdir(clip(tmp_path / "in" / "a.mp4").parent)
    for _ in range(20):
        os.mkdir("x" * 250)
        os.chdir("x" * 250)
    os.fchdir(here)
    os.close(here)
    yield tmp_path / "in"
    subprocess.run(["rm", "-rf", str(tmp_path / "in")], check=True)


def test_a_path_longer_than_the_system_takes_is_named_and_the_rest_indexed(
    too_deep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = index(capsys, too_deep, "--library", tmp_path / "lib", "--json")
    report = json.loads(out)
    assert (status, report["indexed"]) == (11, 1)
    assert report["failed"][0][1]["message"].endswith("File name too long")


def test_a_name_too_long_to_exist_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = index(capsys, tmp_path / ("n" * 300), "--library", tmp_path / "lib")
    assert status == 3
    assert err.startswith("error: cannot look at")


FULL_DISK = """
import resource, sys
sys.path.insert(0, sys.argv.pop(1))
import test_bad_input as suite
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
suite.register_encoder("thumbnail")(lambda *, device, dtype: suite.Thumbnail())
suite.main(["index", *sys.argv[1:], "--model", "thumbnail", "--regions", "none", "--sampling", "every=1"])
"""


def test_a_full_disk_is_one_line_a_video_and_keeps_what_fitted(tmp_path: Path) -> None:
    clip(tmp_path / "in" / "a.mp4", 20)
    clip(tmp_path / "in" / "b.mp4", 2000, hw=(16, 16), options={"preset": "ultrafast"})
    command = [sys.executable, "-c", FULL_DISK, str(Path(__file__).parent), str(tmp_path / "in")]
    source = str(Path(__file__).parents[2] / "src")
    run = subprocess.run(
        [*command, "--library", str(tmp_path / "lib")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
        check=False,
    )
    assert run.returncode == 11, run.stderr
    head, failure = run.stdout.splitlines()
    assert head.startswith("1 indexed, 0 unchanged, 1 failed")
    assert "b.mp4" in failure and "disk" in failure
    assert "Traceback" not in run.stderr
    with LibraryStore.open(tmp_path / "lib", readonly=True) as store:
        assert {Path(v.path).name: v.done for v in store.videos()} == {"a.mp4": True, "b.mp4": False}
        assert len(store.vectors()[1]) == 20


def picture_of_billions(path: Path) -> None:
    """A folder with the header of a PNG of 60000x60000 pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    path.mkdir()
    (path / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)


def zeros_where_frames_were(path: Path) -> None:
    whole = bytearray(clip(path, 60, options={"g": "60"}).read_bytes())
    at = whole.index(b"mdat")
    whole[at + 8 : -8] = bytes(len(whole) - at - 16)
    path.write_bytes(whole)


def words_as(suffix: str) -> Callable[[Path], object]:
    """A folder of one file that is not what its name says."""

    def make(path: Path) -> None:
        path.mkdir()
        (path / f"1{suffix}").write_bytes(b"nothing of the kind")

    return make


WORSE: dict[str, Callable[[Path], object]] = {
    **BAD,
    "a pipe.mp4": os.mkfifo,
    "leads nowhere.mp4": lambda p: p.symlink_to("gone.mp4"),
    "leads to itself.mp4": lambda p: p.symlink_to(p.name),
    "only zeros.avi": lambda p: p.write_bytes(bytes(4000)),
    "zeros inside.mp4": zeros_where_frames_were,
    "half a header.webm": lambda p: p.write_bytes(clip(p, codec="libvpx").read_bytes()[:90]),
    "[bold]noise[ ]\x1b[2J.ts": lambda p: p.write_bytes(np.random.default_rng(1).bytes(5000)),
    "no header.nii": lambda p: p.write_bytes(bytes(500)),
    "no pictures": words_as(".png"),
    "no slices": words_as(".dcm"),
    "too large": picture_of_billions,
}


NO_VIDEOS = {"no pictures", "too large"}
"""Folders of pictures beside films, which are passed over."""


def test_fifty_good_files_among_one_of_each_bad_kind_are_all_indexed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films = tmp_path / "films"
    for i in range(50):
        clip(films / f"{i:02d}.mp4", 3 + i % 3)
    for name, make in WORSE.items():
        make(films / name)
    status, out, err = index(capsys, films, "--library", tmp_path / "lib", "--json")
    report = json.loads(out)
    failed, passed = (sorted(Path(p).name for p, _ in report[kind]) for kind in ("failed", "passed_over"))
    assert failed == sorted(WORSE.keys() - NO_VIDEOS)
    assert passed == ["1.png", "1.png"]
    assert report["indexed"] == 50
    assert status == 10 + len(failed)
    assert "Traceback" not in err
