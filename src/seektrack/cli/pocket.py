"""``seektrack pocket``: the weights that ship with the package, made again on the procedural world."""

from __future__ import annotations

from typing import Annotated

import typer

from seektrack import defaults
from seektrack.cli import pocket_photos, pocket_sam2, pocket_time
from seektrack.cli.common import AsJson, Quiet, Screen, quoted
from seektrack.cli.figures import print_figures
from seektrack.cli.train_options import Fresh, Minutes, Out

app = typer.Typer(
    help="Make the built-in models again, or better ones of their kind; for your own data see train.",
    no_args_is_help=True,
)


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
    ] = defaults.MODEL,
    style: Annotated[
        str,
        typer.Option(
            "--style",
            help="World to learn: plain (12 categories), rich (18, and places) or mix (both); or frames, to"
            " teach a finished encoder (--init) whole frames.",
        ),
    ] = "plain",
    init: Annotated[
        str | None,
        typer.Option("--init", help="Weights and tokenizer to start from: pocket or a folder."),
    ] = None,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the text encoder on the drawn world; interrupted, the same command goes on."""
    from seektrack.training.clip import proposals_of, recipe_of, train_clip, train_proposals

    screen, result, plan = Screen(quiet=quiet, as_json=as_json), out, recipe_of(style)
    with screen.progress() as progress:
        figures = train_clip(plan, out, max_minutes=minutes, resume=not fresh, progress=progress, init=init)
        if proposal_minutes:
            from seektrack.segmentation import load_sam2

            result = out / "model"
            figures = train_proposals(
                proposals_of(plan), out, result, load_sam2(sam2),
                max_minutes=proposal_minutes, resume=not fresh, progress=progress,
            )  # fmt: skip
    print_figures(screen, figures)
    screen.note(f"use it with --model {quoted(result)}")


app.command()(pocket_sam2.sam2)
app.command("sam2-pair")(pocket_sam2.sam2_pair)
app.command()(pocket_photos.photos)
app.command()(pocket_time.temporal)
app.command()(pocket_time.trajectory)
