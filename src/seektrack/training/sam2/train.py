"""The loop: stages in order, resumable at any step, the moving average of the weights is the result."""

from __future__ import annotations

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
from seektrack.files import write_text
from seektrack.training.common import Curve, load_checkpoint, save_checkpoint
from seektrack.training.sam2.calibrate import calibrate_score
from seektrack.training.sam2.data import Groups
from seektrack.training.sam2.learner import Learner
from seektrack.training.sam2.mixture import Material, stage_source
from seektrack.training.sam2.recipe import Sam2Recipe, Stage
from seektrack.training.sam2.schedule import Clock, State, learning_rate, stage_progress, stage_seconds
from seektrack.training.sam2.stages import step_loss
from seektrack.training.sam2.validate import look
from seektrack.training.scale import Scale

Progress = Callable[[dict[str, Any]], None]
_SEEDS_PER_STAGE = 4_000_000


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
        material: Photographs and films to learn from beside the world.

    Raises:
        OutputError: The folder cannot be made.
        InputError: The processes cannot share the groups of a step evenly.
        ModelError: The folder holds a checkpoint of another recipe or of other material, or the device
            is not there.
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
        material: Material | None = None,
    ) -> None:
        self.material = material or Material()
        self.recipe, self.out, self.workers = recipe, Path(out), workers
        self.scale = Scale(device=device)
        self.scale.fits(recipe.accumulate)
        self._allowed: float | None = None
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the training folder {out}: {error.strerror}") from error
        self.learner = Learner(recipe, init=init, device=self.scale.device)
        self.state = State()
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
                write_text(note, self._recipe_json())
            return
        if Sam2Recipe.from_json(note.read_text()) != self.recipe:
            raise ModelError(
                f"{self.out} holds a training of another recipe",
                hint="choose another --out, or remove the folder",
            )
        if saved.get("material", "") != self.material.digest():
            raise ModelError(
                f"{self.out} holds a training on other pictures and films",
                hint="give the same --pictures and --films, or choose another --out",
            )
        try:
            self.state = State(**saved["state"])
        except TypeError as error:
            raise ModelError(
                f"{self._checkpoint} was written by another version of seektrack",
                hint="go on with that one, or choose another --out",
            ) from error
        self.learner.load_state_dict(saved, self._stage)
        torch.set_rng_state(saved["torch"])

    @property
    def _stage(self) -> Stage | None:
        """The stage at work; None when all are over."""
        stages = self.recipe.stages
        return stages[self.state.stage] if self.state.stage < len(stages) else None

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, each by a temporary name; the main process does."""
        if not self.scale.main:
            return
        save_checkpoint(
            self._checkpoint,
            state=asdict(self.state),
            torch=torch.get_rng_state(),
            material=self.material.digest(),
            **self.learner.state_dict(),
        )
        self.learner.publish((self._stage or self.recipe.stages[-1]).resolution, self.out / "model")

    def _groups(self, stage: Stage) -> Iterator[tuple[int, Any]]:
        start = self.state.stage * _SEEDS_PER_STAGE + stage.first_scene
        seed = 1000 * self.recipe.seed + self.state.stage
        source = stage_source(stage, self.material, start=start, seed=seed)
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
        while (stage := self._stage) is not None:
            if max_minutes is not None:
                before = self.state.seconds - self.state.stage_seconds
                self._allowed = stage_seconds(
                    self.recipe, self.state.stage, minutes=max_minutes, spent_s=before
                )
            if self.learner.optimiser is None:
                self.learner.enter(stage)
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
            self.learner.leave()
            if done == max_steps:
                break
        if self.recipe.calibration and self._stage is None:
            self._calibrate()
        self.save()
        self.scale.wait()
        return figures

    def _calibrate(self) -> None:
        """Give the finished network's object score its zero, once, by the main process, which writes it."""
        if self.scale.main and not self.state.calibrated:
            side = self.recipe.stages[-1].resolution
            calibrate_score(self.learner.average, resolution=side, scenes=self.recipe.calibration)
        self.state.calibrated = True

    def _progress(self, stage: Stage) -> float:
        progress = stage_progress(
            stage, self.state.step, used_s=self.state.stage_seconds, allowed_s=self._allowed
        )
        return progress if self._allowed is None else float(self.scale.agree(progress))

    def _step(self, stage: Stage, groups: Iterator[tuple[int, Any]], progress: float) -> tuple[float, float]:
        """One update from this process's groups and the others'; loss and overlap, NaN without an object."""
        scale, count, learner = self.scale, self.recipe.accumulate, self.learner
        weights = learner.begin(learning_rate(stage, self.state.step, progress))
        head = learner.head if self.recipe.foreground else None
        seen: list[tuple[float, float]] = []
        for _ in range(count // scale.world):
            number, clips = next(groups)
            rng = np.random.default_rng((self.recipe.seed, self.state.stage, number))
            with torch.autocast(scale.device.type, torch.bfloat16, enabled=self.recipe.bf16):
                found = step_loss(learner.model, head, stage, clips, rng, self.recipe, progress)
            if found is not None:
                (found[0] / count).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                seen.append((float(found[0].detach()), found[1]))
        scale.sum_gradients(weights)
        nn.utils.clip_grad_norm_(weights, 1.0)
        self.state.step += 1
        self.state.groups += count
        learner.move(self.state.step)
        loss, overlap = np.mean(seen, axis=0) if seen else (math.nan, math.nan)
        return float(loss), float(overlap)

    def _report(
        self, stage: Stage, loss: float, overlap: float, progress: Progress | None
    ) -> dict[str, float]:
        """Measure, by the main process, and write a row of the curve."""
        figures: dict[str, float] = {}
        if self.scale.main:
            figures, row = look(self.learner.average, stage, scenes=self.recipe.validation)
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
    material: Material | None = None,
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
    trainer = Sam2Trainer(
        recipe, out, init=init, workers=workers, resume=resume, device=device, material=material
    )
    try:
        return trainer.run(max_minutes=max_minutes, progress=progress)
    finally:
        trainer.scale.close()
