"""A real Ray cluster of two nodes: tasks are done once, in order, whoever dies."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from seektrack.cli import main
from seektrack.errors import ClusterError, InputError, UnforeseenError, VideoError
from seektrack.pipeline import Library, Models
from seektrack.serving import ServerSettings, create_app
from seektrack.video import VideoWriter

ray = pytest.importorskip("ray")
from seektrack.distributed import RayWorkers  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a cluster on one machine needs Linux")


@dataclass
class Numbers:
    """Counts to ``n``; dies at half once a file in ``lives``, at each of ``places``, always at ``fatal``."""

    name: str
    n: int
    after: int = -1
    lives: str = ""
    places: str = ""
    fatal: int = -1
    fails: bool = False
    dropped: bool = False
    ships = True

    def run(self, models: Models) -> Iterator[int]:
        for i in range(self.after + 1, self.n):
            if i == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            if i == self.n // 2 and self.lives:
                for life in Path(self.lives).glob("*"):
                    life.unlink()
                    os.kill(os.getpid(), signal.SIGKILL)
            if self.places and (life := Path(self.places, str(i))).exists():
                time.sleep(0.3)  # so that what came before has been taken
                life.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fails and i == 2:
                raise VideoError(f"{self.name} is broken", hint="mend it")
            yield i


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    made = Cluster(initialize_head=True, head_node_args=small | {"include_dashboard": False})
    made.second = made.add_node(**small)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def workers(cluster):
    with RayWorkers(2, address=cluster.address) as made:
        yield made


def test_tasks_are_done_once_and_in_order_whoever_dies(workers, tmp_path: Path, capsys) -> None:
    for i in range(2):
        (tmp_path / f"life{i}").touch()
    tasks = [
        Numbers("long", 40),
        Numbers("dies twice", 10, lives=str(tmp_path)),
        Numbers("broken", 10, fails=True),
        Numbers("deadly", 10, fatal=4),
        Numbers("empty", 0),
        Numbers("last", 5),
    ]
    got: dict[str, list[int]] = {task.name: [] for task in tasks}
    ended, errors = [], {}
    for came in workers.run(tasks, Models("pocket")):
        if came.piece is not None:
            got[came.task.name].append(came.piece)
            came.task.after = came.piece
        elif came.ended:
            ended.append(came.task.name)
        else:
            errors[came.task.name] = came.error
    whole = {"long": 40, "dies twice": 10, "empty": 0, "last": 5}
    assert {name: got[name] for name in whole} == {name: list(range(n)) for name, n in whole.items()}
    assert sorted(ended) == sorted(whole)
    assert got["broken"] == [0, 1]
    assert (
        got["deadly"] == list(range(len(got["deadly"])))[:4]
    )  # what was on its way when a worker died is lost
    assert isinstance(errors["broken"], VideoError) and errors["broken"].hint == "mend it"
    assert isinstance(errors["deadly"], UnforeseenError) and "3 workers died" in str(errors["deadly"])
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == "", "standard output is for results"


def test_who_dies_farther_on_each_time_was_not_killed_by_the_task(workers, tmp_path: Path) -> None:
    for i in (3, 6, 9):
        (tmp_path / str(i)).touch()
    got = []
    for came in workers.run([Numbers("unlucky", 15, places=str(tmp_path))], Models("pocket")):
        assert came.error is None
        if came.piece is not None:
            got.append(came.piece)
            came.task.after = came.piece
    assert got == list(range(15)) and list(tmp_path.iterdir()) == []


def test_nothing_is_made_ahead_of_who_takes_it(workers, tmp_path: Path) -> None:
    @dataclass
    class Loud(Numbers):
        def run(self, models: Models) -> Iterator[int]:
            for i in range(self.n):
                (tmp_path / f"{i:03}").touch()
                yield i

    coming = workers.run([Loud("loud", 100)], Models("pocket"))
    for _ in range(3):
        next(coming)
    coming.close()
    assert 3 <= len(list(tmp_path.iterdir())) <= 6


def film(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    with VideoWriter(path, width=64, height=48, fps=10) as writer:
        for i in range(12):
            image = np.full((48, 64, 3), 90, np.uint8)
            image[14:34, 10 + 2 * i : 30 + 2 * i] = (220, 40, 30)
            writer.write(image + rng.integers(0, 8, image.shape, dtype=np.uint8))
    return path


def vectors_of(library: Library) -> dict[str, bytes]:
    vectors, rows = library._open_to_read().vectors()
    mine = {path: [rows.path(i) == path for i in range(len(rows))] for path in rows.paths.values()}
    return {path: vectors[chosen].tobytes() for path, chosen in mine.items()}


def test_videos_are_indexed_as_by_one_process(workers, tmp_path: Path) -> None:
    films = [film(tmp_path / f"{i}.mp4", i) for i in range(2)]
    how = {"sampling": "every=1", "regions": "none"}
    with Library(tmp_path / "one") as one, Library(tmp_path / "many") as many:
        one.index(films, **how)
        assert many.index(films, workers=workers, **how).indexed == 2
        assert vectors_of(many) == vectors_of(one) and len(vectors_of(one)) == 2


def test_a_run_ends_when_it_is_told_to(workers) -> None:
    beats = iter(range(1000))

    def beat() -> None:
        if next(beats) == 4:
            raise InterruptedError("told to stop")

    with pytest.raises(InterruptedError):
        list(workers.watched(beat).run([Numbers("long", 10_000)], Models("pocket")))


def test_a_server_gives_its_jobs_to_the_cluster(cluster, workers, tmp_path: Path) -> None:
    film(tmp_path / "film.mp4", 0)
    settings = ServerSettings((tmp_path / "lib",), roots=(tmp_path,), ray=cluster.address)
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        asked = {"videos": ["film.mp4"], "sampling": "every=1", "regions": "none"}
        boxes = [{"frame_index": 0, "obj_id": 1, "box": [10, 14, 30, 34]}]
        for at, body in (
            ("libraries/lib/index", asked),
            ("track_objects", {"video": "film.mp4", "prompts": boxes, "overlay": False}),
        ):
            job = client.post(f"/api/v1/{at}", json=body).json()
            for _ in range(4):  # a machine that others share takes its time
                done = client.get(f"/api/v1/jobs/{job['id']}", params={"wait": 60}).json()
                if done["state"] not in ("queued", "running"):
                    break
            assert done["state"] == "done", done
    with Library(tmp_path / "lib") as one, Library(tmp_path / "alone") as other:
        other.index([tmp_path / "film.mp4"], sampling="every=1", regions="none")
        assert vectors_of(one) == vectors_of(other)


def test_a_node_that_goes_takes_nothing_with_it(cluster, workers) -> None:
    tasks = [Numbers(str(i), 30) for i in range(4)]
    got: dict[str, list[int]] = {task.name: [] for task in tasks}
    for n, came in enumerate(workers.run(tasks, Models("pocket"))):
        if n == 5:
            cluster.remove_node(cluster.second, allow_graceful=False)
        if came.piece is not None:
            got[came.task.name].append(came.piece)
            came.task.after = came.piece
        assert came.error is None
    assert got == {task.name: list(range(30)) for task in tasks}


def test_what_is_no_cluster_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="at least 1 worker"):
        RayWorkers(0)
    for address, said in (("127.0.0.1:1", "no Ray cluster answers"), ("nonsense", "no address of a cluster")):
        path = film(tmp_path / "film.mp4", 0)
        with pytest.raises(SystemExit) as ended:
            main(["index", str(path), "--library", str(tmp_path / "lib"), "--ray", address])
        error = capsys.readouterr().err
        assert ended.value.code == ClusterError.exit_code and said in error and "Traceback" not in error
        assert error.count("\n") <= 2 and not (tmp_path / "lib").exists()
