"""``seektrack pocket temporal`` and ``trajectory``: what happens over time, learnt from the world."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from seektrack import defaults
from seektrack.cli.common import AsJson, Quiet, Screen, quoted
from seektrack.cli.figures import print_figures
from seektrack.cli.train_options import Fresh, Minutes, Out


class Kind(StrEnum):
    """Networks that continue a trajectory."""

    LSTM = "lstm"
    TRANSFORMER = "transformer"


def temporal(
    out: Out,
    minutes: Minutes = 30.0,
    model: Annotated[
        str,
        typer.Option("--model", help="CLIP whose towers it starts from: pocket, or a folder of its kind."),
    ] = defaults.MODEL,
    clips: Annotated[int, typer.Option("--clips", min=64, help="Scenes drawn to learn from.")] = 4000,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Steps over which the learning rate falls.")
    ] = 4000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of weights and batches.")] = 0,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the encoder of what happens: motions, comings and goings; the same command goes on."""
    from seektrack.training.temporal import TemporalRecipe, train_temporal

    screen = Screen(quiet=quiet, as_json=as_json)
    recipe = TemporalRecipe(clips=clips, steps=steps, seed=seed)
    with screen.progress() as progress:
        figures = train_temporal(
            recipe, out, model=model, max_minutes=minutes, resume=not fresh, progress=progress
        )
    print_figures(screen, figures)
    screen.note(f"use it with seektrack.encoders.load_encoder({str(out)!r})")


def trajectory(
    out: Out,
    kind: Annotated[Kind, typer.Option("--model", help="The network to train.")] = Kind.LSTM,
    minutes: Minutes = 15.0,
    scenes: Annotated[
        int, typer.Option("--scenes", min=1, help="Scenes whose objects are learnt from.")
    ] = 500,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of weights and batches.")] = 0,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a predictor of where hidden objects go; interrupted, the same command goes on."""
    from seektrack.tracking.predict_network import TrajectorySizes
    from seektrack.training.trajectory import TrajectoryRecipe, train_trajectory

    screen = Screen(quiet=quiet, as_json=as_json)
    recipe = TrajectoryRecipe(sizes=TrajectorySizes(kind=kind.value), scenes=scenes, seed=seed)
    with screen.progress() as progress:
        figures = train_trajectory(recipe, out, max_minutes=minutes, resume=not fresh, progress=progress)
    print_figures(screen, figures)
    screen.note(f"use it with seektrack track --predictor {quoted(out)}")
