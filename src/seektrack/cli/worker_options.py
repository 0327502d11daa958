"""Options of the commands whose work many processes can share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seektrack.distributed import RayWorkers

WorkerCount = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        help="Share the work among so many processes, of this machine or with --ray of a cluster.",
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Share the work among the machines of the Ray cluster whose head is HOST:PORT, or auto.",
    ),
]


@contextmanager
def working(count: int | None, address: str | None) -> Iterator[RayWorkers | None]:
    """The workers that are asked for, as long as they are needed; None where none are.

    Raises:
        ClusterError: Ray is not installed, or nobody answers at the address.
    """
    if count is None and address is None:
        yield None
        return
    from seektrack.distributed import RayWorkers

    with RayWorkers(count, address=address) as workers:
        yield workers
