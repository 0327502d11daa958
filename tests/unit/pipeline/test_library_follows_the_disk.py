"""A library follows the disk: moved, gone, excluded, half-copied and damaged files."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import av
import numpy as np
import pytest

from seektrack.errors import LibraryMismatchError
from seektrack.pipeline import Library
from seektrack.video import VideoWriter


class Eyes:
    """An encoder of four grey values, that counts what it was shown."""

    logit_scale, image_size = 100.0, 2

    def __init__(self, name="eyes", dim=4):
        self.name, self.dim, self.fingerprint, self.shown = name, dim, f"{name}-1", 0

    def embed_images(self, images, *, batch_size=32):
        self.shown += len(images)
        grey = [np.concatenate([x.mean((0, 1)), [60.0] * (self.dim - 3)]) + 1 for x in images]
        return np.stack([v / np.linalg.norm(v) for v in grey]).astype(np.float32)

    def embed_texts(self, texts, *, batch_size=64):
        return np.full((len(texts), self.dim), self.dim**-0.5, np.float32)


HOW = {"sampling": "every=4", "regions": "none"}


def film(path: Path, seed: int, frames: int = 12) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    with VideoWriter(path, width=64, height=48, fps=10) as writer:
        for _ in range(frames):
            writer.write(np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8))
    return path


def remuxed(path: Path) -> Path:
    """The same packets in a container that can be read without its end."""
    target = path.with_suffix(".mkv")
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return target


def opened(folder: Path, encoder: Eyes) -> Library:
    library = Library(folder)
    library.models.encoder = encoder
    library.models.encoder_name = encoder.name
    return library


@pytest.fixture
def films(tmp_path):
    for i in range(4):
        film(tmp_path / "films" / f"{i}.mp4", i)
    return tmp_path / "films"


def test_a_moved_folder_is_known_again_without_one_embedding(tmp_path, films):
    eyes = Eyes()
    with opened(tmp_path / "lib", eyes) as library:
        assert library.index(films, **HOW).indexed == 4
        seen = eyes.shown
        moved = films.rename(tmp_path / "archive")
        report = library.index(moved, **HOW)
        assert (report.indexed, report.skipped, eyes.shown) == (0, 4, seen)
        assert sorted(report.moved) == [(str(films / f"{i}.mp4"), str(moved / f"{i}.mp4")) for i in range(4)]
        assert [v.path for v in library.videos()] == [str(moved / f"{i}.mp4") for i in range(4)]


def test_gone_files_are_taken_out_only_below_what_was_named(tmp_path, films):
    away = film(tmp_path / "disk" / "away.mp4", 9)
    with opened(tmp_path / "lib", Eyes()) as library:
        library.index([films, away], **HOW)
        away.unlink()
        (films / "2.mp4").unlink()
        assert [v.available for v in library.videos() if v.path == str(away)] == [False]
        report = library.index(films, prune=True, **HOW)
        assert report.pruned == (str(films / "2.mp4"),)
        assert str(away) in {v.path for v in library.videos()}
        assert library.prune() == [str(away)]


def test_patterns_and_files_still_being_copied_are_passed_over(tmp_path, films):
    film(films / "cache" / "thumb.mp4", 5)
    old = time.time() - 60
    for path in films.rglob("*.mp4"):
        os.utime(path, (old, old))
    (films / "3.mp4").touch()
    with opened(tmp_path / "lib", Eyes()) as library:
        report = library.index(films, exclude=["cache/*", "0.mp4"], settled_s=30, **HOW)
        assert report.indexed == 2
        assert [Path(v.path).name for v in library.videos()] == ["1.mp4", "2.mp4"]
        assert library.index(films, **HOW).indexed == 3


def test_a_file_cut_short_is_stored_as_such_and_looked_at_again_when_it_is_whole(tmp_path):
    whole = remuxed(film(tmp_path / "whole.mp4", 1, frames=80))
    half = tmp_path / "half.mkv"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    with opened(tmp_path / "lib", Eyes()) as library:
        report = library.index(half, **HOW)
        assert [path for path, _ in report.damaged] == [str(half)] and "cut short" in report.damaged[0][1]
        assert library.videos()[0].damage == report.damaged[0][1]
        shutil.copy(whole, half)
        report = library.index(half, **HOW)
        assert (report.indexed, report.damaged) == (1, ())


def test_another_model_takes_all_videos_or_none(tmp_path, films):
    with opened(tmp_path / "lib", Eyes()) as library:
        library.index(films, **HOW)
    with opened(tmp_path / "lib", Eyes("other", 6)) as library:
        with pytest.raises(LibraryMismatchError, match="holds 3 more videos made by 'eyes'") as told:
            library.index(films / "0.mp4", reindex=True, **HOW)
        assert "--reindex" in told.value.hint and str(films / "3.mp4") in told.value.hint
        assert library.stats().model == "eyes" and library.stats().videos == 4
        (films / "1.mp4").write_bytes(b"broken")
        report = library.index(films, reindex=True, **HOW)
        assert report.waiting == (str(films / "1.mp4"),) and len(report.failed) == 1
        assert (library.stats().model, library.stats().videos) == ("eyes", 4), "still served"
        film(films / "1.mp4", 1)
        report = library.index(films, reindex=True, **HOW)
        assert (report.waiting, report.indexed, report.skipped) == ((), 1, 3)
        assert (library.stats().model, library.stats().dim, library.stats().videos) == ("other", 6, 4)
