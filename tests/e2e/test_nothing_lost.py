"""Killed at twenty random moments while indexing: what was acknowledged stays, half a video never shows."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from seektrack.errors import LibraryError
from seektrack.library import LibraryStore
from seektrack.video import VideoWriter

FRAMES = (26, 40, 33)
KILLS = int(os.environ.get("KILLS", "20"))

# One process loads the program and forks a child for each run, as loading takes longer than a run. A child
# says what is acknowledged: it writes a line after each commit has returned.
WORKER = """
import json, os, sys, time
import numpy as np
import seektrack.video
from seektrack.encoders import register_encoder
from seektrack.library import writer
from seektrack.pipeline import Library

class Thumbnail:
    name, dim, fingerprint, logit_scale, image_size = "thumbnail", 48, "thumbnail-1", 100.0, 4
    first = 0

    def embed_images(self, images, *, batch_size=32):
        time.sleep(0.004 * len(images))
        small = [x.reshape(4, x.shape[0] // 4, 4, -1, 3).mean((1, 3)).ravel() + 1 for x in images]
        small = [v[self.first :] for v in small]
        return np.stack([v / np.linalg.norm(v) for v in small]).astype(np.float32)

    def embed_texts(self, texts, *, batch_size=64):
        return np.ones((len(texts), self.dim), np.float32) / self.dim**0.5

class Other(Thumbnail):
    name, dim, fingerprint, first = "other", 40, "other-1", 8

register_encoder("thumbnail")(lambda *, device, dtype: Thumbnail())
register_encoder("other")(lambda *, device, dtype: Other())
writer.COMMIT_ROWS = 4

def run(library, videos, acknowledged, options):
    out = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for name in ("flush", "finish"):
        def committed(handle, inner=getattr(writer.VideoWriterHandle, name), **given):
            inner(handle, **given)
            os.write(out, f"{handle.last_frame_index} {handle.path}\\n".encode())
        setattr(writer.VideoWriterHandle, name, committed)
    model = options.pop("model", "thumbnail")
    Library(library, model=model).index(videos, sampling="every=1", regions="none", **options)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(*json.loads(line))
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Worker:
    """Runs of the indexer that can be killed."""

    def __init__(self) -> None:
        source = str(Path(__file__).parents[2] / "src")
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
        )

    def _line(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def run(
        self,
        library: Path,
        videos: Path,
        ack: Path,
        *,
        kill_after: tuple[int, float] | None,
        options: dict[str, object] | None = None,
    ) -> bool:
        """Index, and kill -9 so many commits and seconds later; whether the run ended by itself."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(library), str(videos), str(ack), options or {}]) + "\n")
        self._process.stdin.flush()
        child = self._line()
        if kill_after is not None:
            wanted = commits(ack) + kill_after[0]
            while commits(ack) < wanted and is_running(child):
                time.sleep(0.001)
            time.sleep(kill_after[1])
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        status = self._line()
        assert status in (0, signal.SIGKILL)
        return status == 0

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    started = Worker()
    yield started
    started.close()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(5)
    for i, n in enumerate(FRAMES):
        with VideoWriter(folder / f"{i}.mp4", width=64, height=48, fps=25) as writer:
            for _ in range(n):
                writer.write(np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8))
    return folder


def contents(library: Path) -> dict[tuple[str, int], tuple[object, ...]]:
    """Every row on disk, served or not, by video and frame."""
    connection = sqlite3.connect(library / "library.sqlite")
    found = connection.execute(
        "SELECT path, frame_index, pts, time_s, kind, x0, vector"
        " FROM frames JOIN videos ON video_id = videos.id"
    ).fetchall()
    connection.close()
    rows = {(Path(path).name, index): tuple(rest) for path, index, *rest in found}
    assert len(rows) == len(found), "a frame was written twice"
    return rows


def commits(ack: Path) -> int:
    return ack.read_bytes().count(b"\n") if ack.exists() else 0


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def promised(acknowledged: Path) -> dict[str, int]:
    """Last frame of each video that was acknowledged."""
    lines = acknowledged.read_text().splitlines() if acknowledged.exists() else []
    last: dict[str, int] = {}
    for line in lines:
        frame, _, path = line.partition(" ")
        last[Path(path).name] = max(int(frame), last.get(Path(path).name, -1))
    return last


def test_killed_twenty_times_while_indexing(worker: Worker, videos: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert worker.run(whole, videos, tmp_path / "whole.ack", kill_after=None)
    reference = contents(whole)
    assert len(reference) == sum(FRAMES)

    rng = np.random.default_rng(9)
    library, ack, kills, finished, partial = tmp_path / "0", tmp_path / "0.ack", 0, 0, 0
    while kills < KILLS or finished == 0:
        moment = (int(rng.integers(0, 8)), float(rng.uniform(0, 0.06))) if kills < KILLS else None
        ended = worker.run(library, videos, ack, kill_after=moment)
        kills += not ended
        if not LibraryStore.is_library(library):
            continue  # killed before anything was made
        try:
            store = LibraryStore.open(library, readonly=True)
        except LibraryError:
            assert commits(ack) == 0, "a library with promises must open"
            continue
        with store:
            vectors, rows = store.vectors()
            served = {Path(v.path).name for v in store.videos() if v.done}
        on_disk = contents(library)
        for name, last in promised(ack).items():
            missing = [i for i in range(last + 1) if (name, i) not in on_disk]
            assert not missing, f"{name}: frames {missing} were acknowledged and are gone"
        assert on_disk.items() <= reference.items()
        shown = [(Path(rows.path(i)).name, int(rows.frame_indices[i])) for i in range(len(rows))]
        assert sorted(shown) == sorted(key for key in reference if key[0] in served), "half a video is served"
        for key, vector in zip(shown, vectors, strict=True):
            assert vector.astype("<f2").tobytes() == reference[key][-1]
        partial += 0 < len(on_disk) < len(reference)
        if ended or len(shown) == len(reference):
            assert on_disk == reference
            finished += 1
            library, ack = tmp_path / str(finished), tmp_path / f"{finished}.ack"
    assert partial >= 5, "too few kills fell into the middle of the work to show anything"


def served(library: Path) -> tuple[str, dict[str, bytes]]:
    """The model a library serves, and the vectors of each video in order."""
    with LibraryStore.open(library, readonly=True) as store:
        vectors, rows = store.vectors()
        shown: dict[str, bytes] = {}
        for i, vector in enumerate(vectors):
            name = Path(rows.path(i)).name
            shown[name] = shown.get(name, b"") + vector.astype("<f2").tobytes()
        return store.model, shown


RENEWALS: dict[str, dict[str, object]] = {
    "another model": {"model": "other", "reindex": True},
    "other filters": {"filters": "gaussian=2"},
    "changed files": {},
}


@pytest.mark.parametrize("kind", RENEWALS)
def test_killed_while_indexing_anew_it_serves_what_it_did_until_the_new_is_whole(
    worker: Worker, videos: Path, tmp_path: Path, kind: str
) -> None:
    options, films = RENEWALS[kind], tmp_path / "films"
    shutil.copytree(videos, films)
    first = tmp_path / "first"
    assert worker.run(first, films, tmp_path / "first.ack", kill_after=None)
    before = served(first)
    if kind == "changed files":
        for path in films.iterdir():
            shutil.copy(videos / f"{(int(path.stem) + 1) % len(FRAMES)}.mp4", path)
    whole = tmp_path / "whole"
    shutil.copytree(first, whole)
    assert worker.run(whole, films, tmp_path / "whole.ack", kill_after=None, options=options)
    after = served(whole)
    assert after != before and after[1].keys() == before[1].keys()

    rng = np.random.default_rng(3)
    kills, mixed, turn = 0, 0, 0
    while kills < KILLS * 2 // 3 or mixed == 0:
        library, ack = tmp_path / f"turn-{turn}", tmp_path / f"turn-{turn}.ack"
        shutil.copytree(first, library)
        ended, model, now = False, "", {}
        while not ended and (model, now) != after:  # it may be killed behind its last commit
            moment = (int(rng.integers(0, 9)), float(rng.uniform(0, 0.06)))
            ended = worker.run(library, films, ack, kill_after=moment, options=options)
            kills += not ended
            model, now = served(library)
            assert now.keys() == before[1].keys(), "a video that was served is not any more"
            if kind == "another model":
                assert (model, now) in (before, after), "the models are mixed"
            for name, vectors in now.items():
                assert vectors in (before[1][name], after[1][name]), f"{name} is neither old nor new"
            mixed += contents_of(library) != contents_of(first) and (model, now) != after
        assert served(library) == after
        turn += 1
    print(f"{kind}: killed {kills} times, {mixed} of them half-way")


def contents_of(library: Path) -> int:
    """Rows on disk, served or not."""
    with contextlib.closing(sqlite3.connect(library / "library.sqlite")) as connection:
        return int(connection.execute("SELECT count(*) FROM frames").fetchone()[0])
