"""``seektrack pocket photos``: what the pocket encoder knows of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seektrack import defaults
from seektrack.cli.common import AsJson, Quiet, Screen, quoted
from seektrack.cli.figures import print_figures
from seektrack.cli.train_options import Fresh, Minutes, Out
from seektrack.errors import InputError


def photos(
    out: Out,
    names: Annotated[
        Path,
        typer.Option(
            "--names",
            help="Named photographs as mosaics of 32-pixel tiles: SET/train/CLASS.jpg with counts.json.",
        ),
    ],
    pictures: Annotated[
        list[Path] | None,
        typer.Option(
            "--pictures",
            help="Photographs cut into regions, ID.jpg with ID.0.png, ID.1.png beside it, whose regions show "
            "none of the names; may be given again.",
        ),
    ] = None,
    films: Annotated[
        Path | None,
        typer.Option(
            "--films",
            help="Films as NAME/00000.jpg with the mask NAME/00000.png; names.json tells what each shows.",
        ),
    ] = None,
    init: Annotated[
        str,
        typer.Option("--init", help="The drawn world's encoder that it is put beside: pocket or a folder."),
    ] = defaults.MODEL,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", help="A folder this command wrote, to go on from what it knows of photographs."
        ),
    ] = None,
    minutes: Minutes = 60.0,
    gate_steps: Annotated[
        int, typer.Option("--gate-steps", min=1, help="Of telling drawings from photographs, at the end.")
    ] = 400,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Teach the pocket encoder names of real things from photographs; interrupted, the command goes on."""
    from seektrack.training.photos import POCKET, PhotoRecipe, finish, train_photos

    screen, recipe = Screen(quiet=quiet, as_json=as_json), PhotoRecipe()
    if weights is not None:
        recipe = recipe.gone_on()
    base = POCKET if init == "pocket" else Path(init)
    if not (base / "vocabulary.json").is_file():
        raise InputError(f"{init} is no pocket encoder", hint="give pocket, or a folder pocket clip wrote")
    with screen.progress() as progress:
        figures = train_photos(
            recipe, out, names=names, pictures=pictures or (), films=films, weights=weights,
            max_minutes=minutes, resume=not fresh, progress=progress,
        )  # fmt: skip
        figures |= finish(
            recipe, out, out / "model", names=names, pictures=pictures or (), films=films, base=base,
            gate_steps=gate_steps, progress=progress,
        )  # fmt: skip
    print_figures(screen, figures)
    screen.note("use it with --model " + quoted(str(out / "model")))
