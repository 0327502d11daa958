"""``seektrack train trajectory`` and ``train temporal``: what happens over time, from one's own data."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from seektrack.cli.common import AsJson, Quiet, Screen, quoted, spare_threads
from seektrack.cli.figures import print_figures
from seektrack.cli.processes import in_processes, spoken_by_another
from seektrack.cli.train_options import Fresh, LearningRate, Minutes, Out, Processes, Seed
from seektrack.errors import InputError

HeldOut = Annotated[
    str,
    typer.Option("--held-out", help="What to measure on: a share of --data, or named as --data is."),
]


def trajectory(
    context: typer.Context,
    out: Out,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="Tracks: MOT Challenge, KITTI or UA-DETRAC sequences, results of seektrack or of another "
            "tracker and sessions (a file or a folder of them), or world:500.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="What to start from: lstm, transformer or a folder; new-lstm and new-transformer "
            "start from random weights.",
        ),
    ] = "lstm",
    minutes: Minutes = 10.0,
    centre_only: Annotated[
        bool, typer.Option("--centre-only", help="Predict the centre and leave the sides to the filter.")
    ] = False,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Steps over which the learning rate falls.")
    ] = 1500,
    learning_rate: LearningRate = None,
    held_out: HeldOut = "0.2",
    processes: Processes = 1,
    seed: Seed = 0,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a predictor of where hidden objects go on tracks of one's own; the same command goes on."""
    silent = spoken_by_another()
    screen = Screen(quiet=quiet or silent, as_json=as_json)
    spare_threads("pocket")
    if in_processes(context, processes):
        return
    from seektrack.evaluation.own_trajectory import train_on_tracks

    with screen.progress() as progress:
        figures, left_out = train_on_tracks(
            data, out, model=model, max_minutes=minutes, box=not centre_only, steps=steps,
            learning_rate=learning_rate, held_out=held_out, seed=seed, resume=not fresh, progress=progress,
        )  # fmt: skip
    for line in left_out.lines():
        screen.warn(line)
    if not silent:
        print_figures(screen, figures)
        screen.note(f"use it with seektrack track --predictor {quoted(out)}")


def temporal(
    context: typer.Context,
    out: Out,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="Videos or moments with texts: moments.csv (video,start,end,text), captions.csv, MSR-VTT; "
            "or world:400,style=rich.",
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", help="The temporal encoder to start from: temporal, or a folder.")
    ] = "temporal",
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            help="What joins the frames: transformer, or lstm (from random weights); the model's own when "
            "left out.",
        ),
    ] = None,
    minutes: Minutes = 30.0,
    split: Annotated[
        str | None, typer.Option("--split", help="Part of the data to learn from, such as train.")
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Steps over which the learning rate falls.")
    ] = 1000,
    batch: Annotated[int, typer.Option("--batch", min=2, help="Videos or moments in a step.")] = 32,
    learning_rate: LearningRate = None,
    precision: Annotated[
        str, typer.Option("--precision", help="Compute in bf16 or fp32; weights stay in float32.")
    ] = "bf16",
    held_out: HeldOut = "0.15",
    processes: Processes = 1,
    seed: Seed = 0,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the encoder of what happens on videos with texts; interrupted, the same command goes on."""
    silent = spoken_by_another()
    screen = Screen(quiet=quiet or silent, as_json=as_json)
    spare_threads("pocket")
    if in_processes(context, processes):
        return
    from seektrack.training.datasets import read_texts
    from seektrack.training.datasets.world import is_world
    from seektrack.training.temporal import OwnTemporalRecipe, train_moments, world_moments

    if precision not in ("bf16", "fp32"):
        raise InputError(f"unknown precision {precision!r}", hint="choose from bf16, fp32")
    share = _share(held_out)
    rates: dict[str, Any] = {}
    if learning_rate is not None:
        rates = {"learning_rate": learning_rate, "text_rate": learning_rate / 3}
    recipe = OwnTemporalRecipe(
        network=network,
        steps=steps,
        batch=batch,
        seed=seed,
        held_out=share or 0.0,
        bf16=precision == "bf16",
        **rates,
    )
    others = None if share is not None else read_texts(held_out)
    with screen.progress() as progress:
        if is_world(data):
            found = world_moments(data, out / "training" / "world", progress=progress)
        else:
            found = read_texts(data, split=split)
        for line in found.left_out.lines():
            screen.warn(line)
        figures = train_moments(
            recipe, found.items, out, model=model, max_minutes=minutes, resume=not fresh, progress=progress,
            held_out=None if others is None else others.items,
        )  # fmt: skip
    if not silent:
        figures["left_out"] += len(found.left_out)
        print_figures(screen, figures)
        screen.note(f"use it with seektrack index VIDEOS --temporal --temporal-model {quoted(out)}")


def _share(held_out: str) -> float | None:
    """``--held-out`` as a share, or None where it names data."""
    try:
        return float(held_out)
    except ValueError:
        return None
