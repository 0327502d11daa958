"""Progress where nobody watches bars: a log in which each line says something is done, or still going on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STILL_AT_IT_S = 30.0
"""A stage that takes longer says how far it is, once in so many seconds."""


class Teller:
    """Called with ``(done, total, stage)`` like a progress bar, and writes lines instead.

    Args:
        say: Writes one line.
        each: Stages that begin with this are told when they are complete, as one line a video is.
    """

    def __init__(self, say: Callable[[str], None], *, each: str = "") -> None:
        self._say, self._each = say, each
        self._began: dict[str, float] = {}
        self._said = time.monotonic()

    def __call__(self, done: int, total: int, stage: str) -> None:
        """Tell what is worth a line."""
        now = time.monotonic()
        began = self._began.setdefault(stage, now)
        if 0 < total <= done:
            del self._began[stage]
            if self._each and stage.startswith(self._each):
                self._said = now
                self._say(f"{stage}: {total} in {now - began:.1f} s")
        elif now - self._said >= STILL_AT_IT_S:
            self._said = now
            self._say(f"{stage}: {done}" + (f" of {total}" if total > 0 else ""))


@contextmanager
def damage_told_later() -> Iterator[None]:
    """While damage is not logged as it is met, for commands that tell of it with their results."""
    log = logging.getLogger("seektrack.video.file")

    def wait(record: logging.LogRecord) -> bool:
        return "is damaged" not in record.msg

    log.addFilter(wait)
    try:
        yield
    finally:
        log.removeFilter(wait)


@contextmanager
def still_at_it(say: Callable[[str], None], what: str, *, every_s: float = STILL_AT_IT_S) -> Iterator[None]:
    """Say every so often that something goes on which tells nothing of itself, and for how long by now."""
    ended = threading.Event()
    began = time.monotonic()

    def tell() -> None:
        while not ended.wait(every_s):
            minutes, seconds = divmod(round(time.monotonic() - began), 60)
            say(f"{what}: {minutes}:{seconds:02d} so far")

    teller = threading.Thread(target=tell, name="seektrack-still-at-it", daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
