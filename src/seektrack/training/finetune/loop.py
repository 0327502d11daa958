"""The fine-tuning itself: steps, measurements, early stopping, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seektrack.errors import InputError
from seektrack.files import write_text
from seektrack.training.common import (
    Curve,
    check_out,
)
from seektrack.training.finetune.data import Pairs, read_pairs
from seektrack.training.finetune.recipe import FinetuneRecipe
from seektrack.training.finetune.report import report_pairs
from seektrack.training.finetune.run import Run
from seektrack.training.finetune.teach import teach_names
from seektrack.training.scale import Scale
from seektrack.types import Progress


def finetune_clip(
    recipe: FinetuneRecipe,
    data: str | Path | Pairs,
    out: str | Path,
    *,
    model: str | Path = "pocket",
    max_minutes: float = 60.0,
    resume: bool = True,
    progress: Progress | None = None,
    device: str | None = None,
    checkpoint_every_s: float = 90.0,
    kinds: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Fine-tune a CLIP-family model and write it to ``out`` as an ordinary Hugging Face folder.

    The folder opens with :func:`seektrack.encoders.load_encoder`; ``lora`` also writes ``out/adapter``, which
    peft puts on the untouched model. ``out/training`` keeps the checkpoint, the recipe (``recipe.json``) and
    the curve (``curve.csv``, and TensorBoard's events); its first row measures the untouched model.

    In several processes (``torchrun``, ``accelerate launch``; see :mod:`seektrack.training.scale`) each takes
    its share of every batch, and the steps are those of one process with the whole batch; the first one
    measures and writes.

    Args:
        recipe: Which weights move, by which losses, for how long.
        data: What :func:`seektrack.training.finetune.read_pairs` takes, or pairs.
        out: Folder of the result.
        model: What to start from: ``pocket``, a built-in name, a folder or a hub id.
        max_minutes: Time allowed, counting earlier runs that this one resumes; the learning rate falls in
            time.
        resume: Go on from ``out/training/checkpoint.pt`` where there is one.
        progress: Called with done, total and the name of the stage.
        device: ``"cpu"``, ``"cuda"``…; the best there is by default.
        checkpoint_every_s: Seconds between checkpoints, beside those after each measurement.
        kinds: With the mode ``names``, what new names are kinds of (see :func:`teach_names`, which also says
            what is returned then).

    Returns:
        ``mode``, ``steps``, ``seconds``, ``stopped`` (``done``, ``patience`` or ``minutes``), ``loss``,
        ``pairs``, ``held_out`` and ``left_out`` (counts; what was left out is told in
        ``training/left-out.csv``), ``trainable`` (parameters), ``folder``, and where pairs are held
        out ``r1_before``, ``r1``, ``text_r1``, ``image_r1`` and ``best_step`` of the weights written. Also
        what :func:`seektrack.training.finetune.report.report_pairs` tells: the report of what got better and
        worse lies in ``report/``, the model card in ``README.md``.

    Raises:
        InputError: The data cannot be used, ``out`` is the model's own folder, or kinds with another mode.
        ModelError: The model cannot be used, the checkpoint belongs to another recipe, model or data, or the
            loss is no longer a number.
    """
    out = Path(out)
    check_out(out, model)
    begun = time.monotonic()
    pairs = read_pairs(data) if isinstance(data, str | Path) else data
    named = str(data) if isinstance(data, str | Path) else getattr(pairs, "name", "") or "pairs"
    if recipe.mode == "names":
        return teach_names(
            recipe, pairs, out,
            model=model, data=named, kinds=kinds, max_minutes=max_minutes, progress=progress, device=device,
        )  # fmt: skip
    if kinds:
        raise InputError(f"a model taught by {recipe.mode!r} knows no kinds", hint="take --recipe names")
    scale = Scale(device=device, precision=recipe.precision)
    try:
        return _finetune(
            Run(
                recipe, pairs, out / "training", model, scale, resume=resume, minutes=max_minutes, begun=begun
            ),
            out,
            progress=progress,
            checkpoint_every_s=checkpoint_every_s,
            named=named,
        )
    finally:
        scale.close()


def _finetune(
    run: Run, out: Path, *, progress: Progress | None, checkpoint_every_s: float, named: str
) -> dict[str, Any]:
    log = Curve(out / "training" / "curve.csv", step=run.steps) if run.scale.main else None
    if run.steps == 0:
        run.measure(log)
    saved = time.monotonic()
    while run.stopped is None:
        run.step()
        if progress and run.scale.main:
            progress(run.steps, run.total, "training")
        measuring = run.steps % run.every == 0 or run.steps >= run.total or run.progress >= 1
        if measuring:
            run.measure(log)
        if run.scale.agree(measuring or time.monotonic() - saved >= checkpoint_every_s):
            run.save()
            saved = time.monotonic()
    run.take_best()
    if log is not None:
        log.close()
        run.towers.save(out)
        write_text(out / "training" / "recipe.json", run.description + "\n")
        if run.left_out:
            run.left_out.write(out / "training" / "left-out.csv")
    figures = {**run.summary(), "folder": str(out)}
    if run.scale.main:
        figures |= report_pairs(
            run.recipe, run.pairs, run.chosen, run.held_out, out,
            model=run.model, data=named, figures=figures, device=str(run.scale.device),
        )  # fmt: skip
    run.scale.wait()
    return figures
