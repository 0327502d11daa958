"""One fine-tuning of a CLIP: its weights, its clock, its steps and measurements."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import torch

from seektrack.training.best import Best
from seektrack.training.common import (
    Budget,
    Curve,
    check_finite,
    cosine,
    decay_groups,
    load_checkpoint,
    save_checkpoint,
    warmed,
    whichever_is_further,
)
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.training.eight_bits import eight_bits
from seektrack.training.finetune.batches import Batches, other_names, split_pairs
from seektrack.training.finetune.data import Pairs, digest
from seektrack.training.finetune.losses import GradientBalancer, alignment_loss, info_nce
from seektrack.training.finetune.recipe import FinetuneRecipe
from seektrack.training.finetune.towers import Towers
from seektrack.training.finetune.validate import Validator
from seektrack.training.scale import Scale


class Run:
    """The state of one fine-tuning: what a checkpoint holds, and what a step does to it."""

    def __init__(
        self,
        recipe: FinetuneRecipe,
        pairs: Pairs,
        work: Path,
        model: str | Path,
        scale: Scale,
        *,
        resume: bool,
        minutes: float,
        begun: float,
    ) -> None:
        self.recipe, self.path, self.scale = recipe, work / "checkpoint.pt", scale
        chosen, held_out = split_pairs(len(pairs), recipe)
        self.towers = Towers(model, recipe, device=str(scale.device))
        others = other_names(self.towers.encoder, pairs, recipe.contrast)
        self.batches = Batches(pairs, chosen, recipe, scale, others)
        self.validator = Validator(pairs, held_out) if len(held_out) else None
        self.pairs, self.chosen, self.held_out, self.model = pairs, chosen, held_out, model
        self.n_pairs, self.n_held_out = len(chosen), len(held_out)
        self.left_out = getattr(pairs, "left_out", None) or LeftOuts()
        self.total, self.every = recipe.steps_of(self.batches.per_epoch)
        self.network = scale.spread(self.towers.forward_module())
        self.rate = recipe.rate(sum(p.numel() for p in self.towers.network.parameters()))
        groups = decay_groups(self.towers.trainable().values(), recipe.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=self.rate, betas=(0.9, 0.98))
        terms = ("image_to_text", "text_to_image", "alignment")
        self.terms = {name: float(getattr(recipe, name)) for name in terms if getattr(recipe, name) > 0}
        self.balancer = GradientBalancer(list(self.terms), restoring=recipe.restoring)
        self.steps, self.loss = 0, math.nan
        self.parts: dict[str, float] = {}
        self.best = Best("r1", patience=recipe.patience, tie="margin")
        self.description = json.dumps(
            {
                "recipe": dataclasses.asdict(recipe),
                "model": self.towers.encoder.fingerprint,
                "data": digest(pairs),
            },
            sort_keys=True,
        )
        state = load_checkpoint(self.path, recipe=self.description) if resume else None
        if state is not None:
            self._go_on(state)
        self.budget = Budget(minutes, state["seconds"] if state is not None else 0.0, begun)
        self.progress = scale.agree(self.budget.progress)

    def _go_on(self, state: dict[str, Any]) -> None:
        self.towers.load(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.balancer.load_state_dict(state["balancer"])
        self.scale.load_state_dict(state["scale"])
        self.steps, self.loss = state["steps"], state["loss"]
        self.best.load_state_dict(state)

    @property
    def stopped(self) -> str | None:
        """Why no further step is taken, or None."""
        if self.steps >= self.total:
            return "done"
        if self.best.enough:
            return "patience"
        return "minutes" if self.progress >= 1 else None

    def save(self) -> None:
        """Write the checkpoint, on the first process."""
        if not self.scale.main:
            return
        save_checkpoint(
            self.path,
            recipe=self.description,
            weights=self.towers.state(),
            optimiser=self.optimiser.state_dict(),
            balancer=self.balancer.state_dict(),
            scale=self.scale.state_dict(),
            steps=self.steps,
            loss=self.loss,
            seconds=self.budget.used_s,
            **self.best.state_dict(),
        )

    def measure(self, log: Curve | None) -> None:
        """Retrieval of the weights as they are, into the log; keeps a copy of the best."""
        figures = {}
        if self.validator and self.scale.main:
            with eight_bits(self.recipe.quantisation_aware):
                figures = self.validator(self.towers)
        figures = self.scale.agree(figures)
        if figures:
            self.best.judge(figures, self.steps, self.towers.state)
        terms = {name: round(self.parts[name], 4) if self.parts else "" for name in self.terms}
        weights = {f"weight_{name}": round(w, 4) for name, w in self.balancer.weights.items()}
        if log is not None:
            loss = round(self.loss, 4) if self.parts else ""
            head = {"step": self.steps, "seconds": round(self.budget.used_s), "loss": loss}
            log.write({**head, **terms, **weights, **figures})

    def take_best(self) -> None:
        """Go back to the weights that measured best."""
        if self.best.weights:
            self.towers.load(self.best.weights)

    def summary(self) -> dict[str, Any]:
        """What is told at the end."""
        return {
            "mode": self.recipe.mode,
            "steps": self.steps,
            "seconds": round(self.budget.used_s),
            "stopped": self.stopped,
            "loss": round(self.loss, 4),
            "pairs": self.n_pairs,
            "held_out": self.n_held_out,
            "left_out": len(self.left_out),
            "trainable": sum(weight.numel() for weight in self.towers.trainable().values()),
            **self.best.summary(),
        }

    def step(self) -> None:
        """Take one step; its number decides batch, augmentation and dropout."""
        r, device, encoder = self.recipe, self.scale.device, self.towers.encoder
        done = whichever_is_further(self.steps / self.total, self.progress)
        # Where the time ends before the epochs do, the warm-up is a share of the time as well.
        warm = max(warmed(self.steps, round(r.warmup * self.total)), done / r.warmup if r.warmup else 1.0)
        rate = self.rate * min(1.0, warm) * cosine(done, floor=r.floor)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        batch = self.batches(self.steps)
        matches, weights = torch.from_numpy(batch.matches), torch.from_numpy(batch.weights)
        matches, weights = matches.to(device), weights.to(device)
        self.towers.train()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed((r.seed * 1_000_003 + self.steps) * self.scale.world + self.scale.rank)
            with self.scale.autocast(), eight_bits(r.quantisation_aware):
                images, texts, scale = self.network(
                    list(encoder.image_groups(batch.images)),
                    encoder.text_inputs([*batch.texts, *batch.others]),
                )
        own = len(batch.texts)
        images, others, texts = self.scale.gather(images), texts[own:], self.scale.gather(texts[:own])
        to_text, to_image = info_nce(
            images @ texts.T * scale, matches, weights, images @ others.T * scale if len(others) else None
        )
        losses = {
            "image_to_text": to_text,
            "text_to_image": to_image,
            "alignment": alignment_loss(images, texts, weights),
        }
        losses = {name: losses[name] for name in self.terms}
        if r.balance:
            self.balancer.update(losses, (images, texts))
        loss = torch.stack(
            [self.balancer.weights[name] * self.terms[name] * losses[name] for name in self.terms]
        ).sum()
        value = float(loss.detach())
        check_finite(value, self.steps)
        self.scale.step(loss, self.optimiser, self.towers.trainable().values(), max_norm=1.0)
        self.parts = {name: float(part.detach()) for name, part in losses.items()}
        self.loss = value if math.isnan(self.loss) else 0.9 * self.loss + 0.1 * value
        self.steps += 1
        self.progress = self.scale.agree(self.budget.progress)
