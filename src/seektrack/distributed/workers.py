"""Workers of a Ray cluster: they are kept busy, asked piece by piece, and replaced where they die."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from seektrack.closing import Closing
from seektrack.distributed.actor import Worker
from seektrack.distributed.cluster import connect, ray_here
from seektrack.errors import ClusterError, InputError, UnforeseenError
from seektrack.pipeline.models import Models
from seektrack.pipeline.workers import Came, Task

J = TypeVar("J", bound=Task)

AHEAD = 2
"""Pieces a worker is asked for at a time: one travels while the next is made. More would fill memory."""
TRIES = 3
"""Workers that may die at one place of a task before that is taken to be what kills them."""
NOBODY_S = 120.0
"""Where no worker could be started for so long, the cluster is taken to be full or gone."""


class RayWorkers(Closing):
    """Processes that do the tasks of a run, on this machine or on a cluster.

    Give it to ``Library.index``, ``track_videos`` or ``search_and_track`` as ``workers``. What is written
    into a library is written by the process that gives the tasks; workers read videos, which therefore lie
    under the same path on every machine, and have the same models.

    Args:
        count: How many. As many as the cluster has cores when None.
        address: Of a cluster, ``HOST:PORT`` or ``auto``; one is started on this machine when None.
        gpus: Graphics cards of each worker, a part of one if you like; all are shared out when None.
        patience_s: Seconds that are waited for room on the cluster.

    Raises:
        InputError: Fewer than one worker.
        ClusterError: Ray is not installed, or nobody answers.
    """

    many = True

    def __init__(
        self,
        count: int | None = None,
        *,
        address: str | None = None,
        gpus: float | None = None,
        patience_s: float = NOBODY_S,
    ) -> None:
        if count is not None and count < 1:
            raise InputError(f"there must be at least 1 worker, got {count}")
        self.patience_s = patience_s
        self._ours = connect(address, count)
        self._ray = ray_here()
        there = self._ray.cluster_resources()
        self.count = count or max(int(there.get("CPU", 1)), 1)
        cards = float(there.get("GPU", 0))
        self.gpus = gpus if gpus is not None else min(1.0, cards / self.count)

    def run(
        self, tasks: Iterable[J], models: Models, *, beat: Callable[[], None] | None = None
    ) -> Iterator[Came[J]]:
        """See `seektrack.pipeline.workers.Workers.run`.

        A task whose worker dies is given to another, which goes on where the task says (``after``); after
        ``TRIES`` deaths with nothing done in between it has failed.

        Args:
            tasks, models: As there.
            beat: Called every second or more often; what it raises ends the run.

        Raises:
            ClusterError: No worker can be started.
        """
        run = _Run(self, iter(tasks), models, beat)
        try:
            yield from run.events()
        finally:
            run.stop()

    def start(self, models: Models) -> Any:
        """A new worker."""
        made = self._ray.remote(Worker).options(num_cpus=1, num_gpus=self.gpus, max_restarts=0)
        return made.remote(models.name, models.device, models.resolution, models.runtime)

    def watched(self, beat: Callable[[], None]) -> Watched:
        """The same workers, with a call every second that can end what they do."""
        return Watched(self, beat)

    def close(self) -> None:
        """Leave the cluster; one started here ends."""
        if self._ours:
            self._ours = False
            self._ray.shutdown()


class Watched:
    """Workers of one job among several; see `RayWorkers.watched`."""

    many = True

    def __init__(self, workers: RayWorkers, beat: Callable[[], None]) -> None:
        self._workers, self._beat = workers, beat

    def run(self, tasks: Iterable[J], models: Models) -> Iterator[Came[J]]:
        """See `RayWorkers.run`."""
        return self._workers.run(tasks, models, beat=self._beat)


class _Hand(Generic[J]):
    """One worker with the task in its hands and the answers it owes.

    Attributes:
        ready: Whether it runs: one that the cluster has no room for yet is given nothing.
        owed: Answers that were asked for, oldest first, each with the task's number.
    """

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.ready = False
        self.task: J | None = None
        self.ticket = -1
        self.owed: deque[tuple[int, Any]] = deque([(self.ticket, actor.hello.remote())])

    def give(self, ticket: int, task: J) -> None:
        """Put a task into its hands."""
        self.task, self.ticket = task, ticket
        self.actor.begin.remote(ticket, task)
        for _ in range(AHEAD):
            self.ask()

    def ask(self) -> None:
        """Ask for one more piece."""
        self.owed.append((self.ticket, self.actor.more.remote(self.ticket)))


class _Run(Generic[J]):
    """One run of tasks over the workers."""

    def __init__(
        self, workers: RayWorkers, tasks: Iterator[J], models: Models, beat: Callable[[], None] | None
    ) -> None:
        self._workers, self._tasks, self._models, self._beat = workers, tasks, models, beat
        self._ray = workers._ray
        self._todo: deque[J] = deque()
        self._tickets = itertools.count()
        self._deaths: dict[int, tuple[Any, int]] = {}
        self._in_vain = 0
        self._hands: list[_Hand[J]] = []
        self._heard = time.monotonic()

    def events(self) -> Iterator[Came[J]]:
        """What comes of the tasks, as it comes."""
        while True:
            if self._beat is not None:
                self._beat()
            self._hand_out()
            if not self._todo and all(hand.task is None for hand in self._hands):
                return
            waiting = {hand.owed[0][1]: hand for hand in self._hands if hand.owed}
            ready, _ = self._ray.wait(list(waiting), num_returns=1, timeout=1.0)
            if not ready and time.monotonic() - self._heard > self._workers.patience_s:
                self._check_room()
            for ref in ready:
                yield from self._hear(waiting[ref], ref)

    def stop(self) -> None:
        """End all workers of this run."""
        for hand in self._hands:
            self._ray.kill(hand.actor)
        self._hands.clear()

    def _hand_out(self) -> None:
        """Give every free worker a task, and start one where there are fewer than there may be."""
        while True:
            free = sum(hand.task is None for hand in self._hands)
            if len(self._todo) <= free - 1 or (
                len(self._todo) <= free and len(self._hands) < self._workers.count
            ):
                task = next(self._tasks, None)
                if task is None:
                    break
                self._todo.append(task)
                free = sum(hand.task is None for hand in self._hands)
            if len(self._todo) <= free or len(self._hands) >= self._workers.count:
                break
            self._hands.append(_Hand(self._workers.start(self._models)))
        for hand in self._hands:
            if hand.ready and hand.task is None and self._todo:
                hand.give(next(self._tickets), self._todo.popleft())

    def _check_room(self) -> None:
        if not any(hand.ready for hand in self._hands):
            waited = self._workers.patience_s
            raise ClusterError(
                f"no worker could be started in {waited:g} s: the cluster has no room, or is gone",
                hint="see: ray status",
            )

    def _hear(self, hand: _Hand[J], ref: Any) -> Iterator[Came[J]]:
        """What one worker says."""
        ticket, _ = hand.owed.popleft()
        try:
            said, what = self._ray.get(ref)
        except self._ray.exceptions.RayActorError as died:
            yield from self._lost(hand, died)
            return
        except self._ray.exceptions.RayError as error:
            said, what = "error", UnforeseenError(f"a worker failed: {_one_line(error)}")
        self._heard = time.monotonic()
        if said == "hello":
            hand.ready = True
            return
        self._in_vain = 0
        task = hand.task
        if task is None or ticket != hand.ticket:
            return  # asked for before its task had ended
        if said == "piece":
            hand.ask()
            yield Came(task, what)
            if not task.dropped:
                return
        elif said == "ended":
            yield Came(task, ended=True)
        else:
            yield Came(task, error=what)
        hand.task = None

    def _lost(self, hand: _Hand[J], died: Exception) -> Iterator[Came[J]]:
        """A worker died: its task is for another, unless it is the task that kills them."""
        self._hands.remove(hand)
        self._in_vain += 1
        if self._in_vain > TRIES * self._workers.count + TRIES:
            raise ClusterError(
                f"{self._in_vain} workers died one after another: {_one_line(died)}",
                hint="is seektrack installed on every machine of the cluster, as it is here?",
            )
        task = hand.task
        if task is None or task.dropped:
            return
        place = getattr(task, "after", None)
        before, deaths = self._deaths.get(id(task), (place, 0))
        deaths = deaths + 1 if before == place else 1
        self._deaths[id(task)] = place, deaths
        if deaths < TRIES:
            self._todo.appendleft(task)
            return
        yield Came(
            task,
            error=UnforeseenError(
                f"{task.name}: {TRIES} workers died at it",
                hint="it may need more memory than they have: fewer --workers, or smaller pictures",
            ),
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
