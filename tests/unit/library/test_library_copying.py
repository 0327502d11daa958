"""Libraries copied, merged and split: all that is known of a video goes along, and nothing goes twice."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack.cli import main
from seektrack.errors import InputError, LibraryError, LibraryMismatchError
from seektrack.library import DistanceShelf, FrameRow, LibraryStore, TurnTimes, Where
from seektrack.library.clips import ClipModel, ClipShelf
from seektrack.library.copying import copy_library
from seektrack.types import VideoInfo

DIM, N = 8, 30


@dataclass(frozen=True)
class Stretch:
    start_s: float
    end_s: float
    vector: np.ndarray


def unit(rng: np.random.Generator, n: int, dim: int = DIM) -> np.ndarray:
    x = rng.normal(size=(n, dim)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def add(folder: Path, video: Path, *, settings: str = "every=1", seed: int | None = None) -> None:
    rng = np.random.default_rng(sum(video.name.encode()) if seed is None else seed)
    if not video.exists():
        video.write_bytes(video.name.encode())
    with LibraryStore.open_or_create(folder, model="tiny", fingerprint="f1", dim=DIM) as store:
        info = VideoInfo(str(video), 64, 48, Fraction(30000, 1001), 4.0, 120)
        with store.begin_video(video, info, settings=settings) as handle:
            for i, v in enumerate(unit(rng, N)):
                t = Fraction(1001 * i, 30000)
                handle.append([FrameRow(i, t, v), FrameRow(i, t, -v, (1.0, 2.0, 3.5, 4.0), "object")])
            handle.finish(damage="torn" if "b" in video.name else "", turns=TurnTimes({3: 0.11}, 1.5))
        DistanceShelf(store).put(video, {i: 0.5 + i / N for i in range(N)}, "domain-1")
        shelf = ClipShelf(store)
        shelf.use(ClipModel("steps", "c1", 4))
        shelf.put(video, [Stretch(s, s + 2, v) for s, v in enumerate(unit(rng, 2, 4))], "w=2")


def holds(folder: Path) -> dict[str, object]:
    """All that is known of each video, to the bit."""
    with LibraryStore.open(folder) as store:
        store.verify()
        records = {v.path: v for v in store.videos()}
        out: dict[str, object] = {}
        shelf, known = ClipShelf(store), DistanceShelf(store).known()
        for path, record in records.items():
            vectors, rows = store.vectors(where=Where(video=path))
            clips = shelf.rows(Where(video=path))
            out[path] = (
                record,
                vectors.tobytes(),
                [rows.frame_indices.tolist(), rows.times.tolist(), rows.kinds.tolist()],
                np.nan_to_num(rows.boxes, nan=-1).tolist(),
                store.turns(path),
                known[path],
                [clips.starts.tolist(), clips.ends.tolist(), clips.vectors.tobytes()],
                shelf.settings_of(path),
            )
        return out


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        add(tmp_path / "lib", tmp_path / name)
    return tmp_path / "lib"


def test_all_that_is_known_goes_along(library: Path, tmp_path: Path) -> None:
    done = copy_library(library, tmp_path / "copy")
    assert (len(done.copied), done.unchanged, done.vectors) == (3, (), 6 * N)
    assert holds(tmp_path / "copy") == holds(library)
    again = copy_library(library, tmp_path / "copy")
    assert (again.copied, len(again.unchanged), again.vectors) == ((), 3, 0)
    add(tmp_path / "copy", tmp_path / "d.mp4")  # it is a library like any other
    with LibraryStore.open(tmp_path / "copy") as store:
        assert store.status(tmp_path / "a.mp4", settings="every=1") == "done"


def test_a_copy_that_was_stopped_goes_on(library: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int, stage: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_library(library, tmp_path / "copy", progress=stop)
    assert len(holds(tmp_path / "copy")) == 1
    done = copy_library(library, tmp_path / "copy")
    assert (len(done.copied), len(done.unchanged)) == (2, 1)
    assert holds(tmp_path / "copy") == holds(library)


def test_two_are_merged_and_one_is_split(library: Path, tmp_path: Path) -> None:
    add(tmp_path / "other", tmp_path / "d.mp4")
    add(tmp_path / "other", tmp_path / "c.mp4", settings="every=2", seed=99)  # held otherwise: replaced
    copy_library(library, tmp_path / "other")
    merged = holds(tmp_path / "other")
    assert sorted(Path(p).name for p in merged) == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    assert {p: v for p, v in merged.items() if not p.endswith("d.mp4")} == holds(library)
    copy_library(tmp_path / "other", tmp_path / "part", videos=[tmp_path / "d.mp4"])
    assert holds(tmp_path / "part") == {p: v for p, v in merged.items() if p.endswith("d.mp4")}


def test_stretches_of_another_encoder_stay_behind(library: Path, tmp_path: Path) -> None:
    with LibraryStore.create(tmp_path / "copy", model="tiny", fingerprint="f1", dim=DIM) as store:
        ClipShelf(store).use(ClipModel("others", "c2", 4))
    copy_library(library, tmp_path / "copy")
    with LibraryStore.open(tmp_path / "copy") as store:
        shelf = ClipShelf(store)
        assert shelf.model() == ClipModel("others", "c2", 4) and len(shelf.rows()) == 0
        assert len(store.videos()) == 3


def test_a_damaged_source_is_told_and_its_video_is_not_half_there(library: Path, tmp_path: Path) -> None:
    with sqlite3.connect(library / "library.sqlite") as raw:
        raw.execute("UPDATE frames SET vector = zeroblob(16) WHERE id = (SELECT max(id) FROM frames) ")
    with pytest.raises(LibraryError, match="damaged"):
        copy_library(library, tmp_path / "copy")
    assert [Path(p).name for p in holds(tmp_path / "copy")] == ["a.mp4", "b.mp4"]


def test_what_cannot_be_copied_is_told_in_one_line(library: Path, tmp_path: Path, capsys) -> None:
    with pytest.raises(InputError, match="into itself"):
        copy_library(library, library / ".." / "lib")
    with pytest.raises(InputError, match=r"nosuch\.mp4 is not in the library"):
        copy_library(library, tmp_path / "copy", videos=[tmp_path / "nosuch.mp4"])
    with LibraryStore.create(tmp_path / "other", model="big", fingerprint="f2", dim=4):
        pass
    before = holds(tmp_path / "other")
    with pytest.raises(LibraryMismatchError, match="made by the model 'big'"):
        copy_library(library, tmp_path / "other")
    assert holds(tmp_path / "other") == before
    for target, said in ((str(tmp_path / "other"), "big"), ("ftp://host/lib", "no library can lie at")):
        with pytest.raises(SystemExit) as ended:
            main(["library", "copy", str(library), target])
        assert ended.value.code == LibraryError.exit_code
        told = capsys.readouterr().err
        assert said in told and "Traceback" not in told
    assert not (Path.cwd() / "ftp:").exists()


def test_from_the_command_line(library: Path, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["library", "copy", str(library), str(tmp_path / "copy"), "--json"])
    assert not ended.value.code
    told = json.loads(capsys.readouterr().out)
    assert len(told["copied"]) == 3 and told["vectors"] == 6 * N
