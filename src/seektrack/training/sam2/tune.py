"""Fine-tuning a SAM 2 on a user's clips: steps, measurements, early stopping, checkpoints."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from seektrack.errors import InputError
from seektrack.training.common import (
    Budget,
    Curve,
    check_finite,
    decay_groups,
    load_checkpoint,
    save_checkpoint,
    whichever_is_further,
)
from seektrack.training.datasets import MaskClip
from seektrack.training.drive import Progress
from seektrack.training.sam2.augment import RawClip
from seektrack.training.sam2.finetune import Sam2Finetune, split_clips
from seektrack.training.sam2.follow import FollowValidator
from seektrack.training.sam2.footage import FootageClips
from seektrack.training.sam2.recipe import Sam2Recipe, Stage
from seektrack.training.sam2.schedule import learning_rate
from seektrack.training.sam2.sources import digest, read_clips
from seektrack.training.sam2.stages import step_loss
from seektrack.training.sam2.weights import RATES, Weights, plain_attention

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
    untouched model.

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
        ``interrupted``), ``loss``, ``clips`` and ``held_out`` (counts), ``trainable`` (parameters),
        ``folder``, and where clips are held out ``JF_before``, ``JF``, ``J``, ``F`` and ``best_step`` of the
        weights written.

    Raises:
        InputError: The data cannot be used, or ``out`` is the model's own folder.
        ModelError: The model cannot be used, the checkpoint belongs to another recipe, model or data, or the
            loss is no longer a number.
    """
    out = Path(out)
    if Path(model).is_dir() and Path(model).resolve() == out.resolve():
        raise InputError(f"{out} is the model to start from", hint="write the result to another folder")
    clips = read_clips(data) if isinstance(data, str | Path) else data
    others = read_clips(held_out) if isinstance(held_out, str | Path) else held_out
    run = _Run(
        recipe, clips, others, out / "training", model, resume=resume, minutes=max_minutes, device=device
    )
    log = Curve(out / "training" / "curve.csv", step=run.steps)
    if run.steps == 0:
        log.write(run.measure())
    stream, saved, first = run.stream(workers), time.monotonic(), run.steps
    while run.stopped is None and run.steps - first != max_steps:
        measured = run.progress
        run.step(stream)
        if progress:
            progress(run.steps, recipe.steps, FINISHED)
        measuring = int(measured * recipe.measurements) < int(run.progress * recipe.measurements)
        if measuring:
            log.write(run.measure())
        if measuring or time.monotonic() - saved >= checkpoint_every_s:
            run.save()
            saved = time.monotonic()
    run.save()
    log.close()
    best = run.best_state or run.weights.mean
    run.weights.load(best)
    run.weights.save(out)
    (out / "training" / "recipe.json").write_text(run.description + "\n", encoding="utf-8")
    return {**run.summary(), "folder": str(out)}


class _Run:
    """The state of one fine-tuning: what a checkpoint holds, and what a step does to it."""

    def __init__(
        self,
        recipe: Sam2Finetune,
        clips: Sequence[MaskClip],
        others: Sequence[MaskClip] | None,
        work: Path,
        model: str | Path,
        *,
        resume: bool,
        minutes: float,
        device: str | None,
    ) -> None:
        self.recipe, self.clips, self.path = recipe, clips, work / "checkpoint.pt"
        self.chosen, kept = split_clips(len(clips), recipe if others is None else None, seed=recipe.seed)
        watched = [clips[i] for i in kept] if others is None else list(others)[: recipe.max_held_out]
        self.validator = FollowValidator(watched, frames=recipe.held_out_frames) if watched else None
        if self.validator and not self.validator.objects:
            raise InputError(
                "no held-out clip shows an object", hint="hold out other clips, or a larger share"
            )
        self.weights = Weights(
            model, recipe.mode, rank=recipe.rank, alpha=recipe.alpha, decay=recipe.decay, seed=recipe.seed,
            resolution=recipe.resolution, device=device,
        )  # fmt: skip
        small = 0 if self.weights.small else 1
        self.stage = Stage(
            name="clip", steps=recipe.steps, resolution=self.weights.sam2.resolution, clips=recipe.clips,
            frames=recipe.frames, objects=recipe.objects, image_share=recipe.image_share,
            lr=recipe.learning_rate or RATES[recipe.mode][small], warmup=recipe.warmup, floor=recipe.floor,
            min_area=recipe.min_area,
        )  # fmt: skip
        self.terms = Sam2Recipe(losses=recipe.losses, prompts=recipe.prompts, augment=recipe.augment)
        if recipe.bf16 and self.weights.sam2.device.type == "cpu":
            plain_attention(self.weights.network)
        groups = decay_groups(self.weights.trainable().values(), recipe.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=self.stage.lr, betas=(0.9, 0.98))
        self.rng = np.random.default_rng(recipe.seed)
        self.steps, self.groups, self.worse = 0, 0, 0
        self.loss, self.overlap = math.nan, math.nan
        self.before: dict[str, float] = {}
        self.best: dict[str, float] = {}
        self.best_state: dict[str, torch.Tensor] = {}
        self.description = json.dumps(
            {
                "recipe": dataclasses.asdict(recipe),
                "model": self.weights.fingerprint(),
                "clips": digest(clips),
            },
            sort_keys=True,
        )
        state = load_checkpoint(self.path, recipe=self.description) if resume else None
        if state is not None:
            self._go_on(state)
        self.budget = Budget(minutes, state["seconds"] if state is not None else 0.0)

    def _go_on(self, state: dict[str, Any]) -> None:
        self.weights.load(state["weights"])
        self.weights.mean, self.weights.steps = state["mean"], state["steps"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.rng.bit_generator.state = state["numpy"]
        self.steps, self.groups, self.worse = state["steps"], state["groups"], state["worse"]
        self.loss, self.overlap = state["loss"], state["overlap"]
        self.before, self.best, self.best_state = state["before"], state["best"], state["best_state"]

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(
            self.path,
            recipe=self.description,
            weights=self.weights.state(),
            mean=self.weights.mean,
            optimiser=self.optimiser.state_dict(),
            numpy=self.rng.bit_generator.state,
            steps=self.steps,
            groups=self.groups,
            worse=self.worse,
            loss=self.loss,
            overlap=self.overlap,
            before=self.before,
            best=self.best,
            best_state=self.best_state,
            seconds=self.budget.used_s,
        )

    @property
    def progress(self) -> float:
        """Share done, by steps or by the clock."""
        return whichever_is_further(self.steps / self.recipe.steps, self.budget.progress)

    @property
    def stopped(self) -> str | None:
        """Why no further step is taken, or None."""
        if self.steps >= self.recipe.steps:
            return "done"
        if self.validator and 0 < self.recipe.patience <= self.worse:
            return "patience"
        return "minutes" if self.budget.progress >= 1 else None

    def stream(self, workers: int) -> Iterator[list[RawClip]]:
        """Clips of the steps to come."""
        clips = FootageClips(
            self.clips, self.chosen, self.stage, self.recipe.windows, seed=self.recipe.seed, start=self.groups
        )
        for group in DataLoader(clips, batch_size=None, num_workers=workers):
            self.groups += 1
            yield [(np.asarray(frames), np.asarray(ids)) for frames, ids in group]

    def step(self, stream: Iterator[list[RawClip]]) -> None:
        """Take one step; its number decides dropout."""
        recipe, device, progress = self.recipe, self.weights.sam2.device, self.progress
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.stage, self.steps, progress)
        self.weights.train()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(recipe.seed * 1_000_003 + self.steps)
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bf16):
                loss, overlap = step_loss(
                    self.weights.network, None, self.stage, stream, self.rng, self.terms, progress
                )
        value = float(loss.detach())
        check_finite(value, self.steps)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(list(self.weights.trainable().values()), 1.0)
        self.optimiser.step()
        self.weights.moved()
        self.loss = value if math.isnan(self.loss) else 0.95 * self.loss + 0.05 * value
        self.overlap = overlap if math.isnan(self.overlap) else 0.95 * self.overlap + 0.05 * overlap
        self.steps += 1

    def measure(self) -> dict[str, float | str]:
        """J&F of the running mean; keeps a copy of the best. Returns a row of the curve."""
        figures: dict[str, float] = {}
        if self.validator:
            own = self.weights.state()
            self.weights.load(self.weights.mean)
            figures = self.validator(self.weights.as_sam2())
            if figures["JF"] > self.best.get("JF", -1.0):
                self.best, self.worse = {**figures, "best_step": self.steps}, 0
                self.best_state = self.weights.state()
            else:
                self.worse += 1
            self.weights.load(own)
            self.before = self.before or figures
        return {
            "step": self.steps,
            "seconds": round(self.budget.used_s),
            "loss": round(self.loss, 4) if self.steps else "",
            "train_j": round(self.overlap, 4) if self.steps else "",
            **figures,
        }

    def summary(self) -> dict[str, Any]:
        """What is told at the end."""
        figures = {"JF_before": self.before["JF"], **self.best} if self.before else {}
        return {
            "mode": self.recipe.mode,
            "steps": self.steps,
            "seconds": round(self.budget.used_s),
            "stopped": self.stopped or "interrupted",
            "loss": round(self.loss, 4),
            "clips": len(self.chosen),
            "held_out": len(self.validator.windows) if self.validator else 0,
            "trainable": sum(weight.numel() for weight in self.weights.trainable().values()),
            **figures,
        }
