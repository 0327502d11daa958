"""Requests of people, which go before jobs: few at a time, and jobs wait between two of their steps."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from seektrack.serving.refusals import RefusedError, too_many

P = ParamSpec("P")
T = TypeVar("T")

_MOST_WAIT_S = 2.0
"""What a job waits for people in one step, so that it gets on even where somebody always clicks."""


class Gate:
    """Shut while people's requests are computed; jobs pass when it is open."""

    def __init__(self) -> None:
        self._inside = 0
        self._condition = threading.Condition()

    @contextlib.contextmanager
    def shut(self) -> Iterator[None]:
        """Jobs wait from now to the end of the block."""
        with self._condition:
            self._inside += 1
        try:
            yield
        finally:
            with self._condition:
                self._inside -= 1
                self._condition.notify_all()

    def wait(self) -> None:
        """Let people go first, but not for ever."""
        with self._condition:
            self._condition.wait_for(lambda: self._inside == 0, _MOST_WAIT_S)


class Clicks:
    """Requests of people: few at a time, few waiting, none for ever.

    Args:
        gate: Shut while one is computed.
        threads: At a time.
        waiting: Most that wait.
        seconds: Most that one takes.
    """

    def __init__(self, gate: Gate, *, threads: int, waiting: int, seconds: float) -> None:
        self._gate, self._most, self._seconds = gate, threads + waiting, seconds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="seektrack-click")
        self._lock = threading.Lock()
        self._inside = 0

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the call gives, computed in a thread.

        Raises:
            RefusedError: Too many wait, or it takes too long.
        """
        with self._lock:
            if self._inside >= self._most:
                raise too_many("too many requests wait for the processor", after_s=2)
            self._inside += 1

        def work() -> T:
            try:
                with self._gate.shut():
                    return call(*args, **kwargs)
            finally:
                with self._lock:
                    self._inside -= 1

        # The count goes down in the thread: what took too long still takes a place until it ends.
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        except BaseException:
            with self._lock:
                self._inside -= 1
            raise
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._seconds)
        except TimeoutError:
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise RefusedError(
                503,
                "too_slow",
                f"it was not done within {self._seconds:g} s",
                hint="ask for less, or ask again when less is going on",
                headers={"Retry-After": "10"},
            ) from None

    def close(self) -> None:
        """Take no more; what is computed is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
