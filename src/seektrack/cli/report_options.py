"""The option of every command that can write its results as a page, and that of how an overlay is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seektrack.cli.values import RENDERS, completing
from seektrack.files import check_target

ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="FILE.html", help="Also write one HTML page that shows it all and opens anywhere."
    ),
]
RenderMode = Annotated[
    str,
    typer.Option(
        "--render",
        metavar="MODE",
        help="What the overlay video shows: fill or outline of the objects (auto: outlines where the text "
        "names a colour), cut-out (them alone, with transparency), matte (white on black), blur (of them) or "
        "blur-others (of all else).",
        autocompletion=completing(RENDERS),
    ),
]


def check_report(report: Path | None) -> None:
    """Refuse a page that could not be written, before anything is computed.

    Raises:
        OutputError: It cannot.
    """
    if report is not None:
        check_target(report)
