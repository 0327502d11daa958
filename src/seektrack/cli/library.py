"""``seektrack library``: what is done to whole libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from seektrack.cli.common import AsJson, Backend, Quiet, Screen, placed
from seektrack.cli.early import check_library
from seektrack.cli.values import check_value
from seektrack.library.address import BACKENDS

app = typer.Typer(no_args_is_help=True, help="Copy, merge and split libraries.")


@app.callback()
def about() -> None:
    """Copy, merge and split libraries."""


@app.command("copy")
def copy(
    source: Annotated[
        Path, typer.Argument(help="The library that is read; a folder or an address.", callback=placed)
    ],
    target: Annotated[
        Path,
        typer.Argument(help="The library that it goes into, or a new folder or address.", callback=placed),
    ],
    video: Annotated[
        list[Path] | None, typer.Option("--video", help="Only this video; may be given more than once.")
    ] = None,
    backend: Backend = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Copy the videos of a library into another: to merge two, to split one, or to bring a copy up to date.

    Either may be kept by either back end: so a library goes onto object storage, and back.

    What the target holds alike is left as it is: the same command goes on where an interrupted one stopped.
    """
    check_library(source)
    check_value("--backend", backend, BACKENDS)
    from seektrack.library.copying import copy_library

    screen = Screen(quiet=quiet, as_json=as_json)
    with screen.progress() as progress:
        kept: Any = backend
        done = copy_library(source, target, videos=video or (), backend=kept, progress=progress)

    def human(console: Console) -> None:
        console.print(
            f"{len(done.copied)} copied, {len(done.unchanged)} unchanged; {done.vectors} pictures → {target}",
            markup=False,
        )

    screen.result(done, human)
