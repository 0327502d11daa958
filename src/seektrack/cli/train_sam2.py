"""``seektrack train sam2``: the pocket segmenter, or any SAM 2 on clips of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seektrack.cli.common import AsJson, Device, Quiet, Screen, quoted, spare_threads
from seektrack.cli.figures import print_figures
from seektrack.cli.processes import in_processes, processes_here, spoken_by_another
from seektrack.errors import InputError

if TYPE_CHECKING:
    from seektrack.training.sam2 import Material, Sam2Recipe

_TUNING = "Fine-tuning (with --data)"
_POCKET = "The pocket model (without --data)"


def _tuning(name: str, text: str, **limits: Any) -> Any:
    return typer.Option(name, help=text, rich_help_panel=_TUNING, **limits)


def sam2(
    context: typer.Context,
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
        str | None,
        typer.Option(
            "--recipe",
            help="pocket, polish, follow, deepen, steady or real (go on from --init), smoke "
            "(seconds, to try) or a recipe.json; when left out the one in --out, else pocket. With --data "
            "what moves: full (the default), frozen-image, head or lora.",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option("--workers", min=0, help="Processes that draw or read clips; 0 does it in this one."),
    ] = 1,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over instead of going on from what --out holds.")
    ] = False,
    processes: Annotated[
        int, typer.Option("--processes", help="Processes to share each step, one per GPU or CPU core.", min=1)
    ] = 1,
    accumulate: Annotated[
        int | None,
        typer.Option(
            "--accumulate",
            help="Groups of clips a step, their gradients averaged; the recipe's own, or one a process, when "
            "left out.",
            min=1,
        ),
    ] = None,
    style: Annotated[
        str, typer.Option("--style", help="Of most scenes: rich or plain.", rich_help_panel=_POCKET)
    ] = "rich",
    init: Annotated[
        str | None,
        typer.Option(
            "--init",
            help="Weights to start from instead of random ones: pocket or a folder.",
            rich_help_panel=_POCKET,
        ),
    ] = None,
    pictures: Annotated[
        list[Path] | None,
        typer.Option(
            "--pictures",
            help="Photographs cut into regions, ID.jpg with ID.0.png, ID.1.png beside it, for recipe real; "
            "may be given again.",
            rich_help_panel=_POCKET,
        ),
    ] = None,
    films: Annotated[
        list[str] | None,
        typer.Option(
            "--films",
            help="Clips with masks, as --data takes them, for recipe real; may be given again.",
            rich_help_panel=_POCKET,
        ),
    ] = None,
    data: Annotated[
        str | None,
        _tuning(
            "--data",
            "Clips with masks: a DAVIS, YouTube-VOS, MOTS or decathlon folder, JPEGImages/ beside "
            "Annotations/, NAME/00000.jpg beside NAME/00000.png, a folder with scans.csv, or "
            "world:200,style=scan,categories=snail+umbrella.",
        ),
    ] = None,
    model: Annotated[
        str | None, _tuning("--model", "What to start from: pocket (the default), a folder or a hub id.")
    ] = None,
    held_out: Annotated[
        str,
        _tuning("--held-out", "Clips to measure J&F on: a share of --data, or clips as --data names them."),
    ] = "0.1",
    resolution: Annotated[
        int | None, _tuning("--resolution", "Side of the square the network sees; its own when left out.")
    ] = None,
    steps: Annotated[int, _tuning("--steps", "Most steps.", min=1)] = 2000,
    frames: Annotated[int, _tuning("--frames", "Frames of a clip in a step.", min=2)] = 5,
    learning_rate: Annotated[
        float | None, _tuning("--learning-rate", "Peak; what suits recipe and network when left out.")
    ] = None,
    rank: Annotated[int, _tuning("--rank", "Rank of the adapters of lora.", min=1)] = 8,
    boundary: Annotated[float, _tuning("--boundary", "Weight of the boundary loss.", min=0)] = 0.0,
    consistency: Annotated[
        float, _tuning("--consistency", "Weight of the temporal-consistency loss.", min=0)
    ] = 0.0,
    corrections: Annotated[
        int, _tuning("--corrections", "Most corrective clicks after the first answer.", min=0)
    ] = 0,
    no_augment: Annotated[bool, _tuning("--no-augment", "Show the clips as they are.")] = False,
    bf16: Annotated[bool, _tuning("--bf16", "Compute in bfloat16.")] = False,
    patience: Annotated[
        int, _tuning("--patience", "Measurements without better J&F before stopping; 0 never stops.", min=0)
    ] = 4,
    seed: Annotated[int, _tuning("--seed", "Of the split, the order and the augmentation.", min=0)] = 0,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the segmenter, or fine-tune one with --data; interrupted, the same command goes on."""
    from seektrack.training.sam2 import (
        CONTINUING,
        RECIPES,
        LossWeights,
        PromptMix,
        Sam2Finetune,
        Sam2Recipe,
        read_material,
        train_sam2,
        tune_sam2,
    )
    from seektrack.training.sam2.augment import footage, none

    silent = spoken_by_another()
    screen = Screen(quiet=quiet or silent, as_json=as_json)
    world = max(processes, processes_here())
    if data is not None:
        if pictures or films:
            raise InputError(
                "--pictures and --films are for the pocket recipes", hint="--data alone, or they with --init"
            )
        if init is not None:
            raise InputError("--init is for the pocket recipes", hint="with --data say --model")
        spare_threads(model or "pocket")
        if in_processes(context, processes):
            return
        share = _share(held_out)
        settings = Sam2Finetune(
            mode=recipe or "full",
            rank=rank,
            steps=steps,
            frames=frames,
            accumulate=accumulate or world,
            resolution=resolution,
            learning_rate=learning_rate,
            losses=LossWeights(boundary=boundary, consistency=consistency),
            prompts=PromptMix(corrections=corrections, later=0.2 if corrections else 0.0),
            augment=none() if no_augment else footage(),
            bf16=bf16,
            held_out=0.1 if share is None else share,
            patience=patience,
            seed=seed,
        )
        with screen.progress() as progress:
            figures = tune_sam2(
                settings,
                data,
                out,
                model=model or "pocket",
                held_out=held_out if share is None else None,
                max_minutes=minutes,
                resume=not fresh,
                workers=workers,
                device=device,
                progress=progress,
            )
        if not silent:
            print_figures(screen, figures)
            screen.note("use it with --model " + quoted(f"pocket+{out}"))
        return
    if model is not None:
        raise InputError(
            f"--model {model} is for fine-tuning, and there is no --data",
            hint="add --data FOLDER; a pocket recipe starts from --init",
        )
    name = recipe or (str(out / "recipe.json") if (out / "recipe.json").is_file() else "pocket")
    if name.endswith(".json") and Path(name).is_file():
        chosen = Sam2Recipe.from_json(Path(name).read_text(encoding="utf-8"))
    elif name in RECIPES:
        chosen = RECIPES[name](style=style)
    else:
        raise InputError(
            f"unknown recipe {name!r}",
            hint=f"choose from {', '.join(RECIPES)}, name the recipe.json of a training, or add --data",
        )
    if name in CONTINUING and init is None:
        raise InputError(
            f"recipe {name} goes on from a finished model, and there is no --init",
            hint="add --init pocket, or the model/ folder of an earlier training",
        )
    material = read_material(pictures or (), films or ())
    _check_material(chosen, material)
    if accumulate or world > 1:
        chosen = replace(chosen, accumulate=accumulate or max(chosen.accumulate, world))
    if in_processes(context, processes):
        return
    with screen.waiting("training"):
        figures = train_sam2(
            chosen,
            out,
            init=init,
            max_minutes=minutes,
            workers=workers,
            resume=not fresh,
            device=device,
            material=material,
            progress=_teller(screen),
        )
    if not silent:
        print_figures(screen, figures)
        screen.note("use it with --model " + quoted(f"pocket+{out / 'model'}"))


def blend(
    first: Annotated[str, typer.Argument(help="A segmenter: pocket, a folder or a hub id.")],
    second: Annotated[str, typer.Argument(help="One of the same build, such as what was trained from it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the result.")],
    share: Annotated[
        float, typer.Option("--share", min=0.0, max=1.0, help="Of the second; 0 is the first alone.")
    ] = 0.5,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write a segmenter whose weights lie between those of two, to keep what either knows."""
    from seektrack.training.sam2 import blend as blended

    screen = Screen(quiet=quiet, as_json=as_json)
    blended(first, second, out, share=share)
    print_figures(screen, {"folder": str(out), "share": share})
    screen.note(f"use it with --model pocket+{out}")


def _check_material(recipe: Sam2Recipe, material: Material) -> None:
    """Pictures and films that no stage would look at, or that are wanted and missing, are a mistake."""
    wanted = any(sum(stage.mix[1:]) > 0 for stage in recipe.stages)
    if wanted and not material:
        raise InputError(
            "this recipe learns from photographs and films, and there are none",
            hint="add --pictures FOLDER or --films FOLDER, or take another --recipe",
        )
    if material and not wanted:
        raise InputError("this recipe looks at the world alone", hint="take --recipe real")


def _share(held_out: str) -> float | None:
    """``--held-out`` as a share of the clips, or None where it names clips."""
    try:
        return float(held_out)
    except ValueError:
        return None


def _teller(screen: Screen) -> Callable[[Mapping[str, Any]], None]:
    """What training calls after each validation: one line of figures."""

    def tell(row: Mapping[str, Any]) -> None:
        shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items() if v != ""}
        screen.note("  ".join(f"{name} {value}" for name, value in shown.items()))

    return tell
