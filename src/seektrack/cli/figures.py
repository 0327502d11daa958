"""Figures as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from seektrack.cli.common import Screen, table


def print_figures(
    screen: Screen, figures: Mapping[str, Any], report: Path | None = None, *, title: str = ""
) -> None:
    """Print named figures as a table, or as JSON; with ``report`` write the page that shows them first.

    Of a training that found nothing better than what it started from that is said.
    """
    if figures.get("best_step") == 0:
        screen.warn(
            "nothing measured better than what the training started from, so the result is the same: give "
            "more data, or more of --minutes"
        )
    report_figures(screen, figures, report, title=title)
    screen.result(figures, lambda console: console.print(figure_table(figures)))


def report_figures(screen: Screen, figures: Mapping[str, Any], report: Path | None, *, title: str) -> None:
    """Write the page of some figures where one is asked for, and name it."""
    if report is None:
        return
    from seektrack.pipeline import save_report

    screen.note(f"written: {save_report(report, figures=figures, title=title)}")


def figure_table(figures: Mapping[str, Any]) -> Table:
    """Named figures as a table."""
    shown = table("figure", "value", right=("value",))
    for name, value in figures.items():
        shown.add_row(name, figure(value))
    return shown


def figure(value: Any) -> str:
    """One figure in a few characters."""
    from seektrack.outputs.figures import figure_text

    return figure_text(value)
