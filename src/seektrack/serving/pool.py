"""One pool for all who ask: people first, jobs between them.

Jobs run in threads of their own and tell how far they are after every step; there they wait while somebody's
click is computed, and there they stop when they are told to. Networks compute outside Python's lock, so a
click never waits for a job's step to end.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from seektrack.errors import SeekTrackError, foreseen
from seektrack.serving.events import Board
from seektrack.serving.jobs import Job, Jobs
from seektrack.serving.people import Gate
from seektrack.serving.refusals import RefusedError

P = ParamSpec("P")
T = TypeVar("T")

_LOG = logging.getLogger("seektrack.serving")
_IDLE_S, _AGAIN_S = 60.0, 5.0
"""Until jobs are looked for though none was told of, and until a full disk is tried again."""


class StoppedError(Exception):
    """A job was told to stop."""


@dataclass
class Step:
    """How far a job is: ``total`` 0 or less is unknown."""

    done: int = 0
    total: int = 0
    stage: str = ""


class Running:
    """One job at work: what it tells, and how it is told to stop.

    Args:
        job: The job.
        gates: Where it waits for people.
        board: Where it tells of itself.
        seconds: Most it takes.
    """

    def __init__(self, job: Job, gates: Sequence[Gate], board: Board, *, seconds: float) -> None:
        self.job, self.step = job, Step()
        self.cancelled, self.ending = threading.Event(), threading.Event()
        self._gates, self._board = gates, board
        self._until, self._seconds = time.monotonic() + seconds, seconds

    def progress(self, done: int, total: int, stage: str) -> None:
        """Told after every step of the work; waits while people are served.

        Raises:
            StoppedError: It is to stop.
            RefusedError: It took too long.
        """
        if self.cancelled.is_set() or self.ending.is_set():
            raise StoppedError
        if time.monotonic() > self._until:
            raise RefusedError(
                503, "too_slow", f"the job was not done within {self._seconds:g} s", hint="ask for less of it"
            )
        if (done, total, stage) != (self.step.done, self.step.total, self.step.stage):
            self.step = Step(int(done), int(total), str(stage))
            self._board.tell(self.job.id)
        for gate in self._gates:
            gate.wait()


class Pool:
    """Threads that do jobs, in their order.

    Args:
        jobs: Where they are kept.
        gate: Shut while people are served.
        board: Where changes are told.
        work: Does one; gives its result.
        workers: Threads.
        watched: Kinds of jobs somebody watches: they have one more thread, and the others wait for them.
        ended: Told of each job that is over.
        seconds: Most a job takes.
    """

    def __init__(
        self,
        jobs: Jobs,
        gate: Gate,
        board: Board,
        work: Callable[[Running], dict[str, Any]],
        *,
        workers: int,
        watched: Sequence[str] = (),
        ended: Callable[[Job], None] = lambda job: None,
        seconds: float,
    ) -> None:
        self.jobs, self.board = jobs, board
        self._told_end = ended
        self._watched, self._watching = tuple(watched), Gate()
        self._gate, self._work, self._seconds = gate, work, seconds
        self._running: dict[str, Running] = {}
        self._lock = threading.Lock()
        self._wake = threading.Condition()
        self._news = 0
        self._ending = False
        lanes = [("seektrack-watched", True)] * bool(watched)
        lanes += [(f"seektrack-job-{n}", False) for n in range(workers)]
        self._threads = [
            threading.Thread(target=self._loop, args=(is_watched,), name=name, daemon=True)
            for name, is_watched in lanes
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, *, wait_s: float = 5.0) -> None:
        """End; a job that runs is put back, to be done again by the next server."""
        with self._wake:
            self._ending = True
            self._wake.notify_all()
        with self._lock:
            for running in self._running.values():
                running.ending.set()
        until = time.monotonic() + wait_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))

    def wake(self) -> None:
        """There is a new job."""
        with self._wake:
            self._news += 1
            self._wake.notify_all()

    def cancel(self, job_id: str) -> Job:
        """Stop a job, see `Jobs.cancel`."""
        job = self.jobs.cancel(job_id)
        with self._lock:
            running = self._running.get(job_id)
        if running is not None:
            running.cancelled.set()
        self.board.tell(job_id)
        return job

    def step_of(self, job_id: str) -> Step | None:
        """How far a job is that runs; None of others."""
        with self._lock:
            running = self._running.get(job_id)
        return None if running is None else running.step

    def _loop(self, watched: bool) -> None:
        kinds, but = (self._watched, ()) if watched else ((), self._watched)
        while not self._ending:
            seen = self._news
            try:
                job = self.jobs.take(kinds, but=but)
            except SeekTrackError as error:  # a full disk: the job stays where it is
                _LOG.error("no job can be taken: %s", error)
                self._sleep(None, _AGAIN_S)
                continue
            if job is None:
                self._sleep(seen, _IDLE_S)
            elif watched:
                with self._watching.shut():
                    self._do(job, [self._gate])
            else:
                self._do(job, [self._gate, self._watching])

    def _sleep(self, seen: int | None, seconds: float) -> None:
        """Until there is news, or the end, or the time is over."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._ending or (seen is not None and self._news != seen), timeout=seconds
            )

    def _do(self, job: Job, gates: Sequence[Gate]) -> None:
        running = Running(job, gates, self.board, seconds=self._seconds)
        with self._lock:
            self._running[job.id] = running
            if self._ending:
                running.ending.set()
        if job.cancelling or self.jobs.get(job.id).cancelling:
            running.cancelled.set()
        self.board.tell(job.id)
        try:
            self._kept(running)
        finally:
            with self._lock:
                self._running.pop(job.id, None)
            self.board.tell(job.id)
            with contextlib.suppress(SeekTrackError):
                self._told_end(self.jobs.get(job.id))

    def _kept(self, running: Running) -> None:
        """Do a job and keep how it ended."""
        job = running.job
        try:
            result = self._work(running)
        except StoppedError:
            cancelled = running.cancelled.is_set()
            self._keep(job, self.jobs.stopped if cancelled else self.jobs.put_back, job.id)
        except Exception as error:
            if not isinstance(error, SeekTrackError):
                _LOG.exception("job %s (%s) failed", job.id, job.kind)
            self._keep(job, self.jobs.fail, job.id, foreseen(error))
        else:
            self._keep(job, self.jobs.finish, job.id, result)

    def _keep(self, job: Job, write: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Write how a job ended; while that cannot be written the job is not over, and nothing else begins.

        If the server ends before it can, the next one finds the job running and looks for its results.
        """
        while True:
            try:
                write(*args, **kwargs)
                return
            except SeekTrackError as error:
                _LOG.error("how job %s ended cannot be kept: %s", job.id, error)
                if self._ending:
                    return
                self._sleep(None, _AGAIN_S)
