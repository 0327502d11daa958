"""Fine-tuning a SAM 2 on a user's clips: steps, measurements, early stopping, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seektrack.files import write_text
from seektrack.training.common import Curve, check_out
from seektrack.training.datasets import MaskClip
from seektrack.training.sam2.finetune import Sam2Finetune
from seektrack.training.sam2.report import report_clips
from seektrack.training.sam2.sources import usable_clips
from seektrack.training.sam2.tuning import Tuning
from seektrack.training.scale import Scale
from seektrack.types import Progress

FINISHED = "training"


def tune_sam2(
    recipe: Sam2Finetune,
    data: str | Path | Sequence[MaskClip],
    out: str | Path,
    *,
    model: str | Path = "pocket",
    held_out: str | Path | Sequence[MaskClip] | None = None,
    max_minutes: float = 60.0,
    max_steps: int | None = None,
    resume: bool = True,
    workers: int = 0,
    device: str | None = None,
    progress: Progress | None = None,
    checkpoint_every_s: float = 90.0,
) -> dict[str, Any]:
    """Fine-tune a SAM 2 and write it to ``out`` as an ordinary Hugging Face folder.

    ``lora`` also writes ``out/adapter``, which peft puts on the untouched model. ``out/training`` keeps the
    checkpoint, the recipe (``recipe.json``) and the curve (``curve.csv``); its first row measures the
    untouched model. Launched in several processes (``torchrun``, ``accelerate launch``), each takes its part
    of the ``recipe.accumulate`` groups of a step.

    Args:
        recipe: Which weights move, by which losses, for how long.
        data: What :func:`seektrack.training.sam2.sources.read_clips` takes, or clips with masks.
        out: Folder of the result.
        model: What to start from: ``pocket``, a built-in name, a folder or a hub id.
        held_out: The same as ``data``, to measure on; a share of ``data`` when None.
        max_minutes: Time allowed, counting earlier runs that this one resumes; the learning rate falls in
            time.
        max_steps: Interrupt after so many steps, for the next call to go on.
        resume: Go on from ``out/training/checkpoint.pt`` where there is one.
        workers: Processes that read clips; 0 reads in this one.
        device: ``"cpu"``, ``"cuda"``…; the best there is by default.
        progress: Called with done, total and the name of the stage.
        checkpoint_every_s: Seconds between checkpoints, beside those after each measurement.

    Returns:
        ``mode``, ``steps``, ``seconds``, ``stopped`` (``done``, ``patience``, ``minutes`` or
        ``interrupted``), ``loss``, ``clips``, ``held_out`` and ``left_out`` (counts; what was left out is
        told in ``training/left-out.csv``), ``trainable`` (parameters), ``folder``, and where clips are held
        out ``JF_before``, ``JF``, ``J``, ``F`` and ``best_step`` of the weights written; ``better`` and
        ``worse``, counts of held-out objects, and ``report``, where they are drawn before and after.
        ``README.md`` in the folder is its model card.

    Raises:
        InputError: The data cannot be used, ``out`` is the model's own folder, or the processes cannot share
            the groups of a step evenly.
        ModelError: The model cannot be used, the checkpoint belongs to another recipe, model or data, or the
            loss is no longer a number.
    """
    out = Path(out)
    check_out(out, model)
    begun = time.monotonic()
    clips = usable_clips(data) if isinstance(data, str | Path) else data
    others = usable_clips(held_out) if isinstance(held_out, str | Path) else held_out
    named = str(data) if isinstance(data, str | Path) else getattr(data, "name", "clips")
    scale = Scale(device=device)
    try:
        scale.fits(recipe.accumulate)
        run = Tuning(
            recipe,
            clips,
            others,
            out / "training",
            model,
            scale,
            resume=resume,
            minutes=max_minutes,
            begun=begun,
        )
        return _tune(
            run,
            out,
            max_steps=max_steps,
            workers=workers,
            progress=progress,
            every_s=checkpoint_every_s,
            named=named,
        )
    finally:
        scale.close()


def _tune(
    run: Tuning,
    out: Path,
    *,
    max_steps: int | None,
    workers: int,
    progress: Progress | None,
    every_s: float,
    named: str,
) -> dict[str, Any]:
    recipe, scale = run.recipe, run.scale
    log = Curve(out / "training" / "curve.csv", step=run.steps) if scale.main else None
    if run.steps == 0:
        run.measure(log)
    groups, saved, first = run.groups(workers), time.monotonic(), run.steps
    while run.stopped is None and run.steps - first != max_steps:
        measured = run.progress
        run.step(groups)
        if progress and scale.main:
            progress(run.steps, recipe.steps, FINISHED)
        measuring = int(measured * recipe.measurements) < int(run.progress * recipe.measurements)
        measuring = (measuring and run.pays) or run.stopped is not None
        if measuring:
            run.measure(log)
        if measuring or time.monotonic() - saved >= every_s:
            run.save()
            saved = time.monotonic()
    run.save()
    run.weights.load(run.best.weights or run.written)
    if log is not None:
        log.close()
        run.weights.save(out)
        write_text(out / "training" / "recipe.json", run.description + "\n")
        if left_out := getattr(run.clips, "left_out", None):
            left_out.write(out / "training" / "left-out.csv")
    figures = {**run.summary(), "folder": str(out)}
    if scale.main:
        figures |= report_clips(
            recipe, run.validator, run.found, out, model=run.model, data=named, figures=figures,
            resolution=run.weights.sam2.resolution, device=str(scale.device),
        )  # fmt: skip
    scale.wait()
    return figures
