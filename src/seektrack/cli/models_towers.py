"""``seektrack models convert``, ``join`` and ``prune``: folders made of other models, for ``--model``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seektrack.cli.common import AsJson, Quiet, Screen, quoted, table
from seektrack.cli.models_export import app, frames_of
from seektrack.cli.values import check_value

__all__ = ["app", "convert", "join", "prune"]

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


PARTS = ("clip", "sam2")


@app.command()
def prune(
    model: Annotated[str, typer.Argument(help="A built-in name, ENCODER+SEGMENTER, a folder or a hub id.")],
    to: To,
    by: Annotated[
        str,
        typer.Option("--by", metavar="VIDEO", help="Frames of this video or folder say what is used least."),
    ],
    share: Annotated[
        float,
        typer.Option("--share", min=0, max=0.9, help="Of the hidden channels of feed-forward layers."),
    ] = 0.3,
    blocks: Annotated[int, typer.Option("--blocks", min=0, help="Blocks of each image encoder too.")] = 0,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            metavar="PART",
            help="The CLIP alone or the SAM 2 alone, by the names of train; both by default.",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Take what is used least out of a model, for good; a short training of each part then repairs it."""
    from seektrack.checkpoints import parse_model
    from seektrack.compression import prune as pruned

    if only is not None:
        check_value("--only", only, PARTS)
    screen = Screen(quiet=quiet, as_json=as_json)
    clip, sam2 = parse_model(model)
    pictures = frames_of(by)
    made = {}
    if only != "sam2":
        into = to / "clip" if only is None else to
        made["clip"] = pruned(clip, "text", to=into, share=share, blocks=blocks, pictures=pictures)
    if only != "clip":
        into = to / "sam2" if only is None else to
        made["sam2"] = pruned(sam2, "mask", to=into, share=share, blocks=blocks, pictures=pictures)

    def human(console: Console) -> None:
        shown = table("network", "parameters", "left", "blocks that went", right=("parameters", "left"))
        for name, one in made.items():
            before, after = one.parameters
            shown.add_row(name, f"{before:,}", f"{after:,}", ", ".join(one.blocks) or "none")
        console.print(shown)
        console.print("use it with --model " + quoted(to))

    screen.result({"folder": to, "networks": made}, human)
