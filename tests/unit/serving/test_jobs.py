"""Jobs and the pool that does them, with work that lasts, fails and crashes on command."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seektrack.errors import LibraryError, OutputError, QueryError
from seektrack.serving.events import Board
from seektrack.serving.jobs import Jobs
from seektrack.serving.people import Gate
from seektrack.serving.pool import Pool, Running
from seektrack.serving.refusals import RefusedError
from seektrack.serving.state import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    held = State(tmp_path / "state")
    yield held
    held.close()


@pytest.fixture
def jobs(state: State) -> Jobs:
    return Jobs(state, queued=5)


Work = Callable[[Running], dict[str, Any]]


@pytest.fixture
def pool(jobs: Jobs) -> Iterator[Callable[..., Pool]]:
    """Starts a pool that does some work; ends it with the test."""
    made: list[Pool] = []

    def start(work: Work, *, gate: Gate | None = None, **given: Any) -> Pool:
        settings = {"workers": 1, "seconds": 60.0, **given}
        made.append(Pool(jobs, gate or Gate(), Board(), work, **settings))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.stop(wait_s=2.0)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def state_of(jobs: Jobs, job_id: str) -> str:
    return jobs.get(job_id).state


def test_the_higher_priority_goes_first_and_of_one_those_who_ask_take_turns(jobs: Jobs):
    taken = []
    asked = [("slow", "low"), ("a", "normal"), ("a", "normal"), ("b", "normal"), ("c", "high")]
    for n, (owner, priority) in enumerate(asked):
        jobs.add("x", {"n": n}, owner=owner, priority=priority)  # type: ignore[arg-type]
    while (job := jobs.take()) is not None:
        taken.append(job.request["n"])
        jobs.finish(job.id, {})
    assert taken == [4, 1, 3, 2, 0]


def test_a_request_that_is_sent_again_is_the_same_job(jobs: Jobs):
    first = jobs.add("x", {"n": 1}, owner="me", once="k")
    assert jobs.add("x", {"n": 1}, owner="me", once="k").id == first.id
    assert jobs.add("x", {"n": 1}, owner="you", once="k").id != first.id
    with pytest.raises(RefusedError) as wrong:
        jobs.add("x", {"n": 2}, owner="me", once="k")
    assert wrong.value.status == 409


def test_a_full_queue_is_said_with_when_to_come_again(jobs: Jobs):
    for n in range(5):
        jobs.add("x", {"n": n})
    with pytest.raises(RefusedError) as full:
        jobs.add("x", {"n": 5})
    assert (full.value.status, full.value.headers["Retry-After"]) == (429, "30")


def test_what_fails_is_told_and_can_be_retried(jobs: Jobs, pool: Callable[..., Pool]):
    wrong: list[Exception] = [QueryError("no words", hint="say some"), ZeroDivisionError("one / none")]

    def work(running: Running) -> dict[str, Any]:
        if wrong:
            raise wrong.pop(0)
        return {"done": True}

    job = jobs.add("x", {})
    at_work = pool(work)
    until(lambda: state_of(jobs, job.id) == "failed")
    assert jobs.get(job.id).error == {"code": "bad_query", "message": "no words", "hint": "say some"}
    jobs.retry(job.id)
    at_work.wake()
    until(lambda: (jobs.get(job.id).error or {}).get("code") == "unforeseen")
    jobs.retry(job.id)
    at_work.wake()
    until(lambda: state_of(jobs, job.id) == "done")
    assert jobs.get(job.id).result == {"done": True}
    with pytest.raises(RefusedError):
        jobs.retry(job.id)


def lasting(running: Running) -> dict[str, Any]:
    for n in range(10_000):
        running.progress(n, 10_000, "lasting")
        time.sleep(0.002)
    return {}


def test_what_waits_is_cancelled_at_once_and_what_runs_at_its_next_step(
    jobs: Jobs, pool: Callable[..., Pool]
):
    first, second = jobs.add("x", {"n": 1}), jobs.add("x", {"n": 2})
    at_work = pool(lasting)
    until(lambda: at_work.step_of(first.id) is not None)
    assert at_work.cancel(second.id).state == "cancelled"
    assert at_work.cancel(first.id).cancelling
    until(lambda: state_of(jobs, first.id) == "cancelled")
    with pytest.raises(RefusedError):
        jobs.remove(jobs.retry(first.id).id)


def test_a_job_takes_no_longer_than_it_may(jobs: Jobs, pool: Callable[..., Pool]):
    job = jobs.add("x", {})
    pool(lasting, seconds=0.05)
    until(lambda: state_of(jobs, job.id) == "failed")
    assert (jobs.get(job.id).error or {})["code"] == "too_slow"


def test_a_job_that_runs_as_the_server_ends_is_put_back(jobs: Jobs, pool: Callable[..., Pool]):
    job = jobs.add("x", {})
    at_work = pool(lasting)
    until(lambda: at_work.step_of(job.id) is not None)
    at_work.stop()
    held = jobs.get(job.id)
    assert (held.state, held.attempts, held.cancelling) == ("queued", 0, False)


def test_jobs_wait_while_somebody_clicks_but_not_for_ever(
    jobs: Jobs, pool: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("seektrack.serving.people._MOST_WAIT_S", 0.2)
    gate, steps = Gate(), []

    def work(running: Running) -> dict[str, Any]:
        for n in range(3):
            running.progress(n, 3, "step")
            steps.append(time.monotonic())
        return {}

    with gate.shut():
        began = time.monotonic()
        job = jobs.add("x", {})
        pool(work, gate=gate)
        until(lambda: state_of(jobs, job.id) == "done")
    assert [round(step - began, 1) >= 0.2 * (n + 1) - 0.05 for n, step in enumerate(steps)] == [True] * 3


def test_what_somebody_watches_does_not_wait_for_a_long_job_which_waits_for_it(
    jobs: Jobs, pool: Callable[..., Pool]
):
    go_on = threading.Event()
    steps: list[str] = []

    def work(running: Running) -> dict[str, Any]:
        if running.job.kind == "watched":
            until(lambda: len(steps) > 0)
            seen = len(steps)
            time.sleep(0.1)
            assert len(steps) <= seen + 1  # the step under way ends, the next one waits
            return {}
        while not go_on.is_set():
            running.progress(len(steps), 0, "long")
            steps.append("long")
            time.sleep(0.005)
        return {}

    long = jobs.add("long", {})
    at_work = pool(work, watched=("watched",))
    until(lambda: state_of(jobs, long.id) == "running")
    watched = jobs.add("watched", {})
    at_work.wake()
    until(lambda: jobs.get(watched.id).ended)
    assert jobs.get(watched.id).state == "done", jobs.get(watched.id).error
    assert state_of(jobs, long.id) == "running"
    go_on.set()
    until(lambda: state_of(jobs, long.id) == "done")


def test_a_full_disk_keeps_no_job_and_loses_none(state: State, jobs: Jobs):
    kept = jobs.add("x", {"n": 0})
    pages = state.one("PRAGMA page_count")
    assert pages is not None
    state.all(f"PRAGMA max_page_count = {pages[0]}")
    with pytest.raises(OutputError, match="full"):
        for n in range(3):
            jobs.add("x", {"long": "x" * 20_000, "n": n})
    assert [job.id for job in jobs.listed()] == [kept.id]
    state.all("PRAGMA max_page_count = 1000000")
    taken = jobs.take()
    assert taken is not None and taken.id == kept.id


def test_how_a_job_ended_is_written_when_the_disk_has_room_again(
    jobs: Jobs, pool: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("seektrack.serving.pool._AGAIN_S", 0.02)
    finish, refused = jobs.finish, []

    def full(job_id: str, result: dict[str, Any]) -> None:
        if len(refused) < 3:
            refused.append(job_id)
            raise OutputError("the disk is full")
        finish(job_id, result)

    monkeypatch.setattr(jobs, "finish", full)
    job = jobs.add("x", {})
    pool(lambda running: {"n": 1})
    until(lambda: state_of(jobs, job.id) == "done")
    assert len(refused) == 3 and jobs.get(job.id).result == {"n": 1}


def test_two_servers_do_not_share_a_state(state: State, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seektrack.serving.state._WAIT_S", 0.05)
    with pytest.raises(LibraryError, match="another server"):
        State(state.folder)


def test_a_file_that_is_no_state_is_said(tmp_path: Path):
    (tmp_path / "serving.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(LibraryError, match="cannot be used"):
        State(tmp_path)
    later = tmp_path / "later"
    later.mkdir()
    connection = sqlite3.connect(later / "serving.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LibraryError, match="later release"):
        State(later)
