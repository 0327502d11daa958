"""``seektrack train sam2``: the pocket segmenter, from nothing or from a finished one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from seektrack.cli.common import AsJson, Quiet, Screen
from seektrack.cli.eval import print_figures
from seektrack.errors import InputError


def sam2(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for checkpoints, the log and the finished model.")
    ],
    minutes: Annotated[
        float,
        typer.Option(
            "--minutes",
            "--max-minutes",
            min=0.1,
            help="End, with a finished model, after this long in all; the learning rate falls in time.",
        ),
    ] = 360.0,
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            help="pocket (from random weights), polish (go on from --init) or smoke (seconds, to try).",
        ),
    ] = "pocket",
    style: Annotated[
        str, typer.Option("--style", help="Of most scenes it trains on: rich or plain.")
    ] = "rich",
    init: Annotated[
        str | None,
        typer.Option("--init", help="Weights to start from instead of random ones: pocket or a folder."),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes that draw scenes; 0 draws in this one.")
    ] = 1,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the segmenter; interrupt it at any time, the same command goes on."""
    from seektrack.training.sam2 import RECIPES, train_sam2

    if recipe not in RECIPES:
        raise InputError(f"unknown recipe {recipe!r}", hint=f"choose from {', '.join(RECIPES)}")
    if recipe == "polish" and init is None:
        raise InputError(
            "recipe polish goes on from a finished model, and there is no --init",
            hint="add --init pocket, or the model/ folder of an earlier training",
        )
    screen = Screen(quiet=quiet, as_json=as_json)
    figures = train_sam2(
        RECIPES[recipe](style=style),
        out,
        init=init,
        max_minutes=minutes,
        workers=workers,
        progress=_teller(screen),
    )
    print_figures(screen, figures)
    screen.note(f"use it with --model {out / 'model'}")


def _teller(screen: Screen) -> Callable[[Mapping[str, Any]], None]:
    """What training calls after each validation: one line of figures."""

    def tell(row: Mapping[str, Any]) -> None:
        shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items() if v != ""}
        screen.note("  ".join(f"{name} {value}" for name, value in shown.items()))

    return tell
