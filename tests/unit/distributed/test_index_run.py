"""What comes of several videos at once goes into the library as if they had been indexed one by one."""

from __future__ import annotations

import pickle
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from seektrack.errors import ClusterError, UnforeseenError, VideoError
from seektrack.pipeline import Library, track_videos
from seektrack.pipeline.workers import Came, Task
from seektrack.types import Prompt
from seektrack.video import Opening, VideoWriter

HOW = {"sampling": "every=2", "regions": "none"}


class Eyes:
    """An encoder of mean colours."""

    name, dim, fingerprint, logit_scale, image_size = "eyes", 4, "eyes-1", 100.0, 2

    def embed_images(self, images, *, batch_size=32):
        grey = [np.concatenate([x.mean((0, 1)), [60.0]]) + 1 for x in images]
        return np.stack([v / np.linalg.norm(v) for v in grey]).astype(np.float32)

    def embed_texts(self, texts, *, batch_size=64):
        return np.full((len(texts), 4), 0.5, np.float32)


@dataclass
class Turnabout:
    """Does up to three tasks at once, a piece of each in turn; after so many pieces the driver is stopped."""

    stop_after: int = 10**9
    die_at: set[int] = field(default_factory=set)
    many = True

    def run(self, tasks: Iterable[Task], models) -> Iterator[Came]:
        tasks, hands, made = iter(tasks), deque(), 0
        while True:
            while len(hands) < 3 and (task := next(tasks, None)) is not None:
                sent = pickle.loads(pickle.dumps(task))
                hands.append((task, sent.run(models)))
            if not hands:
                return
            task, pieces = hands.popleft()
            if task.dropped:
                continue
            made += 1
            if made in self.die_at:  # the worker dies, another one goes on where the task says
                hands.append((task, pickle.loads(pickle.dumps(task)).run(models)))
                continue
            if made > self.stop_after:
                raise KeyboardInterrupt
            try:
                piece = next(pieces)
            except StopIteration:
                yield Came(task, ended=True)
            except Exception as error:
                yield Came(task, error=error)
            else:
                hands.append((task, pieces))
                yield Came(task, piece)


def film(path: Path, seed: int, frames: int) -> Path:
    rng = np.random.default_rng(seed)
    path.parent.mkdir(exist_ok=True)
    with VideoWriter(path, width=64, height=48, fps=10) as writer:
        for _ in range(frames):
            writer.write(np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films") / "films"
    for i in range(5):
        film(folder / f"{i}.mp4", i, 20 + 20 * i)
    (folder / "bad.mp4").write_bytes(b"no video")
    return folder


def opened(folder: Path) -> Library:
    library = Library(folder)
    library.models.encoder = Eyes()
    library.models.encoder_name = "eyes"
    return library


def holds(library: Library) -> dict[str, tuple[list[int], bytes, object]]:
    """Of each video its frames and vectors, to the bit, and when its pictures turned."""
    store = library._open_to_read()
    vectors, rows = store.vectors()
    out = {}
    for path in sorted(store.served().values()):
        mine = np.array([rows.path(i) == path for i in range(len(rows))])
        frames = rows.frame_indices[mine].tolist()
        out[path] = (frames, vectors[mine].tobytes(), store.turns(path))
    return out


@pytest.fixture(scope="module")
def alone(films: Path, tmp_path_factory):
    with opened(tmp_path_factory.mktemp("alone")) as library:
        report = library.index(films, **HOW)
        assert (report.indexed, len(report.failed)) == (5, 1)
        return holds(library)


def test_several_at_once_give_the_same_library(films: Path, tmp_path: Path, alone) -> None:
    bars: list[tuple[int, int, str]] = []
    with opened(tmp_path / "lib") as library:
        report = library.index(films, workers=Turnabout(), progress=lambda *now: bars.append(now), **HOW)
        assert (report.indexed, report.skipped, [Path(p).name for p, _ in report.failed]) == (
            5,
            0,
            ["bad.mp4"],
        )
        assert isinstance(report.failed[0][1], VideoError)
        assert holds(library) == alone
        again = library.index(films, workers=Turnabout(), **HOW)
        assert (again.indexed, again.skipped, again.frames) == (0, 5, 0)
    of_all = [now for now in bars if now[2] == "indexing 6 videos"]
    assert {stage for _, _, stage in bars if stage.startswith("indexing")} == {"indexing 6 videos"}
    assert of_all[-1][0] == of_all[-1][1] == 300
    assert all(0 <= done <= total for done, total, _ in of_all)
    assert all(done < total for done, total, _ in of_all[:-1]), "a bar that is full too early goes away"


def test_what_dying_workers_had_in_hand_is_done_once(films: Path, tmp_path: Path, alone) -> None:
    with opened(tmp_path / "lib") as library:
        report = library.index(films, workers=Turnabout(die_at={2, 3, 7, 8, 12, 20}), **HOW)
        assert report.indexed == 5
        assert holds(library) == alone


@pytest.mark.parametrize("stop_after", [1, 6, 13])
def test_a_driver_that_was_stopped_goes_on(films: Path, tmp_path: Path, alone, stop_after: int) -> None:
    with opened(tmp_path / "lib") as library, pytest.raises(KeyboardInterrupt):
        library.index(films, workers=Turnabout(stop_after=stop_after), **HOW)
    with opened(tmp_path / "lib") as library:
        kept = [video.frames for video in library.videos()]
        assert any(kept), "what was embedded before was thrown away"
        report = library.index(films, workers=Turnabout(), **HOW)
        assert report.frames <= 150 - sum(kept), "it began anew"
        assert holds(library) == alone


def test_a_task_that_kills_its_workers_is_a_video_that_failed(films: Path, tmp_path: Path, alone) -> None:
    class Deadly(Turnabout):
        def run(self, tasks, models):
            for came in super().run(tasks, models):
                if came.task.name.endswith("3.mp4") and came.piece is not None and not came.task.dropped:
                    came = Came(came.task, error=UnforeseenError("3 workers died at it"))
                if not (came.task.dropped and came.error is None):
                    yield came

    with opened(tmp_path / "lib") as library:
        report = library.index(films, workers=Deadly(), **HOW)
        assert sorted(Path(p).name for p, _ in report.failed) == ["3.mp4", "bad.mp4"]
        assert holds(library) == {p: v for p, v in alone.items() if not p.endswith("3.mp4")}


ASKED = {"prompts": [Prompt(1, 0, box=(10.0, 14.0, 30.0, 34.0))], "formats": ["csv"], "overlay": False}


def test_videos_followed_by_others_leave_the_same_files(films: Path, tmp_path: Path) -> None:
    named = [films / "0.mp4", films / "1.mp4", films / "bad.mp4"]
    asked = ASKED | {"opening": Opening(frames=4)}
    alone = {f.video: f for f in track_videos(named, out=tmp_path / "a", **asked)}
    shared = {f.video: f for f in track_videos(named, out=tmp_path / "b", workers=Turnabout(), **asked)}
    assert alone.keys() == shared.keys()
    assert isinstance(shared[str(named[2])].error, VideoError)
    for path in map(str, named[:2]):
        assert shared[path].found and shared[path].found == alone[path].found
        assert shared[path].files["csv"].read_bytes() == alone[path].files["csv"].read_bytes()
    again = list(track_videos(named[:2], out=tmp_path / "b", workers=Turnabout(), **asked))
    assert [f.unchanged for f in again] == [True, True]


def test_results_that_are_on_another_disk_are_told(films: Path, tmp_path: Path) -> None:
    class Elsewhere(Turnabout):
        def run(self, tasks, models):
            for came in super().run(tasks, models):
                shutil.rmtree(came.task.asked["out"], ignore_errors=True)
                yield came

    asked = ASKED | {"opening": Opening(frames=2)}
    (done,) = track_videos(films / "0.mp4", out=tmp_path / "o", workers=Elsewhere(), **asked)
    assert isinstance(done.error, ClusterError) and "share" in done.error.hint
