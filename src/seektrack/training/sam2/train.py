"""The loop: stages in order, resumable at any step, the moving average of the weights is the result."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import Sam2VideoModel

from seektrack.errors import ModelError, OutputError
from seektrack.training.common import CsvLog, cosine, load_checkpoint, save_checkpoint, warmed
from seektrack.training.sam2.config import build_pocket, pocket_config
from seektrack.training.sam2.data import WorldClips
from seektrack.training.sam2.recipe import Sam2Recipe, Stage
from seektrack.training.sam2.stages import step_loss, trained_parameters
from seektrack.training.sam2.validate import validate

Progress = Callable[[dict[str, Any]], None]
_SEEDS_PER_STAGE = 4_000_000


@dataclass
class _State:
    """What a checkpoint holds beside the tensors."""

    stage: int = 0
    step: int = 0
    clips_used: int = 0
    seconds: float = 0.0


def at_resolution(model: Sam2VideoModel, recipe: Sam2Recipe, resolution: int) -> Sam2VideoModel:
    """The same weights in a network for another input size."""
    if model.image_size == resolution:
        return model
    fresh = Sam2VideoModel(pocket_config(replace(recipe.size, resolution=resolution)))
    fresh.load_state_dict(model.state_dict())
    return fresh


def _optimiser(named: list[tuple[str, nn.Parameter]], lr: float) -> torch.optim.AdamW:
    decayed = [p for _, p in named if p.ndim > 1]
    rest = [p for _, p in named if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))


def _learning_rate(stage: Stage, step: int) -> float:
    return stage.lr * warmed(step, stage.warmup) * cosine(step / stage.steps, floor=0.05)


class Sam2Trainer:
    """Trains a pocket SAM 2 into a folder.

    The folder gets ``model/`` (the averaged weights, an ordinary Hugging Face folder), ``checkpoint.pt`` to
    go on from, ``recipe.json`` and ``curve.csv``.

    Args:
        recipe: What to do.
        out: The folder, made if missing.
        init: Folder of weights to start from instead of random ones.
        workers: Processes that render; 0 renders in this one.

    Raises:
        OutputError: The folder cannot be made.
        ModelError: It holds a checkpoint of another recipe.
    """

    def __init__(self, recipe: Sam2Recipe, out: Path, *, init: Path | None = None, workers: int = 1) -> None:
        self.recipe, self.out, self.workers = recipe, Path(out), workers
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the training folder {out}: {error.strerror}") from error
        torch.manual_seed(recipe.seed)
        self.rng = np.random.default_rng(recipe.seed)
        self.model = build_pocket(recipe.size)
        if init is not None:
            self.model.load_state_dict(Sam2VideoModel.from_pretrained(init, dtype=torch.float32).state_dict())
        self.head = nn.Conv2d(recipe.size.width, 3, 1)
        self.average = copy.deepcopy(self.model)
        self.state = _State()
        self.optimiser: torch.optim.AdamW | None = None
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
            note.write_text(self._recipe_json())
            return
        if note.read_text() != self._recipe_json():
            raise ModelError(
                f"{self.out} holds a training of another recipe",
                hint="choose another --out, or remove the folder",
            )
        self.state = _State(**saved["state"])
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.head.load_state_dict(saved["head"])
        self.rng.bit_generator.state = saved["numpy"]
        torch.set_rng_state(saved["torch"])
        if self.state.stage < len(self.recipe.stages):
            self._enter(self.recipe.stages[self.state.stage])
            if saved["optimiser"] is not None and self.optimiser is not None:
                self.optimiser.load_state_dict(saved["optimiser"])

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, each by a temporary name."""
        save_checkpoint(
            self._checkpoint,
            state=asdict(self.state),
            model=self.model.state_dict(),
            average=self.average.state_dict(),
            head=self.head.state_dict(),
            optimiser=self.optimiser.state_dict() if self.optimiser else None,
            numpy=self.rng.bit_generator.state,
            torch=torch.get_rng_state(),
        )
        publish(self.average, self.out / "model")

    def _enter(self, stage: Stage) -> None:
        self.model = at_resolution(self.model, self.recipe, stage.resolution).train()
        self.average = at_resolution(self.average, self.recipe, stage.resolution)
        if self.recipe.bf16:
            self.model.set_attn_implementation("eager")
        named = trained_parameters(self.model, self.head, stage)
        wanted = {id(p) for _, p in named}
        for parameter in [*self.model.parameters(), *self.head.parameters()]:
            parameter.requires_grad_(id(parameter) in wanted)
        self.optimiser = _optimiser(named, stage.lr)

    def _clips(self, stage: Stage) -> Iterator[Any]:
        start = self.state.stage * _SEEDS_PER_STAGE + self.state.clips_used
        dataset = WorldClips(resolution=stage.resolution, n_frames=stage.frames, start=start)
        loader = DataLoader(
            dataset, batch_size=None, num_workers=self.workers, prefetch_factor=16 if self.workers else None
        )
        for frames, ids in loader:
            self.state.clips_used += 1
            yield np.asarray(frames), np.asarray(ids)

    def run(
        self,
        *,
        max_minutes: float | None = None,
        save_every_s: float = 120.0,
        progress: Progress | None = None,
    ) -> dict[str, float]:
        """Train to the end of the recipe or for ``max_minutes``, whichever comes first.

        Returns:
            The last validation figures (see :func:`seektrack.training.sam2.validate.validate`).
        """
        began = last = time.monotonic()
        figures: dict[str, float] = {}
        while self.state.stage < len(self.recipe.stages):
            stage = self.recipe.stages[self.state.stage]
            if self.optimiser is None:
                self._enter(stage)
            clips = self._clips(stage)
            loss_mean, overlap_mean = math.nan, math.nan
            while self.state.step < stage.steps:
                loss, overlap = self._step(stage, clips)
                loss_mean = loss if math.isnan(loss_mean) else 0.97 * loss_mean + 0.03 * loss
                overlap_mean = overlap if math.isnan(overlap_mean) else 0.97 * overlap_mean + 0.03 * overlap
                now = time.monotonic()
                out_of_time = max_minutes is not None and now - began > max_minutes * 60
                if now - last > save_every_s or out_of_time or self.state.step == stage.steps:
                    self.state.seconds += now - last
                    figures = self._report(stage, loss_mean, overlap_mean, progress)
                    self.save()
                    last = time.monotonic()
                if out_of_time:
                    return figures
            self.state = replace(self.state, stage=self.state.stage + 1, step=0, clips_used=0)
            self.optimiser = None
        self.save()
        return figures

    def _step(self, stage: Stage, clips: Iterator[Any]) -> tuple[float, float]:
        optimiser = self.optimiser
        if optimiser is None:
            raise ModelError("a training step outside of a stage", hint="call run()")
        for group in optimiser.param_groups:
            group["lr"] = _learning_rate(stage, self.state.step)
        progress = self.state.step / stage.steps
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bf16):
            loss, overlap = step_loss(
                self.model, self.head, stage, clips, self.rng, self.recipe.losses, progress
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own annotation is missing
        nn.utils.clip_grad_norm_([p for g in optimiser.param_groups for p in g["params"]], 1.0)
        optimiser.step()
        self.state.step += 1
        decay = min(self.recipe.decay, (1 + self.state.step) / (10 + self.state.step))
        with torch.no_grad():
            for old, new in zip(self.average.parameters(), self.model.parameters(), strict=True):
                old.lerp_(new, 1 - decay)
        return float(loss.detach()), overlap

    def _report(
        self, stage: Stage, loss: float, overlap: float, progress: Progress | None
    ) -> dict[str, float]:
        figures: dict[str, float] = {}
        if stage.name in {"decoder", "image"}:
            figures = validate(
                self.average, resolution=stage.resolution, scenes=self.recipe.validation, n_frames=1
            )
        elif stage.name == "clip":
            figures = validate(
                self.average,
                resolution=stage.resolution,
                scenes=max(1, self.recipe.validation * 5 // 12),
                n_frames=8,
            )
        row: dict[str, Any] = {
            "stage": f"{self.state.stage}-{stage.name}",
            "step": self.state.step,
            "minutes": round(self.state.seconds / 60, 1),
            "loss": round(loss, 4),
            "train_j": round(overlap, 4),
            **{k: figures.get(k, "") for k in ("J_box", "J_point", "Jt_box", "Jt_point", "score_acc")},
        }
        CsvLog(self.out / "curve.csv").write(row)
        if progress is not None:
            progress(row)
        return figures


def publish(model: Sam2VideoModel, folder: Path) -> None:
    """Save weights as an ordinary Hugging Face folder, fp16 safetensors."""
    copy.deepcopy(model).eval().half().save_pretrained(folder)


def train_sam2(
    recipe: Sam2Recipe,
    out: Path,
    *,
    init: Path | None = None,
    max_minutes: float | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train a pocket SAM 2 into ``out``, going on from a checkpoint found there.

    Returns:
        The last validation figures.

    Raises:
        OutputError: The folder cannot be made.
        ModelError: It holds a checkpoint of another recipe.
    """
    trainer = Sam2Trainer(recipe, out, init=init, workers=workers)
    return trainer.run(max_minutes=max_minutes, progress=progress)
