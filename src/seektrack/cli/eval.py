"""``seektrack eval``: figures, measured again on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from seektrack.cli.common import AsJson, Device, Model, Quiet, Screen, table

app = typer.Typer(help="Measure accuracy on footage with known truth.", no_args_is_help=True)


@app.command()
def demo(
    scenes: Annotated[int, typer.Option("--scenes", min=1, help="Held-out scenes to run.")] = 40,
    model: Model = "pocket",
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run text to tracks on held-out generated scenes and compare with their perfect truth."""
    from seektrack.evaluation.demo import evaluate_demo

    screen = Screen(quiet=quiet, as_json=as_json)
    with screen.progress() as progress:
        figures = evaluate_demo(scenes=scenes, model=model, device=device, progress=progress)
    print_figures(screen, figures)


@app.command()
def pocket(
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="A text encoder's folder; the one in the package when left out."),
    ] = None,
    crops: Annotated[int, typer.Option("--crops", min=1, help="Held-out object crops to classify.")] = 1500,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Held-out frames to retrieve.")] = 200,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure a pocket text encoder on held-out crops and frames of the procedural world."""
    from seektrack.cli.models import pocket_folder
    from seektrack.evaluation.pocket_clip import evaluate_clip

    screen = Screen(quiet=quiet, as_json=as_json)
    screen.note("measuring; a minute or two …")
    print_figures(screen, evaluate_clip(folder or pocket_folder("clip"), crops=crops, frames=frames))


def print_figures(screen: Screen, figures: Mapping[str, Any]) -> None:
    """Print named figures as a table, or as JSON."""
    screen.result(figures, lambda console: console.print(figure_table(figures)))


def figure_table(figures: Mapping[str, Any]) -> Table:
    """Named figures as a table."""
    shown = table("figure", "value", right=("value",))
    for name, value in figures.items():
        shown.add_row(escape(name), escape(_figure(value)))
    return shown


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, (list, tuple)):
        return (
            "; ".join(_figure(v) for v in value)
            if any(map(_nested, value))
            else " ".join(map(_figure, value))
        )
    return str(value)


def _nested(value: Any) -> bool:
    return isinstance(value, (list, tuple))
