"""Telling who listens that something changed; a slow listener misses steps on the way, never the end."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

KEEP_ALIVE_S = 15.0
"""From one sign of life of a stream to the next, so that whoever lies between does not close it."""


class Board:
    """Topics that change. Threads `tell`, coroutines listen; nothing is queued, so nothing grows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = defaultdict(set)

    def tell(self, topic: str) -> None:
        """A topic has changed."""
        with self._lock:
            listeners = list(self._listeners.get(topic, ()))
        for loop, event in listeners:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    @contextmanager
    def listening(self, topic: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the topic changes; of the running loop."""
        mine = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._listeners[topic].add(mine)
        try:
            yield mine[1]
        finally:
            with self._lock:
                self._listeners[topic].discard(mine)
                if not self._listeners[topic]:
                    del self._listeners[topic]


def as_event(name: str, content: dict[str, Any], *, number: int | None = None) -> bytes:
    """One server-sent event."""
    numbered = "" if number is None else f"id: {number}\n"
    return f"{numbered}event: {name}\ndata: {json.dumps(content)}\n\n".encode()


async def changes(
    board: Board, topic: str, look: Callable[[], tuple[dict[str, Any], bool]], *, name: str
) -> AsyncIterator[bytes]:
    """What ``look`` gives as events, now and whenever the topic changes, until it says that it was the last.

    Args:
        board: Tells of changes.
        topic: Of what.
        look: Gives the content and whether it is the last.
        name: Of the event.
    """
    with board.listening(topic) as changed:
        before: dict[str, Any] | None = None
        while True:
            changed.clear()
            content, last = look()
            if content != before:
                yield as_event(name, content)
            before = content
            if last:
                return
            try:
                await asyncio.wait_for(changed.wait(), KEEP_ALIVE_S)
            except TimeoutError:
                yield b": still here\n\n"
