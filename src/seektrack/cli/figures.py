"""Figures as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from seektrack.cli.common import Screen, table


def print_figures(screen: Screen, figures: Mapping[str, Any]) -> None:
    """Print named figures as a table, or as JSON."""
    screen.result(figures, lambda console: console.print(figure_table(figures)))


def figure_table(figures: Mapping[str, Any]) -> Table:
    """Named figures as a table."""
    shown = table("figure", "value", right=("value",))
    for name, value in figures.items():
        shown.add_row(name, figure(value))
    return shown


def figure(value: Any) -> str:
    """One figure in a few characters."""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, (list, tuple)):
        return (
            "; ".join(figure(v) for v in value) if any(map(_nested, value)) else " ".join(map(figure, value))
        )
    return str(value)


def _nested(value: Any) -> bool:
    return isinstance(value, (list, tuple))
