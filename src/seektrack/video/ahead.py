"""Producing ahead of the consumer, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import TypeVar

from seektrack.errors import InputError
from seektrack.limits import Limits

T = TypeVar("T")
_END = object()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def prefetch(iterable: Iterable[T], *, depth: int = 8, item_bytes: int = 0) -> Iterator[T]:
    """Run an iterator in a thread of its own, at most ``depth`` items ahead.

    Items of ``item_bytes`` each are held as long as they fit into `Limits.ahead_mb`, at least one.

    The thread starts with the first item asked for and has ended when the result is exhausted, closed or
    dropped; the iterator is closed in its own thread. What it raises is raised at the consumer, in order.

    Raises:
        InputError: ``depth`` is below 1.
    """
    if depth < 1:
        raise InputError(f"depth must be a whole number ≥ 1, got {depth}")
    return _prefetch(iterable, Limits.current().fitting(item_bytes, depth))


def _prefetch(iterable: Iterable[T], depth: int) -> Iterator[T]:
    ready: SimpleQueue[object] = SimpleQueue()
    room = threading.Semaphore(depth)
    stop = threading.Event()
    thread = threading.Thread(
        target=_produce, args=(iterable, ready, room, stop), name="seektrack-prefetch", daemon=True
    )
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            room.release()
            yield item  # type: ignore[misc]  # the queue holds T, _Failure or _END
    finally:
        stop.set()
        room.release()
        thread.join()


def _produce(
    iterable: Iterable[T], ready: SimpleQueue[object], room: threading.Semaphore, stop: threading.Event
) -> None:
    try:
        iterator = iter(iterable)
        try:
            while room.acquire() and not stop.is_set():
                item = next(iterator, _END)
                if item is _END:
                    break
                ready.put(item)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
    except BaseException as error:
        ready.put(_Failure(error))
    else:
        ready.put(_END)
