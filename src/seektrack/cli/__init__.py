"""The command line: one file per command, found by the table in :mod:`seektrack.cli.commands`.

Every command takes ``--quiet`` (results and errors only) and ``--json`` (one JSON document on standard
output). Progress and errors go to standard error. Exit status: 0 done, 2 bad input, 3 bad video, 4 bad
model, 5 bad library, 6 nothing found, 7 cannot write, 8 not foreseen, 130 interrupted; the numbers are those
of :mod:`seektrack.errors`. ``index`` ends with 10 + n when n videos failed and the rest were indexed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from seektrack import __version__
from seektrack.cli.commands import Commands
from seektrack.cli.ending import run
from seektrack.cli.own_defaults import take_defaults

__all__ = ["app", "main"]

app = typer.Typer(
    name="seektrack",
    cls=Commands,
    help="Type what you are looking for; get the moments in your videos, the exact pixels, and every "
    "object's path.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seektrack {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Hold the options of the program itself, and take what seektrack.toml says of the commands'."""
    take_defaults(context)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit; the entry point of the ``seektrack`` script.

    Args:
        argv: Arguments without the program's name; those of the process when None.

    Raises:
        SystemExit: Always, with the status described at the top of this module.
    """
    run(app, list(sys.argv[1:] if argv is None else argv))
