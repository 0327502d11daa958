"""A predictor trained on tracks of one's own, and measured beside the filter on those held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seektrack.checkpoints import packaged_folder
from seektrack.errors import InputError
from seektrack.evaluation.pocket_trajectory import compare_predictors
from seektrack.tracking.predict import LEARNED
from seektrack.tracking.predict_network import TrajectorySizes, load_trajectory
from seektrack.training.common import check_out
from seektrack.training.datasets import read_tracks
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.training.datasets.world import choose_world, is_world
from seektrack.training.scale import first
from seektrack.training.trajectory import TrajectoryRecipe, train_trajectory
from seektrack.training.trajectory.own import parted
from seektrack.types import Progress, Tracks

NEW = "new-"
OWN_RATE = 5e-4
"""Peak learning rate where weights that know something are trained on."""


def train_on_tracks(
    data: str | Path,
    out: str | Path,
    *,
    model: str = "lstm",
    max_minutes: float,
    box: bool = True,
    steps: int = 1500,
    learning_rate: float | None = None,
    held_out: str | float = 0.2,
    seed: int = 0,
    resume: bool = True,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], LeftOuts]:
    """Train a predictor and compare it with the Kalman filter.

    Args:
        data: What :func:`seektrack.training.datasets.read_tracks` takes, or ``world:500``.
        out: Folder of the result.
        model: ``lstm``, ``transformer`` or a folder to start from; ``new-lstm`` and ``new-transformer``.
        max_minutes: Time allowed.
        box: Predict the whole box.
        steps, learning_rate, seed: Of the training.
        held_out: A share of the videos, or tracks named as ``data`` is.
        resume: Go on from a checkpoint.
        progress: Called with done, total and the stage.

    Returns:
        Figures of the training and, where tracks are held out, ``kalman_fde_15``, ``trained_fde_15`` and the
        others of :func:`seektrack.evaluation.pocket_trajectory.compare_predictors`; and what was left out.

    Raises:
        InputError, ModelError: The data or the model cannot be used.
    """
    check_out(Path(out), model)
    init = None if model.startswith(NEW) else _folder(model)
    sizes = TrajectorySizes(kind=model.removeprefix(NEW)) if init is None else load_trajectory(init).sizes
    share = _share(held_out)
    recipe = TrajectoryRecipe(
        sizes=TrajectorySizes(**{**vars(sizes), "box": box}),
        steps=steps,
        learning_rate=learning_rate or (OWN_RATE if init is not None else TrajectoryRecipe.learning_rate),
        held_out=0.0 if share is None else share,
        scenes=choose_world(str(data), count=500).seeds.__len__() if is_world(str(data)) else 1,
        seed=seed,
    )
    how: dict[str, Any] = {"max_minutes": max_minutes, "init": init, "resume": resume, "progress": progress}
    if is_world(str(data)):
        return train_trajectory(recipe, out, **how), LeftOuts()
    found = read_tracks(data)
    if share is None:
        train, kept = list(found), list(read_tracks(str(held_out)))
    else:
        train, kept = parted(list(found), share, seed)
    figures = train_trajectory(recipe, out, data=train, held_out=kept, **how)
    if not first():
        return figures, found.left_out
    figures["left_out"] = figures.get("left_out", 0) + len(found.left_out)
    return figures | _compared(kept, out, init), found.left_out


def _compared(kept: list[Tracks], out: str | Path, init: Path | None) -> dict[str, float]:
    if not kept:
        return {}
    names = {"kalman": "kalman", str(out): "trained"} | ({str(init): "start"} if init is not None else {})
    try:
        figures = compare_predictors(kept, list(names))
    except InputError:  # tracks too short for what is measured there
        return {}
    renamed = {}
    for name, value in figures.items():
        given = next((n for n in names if name.startswith(f"{n}_")), None)
        renamed[name if given is None else name.replace(given, names[given], 1)] = value
    return renamed


def _folder(model: str) -> Path:
    return packaged_folder(f"trajectory/{model}") if model in LEARNED else Path(model).expanduser()


def _share(held_out: str | float) -> float | None:
    try:
        return float(held_out)
    except ValueError:
        return None
