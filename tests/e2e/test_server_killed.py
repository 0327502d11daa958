"""A server that is killed: nothing acknowledged is lost or done twice, whatever ran is done again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import seektrack
from seektrack.video import VideoWriter

BOX = {"obj_id": 1, "box": [10.0, 10.0, 40.0, 40.0]}
FRAMES = 24


class Server:
    """``seektrack serve`` as a process of its own."""

    def __init__(self, folder: Path, *, limit: int | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.api = f"http://127.0.0.1:{port}/api/v1"
        command = [sys.executable, "-m", "seektrack", "serve", str(folder / "lib"), "--port", str(port)]
        env = os.environ | {"PYTHONPATH": str(Path(seektrack.__file__).parents[1])}
        shell = f"ulimit -f {limit}; trap '' XFSZ; exec \"$@\"" if limit else 'exec "$@"'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, "-", *command, "--root", str(folder), "--quiet"], env=env
        )
        self.until(lambda: httpx.get(f"{self.api}/health").status_code == 200)

    def until(self, true: Callable[[], Any], *, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, "the server ended"
            try:
                if true():
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.02)

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.api}/{path}", timeout=60).raise_for_status().json()

    def post(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        return httpx.post(f"{self.api}/{path}", json=body, headers=headers, timeout=60)

    def kill(self, number: int = signal.SIGKILL) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def start(**given: Any) -> Server:
        made.append(Server(tmp_path, **given))
        return made[-1]

    yield start
    for server in made:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def film(tmp_path: Path) -> str:
    """A square that goes its way over a grey ground."""
    with VideoWriter(tmp_path / "film.mp4", width=96, height=64, fps=8) as writer:
        for n in range(FRAMES):
            picture = np.full((64, 96, 3), 90, np.uint8)
            picture[12:38, 10 + 2 * n : 40 + 2 * n] = (200, 40, 30)
            writer.write(picture)
    return "film.mp4"


def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(
    serving: Callable[..., Server], film: str, tmp_path: Path
):
    server = serving()
    asked = {"video": film, "prompts": [BOX]}
    done = server.post("track_objects", asked).json()["id"]
    server.until(lambda: server.get(f"jobs/{done}")["state"] == "done")
    first = server.get(f"jobs/{done}")
    session = server.post("sessions", {"video": film}).json()["id"]
    fix = {"frame_index": 2, "box": [14.0, 12.0, 44.0, 38.0], "label": "square"}
    mask = server.post(f"sessions/{session}/corrections", fix).json()["mask"]
    jobs = [
        server.post("track_objects", asked, **{"Idempotency-Key": f"k{n}"}).json()["id"] for n in range(3)
    ]
    cancelled = server.post("track_objects", asked).json()["id"]
    server.post(f"jobs/{cancelled}/cancel", {})
    server.until(lambda: (server.get(f"jobs/{jobs[0]}")["progress"] or {}).get("done", 0) > 2)
    assert [server.get(f"jobs/{one}")["state"] for one in jobs] == ["running", "queued", "queued"]
    server.kill()

    again = serving()
    for one in jobs:
        again.until(lambda one=one: again.get(f"jobs/{one}")["state"] == "done")  # type: ignore[misc]
    assert again.get(f"jobs/{done}") == first
    assert again.get(f"jobs/{cancelled}")["state"] == "cancelled"
    assert [again.get(f"jobs/{one}")["attempts"] for one in jobs] == [2, 1, 1]
    resent = again.post("track_objects", asked, **{"Idempotency-Key": "k1"}).json()
    assert (resent["id"], resent["state"]) == (jobs[1], "done")
    assert len(again.get("jobs")["jobs"]) == 5
    frames = [again.get(f"tracks/{one}.0/masks?count=99")["frames"] for one in (done, *jobs)]
    assert all(one == frames[0] for one in frames) and len(frames[0]) == FRAMES
    seen = again.get(f"sessions/{session}/masks?start=2&count=1")["frames"][0]["objects"]
    assert [one["mask"] for one in seen] == [mask]

    ended = again.kill(signal.SIGTERM)
    assert ended in (0, 130, -signal.SIGTERM)


def test_a_full_disk_is_said_and_the_server_stays(serving: Callable[..., Server], film: str, tmp_path: Path):
    """No file may grow over so many blocks of 1 KiB, which ends as a full disk does."""
    server = serving(limit=300)
    large = b"\0" * (400 * 1024)
    sent = httpx.post(f"{server.api}/uploads", files={"file": ("a.mp4", large)}, timeout=60)
    assert (sent.status_code, sent.json()["error"]["code"]) == (507, "bad_output")
    assert list((tmp_path / "lib.serving/uploads").rglob("*.*")) == []
    job = server.post("track_objects", {"video": film, "prompts": [BOX], "formats": ["npy"]}).json()["id"]
    server.until(lambda: server.get(f"jobs/{job}")["state"] in ("done", "failed"))
    assert server.get("health")["status"] == "ok"
    assert server.post("read", {"text": "a car"}).status_code == 200


def test_answers_do_not_wait_to_be_acknowledged(serving: Callable[..., Server]):
    """A delayed acknowledgement takes 40 ms; on a busy machine the quickest of many answers tells."""
    server, took = serving(), []
    with httpx.Client(base_url=server.api) as client:
        for _ in range(60):
            began = time.perf_counter()
            client.get("/health").raise_for_status()
            took.append(time.perf_counter() - began)
    assert min(took[30:]) < 0.02
