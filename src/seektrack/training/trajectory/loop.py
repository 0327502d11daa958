"""The training loop of a trajectory predictor: from a recipe to a folder the tracker loads."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seektrack.tracking.predict_network import TrajectoryModel, save_trajectory
from seektrack.training.common import (
    Budget,
    cosine,
    load_checkpoint,
    save_checkpoint,
    warmed,
    whichever_is_further,
)
from seektrack.training.drive import drive
from seektrack.training.trajectory.data import Sample, sample, starts, trajectories
from seektrack.training.trajectory.recipe import TrajectoryRecipe
from seektrack.types import Progress
from seektrack.world import SceneSettings, Split, seeds

HORIZONS = (1, 5, 10)


def train_trajectory(
    recipe: TrajectoryRecipe,
    out: Path,
    *,
    max_minutes: float,
    resume: bool = True,
    progress: Progress | None = None,
    checkpoint_every_s: float = 30.0,
    validate_every_s: float = 20.0,
) -> dict[str, Any]:
    """Train a predictor and write it to ``out``.

    Args:
        recipe: What to train, on what, for how many steps.
        out: Folder of the result; ``out/training`` keeps the checkpoint and the curve (``curve.csv``).
        max_minutes: Time allowed, counting earlier runs that this one resumes.
        resume: Go on from ``out/training/checkpoint.pt`` where there is one.
        progress: Called with done, total and the name of the stage.
        checkpoint_every_s: Seconds between checkpoints.
        validate_every_s: Seconds between validations.

    Returns:
        The last figures (mean distance of the centre in sizes after 1, 5 and 10 steps on validation scenes,
        and the loss), ``steps``, ``seconds`` and ``folder``.

    Raises:
        ModelError: The checkpoint belongs to another recipe.
    """
    out = Path(out)
    run = Run(recipe, out / "training", max_minutes=max_minutes, resume=resume, progress=progress)
    return drive(
        run, out, progress=progress, checkpoint_every_s=checkpoint_every_s, validate_every_s=validate_every_s
    )


class Run:
    """The state of one training: what a checkpoint holds, and what a step does to it."""

    def __init__(
        self,
        recipe: TrajectoryRecipe,
        work: Path,
        *,
        max_minutes: float,
        resume: bool,
        progress: Progress | None,
    ) -> None:
        self.recipe, self.path = recipe, work / "checkpoint.pt"
        self.description = json.dumps(dataclasses.asdict(recipe), sort_keys=True)
        state = load_checkpoint(self.path, recipe=self.description) if resume else None
        settings, s = SceneSettings(n_frames=recipe.frames, things=(0, 2)), recipe.sizes
        if progress:
            progress(0, 1, "sampling scenes")
        self.data = trajectories(seeds(Split.TRAIN, recipe.scenes), settings)
        self.starts = starts(self.data, past=s.past, future=s.future)
        held_out = trajectories(seeds(Split.VALIDATION, recipe.validation_scenes), settings)
        rng = np.random.default_rng((recipe.seed, 1))
        places = starts(held_out, past=s.past, future=s.future)
        chosen = places[rng.permutation(len(places))[:4096]]
        self.held_out = self._cut(held_out, chosen, rng)
        torch.manual_seed(recipe.seed)
        self.model = TrajectoryModel(s)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=recipe.learning_rate, weight_decay=0.01
        )
        self.steps, self.loss = 0, 0.0
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.steps, self.loss = state["steps"], state["loss"]
        self.budget = Budget(max_minutes, state["seconds"] if state is not None else 0.0)

    def _cut(self, data: Any, picked: Any, rng: np.random.Generator) -> Sample:
        s, r = self.recipe.sizes, self.recipe
        return sample(data, picked, rng, past=s.past, future=s.future, gap=r.gap, noise=r.noise)

    @property
    def progress(self) -> float:
        """Share of the schedule done, by steps or by time, whichever is further on."""
        return whichever_is_further(self.steps / self.recipe.steps, self.budget.progress)

    def export(self, out: Path) -> None:
        """Write the folder that is loaded by its name."""
        save_trajectory(self.model, out)

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(
            self.path,
            recipe=self.description,
            model=self.model.state_dict(),
            optimiser=self.optimiser.state_dict(),
            steps=self.steps,
            loss=self.loss,
            seconds=self.budget.used_s,
        )

    def step(self) -> None:
        """One batch, one update."""
        r = self.recipe
        rate = r.learning_rate * warmed(self.steps, r.warmup) * cosine(self.progress, floor=r.floor)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng((r.seed, 2, self.steps))
        picked = self.starts[rng.integers(0, len(self.starts), r.batch)]
        batch = self._cut(self.data, picked, rng)
        centre, spread = self.model(torch.from_numpy(batch.steps))
        loss = surprise(centre, spread, torch.from_numpy(batch.target))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        value = float(loss.detach())
        self.loss = value if self.steps == 0 else 0.98 * self.loss + 0.02 * value
        self.steps += 1

    @torch.no_grad()
    def validate(self) -> dict[str, Any]:
        """Mean distance from the truth on validation scenes, in sizes, and the loss there."""
        steps, target = torch.from_numpy(self.held_out.steps), torch.from_numpy(self.held_out.target)
        centre, spread = self.model.eval()(steps)
        self.model.train()
        far = (centre - target).norm(dim=-1).mean(0)
        figures: dict[str, Any] = {"step": self.steps, "seconds": round(self.budget.used_s)}
        figures |= {
            "loss": round(self.loss, 4),
            "held_out": round(float(surprise(centre, spread, target)), 4),
        }
        return figures | {f"off_{h}": round(float(far[h - 1]), 4) for h in HORIZONS if h <= len(far)}


def surprise(centre: Tensor, spread: Tensor, target: Tensor) -> Tensor:
    """Mean negative log-likelihood of the target under Student's t with four degrees of freedom, per number.

    Its heavy tails let an object turn round without dragging all predictions to the middle; ``spread`` is
    the logarithm of the scale times the root of 2, which is the standard deviation.
    """
    freedom = 4.0
    scale = spread - 0.5 * float(np.log(freedom / (freedom - 2)))
    off = (target - centre) * torch.exp(-scale)
    return (scale + 0.5 * (freedom + 1) * torch.log1p(off**2 / freedom)).mean()
