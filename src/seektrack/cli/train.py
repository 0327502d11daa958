"""``seektrack train``: the pocket models again from nothing, on the procedural world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from seektrack.cli.common import AsJson, Quiet, Screen
from seektrack.cli.eval import print_figures
from seektrack.errors import InputError

app = typer.Typer(help="Train pocket models on the procedural world.", no_args_is_help=True)

Out = Annotated[
    Path, typer.Option("--out", "-o", help="Folder for checkpoints, the log and the finished model.")
]
Minutes = Annotated[
    float, typer.Option("--minutes", min=0.1, help="Stop, with a finished model, after this long.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start over instead of going on from what --out holds.")]


@app.command()
def clip(
    out: Out,
    minutes: Minutes = 60.0,
    proposal_minutes: Annotated[
        float,
        typer.Option(
            "--proposal-minutes",
            min=0.0,
            help="Then go on this long on what the segmenter proposes; 0 leaves that out.",
        ),
    ] = 15.0,
    sam2: Annotated[
        str, typer.Option("--sam2", help="Segmenter that proposes: pocket, a folder or a hub id.")
    ] = "pocket",
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the text encoder; interrupt it at any time, the same command goes on."""
    from seektrack.training.clip import ClipRecipe, ProposalRecipe, train_clip, train_proposals

    screen, model = Screen(quiet=quiet, as_json=as_json), out
    with screen.progress() as progress:
        figures = train_clip(ClipRecipe(), out, max_minutes=minutes, resume=not fresh, progress=progress)
        if proposal_minutes:
            from seektrack.segmentation import load_sam2

            model = out / "model"
            figures = train_proposals(
                ProposalRecipe(), out, model, load_sam2(sam2),
                max_minutes=proposal_minutes, resume=not fresh, progress=progress,
            )  # fmt: skip
    print_figures(screen, figures)
    screen.note(f"use it with --model {model}")


@app.command()
def sam2(
    out: Out,
    minutes: Minutes = 120.0,
    recipe: Annotated[
        str,
        typer.Option("--recipe", help="pocket (the published one) or smoke (seconds, to try the machinery)."),
    ] = "pocket",
    init: Annotated[
        Path | None, typer.Option("--init", help="Folder of weights to start from instead of random ones.")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes that draw scenes; 0 draws in this one.")
    ] = 1,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the segmenter; interrupt it at any time, the same command goes on."""
    from seektrack.training.sam2 import pocket_recipe, smoke_recipe, train_sam2

    recipes = {"pocket": pocket_recipe, "smoke": smoke_recipe}
    if recipe not in recipes:
        raise InputError(f"unknown recipe {recipe!r}", hint=f"choose from {', '.join(recipes)}")
    screen = Screen(quiet=quiet, as_json=as_json)

    figures = train_sam2(
        recipes[recipe](), out, init=init, max_minutes=minutes, workers=workers, progress=_teller(screen)
    )
    print_figures(screen, figures)
    screen.note(f"use it with --model {out / 'model'}")


def _teller(screen: Screen) -> Callable[[Mapping[str, Any]], None]:
    """What training calls after each validation: one line of figures."""

    def tell(row: Mapping[str, Any]) -> None:
        shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items() if v != ""}
        screen.note("  ".join(f"{name} {value}" for name, value in shown.items()))

    return tell
