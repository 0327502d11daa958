"""The training loop of the pocket CLIP: from a recipe to a folder that transformers loads."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seektrack.checkpoints import load_tokenizer, packaged_folder
from seektrack.training.clip.frames import FrameStore, prepare
from seektrack.training.clip.losses import (
    N_COLOURS,
    dense_loss,
    matching_loss,
    shared_loss,
    vocabulary_loss,
)
from seektrack.training.clip.matching import NO_LABEL, Sample, match_matrix, present_labels
from seektrack.training.clip.model import (
    build_model,
    build_processor,
    build_tokenizer,
    continue_model,
    embed_images,
    embed_patches,
    embed_texts,
    normalise,
    save_folder,
)
from seektrack.training.clip.recipe import ClipRecipe
from seektrack.training.clip.samples import Sampler
from seektrack.training.clip.texts import bank
from seektrack.training.clip.validate import Validator
from seektrack.training.common import (
    Budget,
    cosine,
    decay_groups,
    load_checkpoint,
    save_checkpoint,
    warmed,
    whichever_is_further,
)
from seektrack.training.drive import drive
from seektrack.types import Progress
from seektrack.world import Split, vocabulary

_POCKET = packaged_folder("clip")
N_BACKGROUND = len(vocabulary()["background"])
Patches = tuple[list[int], Tensor]
"""Numbers of some pictures, and the unit rows of their patches, (F, G², D)."""


def train_clip(
    recipe: ClipRecipe,
    out: Path,
    *,
    max_minutes: float,
    resume: bool = True,
    progress: Progress | None = None,
    cache: Path | None = None,
    init: str | Path | None = None,
    checkpoint_every_s: float = 90.0,
    validate_every_s: float = 180.0,
) -> dict[str, Any]:
    """Train a pocket CLIP and write it to ``out`` as an ordinary Hugging Face folder.

    Args:
        recipe: What to train, on what, for how many steps.
        out: Folder of the result. ``out/training`` keeps the checkpoint, the curve (``curve.csv``) and,
            unless ``cache`` says otherwise, the rendered pictures.
        max_minutes: Time allowed, counting earlier runs that this one resumes. The learning rate falls with
            the steps or with the time, whichever is further on.
        resume: Go on from ``out/training/checkpoint.pt`` where there is one.
        progress: Called with done, total and the name of the stage.
        cache: Folder of the rendered pictures, to share between trainings.
        init: Weights and tokenizer to start from: ``"pocket"`` or the folder of one like it, which may have
            been taught fewer categories, see smaller pictures and have fewer layers than the recipe says.
        checkpoint_every_s: Seconds between checkpoints.
        validate_every_s: Seconds between validations.

    Returns:
        The last figures, and ``steps``, ``seconds`` and ``folder``.

    Raises:
        ModelError: The checkpoint belongs to another recipe, or ``init`` cannot become what it says.
    """
    out, work = Path(out), Path(out) / "training"
    frames = cache or work / "frames"
    begin = _POCKET if init == "pocket" else Path(init) if init is not None else None
    run = Run(recipe, work, frames, resume=resume, max_minutes=max_minutes, progress=progress, init=begin)
    return drive(
        run, out, progress=progress, checkpoint_every_s=checkpoint_every_s, validate_every_s=validate_every_s
    )


class Run:
    """The state of one training: what a checkpoint holds, and what a step does to it.

    Args:
        recipe: Batches and schedule.
        work: Folder of the checkpoint.
        frames: Folder of the rendered pictures.
        resume, max_minutes, progress, init: See :func:`train_clip`.
        description: Settings beside the recipe that a checkpoint belongs to.
    """

    def __init__(
        self,
        recipe: ClipRecipe,
        work: Path,
        frames: Path,
        *,
        resume: bool,
        max_minutes: float,
        progress: Progress | None = None,
        init: Path | None = None,
        description: dict[str, Any] | None = None,
    ) -> None:
        self.recipe, self.path, self.init = recipe, work / "checkpoint.pt", init
        self.description = json.dumps(dataclasses.asdict(recipe) | (description or {}), sort_keys=True)
        state = load_checkpoint(self.path, recipe=self.description) if resume else None
        self.store = FrameStore(_pictures(recipe, frames, progress))
        self.validator = Validator(frames, recipe)
        self.tokenizer, self.model = self._network(work, resume=state is not None)
        self.processor = build_processor(recipe.sizes, self.tokenizer)
        # On a CPU the fused attention's backward pass in bfloat16 costs more than all else together.
        self.model.set_attn_implementation("eager")
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.sampler = Sampler(self.store, recipe)
        groups = decay_groups(self.model.parameters(), recipe.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))
        self.steps, self.loss = 0, 0.0
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.steps, self.loss = state["steps"], state["loss"]
        self.budget = Budget(max_minutes, state["seconds"] if state is not None else 0.0)

    def _network(self, work: Path, *, resume: bool) -> tuple[Any, Any]:
        """The tokenizer and the network to start from."""
        tokenizer = _tokenizer(self.recipe, work / "tokenizer", self.init, resume=resume)
        if self.init is not None and not resume:
            return tokenizer, continue_model(self.init, self.recipe.sizes)
        return tokenizer, build_model(self.recipe.sizes, tokenizer, seed=self.recipe.seed)

    @property
    def progress(self) -> float:
        """Share of the schedule done, by steps or by time, whichever is further on."""
        return whichever_is_further(self.steps / self.recipe.steps, self.budget.progress)

    def exported(self) -> Any:
        """The network to write out and to measure: the running mean."""
        return self.average

    def export(self, out: Path) -> None:
        """Write the folder that transformers loads."""
        save_folder(self.exported(), self.processor, out, n_categories=self.recipe.n_categories)

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

    def validate(self) -> dict[str, float]:
        """Figures of the weights that are exported."""
        figures = self.validator(self.exported(), self.tokenizer, self.processor)
        seconds = round(self.budget.used_s)
        return {"step": self.steps, "seconds": seconds, "loss": round(self.loss, 4), **figures}

    def step(self) -> None:
        """One batch, one update."""
        r = self.recipe
        rate = r.learning_rate * warmed(self.steps, r.warmup) * cosine(self.progress, floor=r.floor)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self._loss()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self._follow()
        value = float(loss.detach())
        self.loss = value if self.steps == 0 else 0.97 * self.loss + 0.03 * value
        self.steps += 1

    def _loss(self) -> Tensor:
        r = self.recipe
        samples, texts, extra = self.sampler.batch(self.steps, early=self.progress < r.early_share)
        matches = torch.from_numpy(match_matrix(samples, len(texts), extra=extra))
        labels = torch.tensor([s.label for s in samples])
        crops = labels != NO_LABEL
        images, asked, classes, scale, patches = self._embed([s.image for s in samples], texts)
        named = images @ classes.T * scale
        loss = matching_loss(images @ asked.T * scale, matches)
        loss = loss + r.label_weight * vocabulary_loss(
            named[crops], labels[crops], N_BACKGROUND, n_categories=r.n_categories
        )
        if r.scene_weight:
            present = torch.from_numpy(present_labels(samples, r.n_categories * N_COLOURS, N_BACKGROUND))
            loss = loss + r.scene_weight * shared_loss(named[~crops], present[~crops])
        return loss + self._dense(samples, patches, classes, scale)

    def _dense(
        self, samples: list[Sample], patches: Patches | None, classes: Tensor, scale: Tensor
    ) -> Tensor:
        """The weighted loss of the patches of whole frames; 0 where none are asked for."""
        if patches is None:
            return scale.new_zeros(())
        which, rows = patches
        shown = [samples[i].patches if i < len(samples) else None for i in which]
        frames = [k for k, labels in enumerate(shown) if labels is not None]
        if not frames:
            return scale.new_zeros(())
        labels = torch.from_numpy(np.stack([labels for labels in shown if labels is not None]))
        loss = dense_loss(
            rows[frames].flatten(0, 1) @ classes.T * scale,
            labels.flatten(),
            n_labels=self.recipe.n_categories * N_COLOURS,
            n_background=N_BACKGROUND,
        )
        return self.recipe.dense_weight * loss

    def _embed(
        self, pictures: list[Any], texts: list[str]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Patches | None]:
        """Unit rows of pictures, texts and the step's vocabulary bank, and what multiplies their cosines.

        Last, of fine pictures, what their patches show, where a loss asks for it.
        """
        names = bank(np.random.default_rng((self.recipe.seed, 8, self.steps)), self.recipe.n_categories)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bf16):
            images, patches = self._look(pictures)
            asked = embed_texts(self.model, self.tokenizer, texts)
            classes = embed_texts(self.model, self.tokenizer, names)
        return images, asked, classes, self.model.logit_scale.exp().clamp(max=100), patches

    def _look(self, pictures: list[Any]) -> tuple[Tensor, Patches | None]:
        """Unit rows of pictures of one or two sides, and of the patches of the finer ones."""
        found: Patches | None = None
        sides = np.array([len(picture) for picture in pictures])
        order, rows = [], []
        for side in np.unique(sides):
            which = np.flatnonzero(sides == side)
            pixels = normalise(np.stack([pictures[i] for i in which]), self.processor)
            if side == self.recipe.sizes.fine_size and self.recipe.dense_weight:
                pooled, patches = embed_patches(self.model, pixels)
                found = which.tolist(), patches
            else:
                pooled = embed_images(self.model, pixels)
            order.append(which)
            rows.append(pooled)
        back = torch.from_numpy(np.argsort(np.concatenate(order)))
        return torch.cat(rows)[back], found

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the running mean of the weights, faster while there are few steps to average."""
        keep = min(self.recipe.average, (1 + self.steps) / (10 + self.steps))
        for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)


def _pictures(recipe: ClipRecipe, frames: Path, progress: Progress | None) -> list[Path]:
    """The shards of a run, plain ones first; what is not on disk is rendered."""
    n_rich = round(recipe.clips * recipe.rich)
    paths = []
    for rich, clips in ((False, recipe.clips - n_rich), (True, n_rich)):
        if clips:
            paths += prepare(
                frames,
                Split.TRAIN,
                clips=clips,
                keep=recipe.frames_per_clip,
                start=recipe.first_clip,
                rich=rich,
                progress=progress,
            )
    return paths


def _tokenizer(recipe: ClipRecipe, folder: Path, init: Path | None, *, resume: bool) -> Any:
    """The tokenizer of a run: made or taken over once, then the one its weights were trained with."""
    from transformers import CLIPTokenizer

    if not (resume and folder.exists()):
        given = load_tokenizer(CLIPTokenizer, init, str(init)) if init is not None else None
        (given or build_tokenizer(recipe.sizes, seed=recipe.seed)).save_pretrained(folder)
    return load_tokenizer(CLIPTokenizer, folder, str(folder))
