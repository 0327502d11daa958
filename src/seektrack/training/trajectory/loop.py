"""The training loop of a trajectory predictor: from a recipe to a folder the tracker loads."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seektrack.errors import InputError, ModelError
from seektrack.tracking.predict_network import TrajectoryModel, save_trajectory
from seektrack.training.common import (
    Budget,
    cosine,
    load_checkpoint,
    save_checkpoint,
    warmed,
    whichever_is_further,
)
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.training.drive import drive
from seektrack.training.scale import Scale
from seektrack.training.trajectory.data import Sample, Trajectories, sample, starts, trajectories
from seektrack.training.trajectory.losses import surprise
from seektrack.training.trajectory.own import digest, parted, ways_of
from seektrack.training.trajectory.recipe import TrajectoryRecipe
from seektrack.training.trajectory.report import report_ways
from seektrack.types import Progress, Tracks
from seektrack.world import SceneSettings, Split, seeds

HORIZONS = (1, 5, 10)


def train_trajectory(
    recipe: TrajectoryRecipe,
    out: str | Path,
    *,
    max_minutes: float,
    data: Sequence[Tracks] | None = None,
    held_out: Sequence[Tracks] | None = None,
    init: str | Path | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    checkpoint_every_s: float = 30.0,
    validate_every_s: float = 20.0,
) -> dict[str, Any]:
    """Train a predictor and write it to ``out``.

    Launched in several processes (``torchrun``, ``accelerate launch``), each takes its share of every batch.

    Args:
        recipe: What to train, on what, for how many steps.
        out: Folder of the result; ``out/training`` keeps the checkpoint and the curve (``curve.csv``).
        max_minutes: Time allowed, counting earlier runs that this one resumes.
        data: Tracks to learn from, see :func:`seektrack.training.datasets.read_tracks`; ways of the drawn
            world when None.
        held_out: Tracks to measure on; a share of ``data`` when None.
        init: Folder of a predictor to start from, whose sizes are the recipe's; random weights when None.
        resume: Go on from ``out/training/checkpoint.pt`` where there is one.
        progress: Called with done, total and the name of the stage.
        checkpoint_every_s: Seconds between checkpoints.
        validate_every_s: Seconds between validations.

    Returns:
        The last figures (mean distance of the centre in sizes after 1, 5 and 10 steps on validation scenes,
        and the loss), ``steps``, ``seconds`` and ``folder``. Of one's own data those of the weights that
        measured best, which are the ones written, with ``…_before`` of the weights it started from.

    Raises:
        InputError: The data cannot be used.
        ModelError: The checkpoint belongs to another recipe or other data, or ``init`` does not fit.
    """
    out = Path(out)
    if init is not None and Path(init).resolve() == out.resolve():
        raise InputError(f"{out} is the predictor to start from", hint="write the result to another folder")
    begun, scale = time.monotonic(), Scale(device="cpu")
    try:
        scale.fits(recipe.batch)
        ways = _Ways(recipe, data, held_out, progress)
        run = Run(recipe, ways, init, out / "training", scale=scale, resume=resume)
        run.start(max_minutes, begun)
        figures = drive(
            run, out, progress=progress, checkpoint_every_s=checkpoint_every_s,
            validate_every_s=validate_every_s, scale=scale,
        )  # fmt: skip
    finally:
        scale.close()
    figures = {**figures, **run.summary()}
    if not scale.main:
        return figures
    if ways.left_out:
        ways.left_out.write(out / "training" / "left-out.csv")
    if not ways.own:
        return figures
    start = TrajectoryModel(recipe.sizes)
    if init is not None:
        start_from(start, init)
    named = str(Path(data[0].video.path).parent) if data else ""
    return figures | report_ways(
        recipe, run.held_out, start, run.chosen(), out,
        model="random weights" if init is None else str(init), data=named, figures=figures,
    )  # fmt: skip


class _Ways:
    """What is learnt from and what is measured on."""

    def __init__(
        self,
        recipe: TrajectoryRecipe,
        data: Sequence[Tracks] | None,
        held_out: Sequence[Tracks] | None,
        progress: Progress | None,
    ) -> None:
        self.own, self.left_out = data is not None, LeftOuts()
        self.digest = "" if data is None else digest([*data, *(held_out or ())])
        if progress:
            progress(0, 1, "sampling scenes" if data is None else "reading tracks")
        if data is None:
            settings = SceneSettings(n_frames=recipe.frames, things=(0, 2))
            self.train = trajectories(seeds(Split.TRAIN, recipe.scenes), settings)
            self.kept: Trajectories | None = trajectories(
                seeds(Split.VALIDATION, recipe.validation_scenes), settings
            )
        else:
            chosen, kept = (
                parted(data, recipe.held_out, recipe.seed) if held_out is None else (data, held_out)
            )
            s = recipe.sizes
            how: dict[str, Any] = {
                "step_s": s.step_s, "past": s.past, "future": s.future, "left_out": self.left_out
            }  # fmt: skip
            self.train = ways_of(chosen, **how)
            self.kept = ways_of(kept, **how) if kept else None
        if progress:
            progress(1, 1, "sampling scenes" if data is None else "reading tracks")


class Run:
    """The state of one training: what a checkpoint holds, and what a step does to it."""

    def __init__(
        self,
        recipe: TrajectoryRecipe,
        ways: _Ways,
        init: str | Path | None,
        work: Path,
        *,
        scale: Scale,
        resume: bool,
    ) -> None:
        self.recipe, self.ways, self.path, self.scale = recipe, ways, work / "checkpoint.pt", scale
        made_of: dict[str, Any] = dataclasses.asdict(recipe)
        if ways.own or init is not None:
            made_of |= {"data": ways.digest, "init": str(init)}
        self.description = json.dumps(made_of, sort_keys=True)
        state = load_checkpoint(self.path, recipe=self.description) if resume else None
        s = recipe.sizes
        self.data = ways.train
        self.starts = starts(self.data, past=s.past, future=s.future)
        if not len(self.starts):
            raise InputError("no track has a past and a future to learn from", hint="give longer ones")
        self.held_out = self._held_out(ways.kept)
        torch.manual_seed(recipe.seed)
        self.model = TrajectoryModel(s)
        if init is not None:
            start_from(self.model, init)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=recipe.learning_rate, weight_decay=0.01
        )
        self.steps, self.loss, self.spent_s = 0, 0.0, 0.0
        self.best: dict[str, Any] = {}
        self.before: dict[str, Any] = {}
        if state is not None:
            self.best, self.before = state.get("best", {}), state.get("before", {})
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.steps, self.loss, self.spent_s = state["steps"], state["loss"], state["seconds"]
        self.budget = Budget(float("inf"), self.spent_s)

    def start(self, max_minutes: float, begun: float) -> None:
        """Set the clock, which has run since ``begun``, and measure what is started from."""
        self.budget = Budget(max_minutes, self.spent_s, begun)
        if self.ways.own and not self.before:
            self.validate()

    def _held_out(self, kept: Trajectories | None) -> Sample | None:
        if kept is None:
            return None
        s, rng = self.recipe.sizes, np.random.default_rng((self.recipe.seed, 1))
        places = starts(kept, past=s.past, future=s.future)
        chosen = places[rng.permutation(len(places))[:4096]]
        if not len(chosen):
            raise InputError("no held-out track has a past and a future", hint="hold out more (--held-out)")
        return self._cut(kept, chosen, rng)

    def _cut(self, data: Any, picked: Any, rng: np.random.Generator) -> Sample:
        s, r = self.recipe.sizes, self.recipe
        return sample(data, picked, rng, past=s.past, future=s.future, gap=r.gap, noise=r.noise)

    @property
    def progress(self) -> float:
        """Share done, by steps or by one process's clock, whichever is further on."""
        share = whichever_is_further(self.steps / self.recipe.steps, self.budget.progress)
        return float(self.scale.agree(share))

    def export(self, out: Path) -> None:
        """Write the folder that is loaded by its name: the best weights of one's own data, else the last."""
        save_trajectory(self.chosen(), out)

    def chosen(self) -> TrajectoryModel:
        """The network that is written."""
        if not self.best:
            return self.model
        found = TrajectoryModel(self.recipe.sizes)
        found.load_state_dict(self.best["model"])
        return found

    def summary(self) -> dict[str, Any]:
        """Figures of the weights written beside those of the start; nothing of the drawn world."""
        if not self.before:
            return {}
        before = {f"{name}_before": value for name, value in self.before.items()}
        counts = {"samples": len(self.starts), "left_out": len(self.ways.left_out)}
        return {**before, **self.best.get("figures", {}), **counts}

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
            best=self.best,
            before=self.before,
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
        centre, spread = self.model(torch.from_numpy(self.scale.share(batch.steps)))
        centre, spread = self.scale.gather(centre), self.scale.gather(spread)
        loss = surprise(centre, spread, *self._truth(batch))
        self.optimiser.zero_grad(set_to_none=True)
        (loss / self.scale.world).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.scale.sum_gradients(self.model.parameters())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        value = float(loss.detach())
        self.loss = value if self.steps == 0 else 0.98 * self.loss + 0.02 * value
        self.steps += 1

    @torch.no_grad()
    def validate(self) -> dict[str, Any]:
        """Mean distance from the truth on what is held out, in sizes, and the loss there."""
        figures: dict[str, Any] = {"step": self.steps, "seconds": round(self.budget.used_s)}
        figures["loss"] = round(self.loss, 4)
        if self.held_out is None:
            return figures
        target, counts = self._truth(self.held_out)
        centre, spread = self.model.eval()(torch.from_numpy(self.held_out.steps))
        self.model.train()
        found = {"held_out": round(float(surprise(centre, spread, target, counts)), 4)}
        far = (centre - target)[..., :2].norm(dim=-1)
        for h in HORIZONS:
            if h <= far.shape[1] and counts[:, h - 1].any():
                found[f"off_{h}"] = round(float(far[:, h - 1][counts[:, h - 1] > 0].mean()), 4)
        if self.ways.own:
            self.before = self.before or found
            if found["held_out"] <= self.best.get("figures", {}).get("held_out", float("inf")):
                weights = {name: value.clone() for name, value in self.model.state_dict().items()}
                self.best = {"figures": {**found, "best_step": self.steps}, "model": weights}
        return figures | found

    def _truth(self, batch: Sample) -> tuple[Tensor, Tensor]:
        numbers = self.recipe.sizes.numbers
        return torch.from_numpy(batch.target[..., :numbers]), torch.from_numpy(batch.counts)


def start_from(model: TrajectoryModel, folder: str | Path) -> None:
    """Take over the weights of a predictor; one of the centre alone is grown to predict the whole box.

    Raises:
        ModelError: It is none, or of other sizes.
    """
    from seektrack.tracking.predict_network import load_trajectory

    given = load_trajectory(Path(folder))
    if dataclasses.replace(given.sizes, box=model.sizes.box) != model.sizes:
        raise ModelError(
            f"{folder} has the sizes {given.sizes}", hint="train with the same sizes, or from random weights"
        )
    state = given.state_dict()
    if model.sizes.box and not given.sizes.box:
        for name in ("leave.1.weight", "leave.1.bias"):
            centre, spread = state[name].chunk(2)
            empty = torch.zeros_like(centre)
            state[name] = torch.cat([centre, empty, spread, empty])
    elif given.sizes.box and not model.sizes.box:
        for name in ("leave.1.weight", "leave.1.bias"):
            mean, spread = state[name].chunk(2)
            state[name] = torch.cat([mean[:2], spread[:2]])
    model.load_state_dict(state)
