"""What runs in a worker: one process with its networks loaded, which does one task after another."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator
from typing import Any

from seektrack.errors import foreseen
from seektrack.pipeline.models import Models
from seektrack.pipeline.workers import Task


class Worker:
    """Does tasks piece by piece, each when asked for, so that nothing is done ahead that nobody takes.

    Args:
        model, device, resolution, runtime: As for `Models`.
    """

    def __init__(
        self, model: str, device: str | None, resolution: int | None, runtime: str | None = None
    ) -> None:
        self._models = Models(model, device=device, resolution=resolution, runtime=runtime)
        self._pieces: Iterator[Any] = iter(())
        self._ticket = -1

    def hello(self) -> tuple[str, str]:
        """That it runs: ``("hello", machine)``."""
        return "hello", socket.gethostname()

    def begin(self, ticket: int, task: Task) -> None:
        """Take a task in hand under a number; what was left of the one before is dropped."""
        self._ticket, self._pieces = ticket, task.run(self._models)

    def more(self, ticket: int) -> tuple[str, Any]:
        """The next piece of the task: ``("piece", it)``, ``("ended", None)`` or ``("error", why)``."""
        if ticket != self._ticket:
            return "ended", None
        try:
            return "piece", next(self._pieces)
        except StopIteration:
            return "ended", None
        except Exception as error:  # told by the one who gave the task
            self._pieces = iter(())
            return "error", portable(error)


def portable(error: Exception) -> Exception:
    """An error as another process can read it: itself where it can be pickled, else in one line of ours."""
    try:
        copied = pickle.loads(pickle.dumps(error))
    except Exception:
        return foreseen(error)
    return error if type(copied) is type(error) and str(copied) == str(error) else foreseen(error)
