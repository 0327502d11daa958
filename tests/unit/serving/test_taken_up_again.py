"""What a server does with jobs another one left, told apart by what lies on the disk."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from tests.unit.serving.conftest import Serve, ended

API = "/api/v1"
ASKED = {"video": "road.mp4", "prompts": [{"obj_id": 1, "box": [30.0, 30.0, 90.0, 80.0]}]}


def left_behind(folder: Path, **columns: Any) -> None:
    """Have the only job of a state look as a server that was killed leaves it."""
    changes = ", ".join(f"{name} = ?" for name in columns)
    with sqlite3.connect(folder / "serving.sqlite") as connection:
        connection.execute(f"UPDATE jobs SET {changes}", tuple(columns.values()))
    connection.close()


def test_what_was_done_and_only_not_told_is_not_done_again(server: Serve, tmp_path: Path):
    with server() as first:
        job = first.post(f"{API}/track_objects", json=ASKED).json()
        done = ended(first, job)
    folder = tmp_path / "films.serving"
    left_behind(folder, state="running", result=None)
    tracks = folder / "results" / job["id"] / "0/tracks.json"
    before = tracks.stat().st_mtime_ns
    with server() as second:
        again = ended(second, job)
    assert (again["state"], again["result"], again["attempts"]) == ("done", done["result"], 1)
    assert tracks.stat().st_mtime_ns == before


def test_what_was_done_in_part_is_done_again_from_its_beginning(server: Serve, tmp_path: Path):
    with server() as first:
        job = first.post(f"{API}/track_objects", json=ASKED).json()
        done = ended(first, job)
    folder = tmp_path / "films.serving"
    left_behind(folder, state="running", result=None)
    result = folder / "results" / job["id"]
    (result / "result.json").unlink()
    (result / "0/left.part").write_text("half")
    with server() as second:
        again = ended(second, job)
    assert (again["state"], again["attempts"]) == ("done", 2)
    assert again["result"]["tracks"] == done["result"]["tracks"]
    assert not (result / "0/left.part").exists()


def test_a_job_with_which_the_server_always_ends_is_given_up_until_it_is_retried(
    server: Serve, tmp_path: Path
):
    with server() as first:
        first.app.state.service.pool.stop()  # type: ignore[attr-defined]
        job = first.post(f"{API}/track_objects", json=ASKED).json()
    left_behind(tmp_path / "films.serving", state="running", attempts=3)
    with server() as second:
        given_up = ended(second, job)
        assert (given_up["state"], given_up["error"]["code"]) == ("failed", "crashed")
        second.post(f"{API}/jobs/{job['id']}/retry")
        assert ended(second, job)["state"] == "done"


def test_what_was_told_to_stop_is_not_begun_again(server: Serve, tmp_path: Path):
    with server() as first:
        first.app.state.service.pool.stop()  # type: ignore[attr-defined]
        job = first.post(f"{API}/track_objects", json=ASKED).json()
    left_behind(tmp_path / "films.serving", state="running", cancelling=1, request=json.dumps(ASKED))
    with server() as second:
        assert ended(second, job)["state"] == "cancelled"


def test_a_session_that_was_begun_and_not_listed_is_swept(server: Serve, tmp_path: Path):
    sessions = tmp_path / "films.serving/sessions"
    with server() as first:
        kept = first.post(f"{API}/sessions", json={"video": "road.mp4"}).json()["id"]
    (sessions / f"{'f' * 16}.session").write_bytes(b"begun")
    with server() as second:
        assert [one["id"] for one in second.get(f"{API}/sessions").json()["sessions"]] == [kept]
        assert [file.name.partition(".")[0] for file in sessions.iterdir()] == [kept]
