"""Work cut into tasks, and who does it: this process, or others (`seektrack.distributed`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from seektrack.pipeline.models import Models


class Task(Protocol):
    """A piece of work that any process can do: it can be pickled, and knows no library and no screen.

    What has been done of it may be noted in it by who takes its pieces; where a worker dies it is done again
    from there. One that has ``after`` tells by it how far that is.

    Attributes:
        name: What it is about, as a video's path, for messages.
        ships: Whether another process can do it: its video is a file, no camera and not in memory.
        dropped: Set by who takes its pieces, when no more of them are wanted.
    """

    dropped: bool

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def ships(self) -> bool: ...  # noqa: D102

    def run(self, models: Models) -> Iterator[Any]:
        """Do it, in pieces of bounded size, in order."""
        ...


J = TypeVar("J", bound=Task)


@dataclass(frozen=True)
class Came(Generic[J]):
    """What came of a task: a piece of its result, its end, or why it failed.

    Attributes:
        task: The task itself, as it was given.
        piece: A piece; None with an error or at the end.
        error: Why it failed; nothing comes after it.
        ended: Whether that was all.
    """

    task: J
    piece: Any = None
    error: Exception | None = None
    ended: bool = False


class Workers(Protocol):
    """Who does tasks.

    Attributes:
        many: Whether several are done at once, so that what comes is of several.
    """

    @property
    def many(self) -> bool: ...  # noqa: D102

    def run(self, tasks: Iterable[J], models: Models) -> Iterator[Came[J]]:
        """Do tasks and give what comes of them, the pieces of each in order.

        Args:
            tasks: Taken one by one, as somebody is free.
            models: Which networks they need, by name; each process loads its own, once.
        """
        ...


class Here:
    """This process, which does one task after another."""

    many = False

    def run(self, tasks: Iterable[J], models: Models) -> Iterator[Came[J]]:
        """See `Workers.run`."""
        for task in tasks:
            pieces = task.run(models)
            while not task.dropped:
                try:
                    piece = next(pieces)
                except StopIteration:
                    yield Came(task, ended=True)
                    break
                except Exception as error:  # whatever one task raises is that task's failure
                    yield Came(task, error=error)
                    break
                yield Came(task, piece)
