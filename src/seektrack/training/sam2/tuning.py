"""One fine-tuning of a SAM 2: its weights, its clock, its steps and measurements."""

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
from torch import Tensor

from seektrack.errors import InputError
from seektrack.training.best import Best
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
from seektrack.training.eight_bits import eight_bits
from seektrack.training.sam2.augment import RawClip
from seektrack.training.sam2.data import Groups
from seektrack.training.sam2.finetune import Sam2Finetune, peak, split_clips
from seektrack.training.sam2.follow import Followed, FollowValidator, summary
from seektrack.training.sam2.footage import FootageClips
from seektrack.training.sam2.recipe import Sam2Recipe, Stage
from seektrack.training.sam2.schedule import learning_rate
from seektrack.training.sam2.sources import digest
from seektrack.training.sam2.stages import step_loss
from seektrack.training.sam2.weights import RATES, Weights, plain_attention
from seektrack.training.scale import Scale

MEASURING = 0.08
"""Share of the time allowed that one measurement may take; above it fewer clips are looked at."""
FEWEST_CLIPS = 2
CHEAP = 0.2
"""Share of the time allowed that all measurements together may take unasked."""
PAUSE = 5
"""Where they take more, between two measurements at least so many times as long as one takes is trained."""


class Tuning:
    """The state of one fine-tuning: what a checkpoint holds, and what a step does to it."""

    def __init__(
        self,
        recipe: Sam2Finetune,
        clips: Sequence[MaskClip],
        others: Sequence[MaskClip] | None,
        work: Path,
        model: str | Path,
        scale: Scale,
        *,
        resume: bool,
        minutes: float,
        begun: float,
    ) -> None:
        self.scale = scale
        self.recipe, self.clips, self.path, self.model = recipe, clips, work / "checkpoint.pt", model
        self.chosen, kept = split_clips(len(clips), recipe if others is None else None, seed=recipe.seed)
        watched = [clips[i] for i in kept] if others is None else list(others)[: recipe.max_held_out]
        self.validator = FollowValidator(watched, frames=recipe.held_out_frames) if watched else None
        if self.validator and not self.validator.objects:
            raise InputError(
                "no held-out clip shows an object", hint="hold out other clips, or a larger share"
            )
        self.weights = Weights(
            model, recipe.mode, rank=recipe.rank, alpha=recipe.alpha, decay=recipe.decay, seed=recipe.seed,
            resolution=recipe.resolution, device=str(scale.device), clips=clips,
        )  # fmt: skip
        self.start = self.weights.state() if recipe.keep else {}
        small = 0 if self.weights.small else 1
        self.stage = Stage(
            name="clip", steps=recipe.steps, resolution=self.weights.sam2.resolution, clips=recipe.clips,
            frames=recipe.frames, objects=recipe.objects, image_share=recipe.image_share,
            lr=peak(recipe, RATES[recipe.mode][small]), warmup=recipe.warmup, floor=recipe.floor,
            min_area=recipe.min_area, spoil=recipe.spoil,
        )  # fmt: skip
        self.terms = Sam2Recipe(losses=recipe.losses, prompts=recipe.prompts, augment=recipe.augment)
        if recipe.bf16 and self.weights.sam2.device.type == "cpu":
            plain_attention(self.weights.network)
        groups = decay_groups(self.weights.trainable().values(), recipe.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=self.stage.lr, betas=(0.9, 0.98))
        self.steps = 0
        self.loss, self.overlap = math.nan, math.nan
        self.best = Best("JF", patience=recipe.patience)
        self.cost_s, self.measured_s = 0.0, 0.0
        self.latest: list[Followed] = []
        self.found: tuple[list[Followed], list[Followed]] = ([], [])
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
        self.budget = Budget(minutes, state["seconds"] if state is not None else 0.0, begun)
        self.clock = self._clock()

    def _go_on(self, state: dict[str, Any]) -> None:
        self.weights.load(state["weights"])
        self.weights.mean, self.weights.steps = state["mean"], state["steps"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps, self.loss, self.overlap = state["steps"], state["loss"], state["overlap"]
        self.best.load_state_dict(state)
        self.cost_s, self.measured_s = state["cost_s"], state["seconds"]
        if self.validator:
            self.validator.keep(state["windows"])

    def save(self) -> None:
        """Write the checkpoint; the main process does."""
        if not self.scale.main:
            return
        save_checkpoint(
            self.path,
            recipe=self.description,
            weights=self.weights.state(),
            mean=self.weights.mean,
            optimiser=self.optimiser.state_dict(),
            steps=self.steps,
            loss=self.loss,
            overlap=self.overlap,
            seconds=self.budget.used_s,
            cost_s=self.cost_s,
            windows=len(self.validator.windows) if self.validator else 0,
            **self.best.state_dict(),
        )

    @property
    def progress(self) -> float:
        """Share done, by steps or by the clock."""
        return whichever_is_further(self.steps / self.recipe.steps, self.clock)

    @property
    def written(self) -> dict[str, Tensor]:
        """The running mean of the weights, with the share of the start that the recipe keeps."""
        keep = self.recipe.keep
        return {
            name: value.lerp(self.start[name].to(value), keep) if keep else value
            for name, value in self.weights.mean.items()
        }

    @property
    def stopped(self) -> str | None:
        """Why no further step is taken, or None."""
        if self.steps >= self.recipe.steps:
            return "done"
        if self.best.enough:
            return "patience"
        return "minutes" if self.clock >= 1 else None

    def groups(self, workers: int) -> Iterator[tuple[int, list[RawClip]]]:
        """This process's groups of clips of the steps to come."""
        recipe, scale = self.recipe, self.scale
        source = FootageClips(self.clips, self.chosen, self.stage, recipe.windows, seed=recipe.seed)
        start = self.steps * recipe.accumulate
        return Groups(source, start=start, rank=scale.rank, world=scale.world).stream(workers)

    def step(self, groups: Iterator[tuple[int, list[RawClip]]]) -> None:
        """Take one step; the numbers of its groups decide prompts, augmentation and dropout."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.stage, self.steps, self.progress)
        self.weights.train()
        self.optimiser.zero_grad(set_to_none=True)
        for _ in range(self.recipe.accumulate // self.scale.world):
            self._learn(*next(groups))
        weights = list(self.weights.trainable().values())
        self.scale.sum_gradients(weights)
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        self.optimiser.step()
        self.weights.moved()
        self.steps += 1
        self.clock = self._clock()

    def _learn(self, number: int, clips: list[RawClip]) -> None:
        """Add the gradients of a group."""
        recipe, device = self.recipe, self.scale.device
        rng = np.random.default_rng((recipe.seed, number, 2))
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(recipe.seed * 1_000_003 + number)
            autocast = torch.autocast(device.type, torch.bfloat16, enabled=recipe.bf16)
            with autocast, eight_bits(recipe.quantisation_aware):
                found = step_loss(
                    self.weights.network, None, self.stage, clips, rng, self.terms, self.progress
                )
        if found is None:
            return
        value = float(found[0].detach())
        check_finite(value, self.steps)
        (found[0] / recipe.accumulate).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.loss = value if math.isnan(self.loss) else 0.95 * self.loss + 0.05 * value
        self.overlap = found[1] if math.isnan(self.overlap) else 0.95 * self.overlap + 0.05 * found[1]

    def measure(self, log: Curve | None) -> None:
        """J&F of what would be written, by the main process; keeps the best, writes a row of the curve."""
        figures: dict[str, float] = {}
        if self.validator:
            own, begun = self.weights.state(), time.monotonic()
            self.weights.load(self.written)
            if self.scale.main:
                figures = self._followed(self.validator, begun)
            figures, self.cost_s = self.scale.agree((figures, self.cost_s))
            better = figures["JF"] > self.best.figures.get("JF", -1.0)
            self.best.judge(figures, self.steps, self.weights.state)
            if self.steps == 0:
                self.found = (self.latest, self.latest)
            elif better:
                self.found = (self.found[0], self.latest)
            self.weights.load(own)
        self.measured_s = self.budget.used_s
        if log is not None:
            log.write(
                {
                    "step": self.steps,
                    "seconds": round(self.budget.used_s),
                    "loss": round(self.loss, 4) if self.steps else "",
                    "train_j": round(self.overlap, 4) if self.steps else "",
                    **figures,
                }
            )

    def _followed(self, validator: FollowValidator, begun: float) -> dict[str, float]:
        """J&F; where measuring would take too much of the time allowed, of fewer clips from the start on."""
        self.latest = list(validator.each(self.weights.as_sam2()))
        self.cost_s = time.monotonic() - begun
        most, count = MEASURING * 60 * self.budget.minutes, len(validator.windows)
        if self.steps == 0 and self.cost_s > most and count > FEWEST_CLIPS:
            kept = max(FEWEST_CLIPS, int(count * most / self.cost_s))
            validator.keep(kept)
            self.latest = [one for one in self.latest if one.window < kept]
            self.cost_s *= kept / count
        return summary(self.latest)

    @property
    def pays(self) -> bool:
        """Whether to measure again: it is cheap, or much was learnt since the last time."""
        cheap = self.cost_s * self.recipe.measurements <= CHEAP * 60 * self.budget.minutes
        return bool(self.scale.agree(cheap or self.budget.used_s - self.measured_s >= PAUSE * self.cost_s))

    def _clock(self) -> float:
        """Share of the time used, what the last measurement will take counted as used."""
        used = self.budget.used_s + self.cost_s
        return float(self.scale.agree(used / max(1e-9, 60 * self.budget.minutes)))

    def summary(self) -> dict[str, Any]:
        """What is told at the end."""
        return {
            "mode": self.recipe.mode,
            "steps": self.steps,
            "seconds": round(self.budget.used_s),
            "stopped": self.stopped or "interrupted",
            "loss": round(self.loss, 4),
            "clips": len(self.chosen),
            "held_out": len(self.validator.windows) if self.validator else 0,
            "left_out": len(getattr(self.clips, "left_out", ())),
            "trainable": sum(weight.numel() for weight in self.weights.trainable().values()),
            **self.best.summary(),
        }
