"""``seektrack train``: models on data of one's own."""

from __future__ import annotations

from typing import Annotated

import typer

from seektrack import defaults
from seektrack.cli import train_calibrate, train_sam2, train_time
from seektrack.cli.common import AsJson, Device, Quiet, Screen, quoted, spare_threads
from seektrack.cli.figures import print_figures
from seektrack.cli.moved import Moved
from seektrack.cli.processes import in_processes, spoken_by_another
from seektrack.cli.train_options import (
    Fresh,
    LearningRate,
    Minutes,
    Model,
    NoAugment,
    Out,
    Processes,
    Prune,
    PruneBlocks,
    PruneBy,
    Pruning,
    QuantisationAware,
    Rank,
    ScaleRate,
    Seed,
)
from seektrack.errors import InputError

app = typer.Typer(
    cls=Moved,
    help="Train models on your own data; to make the built-in ones again see pocket.",
    no_args_is_help=True,
)


@app.command()
def clip(
    context: typer.Context,
    out: Out,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="Pictures, videos or moments with texts: a folder with captions.csv or moments.csv, COCO "
            "captions, Flickr30k, MSR-VTT, folders named by what their pictures show, or world:400.",
        ),
    ],
    split: Annotated[
        str | None, typer.Option("--split", help="Part of the data to learn from, such as train.")
    ] = None,
    minutes: Minutes = 60.0,
    fresh: Fresh = False,
    model: Model = defaults.MODEL,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help="What moves: full, frozen-image, frozen-text, head, lora or adapter; or names, which "
            "teaches the names in captions to what knows photographs. When left out, names for photographs "
            "with a model that looks names up, else full.",
        ),
    ] = None,
    kind_of: Annotated[
        list[str] | None,
        typer.Option(
            "--kind-of", help="With names: poodle=dog, what a new name is a kind of; again for more."
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            help="Passes over the pictures; 10, or as many as make 60 steps of few pictures, when left out.",
            min=1,
        ),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", help="Pairs in a step.", min=2)] = 64,
    learning_rate: LearningRate = None,
    scale_rate: ScaleRate = False,
    rank: Rank = 8,
    prune: Prune = None,
    prune_blocks: PruneBlocks = 0,
    prune_by: PruneBy = None,
    quantisation_aware: QuantisationAware = False,
    alignment: Annotated[
        float,
        typer.Option(
            "--alignment", help="Weight of the distance between pictures and their captions.", min=0
        ),
    ] = 0.0,
    image_to_text: Annotated[
        float,
        typer.Option("--image-to-text", help="Weight of asking each picture for its text.", min=0),
    ] = 0.5,
    text_to_image: Annotated[
        float,
        typer.Option("--text-to-image", help="Weight of asking each text for its picture.", min=0),
    ] = 0.5,
    balance: Annotated[bool, typer.Option("--balance", help="Let every loss pull equally hard.")] = False,
    no_augment: NoAugment = False,
    wordings: Annotated[
        float,
        typer.Option(
            "--wordings",
            help="Chance of a caption that names a thing to be worded anew.",
            min=0,
            max=1,
        ),
    ] = 0.0,
    template: Annotated[
        list[str] | None,
        typer.Option("--template", help='Such words, with {} for the thing: "a scan of {}"; again for more.'),
    ] = None,
    contrast: Annotated[
        int | None,
        typer.Option(
            "--contrast",
            help="Names the model knows and no caption speaks of, set against every picture of a step; 32 "
            "where few captions differ, else none, when left out.",
            min=0,
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option("--precision", help="Compute in fp32, bf16 or fp16; weights stay in float32."),
    ] = "fp32",
    processes: Processes = 1,
    held_out: Annotated[
        float,
        typer.Option("--held-out", help="Share of the pictures retrieval is measured on.", min=0, max=0.9),
    ] = 0.1,
    patience: Annotated[
        int,
        typer.Option(
            "--patience", help="Measurements without better retrieval before stopping; 0 never stops.", min=0
        ),
    ] = 5,
    seed: Seed = 0,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a text encoder on pictures with captions; interrupted, the same command goes on."""
    silent = spoken_by_another()
    screen = Screen(quiet=quiet or silent, as_json=as_json)
    spare_threads(model)
    from dataclasses import replace

    from seektrack.training.datasets.left_out import LeftOuts
    from seektrack.training.finetune import (
        FinetuneRecipe,
        finetune_clip,
        read_pairs,
        usual_mode,
    )

    kinds = _kinds(kind_of)
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
        wordings=wordings or (0.5 if template else 0.0),
        templates=tuple(template or ()),
        contrast=contrast,
        scale_rate=scale_rate,
        precision=precision,
        quantisation_aware=quantisation_aware,
        held_out=held_out,
        patience=patience,
        seed=seed,
    )
    if in_processes(context, processes):
        return
    model = Pruning(prune, prune_blocks, prune_by).start(model, "text", out, fresh=fresh)
    pairs = read_pairs(data, split=split)
    if recipe is None and processes == 1 and not silent and not (prune or prune_blocks or quantisation_aware):
        settings = replace(settings, mode=usual_mode(model, pairs))
    for line in pairs.left_out.lines():
        screen.warn(line)
    before = len(pairs.left_out)
    with screen.progress() as progress:
        figures = finetune_clip(
            settings,
            pairs,
            out,
            model=model,
            max_minutes=minutes,
            resume=not fresh,
            progress=progress,
            device=device,
            kinds=kinds,
        )
    if not silent:
        for line in LeftOuts(pairs.left_out[before:]).lines():
            screen.warn(line)
        print_figures(screen, figures)
        stay = f"; libraries of {model} can be asked with it as they are" * (settings.mode == "names")
        screen.note(f"use it with --model {quoted(out)}{stay}")


def _kinds(given: list[str] | None) -> dict[str, str]:
    """``poodle=dog`` as what is a kind of what.

    Raises:
        InputError: Another form.
    """
    kinds = {}
    for one in given or ():
        name, _, above = (part.strip().lower() for part in one.partition("="))
        if not name or not above:
            raise InputError(f"--kind-of {one!r} names no kind", hint="write --kind-of poodle=dog")
        kinds[name] = above
    return kinds


app.command()(train_sam2.sam2)
app.command()(train_time.temporal)
app.command()(train_time.trajectory)
app.command()(train_calibrate.calibrate)
