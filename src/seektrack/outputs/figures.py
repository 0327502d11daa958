"""Measured numbers as a report shows them: however they are nested, tables of a name and a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seektrack.outputs.report import Figure, FigureTable


def figure_tables(figures: Mapping[str, Any], *, title: str = "Figures") -> tuple[FigureTable, ...]:
    """Nested figures as tables, in their order.

    Numbers of one level share a table. Where several things have the same few numbers each, as the films of
    a folder, they share one too, a row ``thing · number``.

    Args:
        figures: Name → number, text, list of numbers, or further figures.
        title: Of the first table; those of what is nested add its name.
    """
    return tuple(_tables(title, figures))


def figure_text(value: Any) -> str:
    """One figure in a few characters.

    >>> figure_text(0.5), figure_text([1, 2.0]), figure_text("n/a")
    ('0.500', '1 2.000', 'n/a')
    """
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, (list, tuple)):
        nested = any(isinstance(v, (list, tuple)) for v in value)
        return ("; " if nested else " ").join(map(figure_text, value))
    return str(value)


def _tables(title: str, figures: Mapping[str, Any]) -> Iterator[FigureTable]:
    parts = {name: _opened(value) for name, value in figures.items()}
    rows = [_figure(name, value) for name, value in parts.items() if not isinstance(value, Mapping)]
    flat = [name for name, value in parts.items() if isinstance(value, Mapping) and _is_flat(value)]
    if len(flat) > 1:
        rows += [_figure(f"{name} · {inner}", v) for name in flat for inner, v in parts[name].items()]
    if rows:
        yield FigureTable(title, tuple(rows))
    for name, value in parts.items():
        if isinstance(value, Mapping) and not (len(flat) > 1 and name in flat):
            yield from _tables(f"{title} · {name}", value)


def _opened(value: Any) -> Any:
    """A list of figures by their names, so that it nests like the rest."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, Mapping) for v in value):
        return {str(v.get("layout", n)): v for n, v in enumerate(value, start=1)}
    return value


def _is_flat(value: Mapping[str, Any]) -> bool:
    return not any(isinstance(_opened(v), Mapping) for v in value.values())


def _figure(name: str, value: Any) -> Figure:
    shown = name.replace("_", " ")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return Figure(shown, float("nan"), said=figure_text(value))
    share = isinstance(value, float) and 0 <= value <= 1
    digits = 3 if isinstance(value, float) else 0
    return Figure(shown, float(value), full=1.0 if share else None, digits=digits)
