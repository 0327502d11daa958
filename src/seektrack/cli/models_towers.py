"""``seektrack models convert`` and ``models join``: encoders of other kinds, as folders ``--model`` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seektrack.cli.common import AsJson, Quiet, Screen, quoted
from seektrack.cli.models_export import app

__all__ = ["app", "convert", "join"]

To = Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Folder of the result.")]


@app.command()
def convert(
    folder: Annotated[
        Path,
        typer.Argument(help="OpenCLIP's: open_clip_config.json, its safetensors and a tokenizer."),
    ],
    to: To,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write an OpenCLIP checkpoint as an ordinary folder, with the same answers."""
    from seektrack.encoders.openclip import convert_openclip

    screen = Screen(quiet=quiet, as_json=as_json)
    made = convert_openclip(folder, to)
    screen.result({"folder": made}, lambda console: console.print(f"use it with --model {quoted(made)}"))


@app.command()
def join(
    to: To,
    image: Annotated[
        Path, typer.Option("--image", help="Folder of the model that sees: a CLIP or a vision transformer.")
    ],
    text: Annotated[
        Path, typer.Option("--text", help="Folder of the model that reads: a BERT, RoBERTa, XLM-R or M-CLIP.")
    ],
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Put the image tower of one model and the text tower of another into one encoder."""
    from seektrack.encoders.joining import agrees, join_towers

    screen = Screen(quiet=quiet, as_json=as_json)
    made = join_towers(image, text, to)
    if agrees(text):
        screen.note(f"use it with --model {quoted(made)}")
    else:
        screen.note(f"teach it: seektrack train clip --model {quoted(made)} --recipe frozen-image --data …")
    screen.result({"folder": made}, lambda console: console.print(str(made), soft_wrap=True))
