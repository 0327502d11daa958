"""Libraries where one may not write, and disks without room: one clear error, and nothing lost."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack.cli import main
from seektrack.encoders import register_encoder, registry
from seektrack.errors import LibraryError, OutputError
from seektrack.library import FrameRow, IndexSettings, LibraryStore
from seektrack.types import VideoInfo
from seektrack.video import VideoWriter

DIM = 12
NOBODY = 65534


class Corners:
    """The cheapest encoder there is: four corners of a picture."""

    name, dim, fingerprint, logit_scale, image_size = "corners", DIM, "corners-1", 100.0, 2

    def embed_images(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int = 32
    ) -> NDArray[np.float32]:
        corners = np.stack([np.concatenate([x[0, 0], x[0, -1], x[-1, 0], x[-1, -1]]) for x in images]) + 1.0
        return (corners / np.linalg.norm(corners, axis=1, keepdims=True)).astype(np.float32)

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        return np.full((len(texts), DIM), DIM**-0.5, np.float32)


@pytest.fixture(autouse=True)
def corners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    register_encoder("corners")(lambda *, device, dtype: Corners())  # noqa: PLW0108


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may look into."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@contextmanager
def as_a_user() -> Iterator[None]:
    """Without the rights of root, who may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    inside = [folder, *folder.iterdir()]
    for path in inside:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with as_a_user():
            yield
    finally:
        for path in inside:
            path.chmod(0o755)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def clip(path: Path, shade: int) -> Path:
    with VideoWriter(path, width=48, height=32, fps=25) as writer:
        for i in range(5):
            writer.write(np.full((32, 48, 3), shade + 9 * i, np.uint8))
    path.chmod(0o644)
    return path


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in args])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def index(capsys: pytest.CaptureFixture[str], library: Path, *videos: Path) -> tuple[int, str, str]:
    how = ("--model", "corners", "--regions", "none", "--sampling", "every=1")
    return run(capsys, "index", *videos, "--library", library, *how)


def test_a_folder_one_may_not_write_to_is_one_clear_error(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = clip(place / "a.mp4", 20)
    assert index(capsys, place / "warm", video)[0] == 0
    (place / "shut").mkdir()
    with read_only(place / "shut"):
        for library in (place / "shut", place / "shut" / "new"):
            status, out, err = index(capsys, library, video)
            lines = err.strip().splitlines()
            assert (status, out, len(lines)) == (LibraryError.exit_code, "", 2), err
            assert str(library) in lines[0]
            assert lines[1] == "hint: choose a folder you may write to"
    assert list((place / "shut").iterdir()) == []


def test_a_library_one_may_only_read_is_searched_and_refuses_the_rest(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library, (one, two) = place / "lib", (clip(place / "1.mp4", 20), clip(place / "2.mp4", 90))
    assert index(capsys, library, one)[0] == 0
    asking = ("--library", library, "--model", "corners")
    # Loads what a search needs while it may be read; what it kept beside the library will be missed below.
    run(capsys, "search", "anything", *asking, "--hits", "--json")
    for cache in library.glob("cache-*"):
        cache.unlink()
    with read_only(library):
        before = sorted(p.name for p in library.iterdir())
        status, out, _ = run(capsys, "search", "anything", *asking, "--hits", "--json")
        assert status in (0, 6)
        status, out, _ = run(capsys, "videos", "--library", library, "--summary")
        assert status == 0
        assert out.startswith("1 indexed; 5 pictures")
        for refused in (index(capsys, library, two), run(capsys, "videos", *asking[:2], "--remove", one)):
            lines = refused[2].strip().splitlines()
            assert (refused[0], len(lines)) == (LibraryError.exit_code, 2), refused
            assert str(library) in lines[0] and "folder you may write to" in lines[1]
        assert sorted(p.name for p in library.iterdir()) == before
    assert index(capsys, library, two)[0] == 0
    with LibraryStore.open(library, readonly=True) as store:
        assert [(v.done, v.frames) for v in store.videos()] == [(True, 5), (True, 5)]


def test_an_index_that_does_not_fit_on_the_disk_is_done_without(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seektrack.library.reader.INDEXED_FROM", 100)
    (tmp_path / "a.mp4").write_bytes(b"a")
    vectors = rng.normal(size=(2000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with LibraryStore.create(tmp_path / "lib", model="m", fingerprint="f", dim=64) as store:
        assert store.choose_index(IndexSettings(kind="hnsw")) is None, "there is nothing to build yet"
        with store.begin_video(tmp_path / "a.mp4", VideoInfo("a", 64, 48, Fraction(25))) as handle:
            handle.append([FrameRow(i, Fraction(i, 25), v) for i, v in enumerate(vectors)])
            handle.finish()
        files = sorted(p.name for p in (tmp_path / "lib").iterdir())
        with room_for(100_000):  # the vectors alone need 256,000
            ids, scores = store.nearest(vectors[700], 1)
            manifest = store.index_manifest()
        assert sorted(p.name for p in (tmp_path / "lib").iterdir()) == files, "a part of a file was left"
        assert (manifest.kind, manifest.vectors) == ("hnsw", 2000)
        assert store.vectors_by_id(ids)[1].frame_indices.tolist() == [700]
        assert scores[0] == pytest.approx(1, abs=1e-3)
    with LibraryStore.open(tmp_path / "lib") as store:
        assert store.index_manifest() is None
        assert store.vectors_by_id(store.nearest(vectors[3], 1)[0])[1].frame_indices.tolist() == [3]
        assert store.index_manifest().kind == "hnsw"


def test_results_never_replace_what_is_not_an_earlier_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = clip(tmp_path / "overlay.mp4", 20)
    was = film.read_bytes()
    status, out, err = run(capsys, "track", film, "--box", "5,5,20,20@0", "--out", tmp_path)
    assert (status, out) == (OutputError.exit_code, "") and "is the file being read" in err, err
    library, target, link = tmp_path / "lib", tmp_path / "deep" / "found.csv", tmp_path / "link.csv"
    assert index(capsys, library, film)[0] == 0
    asking = ("search", "anything", "--library", library, "--model", "corners", "--hits")
    for option, place, why in (
        ("--csv", film, "is the file being read"),
        ("--sheet", film, "is the file being read"),
        ("--sheet", "/dev/null", "is a device"),
        ("--csv", "/dev/stdout", "is a stream"),
        ("--csv", "", "is a folder"),
    ):
        status, _, err = run(capsys, *asking, option, place)
        assert status == OutputError.exit_code and why in err, (option, place, err)
    target.parent.mkdir()
    link.symlink_to(target)
    assert run(capsys, *asking, "--csv", link)[0] == 0
    assert link.is_symlink() and target.read_text().startswith("video,")
    assert film.read_bytes() == was and sorted(p.name for p in tmp_path.iterdir()) == [
        "deep",
        "lib",
        "link.csv",
        "overlay.mp4",
    ]
