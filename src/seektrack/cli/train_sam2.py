"""``seektrack train sam2``: any SAM 2 on footage of one's own."""

from __future__ import annotations

from typing import Annotated

import typer

from seektrack import defaults
from seektrack.cli.common import AsJson, Device, Quiet, Screen, quoted, spare_threads
from seektrack.cli.figures import print_figures
from seektrack.cli.processes import in_processes, processes_here, spoken_by_another
from seektrack.cli.train_options import (
    Accumulate,
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
    Workers,
)


def sam2(
    context: typer.Context,
    out: Out,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="Footage with masks: a DAVIS, YouTube-VOS, MOTS or decathlon folder, JPEGImages/ beside "
            "Annotations/, NAME/00000.jpg beside NAME/00000.png, a folder with scans.csv, results "
            "(tracks.json) or sessions of seektrack that were put right, or "
            "world:200,style=scan,categories=snail+umbrella.",
        ),
    ],
    minutes: Minutes = 360.0,
    recipe: Annotated[
        str,
        typer.Option("--recipe", help="What moves: full, frozen-image, head or lora."),
    ] = "full",
    workers: Workers = 1,
    fresh: Fresh = False,
    processes: Processes = 1,
    accumulate: Accumulate = None,
    model: Model = defaults.MODEL,
    held_out: Annotated[
        str,
        typer.Option(
            "--held-out", help="Footage to measure J&F on: a share of --data, or named as --data is."
        ),
    ] = "0.1",
    resolution: Annotated[
        int | None,
        typer.Option("--resolution", help="Side of the square the network sees; its own when left out."),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", help="Most steps.", min=1)] = 2000,
    frames: Annotated[int, typer.Option("--frames", help="Frames of a stretch in a step.", min=2)] = 5,
    learning_rate: LearningRate = None,
    scale_rate: ScaleRate = False,
    rank: Rank = 8,
    prune: Prune = None,
    prune_blocks: PruneBlocks = 0,
    prune_by: PruneBy = None,
    quantisation_aware: QuantisationAware = False,
    boundary: Annotated[float, typer.Option("--boundary", help="Weight of the boundary loss.", min=0)] = 0.0,
    consistency: Annotated[
        float,
        typer.Option("--consistency", help="Weight of the temporal-consistency loss.", min=0),
    ] = 0.0,
    soft_iou: Annotated[float, typer.Option("--soft-iou", help="Weight of the soft-IoU loss.", min=0)] = 0.0,
    targets: Annotated[
        float,
        typer.Option(
            "--targets", help="Weight of telling which of several objects a pixel belongs to.", min=0
        ),
    ] = 0.0,
    keep: Annotated[
        float,
        typer.Option(
            "--keep",
            help="Share of what it started from in the weights written: 0.5 forgets less of the old.",
            min=0,
            max=0.99,
        ),
    ] = 0.0,
    corrections: Annotated[
        int,
        typer.Option("--corrections", help="Most corrective clicks after the first answer.", min=0),
    ] = 0,
    no_augment: NoAugment = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="Compute in bfloat16.")] = False,
    patience: Annotated[
        int,
        typer.Option(
            "--patience", help="Measurements without better J&F before stopping; 0 never stops.", min=0
        ),
    ] = 4,
    seed: Seed = 0,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a segmenter on footage with masks; interrupted, the same command goes on."""
    from seektrack.training.datasets.left_out import LeftOuts
    from seektrack.training.datasets.world import is_world
    from seektrack.training.sam2 import LossWeights, PromptMix, Sam2Finetune, tune_sam2
    from seektrack.training.sam2.augment import footage, none
    from seektrack.training.sam2.sources import usable_clips

    silent = spoken_by_another()
    screen = Screen(quiet=quiet or silent, as_json=as_json)
    world = max(processes, processes_here())
    spare_threads(model)
    if in_processes(context, processes):
        return
    share = _share(held_out)
    model = Pruning(prune, prune_blocks, prune_by).start(model, "mask", out, fresh=fresh)
    settings = Sam2Finetune(
        mode=recipe,
        rank=rank,
        steps=steps,
        frames=frames,
        accumulate=accumulate or world,
        resolution=resolution,
        learning_rate=learning_rate,
        scale_rate=scale_rate,
        losses=LossWeights(boundary=boundary, consistency=consistency, soft_iou=soft_iou, targets=targets),
        prompts=PromptMix(corrections=corrections, later=0.2 if corrections else 0.0),
        augment=none() if no_augment else footage(),
        keep=keep,
        bf16=bf16,
        quantisation_aware=quantisation_aware,
        held_out=0.1 if share is None else share,
        patience=patience,
        seed=seed,
    )
    clips = usable_clips(data)
    for line in getattr(clips, "left_out", LeftOuts()).lines():
        screen.warn(line)
    with screen.progress() as progress:
        figures = tune_sam2(
            settings,
            clips if not is_world(data) else data,
            out,
            model=model,
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


def _share(held_out: str) -> float | None:
    """``--held-out`` as a share of the clips, or None where it names clips."""
    try:
        return float(held_out)
    except ValueError:
        return None
