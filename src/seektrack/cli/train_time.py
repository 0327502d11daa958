"""``seektrack train trajectory`` and ``train temporal``: what happens over time, from one's own data."""

from __future__ import annotations

from typing import Annotated

import typer

from seektrack.cli.common import AsJson, Quiet, Screen, quoted, spare_threads
from seektrack.cli.figures import print_figures
from seektrack.cli.train_options import Fresh, LearningRate, Minutes, Out, Seed

HeldOut = Annotated[
    str,
    typer.Option("--held-out", help="What to measure on: a share of --data, or named as --data is."),
]


def trajectory(
    out: Out,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="Tracks: MOT Challenge, KITTI or UA-DETRAC sequences, results of seektrack or of another "
            "tracker (a file or a folder of them), or world:500.",
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
    seed: Seed = 0,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a predictor of where hidden objects go on tracks of one's own; the same command goes on."""
    screen = Screen(quiet=quiet, as_json=as_json)
    spare_threads("pocket")
    from seektrack.evaluation.own_trajectory import train_on_tracks

    with screen.progress() as progress:
        figures, left_out = train_on_tracks(
            data, out, model=model, max_minutes=minutes, box=not centre_only, steps=steps,
            learning_rate=learning_rate, held_out=held_out, seed=seed, resume=not fresh, progress=progress,
        )  # fmt: skip
    for line in left_out.lines():
        screen.warn(line)
    print_figures(screen, figures)
    screen.note(f"use it with seektrack track --predictor {quoted(out)}")
