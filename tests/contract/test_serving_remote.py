"""Several servers over one library on object storage: each keeps its own sessions and jobs."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.contract.conftest import free_port
from tests.unit.serving.conftest import draw_films

from seektrack import Library
from seektrack.errors import LibraryError
from seektrack.library.copying import copy_library
from seektrack.serving import ServerSettings, create_app

API = "/api/v1"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short films with a red car in each."""
    return draw_films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def indexed(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library in a folder of the first of them."""
    folder = tmp_path_factory.mktemp("indexed") / "films"
    with Library(folder) as library:
        library.index([films / "road.mp4"], sampling="every=2", regions="none")
    return folder


@pytest.fixture
def servers(bucket: str, indexed: Path, films: Path, tmp_path: Path) -> Iterator[list[TestClient]]:
    """Two servers over one address, each with a state of its own."""
    address = f"s3://{bucket}/films"
    copy_library(indexed, address)
    with ExitStack() as stack:
        made = []
        for name in ("north", "south"):
            app = create_app(ServerSettings((address,), roots=(films,), state=tmp_path / name))
            client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
            made.append(stack.enter_context(client))
        yield made


def hits(client: TestClient) -> list[tuple[str, int, float]]:
    answer = client.post(
        f"{API}/libraries/films/hits", json={"text": "a red car", "k": 20, "min_confidence": 0.0}
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()["results"]
    return [(Path(one["video"]).name, one["frame_index"], round(one["score"], 4)) for one in found]


def test_what_one_server_indexes_the_other_finds_and_sessions_stay(
    servers: list[TestClient], indexed: Path
) -> None:
    north, south = servers
    with Library(indexed) as library:
        found = library.hits("a red car", k=20, min_confidence=0.0)
        alone = [(Path(one.video).name, one.frame_index, round(one.score, 4)) for one in found]
    assert alone and hits(north) == hits(south) == alone

    job = north.post(f"{API}/libraries/films/index", json={"videos": ["street.mp4"], "sampling": "every=2"})
    assert job.status_code in (200, 201, 202), job.text
    done = north.get(f"{API}/jobs/{job.json()['id']}", params={"wait": 60}).json()
    assert done["state"] == "done", done
    assert sorted({name for name, *_ in hits(south)}) == ["road.mp4", "street.mp4"]
    assert south.get(f"{API}/jobs/{job.json()['id']}").status_code == 404

    made = north.post(f"{API}/sessions", json={"video": "street.mp4", "text": "a red car"})
    assert made.status_code == 201, made.text
    session = made.json()["id"]
    assert north.get(f"{API}/sessions/{session}").status_code == 200
    assert south.get(f"{API}/sessions/{session}").status_code == 404


def test_storage_that_goes_away_is_told_in_one_line_and_comes_back(
    servers: list[TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    north, _ = servers
    before = hits(north)

    def away(*args: object) -> Any:
        raise LibraryError("cannot use the library: the bucket cannot be reached")

    with monkeypatch.context() as cut:
        cut.setattr("seektrack.library.lance.reader.LanceReader._state", away)
        refused = north.post(f"{API}/libraries/films/search", json={"text": "a red car"})
        assert refused.status_code >= 400 and "cannot be reached" in refused.json()["error"]["message"]
        listed = north.get(f"{API}/libraries").json()["libraries"]
        assert "cannot be reached" in str(listed)
    assert hits(north) == before


def test_the_command_serves_an_address_that_nothing_lies_at_yet(bucket: str, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "seektrack", "serve", f"s3://{bucket}/new", "--port", str(port)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("serving new at http://127.0.0.1:"), line
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{API}/libraries", timeout=60) as answer:
            assert b'"new"' in answer.read()
        assert (tmp_path / "new.serving").is_dir()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


@pytest.mark.parametrize("state", ["nobody answers", "a file lies there"])
def test_a_server_that_cannot_begin_says_so_in_one_line(state: str, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("") if state == "a file lies there" else None
    ray = ["--ray", f"127.0.0.1:{free_port()}"] if state == "nobody answers" else []
    begun = [sys.executable, "-m", "seektrack", "serve", str(tmp_path / "library"), "--port", "0", "--quiet"]
    command = [*begun, "--state", str(tmp_path / "state"), *ray]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    lines = [line.partition(":")[0] for line in done.stderr.strip().splitlines()]
    assert lines in (["error", "hint"], ["error"]), done.stderr
    assert done.returncode == (9 if ray else 7), done.stderr
