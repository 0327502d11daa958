"""The loop: stages in order, resumable at any step, the moving average of the weights is the result."""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from seektrack.errors import ModelError, OutputError
from seektrack.training.common import Curve, decay_groups, load_checkpoint, save_checkpoint
from seektrack.training.sam2.calibrate import calibrate_score
from seektrack.training.sam2.config import build_pocket
from seektrack.training.sam2.data import Groups, WorldClips
from seektrack.training.sam2.grow import started
from seektrack.training.sam2.recipe import Sam2Recipe, Stage
from seektrack.training.sam2.schedule import Clock, State, learning_rate, stage_progress, stage_seconds
from seektrack.training.sam2.sides import set_side
from seektrack.training.sam2.stages import step_loss, trained_parameters
from seektrack.training.sam2.validate import look
from seektrack.training.sam2.weights import plain_attention, publish
from seektrack.training.scale import Scale

Progress = Callable[[dict[str, Any]], None]
_SEEDS_PER_STAGE = 4_000_000


def _optimiser(named: list[tuple[str, nn.Parameter]], lr: float) -> torch.optim.AdamW:
    return torch.optim.AdamW(decay_groups((p for _, p in named), 0.02), lr=lr, betas=(0.9, 0.98))


class Sam2Trainer:
    """Trains a pocket SAM 2 into a folder.

    The folder gets ``model/`` (the averaged weights, an ordinary Hugging Face folder), ``checkpoint.pt`` to
    go on from, ``recipe.json`` and ``curve.csv``.

    Args:
        recipe: What to do.
        out: The folder, made if missing.
        init: Folder of weights to start from instead of random ones.
        workers: Processes that render; 0 renders in this one.
        resume: Go on from a checkpoint found there, rather than start over.
        device: ``"cpu"``, ``"cuda"``…; the best there is by default.

    Raises:
        OutputError: The folder cannot be made.
        InputError: The processes cannot share the groups of a step evenly.
        ModelError: The folder holds a checkpoint of another recipe, or the device is not there.
    """

    def __init__(
        self,
        recipe: Sam2Recipe,
        out: Path,
        *,
        init: str | Path | None = None,
        workers: int = 1,
        resume: bool = True,
        device: str | None = None,
    ) -> None:
        self.recipe, self.out, self.workers = recipe, Path(out), workers
        self.scale = Scale(device=device)
        self.scale.fits(recipe.accumulate)
        self._allowed: float | None = None
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the training folder {out}: {error.strerror}") from error
        torch.manual_seed(recipe.seed)
        if init is None:
            self.model = build_pocket(recipe.size)
        else:
            self.model = started(init, recipe.grow)
        self.model.to(self.scale.device)
        self.head = nn.Conv2d(self.model.config.memory_attention_hidden_size, 3, 1).to(self.scale.device)
        self.average = copy.deepcopy(self.model)
        self.state = State()
        self.optimiser: torch.optim.AdamW | None = None
        if not resume and self.scale.main:
            self._checkpoint.unlink(missing_ok=True)
            (self.out / "curve.csv").unlink(missing_ok=True)
            shutil.rmtree(self.out / "tensorboard", ignore_errors=True)
        self.scale.wait()
        self._resume()

    @property
    def _checkpoint(self) -> Path:
        return self.out / "checkpoint.pt"

    def _recipe_json(self) -> str:
        return json.dumps(asdict(self.recipe), indent=1)

    def _resume(self) -> None:
        note = self.out / "recipe.json"
        saved = load_checkpoint(self._checkpoint)
        if saved is None:
            if self.scale.main:
                note.write_text(self._recipe_json())
            return
        if Sam2Recipe.from_json(note.read_text()) != self.recipe:
            raise ModelError(
                f"{self.out} holds a training of another recipe",
                hint="choose another --out, or remove the folder",
            )
        try:
            self.state = State(**saved["state"])
        except TypeError as error:
            raise ModelError(
                f"{self._checkpoint} was written by another version of seektrack",
                hint="go on with that one, or choose another --out",
            ) from error
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.head.load_state_dict(saved["head"])
        torch.set_rng_state(saved["torch"])
        if self.state.stage < len(self.recipe.stages):
            self._enter(self.recipe.stages[self.state.stage])
            if saved["optimiser"] is not None and self.optimiser is not None:
                self.optimiser.load_state_dict(saved["optimiser"])

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, each by a temporary name; the main process does."""
        if not self.scale.main:
            return
        save_checkpoint(
            self._checkpoint,
            state=asdict(self.state),
            model=self.model.state_dict(),
            average=self.average.state_dict(),
            head=self.head.state_dict(),
            optimiser=self.optimiser.state_dict() if self.optimiser else None,
            torch=torch.get_rng_state(),
        )
        side = self.recipe.stages[min(self.state.stage, len(self.recipe.stages) - 1)].resolution
        publish(copy.deepcopy(set_side(self.average, side)).half(), self.out / "model")

    def _enter(self, stage: Stage) -> None:
        set_side(self.model, stage.resolution).train()
        set_side(self.average, stage.resolution)
        if self.recipe.bf16 and self.scale.device.type == "cpu":
            plain_attention(self.model)
        named = trained_parameters(self.model, self.head, stage)
        wanted = {id(p) for _, p in named}
        for parameter in [*self.model.parameters(), *self.head.parameters()]:
            parameter.requires_grad_(id(parameter) in wanted)
        self.optimiser = _optimiser(named, stage.lr)

    def _groups(self, stage: Stage) -> Iterator[tuple[int, Any]]:
        source = WorldClips(stage, start=self.state.stage * _SEEDS_PER_STAGE + stage.first_scene)
        groups = Groups(source, start=self.state.groups, rank=self.scale.rank, world=self.scale.world)
        return groups.stream(self.workers)

    def run(
        self,
        *,
        max_minutes: float | None = None,
        max_steps: int | None = None,
        save_every_s: float = 120.0,
        validate_every_s: float = 600.0,
        progress: Progress | None = None,
    ) -> dict[str, float]:
        """Train to the end of the recipe.

        Args:
            max_minutes: Allowed in all, earlier runs of the same training included. Each stage takes its
                share of them, and its learning rate falls to the end within it.
            max_steps: Interrupt after so many steps; the next run goes on as if there had been no break.
            save_every_s, validate_every_s: Seconds between checkpoints and between measurements.
            progress: Called with each row of the curve.

        Returns:
            The last validation figures (see :func:`seektrack.training.sam2.validate.validate`).
        """
        clock = Clock(self.state, save_every_s, validate_every_s)
        figures: dict[str, float] = {}
        done = 0
        while self.state.stage < len(self.recipe.stages):
            stage = self.recipe.stages[self.state.stage]
            if max_minutes is not None:
                before = self.state.seconds - self.state.stage_seconds
                self._allowed = stage_seconds(
                    self.recipe, self.state.stage, minutes=max_minutes, spent_s=before
                )
            if self.optimiser is None:
                self._enter(stage)
            groups = self._groups(stage)
            loss_mean, overlap_mean = math.nan, math.nan
            position = self._progress(stage)
            while position < 1:
                loss, overlap = self._step(stage, groups, position)
                loss_mean, overlap_mean = _smooth(loss_mean, loss), _smooth(overlap_mean, overlap)
                done += 1
                clock.tick()
                position = self._progress(stage)
                ended, enough = position >= 1, done == max_steps
                if ended or self.scale.agree(clock.validation_due()):
                    figures = self._report(stage, loss_mean, overlap_mean, progress)
                    clock.validated()
                if ended or enough or clock.save_due():  # each for itself: only the main one writes
                    clock.tick()
                    self.save()
                    clock.saved()
                if enough and not ended:
                    return figures
            self.state.stage, self.state.step = self.state.stage + 1, 0
            self.state.groups, self.state.stage_seconds = 0, 0.0
            self.optimiser = None
            if done == max_steps:
                break
        if self.recipe.calibration and self.state.stage == len(self.recipe.stages):
            self._calibrate()
        self.save()
        self.scale.wait()
        return figures

    def _calibrate(self) -> None:
        """Give the finished network's object score its zero, once, by the main process, which writes it."""
        if self.scale.main and not self.state.calibrated:
            side = self.recipe.stages[-1].resolution
            calibrate_score(self.average, resolution=side, scenes=self.recipe.calibration)
        self.state.calibrated = True

    def _progress(self, stage: Stage) -> float:
        progress = stage_progress(
            stage, self.state.step, used_s=self.state.stage_seconds, allowed_s=self._allowed
        )
        return progress if self._allowed is None else float(self.scale.agree(progress))

    def _step(self, stage: Stage, groups: Iterator[tuple[int, Any]], progress: float) -> tuple[float, float]:
        """One update from this process's groups and the others'; loss and overlap, NaN without an object."""
        optimiser, scale, count = self.optimiser, self.scale, self.recipe.accumulate
        if optimiser is None:
            raise ModelError("a training step outside of a stage", hint="call run()")
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(stage, self.state.step, progress)
        optimiser.zero_grad(set_to_none=True)
        seen: list[tuple[float, float]] = []
        for _ in range(count // scale.world):
            number, clips = next(groups)
            rng = np.random.default_rng((self.recipe.seed, self.state.stage, number))
            with torch.autocast(scale.device.type, torch.bfloat16, enabled=self.recipe.bf16):
                found = step_loss(self.model, self.head, stage, clips, rng, self.recipe, progress)
            if found is not None:
                (found[0] / count).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                seen.append((float(found[0].detach()), found[1]))
        weights = [p for g in optimiser.param_groups for p in g["params"]]
        scale.sum_gradients(weights)
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        self.state.step += 1
        self.state.groups += count
        decay = min(self.recipe.decay, (1 + self.state.step) / (10 + self.state.step))
        with torch.no_grad():
            for old, new in zip(self.average.parameters(), self.model.parameters(), strict=True):
                old.lerp_(new, 1 - decay)
        loss, overlap = np.mean(seen, axis=0) if seen else (math.nan, math.nan)
        return float(loss), float(overlap)

    def _report(
        self, stage: Stage, loss: float, overlap: float, progress: Progress | None
    ) -> dict[str, float]:
        """Measure, by the main process, and write a row of the curve."""
        figures: dict[str, float] = {}
        if self.scale.main:
            figures, row = look(self.average, stage, scenes=self.recipe.validation)
            name = f"{self.state.stage}-{stage.name}"
            row = {
                "stage": name,
                "step": self.state.step,
                "minutes": round(self.state.seconds / 60, 1),
                "loss": round(loss, 4),
                "train_j": round(overlap, 4),
                **row,
            }
            log = Curve(self.out / "curve.csv", step=self.state.step, run=name)
            log.write(row)
            log.close()
            if progress is not None:
                progress(row)
        return dict(self.scale.agree(figures))


def _smooth(mean: float, value: float) -> float:
    if math.isnan(value) or math.isnan(mean):
        return mean if math.isnan(value) else value
    return 0.97 * mean + 0.03 * value


def train_sam2(
    recipe: Sam2Recipe,
    out: Path,
    *,
    init: str | Path | None = None,
    max_minutes: float | None = None,
    workers: int = 1,
    resume: bool = True,
    device: str | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train a pocket SAM 2 into ``out``, going on from a checkpoint found there unless ``resume`` is False.

    Launched in several processes (``torchrun``, ``accelerate launch``), each takes its part of the
    ``recipe.accumulate`` groups of a step.

    Returns:
        The last validation figures.

    Raises:
        OutputError: The folder cannot be made.
        InputError: The processes cannot share the groups of a step evenly.
        ModelError: It holds a checkpoint of another recipe, or the device is not there.
    """
    trainer = Sam2Trainer(recipe, out, init=init, workers=workers, resume=resume, device=device)
    try:
        return trainer.run(max_minutes=max_minutes, progress=progress)
    finally:
        trainer.scale.close()
