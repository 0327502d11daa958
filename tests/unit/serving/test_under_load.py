"""Many at once, clients that dawdle, and what stays in memory."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.unit.serving.conftest import listening

from seektrack.serving import Bounds, ServerSettings, create_app

API = "/api/v1"


@pytest.fixture
def impatient(indexed: Path, films: Path, tmp_path: Path) -> FastAPI:
    bounds = Bounds(silent_s=0.3, waiting=60)
    return create_app(ServerSettings((indexed,), roots=(films,), state=tmp_path / "state", bounds=bounds))


def said(url: str, request: bytes) -> tuple[socket.socket, str]:
    host, port = url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout=10)
    client.sendall(request.replace(b"HOST", f"{host}:{port}".encode()))
    return client, host


def test_fifty_requests_at_once_are_all_answered(impatient: FastAPI):
    with listening(impatient) as url, httpx.Client(base_url=url + API, timeout=60) as client:
        video = client.post("/videos", json={"video": "road.mp4"}).json()["id"]

        def ask(n: int) -> int:
            if n % 2:
                return client.get(f"/videos/{video}/frames/{n % 6}.jpg", params={"width": 32}).status_code
            body = {"text": "a red car", "min_confidence": 0.0}
            return client.post("/libraries/films/search", json=body).status_code

        with ThreadPoolExecutor(50) as many:
            assert list(many.map(ask, range(50))) == [200] * 50


def test_who_sends_nothing_of_what_was_begun_is_sent_away(impatient: FastAPI):
    with listening(impatient) as url:
        head = b"POST /api/v1/read HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"
        client, _ = said(url, head + b'Content-Length: 100\r\n\r\n{"text"')
        answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert b" 408 " in answer.split(b"\r\n")[0] and b'"error"' in answer
        client.close()


def test_who_reads_slowly_holds_nobody_up(impatient: FastAPI, films: Path):
    with listening(impatient) as url, httpx.Client(base_url=url + API, timeout=30) as client:
        video = client.post("/videos", json={"video": "road.mp4"}).json()["id"]
        slow = [
            said(url, f"GET {API}/videos/{video}/file HTTP/1.1\r\nHost: HOST\r\n\r\n".encode())[0]
            for _ in range(20)
        ]
        began = time.monotonic()
        assert client.get("/health").status_code == 200
        assert client.get(f"/videos/{video}/thumbnail").status_code == 200
        assert time.monotonic() - began < 10
        for one in slow:
            one.close()


def test_who_leaves_a_stream_leaves_nothing_behind(impatient: FastAPI):
    with listening(impatient) as url, httpx.Client(base_url=url + API, timeout=30) as client:
        session = client.post("/sessions", json={"video": "road.mp4"}).json()["id"]
        for _ in range(5):
            with client.stream("GET", f"/sessions/{session}/events") as stream:
                assert next(stream.iter_lines()).startswith("event: listening")
        board = impatient.state.service.board
        end = time.monotonic() + 10
        while board._listeners and time.monotonic() < end:
            client.post(
                f"/sessions/{session}/corrections", json={"frame_index": 0, "positive": [[60.0, 60.0]]}
            )
            time.sleep(0.05)
        assert not board._listeners


def test_sessions_and_videos_held_open_are_few_however_many_were_opened(impatient: FastAPI):
    with listening(impatient) as url, httpx.Client(base_url=url + API, timeout=60) as client:
        ids = [client.post("/sessions", json={"video": "road.mp4"}).json()["id"] for _ in range(12)]
        threads = threading.active_count()
        for one in ids:
            assert client.get(f"/sessions/{one}").status_code == 200
        service = impatient.state.service
        assert len(service.sessions._open) <= 8 and len(service.videos._open) <= 4
        assert threading.active_count() <= threads + 2
