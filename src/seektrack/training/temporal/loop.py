"""The training loop of the temporal encoder: from a recipe to a folder that `load_encoder` loads."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seektrack.encoders.temporal import save_temporal
from seektrack.encoders.temporal_network import TemporalModel
from seektrack.training.clip.losses import matching_loss
from seektrack.training.common import (
    Budget,
    cosine,
    load_checkpoint,
    save_checkpoint,
    warmed,
    whichever_is_further,
)
from seektrack.training.drive import drive
from seektrack.training.temporal.batches import draw
from seektrack.training.temporal.data import View, prepare
from seektrack.training.temporal.losses import backwards_loss, reverse_loss
from seektrack.training.temporal.model import grow
from seektrack.training.temporal.recipe import OwnTemporalRecipe, TemporalRecipe, motion_scenes
from seektrack.training.temporal.validate import retrieval, told_apart, words_apart
from seektrack.types import Progress
from seektrack.world import Split


def train_temporal(
    recipe: TemporalRecipe,
    out: Path,
    *,
    model: str = "pocket",
    max_minutes: float,
    resume: bool = True,
    progress: Progress | None = None,
    cache: Path | None = None,
    checkpoint_every_s: float = 60.0,
    validate_every_s: float = 120.0,
) -> dict[str, Any]:
    """Train a temporal encoder and write it to ``out``.

    The scenes are drawn and passed through the frame tower first; that is not counted as training time.

    Args:
        recipe: What to train, on what, for how many steps.
        out: Folder of the result. ``out/training`` keeps the checkpoint, the curve (``curve.csv``) and,
            unless ``cache`` says otherwise, the frames' features.
        model: CLIP whose towers it starts from.
        max_minutes: Time allowed, counting earlier runs that this one resumes. The learning rate falls with
            the steps or with the time, whichever is further on.
        resume: Go on from ``out/training/checkpoint.pt`` where there is one.
        progress: Called with done, total and the name of the stage.
        cache: Folder of the features, to share between trainings.
        checkpoint_every_s: Seconds between checkpoints.
        validate_every_s: Seconds between validations.

    Returns:
        The last figures, and ``steps``, ``seconds`` and ``folder``.

    Raises:
        ModelError: The checkpoint belongs to another recipe, or the CLIP does not fit.
    """
    out, work = Path(out), Path(out) / "training"
    run = Run(recipe, work, cache or work / "scenes", model=model, resume=resume, progress=progress)
    run.budget = Budget(max_minutes, run.spent_s)
    return drive(
        run, out, progress=progress, checkpoint_every_s=checkpoint_every_s, validate_every_s=validate_every_s
    )


class Run:
    """The state of one training: what a checkpoint holds, and what a step does to it."""

    def __init__(
        self,
        recipe: TemporalRecipe,
        work: Path,
        cache: Path,
        *,
        model: str,
        resume: bool,
        progress: Progress | None,
    ) -> None:
        self.recipe, self.path = recipe, work / "checkpoint.pt"
        # More scenes may join a training under way.
        settled = dataclasses.asdict(recipe) | {"model": model, "clips": None}
        self.description = json.dumps(settled, sort_keys=True)
        state = load_checkpoint(self.path, recipe=self.description) if resume else None
        sizes, settings = recipe.sizes, motion_scenes(recipe.sizes, recipe.drawn_frames)
        self.model, self.tokenizer = grow(model, sizes, settings, seed=recipe.seed, fit=state is None)
        if state is not None:
            self.model.load_state_dict(state["model"])
        tower = self.model.frames
        self.data, self.held_out = (
            prepare(cache, split, tower, sizes=sizes, settings=settings, clips=clips, progress=progress)
            for split, clips in (
                (Split.TRAIN, recipe.clips),
                (Split.VALIDATION, recipe.validation_clips),
            )
        )
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(groups(self.model, recipe), betas=(0.9, 0.98))
        self.steps, self.loss, self.spent_s = 0, 0.0, 0.0
        if state is not None:
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.steps, self.loss, self.spent_s = state["steps"], state["loss"], state["seconds"]
        self.budget = Budget(float("inf"), self.spent_s)

    @property
    def progress(self) -> float:
        """Share of the schedule done, by steps or by time, whichever is further on."""
        return whichever_is_further(self.steps / self.recipe.steps, self.budget.progress)

    def export(self, out: Path) -> None:
        """Write the folder that is loaded by its name."""
        save_temporal(self.average, self.tokenizer, out)

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(
            self.path,
            recipe=self.description,
            model=self.model.state_dict(),
            average=self.average.state_dict(),
            optimiser=self.optimiser.state_dict(),
            steps=self.steps,
            loss=self.loss,
            seconds=self.budget.used_s,
        )

    def step(self) -> None:
        """One batch, one update."""
        r = self.recipe
        share = warmed(self.steps, r.warmup) * cosine(self.progress, floor=r.floor)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * share
        torch.manual_seed(r.seed * 1_000_003 + self.steps)  # what dropout draws is the step's alone
        batch = draw(self.data, r, self.steps)
        features = torch.from_numpy(batch.features).float()
        with torch.autocast("cpu", torch.bfloat16, enabled=r.bf16):
            clips = self.model.time(features)
            texts = self.model.embed_tokens(self._tokens(batch.texts))
        logits = clips @ texts.T * self.model.logit_scale.exp().clamp(max=100)
        matches = torch.from_numpy(batch.matches)
        loss = matching_loss(logits, matches)
        apart = backwards_loss(logits, matches) + reverse_loss(logits, torch.from_numpy(batch.reverses))
        loss = loss + r.reversal * apart
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], 1.0)
        self.optimiser.step()
        self._follow()
        value = float(loss.detach())
        self.loss = value if self.steps == 0 else 0.97 * self.loss + 0.03 * value
        self.steps += 1

    def validate(self) -> dict[str, Any]:
        """Figures of the running mean on scenes it is not trained on."""
        pairs = [(views[0], views[1]) for views in self.held_out.views]
        forwards, backwards = (self._embed([pair[i] for pair in pairs]) for i in (0, 1))
        figures = retrieval([pair[0] for pair in pairs], forwards, self._embed_texts)
        figures |= told_apart(pairs, forwards, backwards, self._embed_texts)
        figures |= words_apart([pair[0] for pair in pairs], forwards, self._embed_texts)
        seconds = round(self.budget.used_s)
        return {"step": self.steps, "seconds": seconds, "loss": round(self.loss, 4), **figures}

    @torch.no_grad()
    def _embed(self, views: list[View]) -> NDArray[np.float32]:
        rows = []
        for i in range(0, len(views), 16):
            features = np.stack([self.held_out.of(v) for v in views[i : i + 16]])
            with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bf16):
                rows.append(self.average.time(torch.from_numpy(features).float()))
        return torch.cat(rows).numpy()

    @torch.no_grad()
    def _embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        rows = [self.average.embed_tokens(self._tokens(texts[i : i + 64])) for i in range(0, len(texts), 64)]
        return torch.cat(rows).numpy()

    def _tokens(self, texts: list[str]) -> dict[str, Tensor]:
        tokens = self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        return {k: tokens[k] for k in ("input_ids", "attention_mask")}

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the running mean of the weights, faster while there are few steps to average."""
        keep = min(self.recipe.average, (1 + self.steps) / (10 + self.steps))
        for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)


def groups(model: TemporalModel, recipe: TemporalRecipe | OwnTemporalRecipe) -> list[dict[str, Any]]:
    """Matrices and vectors of the trained parts, the text tower slower."""
    found = []
    for is_text in (False, True):
        for is_matrix in (False, True):
            chosen = [
                p
                for name, p in model.named_parameters()
                if p.requires_grad and name.startswith("text.") is is_text and (p.ndim > 1) is is_matrix
            ]
            found.append(
                {
                    "params": chosen,
                    "peak": recipe.text_rate if is_text else recipe.learning_rate,
                    "weight_decay": recipe.weight_decay if is_matrix else 0.0,
                }
            )
    return found
