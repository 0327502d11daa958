"""Training of a temporal encoder on videos and moments of one's own, with texts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seektrack.training.common import (
    Budget,
    check_out,
)
from seektrack.training.datasets.text_items import TextItem
from seektrack.training.drive import drive
from seektrack.training.scale import Scale
from seektrack.training.temporal.recipe import OwnTemporalRecipe
from seektrack.training.temporal.report import report_moments
from seektrack.training.temporal.tuning import Tuning
from seektrack.types import Progress

LOOKING = 0.6
"""Share of the time allowed after which no further video is looked at."""


def train_moments(
    recipe: OwnTemporalRecipe,
    data: Sequence[TextItem],
    out: str | Path,
    *,
    max_minutes: float,
    held_out: Sequence[TextItem] | None = None,
    model: str | Path = "temporal",
    resume: bool = True,
    progress: Progress | None = None,
    checkpoint_every_s: float = 60.0,
    validate_every_s: float = 20.0,
) -> dict[str, Any]:
    """Train a temporal encoder on what texts say of videos and moments, and write it to ``out``.

    The frames pass the frame tower first, which does not move. Where that takes more than ``LOOKING`` of the
    time, the rest is left out; with more time the same call goes on. Launched in several processes
    (``torchrun``, ``accelerate launch``), each takes its share of every batch.

    Args:
        recipe: How.
        data: Videos and moments with texts, see :func:`seektrack.training.datasets.read_texts`.
        out: Folder of the result; ``out/training`` keeps the checkpoint, the frames' features, the curve and
            what was left out.
        max_minutes: Time allowed, counting earlier runs that this one resumes.
        held_out: What to measure on; a share of ``data`` when None.
        model: The temporal encoder to start from.
        resume: Go on from ``out/training/checkpoint.pt`` where there is one.
        progress: Called with done, total and the name of the stage.
        checkpoint_every_s: Seconds between checkpoints.
        validate_every_s: Fewest seconds between measurements.

    Returns:
        ``r1_before`` and ``r1`` of the weights written, which measured best (mean of ``text_r1``, a moment
        among all texts, and ``image_r1``, a text among all moments), ``steps``, ``seconds``, ``folder`` and
        counts; ``report``, what got better and worse; the model card is ``README.md``.

    Raises:
        InputError: The data cannot be used.
        ModelError: The model is no temporal encoder, or the checkpoint belongs to another recipe or data.
    """
    out = Path(out)
    check_out(out, model)
    begun, scale = time.monotonic(), Scale(device="cpu")
    try:
        scale.fits(recipe.batch)
        run = Tuning(recipe, list(data), held_out, out / "training", str(model), scale, resume=resume)
        run.budget = Budget(max_minutes, run.spent_s, begun)
        run.look(begun + LOOKING * max(0.0, 60 * max_minutes - run.spent_s), progress)
        run.begin()
        drive(
            run, out, progress=progress, checkpoint_every_s=checkpoint_every_s,
            validate_every_s=validate_every_s, scale=scale,
        )  # fmt: skip
    finally:
        scale.close()
    if not scale.main:
        return run.summary()
    if run.left_out:
        run.left_out.write(out / "training" / "left-out.csv")
    figures = {**run.summary(), "folder": str(out)}
    watched = [run.items[i] for i in run.watched]
    views = np.stack([run.view(i) for i in run.watched]) if watched else np.zeros(0)
    named = str(data[0].file.parent) if len(data) else ""
    return figures | report_moments(
        recipe, watched, views, out, model=str(model), data=named, figures=figures
    )
