"""Jobs: long work that is asked for once, kept in SQLite, and done once, whatever happens to the server."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from seektrack.errors import SeekTrackError
from seektrack.serving.refusals import RefusedError, not_found, shape, too_many
from seektrack.serving.state import State

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled")
Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)


@dataclass(frozen=True)
class Job:
    """One piece of long work.

    Attributes:
        id: What it is asked for by.
        kind: What is done.
        request: What was asked, as JSON.
        state: Where it is.
        priority: Which goes first; those of one priority take turns between who asked.
        owner: Name of the API key that asked; empty without keys.
        created_s, started_s, ended_s: Seconds since 1970.
        attempts: How often it was begun since it was last asked for.
        cancelling: It was told to stop and has not yet.
        error: Why it failed, in the error shape.
        result: What it gave.
    """

    id: str
    kind: str
    request: dict[str, Any]
    state: JobState
    priority: Priority
    owner: str
    created_s: float
    started_s: float | None = None
    ended_s: float | None = None
    attempts: int = 0
    cancelling: bool = False
    error: dict[str, Any] | None = None
    result: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state in ENDED


class Jobs:
    """The jobs of a server.

    Args:
        state: Where they are kept.
        queued: Most that wait.
    """

    def __init__(self, state: State, *, queued: int) -> None:
        self._state, self._most = state, queued

    def add(
        self,
        kind: str,
        request: dict[str, Any],
        *,
        owner: str = "",
        priority: Priority = "normal",
        once: str | None = None,
    ) -> Job:
        """Take a job; it is on the disk when this returns.

        Args:
            kind: What is done.
            request: What was asked, as JSON.
            owner: Who asks.
            priority: Which goes first.
            once: A name of the request: asked again under it, the job of then is given.

        Raises:
            RefusedError: Too many wait, or ``once`` named another request.
            OutputError: The disk is full.
        """
        name = None if once is None else f"{owner}\n{once}"
        with self._state.writing() as connection:
            known = connection.execute("SELECT * FROM jobs WHERE once = ?", (name,)).fetchone()
            if known is not None:
                job = _job(known)
                if (job.kind, job.request) != (kind, request):
                    raise RefusedError(
                        409,
                        "conflict",
                        f"the Idempotency-Key {once!r} named another request",
                        hint="take a new key for a new request",
                    )
                return job
            waiting = connection.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone()[0]
            if waiting >= self._most:
                raise too_many(f"{waiting} jobs wait already", after_s=30)
            job_id = uuid.uuid4().hex[:16]
            connection.execute(
                "INSERT INTO jobs (id, kind, request, state, priority, owner, once, created_s) "
                "VALUES (?, ?, ?, 'queued', ?, ?, ?, ?)",
                (
                    job_id,
                    kind,
                    json.dumps(request),
                    PRIORITIES.index(priority),
                    owner,
                    name,
                    time.time(),
                ),
            )
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """The job of an id.

        Raises:
            RefusedError: There is none.
        """
        row = self._state.one("SELECT * FROM jobs WHERE id = ?", job_id)
        if row is None:
            raise not_found(f"job {job_id[:40]!r}")
        return _job(row)

    def listed(self, *, state: JobState | None = None, limit: int = 100, offset: int = 0) -> list[Job]:
        """Jobs, the newest first."""
        where = "" if state is None else "WHERE state = ?"
        values = () if state is None else (state,)
        rows = self._state.all(
            f"SELECT * FROM jobs {where} ORDER BY seq DESC LIMIT ? OFFSET ?", *values, limit, offset
        )
        return [_job(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many are in each state."""
        found = self._state.all("SELECT state, count(*) AS n FROM jobs GROUP BY state")
        return dict.fromkeys(get_args(JobState), 0) | {row["state"]: row["n"] for row in found}

    def take(self, kinds: Sequence[str] = (), *, but: Sequence[str] = ()) -> Job | None:
        """The next job, which is running from now on; None when none waits.

        Args:
            kinds: Only of these kinds, where any are given.
            but: Not of these.

        Of one priority the turn goes round those who ask: first to whom the fewest run for, then to whom the
        longest has not been served.
        """
        with self._state.writing() as connection:
            row = connection.execute(
                f"""
                SELECT * FROM jobs AS j WHERE state = 'queued' {_among(kinds, but)} ORDER BY priority,
                    (SELECT count(*) FROM jobs r WHERE r.owner = j.owner AND r.state = 'running'),
                    coalesce((SELECT max(r.started_s) FROM jobs r WHERE r.owner = j.owner), 0), seq
                LIMIT 1
                """,
                (*kinds, *but),
            ).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE jobs SET state = 'running', started_s = ?, attempts = attempts + 1 WHERE seq = ?",
                (time.time(), row["seq"]),
            )
        return self.get(row["id"])

    def finish(self, job_id: str, result: dict[str, Any]) -> None:
        """It is done."""
        self._end(job_id, "done", result=json.dumps(result))

    def fail(self, job_id: str, error: SeekTrackError) -> None:
        """It failed."""
        self._end(job_id, "failed", error=json.dumps(shape(error)["error"]))

    def stopped(self, job_id: str) -> None:
        """It was told to stop and has."""
        self._end(job_id, "cancelled")

    def put_back(self, job_id: str) -> None:
        """It was broken off through no fault of its own, and is done again."""
        with self._state.writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = 'queued', started_s = NULL, attempts = max(attempts - 1, 0) "
                "WHERE id = ? AND state = 'running'",
                (job_id,),
            )

    def cancel(self, job_id: str) -> Job:
        """Stop a job: one that waits at once, one that runs at its next step.

        Raises:
            RefusedError: There is none, or it has ended.
        """
        with self._state.writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = 'cancelled', ended_s = ? WHERE id = ? AND state = 'queued'",
                (time.time(), job_id),
            )
            connection.execute("UPDATE jobs SET cancelling = 1 WHERE id = ? AND state = 'running'", (job_id,))
        job = self.get(job_id)
        if job.ended and job.state != "cancelled":
            raise RefusedError(409, "conflict", f"job {job_id} is {job.state}, it cannot be cancelled")
        return job

    def retry(self, job_id: str) -> Job:
        """Do a job again that failed or was cancelled.

        Raises:
            RefusedError: There is none, or it is not of that kind.
        """
        self.get(job_id)
        with self._state.writing() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = 'queued', attempts = 0, cancelling = 0, error = NULL, "
                "result = NULL, started_s = NULL, ended_s = NULL "
                "WHERE id = ? AND state IN ('failed', 'cancelled')",
                (job_id,),
            ).rowcount
        job = self.get(job_id)
        if not changed:
            raise RefusedError(
                409,
                "conflict",
                f"job {job_id} is {job.state}",
                hint="only a job that failed or was cancelled can be done again",
            )
        return job

    def remove(self, job_id: str) -> None:
        """Forget a job that has ended.

        Raises:
            RefusedError: There is none, or it has not ended.
        """
        job = self.get(job_id)
        if not job.ended:
            raise RefusedError(409, "conflict", f"job {job_id} is {job.state}", hint="cancel it first")
        with self._state.writing() as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def interrupted(self) -> list[Job]:
        """Those that ran as the server last ended."""
        return [_job(row) for row in self._state.all("SELECT * FROM jobs WHERE state = 'running'")]

    def begin_again(self, job_id: str) -> None:
        """Have an interrupted job wait again; its attempt counts, as it may be what ended the server."""
        with self._state.writing() as connection:
            connection.execute("UPDATE jobs SET state = 'queued', started_s = NULL WHERE id = ?", (job_id,))

    def _end(
        self, job_id: str, state: JobState, *, result: str | None = None, error: str | None = None
    ) -> None:
        with self._state.writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, ended_s = ?, result = ?, error = ?, cancelling = 0 WHERE id = ?",
                (state, time.time(), result, error, job_id),
            )


def _among(kinds: Sequence[str], but: Sequence[str]) -> str:
    marks = [", ".join("?" * len(names)) for names in (kinds, but)]
    only = f"AND kind IN ({marks[0]}) " if kinds else ""
    return only + (f"AND kind NOT IN ({marks[1]})" if but else "")


def _job(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        request=json.loads(row["request"]),
        state=row["state"],
        priority=PRIORITIES[row["priority"]],
        owner=row["owner"],
        created_s=row["created_s"],
        started_s=row["started_s"],
        ended_s=row["ended_s"],
        attempts=row["attempts"],
        cancelling=bool(row["cancelling"]),
        error=None if row["error"] is None else json.loads(row["error"]),
        result=None if row["result"] is None else json.loads(row["result"]),
    )
