"""The fine-tuning itself: steps, measurements, early stopping, checkpoints."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

import torch

from seektrack.errors import InputError
from seektrack.files import write_text
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
from seektrack.training.finetune.batches import Batches, other_names, split_pairs
from seektrack.training.finetune.data import Pairs, digest, read_pairs
from seektrack.training.finetune.losses import GradientBalancer, alignment_loss, info_nce
from seektrack.training.finetune.recipe import FinetuneRecipe
from seektrack.training.finetune.report import report_pairs
from seektrack.training.finetune.teach import teach_names
from seektrack.training.finetune.towers import Towers
from seektrack.training.finetune.validate import Validator
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

    Returns:
        ``mode``, ``steps``, ``seconds``, ``stopped`` (``done``, ``patience`` or ``minutes``), ``loss``,
        ``pairs``, ``held_out`` and ``left_out`` (counts; what was left out is told in
        ``training/left-out.csv``), ``trainable`` (parameters), ``folder``, and where pairs are held
        out ``r1_before``, ``r1``, ``text_r1``, ``image_r1`` and ``best_step`` of the weights written. Also
        what :func:`seektrack.training.finetune.report.report_pairs` tells: the report of what got better and
        worse lies in ``report/``, the model card in ``README.md``.

    Raises:
        InputError: The data cannot be used, or ``out`` is the model's own folder.
        ModelError: The model cannot be used, the checkpoint belongs to another recipe, model or data, or the
            loss is no longer a number.
    """
    out = Path(out)
    if Path(model).is_dir() and Path(model).resolve() == out.resolve():
        raise InputError(f"{out} is the model to start from", hint="write the result to another folder")
    begun = time.monotonic()
    pairs = read_pairs(data) if isinstance(data, str | Path) else data
    named = str(data) if isinstance(data, str | Path) else getattr(pairs, "name", "") or "pairs"
    if recipe.mode == "names":
        return teach_names(
            recipe, pairs, out,
            model=model, data=named, max_minutes=max_minutes, progress=progress, device=device,
        )  # fmt: skip
    scale = Scale(device=device, precision=recipe.precision)
    try:
        return _finetune(
            _Run(
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
    run: _Run, out: Path, *, progress: Progress | None, checkpoint_every_s: float, named: str
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


class _Run:
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
        figures = self.validator(self.towers) if self.validator and self.scale.main else {}
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
            with self.scale.autocast():
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
