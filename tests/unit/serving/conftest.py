"""A library of two drawn films, indexed once, and servers on copies of it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from seektrack.pipeline import Library
from seektrack.serving import Bounds, ServerSettings, create_app
from seektrack.video import VideoWriter
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds

FILMS = ("road", "street")


def draw_films(folder: Path) -> Path:
    """Two short films with a red car in each."""
    settings = SceneSettings(n_frames=6, cast=(("car", "red"),), street_only=True)
    for name, seed in zip(FILMS, seeds(Split.TEST, 2, start=3), strict=True):
        frames = render(sample_scene(seed, settings)).frames
        height, width = frames[0].shape[:2]
        with VideoWriter(folder / f"{name}.mp4", width=width, height=height, fps=8) as writer:
            for frame in frames:
                writer.write(frame)
    return folder


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the films."""
    return draw_films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="session")
def indexed(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of the films."""
    folder = tmp_path_factory.mktemp("indexed") / "films"
    with Library(folder) as library:
        library.index([films], sampling="every=2", regions="none")
    return folder


Serve = Callable[..., TestClient]


@pytest.fixture
def server(indexed: Path, films: Path, tmp_path: Path) -> Serve:
    """A server on a copy of the library, begun and ended by a ``with`` block; keywords are its settings."""

    def make(*, bounds: dict[str, Any] | None = None, **settings: Any) -> TestClient:
        library = tmp_path / "films"
        if not library.exists():
            shutil.copytree(indexed, library)
        given = {"libraries": (library,), "roots": (films,), **settings}
        app = create_app(ServerSettings(**given, bounds=Bounds(**(bounds or {}))))
        return TestClient(app, base_url="http://localhost", raise_server_exceptions=False)

    return make


@pytest.fixture
def serve(server: Serve) -> Iterator[Serve]:
    """The same, begun at once and ended with the test."""
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(server(**given))


@pytest.fixture(scope="module")
def served(indexed: Path, films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One server for the tests of a module that change nothing."""
    library = tmp_path_factory.mktemp("served") / "films"
    shutil.copytree(indexed, library)
    app = create_app(ServerSettings((library,), roots=(films,)))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """The address of an application on a socket of its own, for what a test client cannot do."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def live_app(indexed: Path, films: Path, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The application behind `live`."""
    library = tmp_path_factory.mktemp("live") / "films"
    shutil.copytree(indexed, library)
    return create_app(ServerSettings((library,), roots=(films,)))


@pytest.fixture(scope="module")
def live(live_app: FastAPI) -> Iterator[str]:
    """The address of a server of a module's tests."""
    with listening(live_app) as url:
        yield url


def ended(client: TestClient, job: dict[str, Any], *, wait_s: float = 60) -> dict[str, Any]:
    """A job once it has ended."""
    found: dict[str, Any] = client.get(f"/api/v1/jobs/{job['id']}", params={"wait": wait_s}).json()
    return found
