"""``seektrack train``: the pocket models again from nothing, on the procedural world."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seektrack.cli.common import AsJson, Quiet, Screen
from seektrack.cli.eval import print_figures

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
    out: Out, minutes: Minutes = 60.0, fresh: Fresh = False, quiet: Quiet = False, as_json: AsJson = False
) -> None:
    """Train the text encoder; interrupt it at any time, the same command goes on."""
    from seektrack.training.clip import ClipRecipe, train_clip

    screen = Screen(quiet=quiet, as_json=as_json)
    with screen.progress() as progress:
        figures = train_clip(ClipRecipe(), out, max_minutes=minutes, resume=not fresh, progress=progress)
    print_figures(screen, figures)
    screen.note(f"use it with --model {out}")


@app.command()
def sam2(
    out: Out, minutes: Minutes = 60.0, fresh: Fresh = False, quiet: Quiet = False, as_json: AsJson = False
) -> None:
    """Train the segmenter; interrupt it at any time, the same command goes on."""
    from seektrack.training.sam2 import Sam2Recipe, train_sam2

    screen = Screen(quiet=quiet, as_json=as_json)
    with screen.progress() as progress:
        figures = train_sam2(Sam2Recipe(), out, max_minutes=minutes, resume=not fresh, progress=progress)
    print_figures(screen, figures)
    screen.note(f"use it with --model {out}")
