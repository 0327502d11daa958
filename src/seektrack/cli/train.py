"""``seektrack train``: the pocket models again from nothing, or a text encoder on footage of one's own."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from seektrack.cli import train_calibrate, train_photos, train_sam2, train_temporal
from seektrack.cli.common import AsJson, Device, Quiet, Screen, quoted, spare_threads
from seektrack.cli.figures import print_figures
from seektrack.cli.processes import in_processes, spoken_by_another
from seektrack.cli.train_options import Fresh, Minutes, Out
from seektrack.errors import InputError

app = typer.Typer(
    help="Train pocket models on the procedural world, or fine-tune on your own pictures.",
    no_args_is_help=True,
)

_TUNING = "Fine-tuning (with --data)"


def _option(name: str, text: str, **limits: Any) -> Any:
    return typer.Option(name, help=text, rich_help_panel=_TUNING, **limits)


@app.command()
def clip(
    context: typer.Context,
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
    data: Annotated[
        str | None,
        _option(
            "--data",
            "Pictures with captions: a folder with captions.csv, a COCO captions .json, or world:400.",
        ),
    ] = None,
    model: Annotated[
        str | None, _option("--model", "What to start from: pocket (the default), a folder or a hub id.")
    ] = None,
    recipe: Annotated[
        str | None,
        _option("--recipe", "What moves: full (the default), frozen-image, frozen-text, head or lora."),
    ] = None,
    epochs: Annotated[int, _option("--epochs", "Passes over the pictures.", min=1)] = 10,
    batch: Annotated[int, _option("--batch", "Pairs in a step.", min=2)] = 64,
    learning_rate: Annotated[
        float | None, _option("--learning-rate", "Peak; what suits recipe and network when left out.")
    ] = None,
    rank: Annotated[int, _option("--rank", "Rank of the adapters of lora.", min=1)] = 8,
    alignment: Annotated[
        float, _option("--alignment", "Weight of the distance between pictures and their captions.", min=0)
    ] = 0.0,
    image_to_text: Annotated[
        float, _option("--image-to-text", "Weight of asking each picture for its text.", min=0)
    ] = 0.5,
    text_to_image: Annotated[
        float, _option("--text-to-image", "Weight of asking each text for its picture.", min=0)
    ] = 0.5,
    balance: Annotated[bool, _option("--balance", "Let every loss pull equally hard.")] = False,
    no_augment: Annotated[bool, _option("--no-augment", "Show the pictures as they are.")] = False,
    precision: Annotated[
        str, _option("--precision", "Compute in fp32, bf16 or fp16; weights stay in float32.")
    ] = "fp32",
    processes: Annotated[
        int, _option("--processes", "Processes to share each batch, one per GPU or CPU core.", min=1)
    ] = 1,
    held_out: Annotated[
        float, _option("--held-out", "Share of the pictures retrieval is measured on.", min=0, max=0.9)
    ] = 0.1,
    patience: Annotated[
        int, _option("--patience", "Epochs without better retrieval before stopping; 0 never stops.", min=0)
    ] = 5,
    seed: Annotated[int, _option("--seed", "Of the split, the order and the augmentation.", min=0)] = 0,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the text encoder, or fine-tune one with --data; interrupted, the same command goes on."""
    silent = spoken_by_another()
    screen, result = Screen(quiet=quiet or silent, as_json=as_json), out
    if data is None:
        if processes > 1:
            raise InputError(
                f"--processes {processes} is for fine-tuning, and there is no --data",
                hint="the pocket encoder is too small to share; leave --processes out",
            )
        for name, given in (("--model", model), ("--recipe", recipe)):
            if given is not None:
                raise InputError(
                    f"{name} {given} is for fine-tuning, and there is no --data",
                    hint="add --data FOLDER with captions.csv; without it the pocket encoder starts anew",
                )
        from seektrack.training.clip import proposals_of, recipe_of, train_clip, train_proposals

        plan = recipe_of(style)
        with screen.progress() as progress:
            figures = train_clip(
                plan, out, max_minutes=minutes, resume=not fresh, progress=progress, init=init
            )
            if proposal_minutes:
                from seektrack.segmentation import load_sam2

                result = out / "model"
                figures = train_proposals(
                    proposals_of(plan), out, result, load_sam2(sam2),
                    max_minutes=proposal_minutes, resume=not fresh, progress=progress,
                )  # fmt: skip
    else:
        if init is not None:
            raise InputError(
                f"--init {init} is for training on the world, and there is --data",
                hint="say what to fine-tune with --model",
            )
        spare_threads(model or "pocket")
        from seektrack.training.finetune import FinetuneRecipe, finetune_clip

        settings = FinetuneRecipe(
            mode=recipe or "full",
            epochs=epochs,
            batch=batch,
            learning_rate=learning_rate,
            rank=rank,
            alignment=alignment,
            image_to_text=image_to_text,
            text_to_image=text_to_image,
            balance=balance,
            augment=not no_augment,
            precision=precision,
            held_out=held_out,
            patience=patience,
            seed=seed,
        )
        if in_processes(context, processes):
            return
        with screen.progress() as progress:
            figures = finetune_clip(
                settings,
                data,
                out,
                model=model or "pocket",
                max_minutes=minutes,
                resume=not fresh,
                progress=progress,
                device=device,
            )
    if not silent:
        print_figures(screen, figures)
        screen.note(f"use it with --model {quoted(result)}")


app.command()(train_photos.photos)
app.command()(train_sam2.sam2)
app.command()(train_sam2.blend)
app.command()(train_calibrate.calibrate)
app.command()(train_temporal.temporal)
app.command()(train_temporal.trajectory)
