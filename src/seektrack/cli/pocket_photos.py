"""``seektrack pocket photos``: what the pocket encoder knows of photographs."""

from __future__ import annotations

from dataclasses import replace
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
            help="Photographs cut into regions, ID.jpg with ID.0.png, ID.1.png beside it; what things.csv "
            "does not name in them shows none of the names (BSDS500's comes along); may be given again.",
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
    blocks: Annotated[
        str | None,
        typer.Option(
            "--blocks",
            help="Residual blocks of the network at its three sizes, such as 2,2,2; what --weights lacks is "
            "added. Those of --weights when left out, else 1,1,1.",
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
    from seektrack.training.photos import POCKET, PhotoRecipe, finish, sizes_in, train_photos

    screen, recipe = Screen(quiet=quiet, as_json=as_json), PhotoRecipe()
    if weights is not None:
        recipe = replace(recipe.gone_on(), sizes=sizes_in(weights))
    if blocks is not None:
        recipe = replace(recipe, sizes=replace(recipe.sizes, blocks=_counts(blocks)))
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


def _counts(blocks: str) -> tuple[int, int, int]:
    parts = [part.strip() for part in blocks.split(",")]
    if len(parts) != 3 or not all(part.isdecimal() and int(part) for part in parts):
        raise InputError(f"--blocks {blocks}", hint="three numbers from 1 up, such as 2,2,2")
    return int(parts[0]), int(parts[1]), int(parts[2])
