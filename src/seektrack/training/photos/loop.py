"""The training on photographs: from a recipe to the part of a checkpoint that knows them."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seektrack.encoders.photo_network import PhotoNetwork
from seektrack.encoders.preprocess import CLIP_MEAN, CLIP_STD
from seektrack.errors import InputError
from seektrack.training.common import (
    Budget,
    check_finite,
    cosine,
    load_checkpoint,
    save_checkpoint,
    warmed,
    whichever_is_further,
)
from seektrack.training.drive import drive
from seektrack.training.photos.files import save_network
from seektrack.training.photos.growth import grown
from seektrack.training.photos.loss import Asking, naming_loss
from seektrack.training.photos.names import load_concepts
from seektrack.training.photos.recipe import PhotoRecipe
from seektrack.training.photos.samples import PhotoSampler
from seektrack.training.photos.scenes import load_films, load_photographs
from seektrack.training.photos.tiles import Tiles, load_tiles
from seektrack.types import Progress

BACKGROUNDS = 8
"""Vectors for pictures without a name."""
HELD_OUT = 40
"""Each so manieth tile is not trained on: confidence is calibrated on them."""
LOOKED_AT = 4000
"""Test tiles of the look while training."""


def train_photos(
    recipe: PhotoRecipe,
    out: Path,
    *,
    names: Path,
    pictures: Sequence[Path] = (),
    films: Path | None = None,
    weights: Path | None = None,
    max_minutes: float,
    resume: bool = True,
    progress: Progress | None = None,
    checkpoint_every_s: float = 60.0,
    validate_every_s: float = 120.0,
) -> dict[str, Any]:
    """Teach named photographs and write what was learnt to ``out``.

    Args:
        recipe: What to train, on what, for how many steps.
        out: Folder of the result; ``out/training`` keeps the checkpoint and the curve.
        names: Mosaics of named tiles, as :func:`seektrack.training.photos.tiles.load_tiles` reads them.
        pictures: Folders of photographs cut into regions.
        films: Films with one named thing each.
        weights: Checkpoint folder whose knowledge of photographs is gone on from; None for none.
        max_minutes: Time allowed, counting earlier runs that this one resumes.
        resume: Go on from the checkpoint where there is one.
        progress: Called with done, total and the name of the stage.
        checkpoint_every_s, validate_every_s: Seconds between them.

    Returns:
        The last figures, and ``steps``, ``seconds`` and ``folder``.

    Raises:
        InputError: Data of another layout.
        ModelError: The checkpoint belongs to another recipe.
    """
    run = PhotoRun(
        recipe, Path(out) / "training", names, list(pictures), films, weights, resume=resume,
        max_minutes=max_minutes,
    )  # fmt: skip
    return drive(
        run, Path(out), progress=progress, checkpoint_every_s=checkpoint_every_s,
        validate_every_s=validate_every_s,
    )  # fmt: skip


class PhotoRun:
    """The state of one training.

    Args:
        recipe: Batches and schedule.
        work: Folder of the checkpoint.
        names, pictures, films, weights, resume, max_minutes: See :func:`train_photos`.
    """

    def __init__(
        self,
        recipe: PhotoRecipe,
        work: Path,
        names: Path,
        pictures: list[Path],
        films: Path | None,
        weights: Path | None,
        *,
        resume: bool,
        max_minutes: float,
    ) -> None:
        self.recipe, self.path = recipe, work / "checkpoint.pt"
        self.description = json.dumps(dataclasses.asdict(recipe), sort_keys=True)
        state = load_checkpoint(self.path, recipe=self.description) if resume else None
        self.concepts = load_concepts()
        self.sampler = PhotoSampler(
            training_part(load_tiles(names, "train", self.concepts)),
            self.concepts,
            recipe,
            photographs=load_photographs(pictures, self.concepts) if pictures else None,
            films=load_films(films, self.concepts) if films is not None else None,
        )
        self.test = _some(load_tiles(names, "test", self.concepts), LOOKED_AT)
        self.asking = Asking(self.concepts.kind_of, kinds=recipe.kinds)
        torch.manual_seed(recipe.seed)
        self.model = PhotoNetwork(recipe.sizes, concepts=len(self.concepts.rows), backgrounds=BACKGROUNDS)
        if weights is not None and state is None:
            self.model.load_state_dict(_known(weights, self.model))
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimisers = _optimisers(self.model, recipe)
        self.steps, self.loss = 0, 0.0
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(kept)
            self.steps, self.loss = state["steps"], state["loss"]
        self.budget = Budget(max_minutes, state["seconds"] if state is not None else 0.0)

    @property
    def progress(self) -> float:
        """Share of the schedule done, by steps or by time, whichever is further on."""
        return whichever_is_further(self.steps / self.recipe.steps, self.budget.progress)

    def export(self, out: Path) -> None:
        """Write the network as it stands, for :func:`seektrack.training.photos.finishing.finish`."""
        save_network(self.average, out)

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(
            self.path,
            recipe=self.description,
            model=self.model.state_dict(),
            average=self.average.state_dict(),
            optimisers=[optimiser.state_dict() for optimiser in self.optimisers],
            steps=self.steps,
            loss=self.loss,
            seconds=self.budget.used_s,
        )

    def validate(self) -> dict[str, float]:
        """Share of some test tiles named right, by the weights that are exported."""
        logits = naming_logits(self.average, self.test.pictures)[:, self.concepts.named]
        found = self.concepts.named[logits.argmax(1)]
        right = found == self.test.concepts
        true = (
            self.concepts.kind_of[found, self.test.concepts]
            | self.concepts.kind_of[self.test.concepts, found]
        )
        return {
            "step": self.steps,
            "seconds": round(self.budget.used_s),
            "loss": round(self.loss, 4),
            "named": round(float(right.mean()), 4),
            "named_or_kind": round(float(true.mean()), 4),
            "scale": round(float(self.average.scale), 2),
        }

    def step(self) -> None:
        """One batch, one update."""
        r = self.recipe
        rate = warmed(self.steps, r.warmup) * cosine(self.progress, floor=r.floor)
        for optimiser, peak in zip(self.optimisers, (r.learning_rate, r.other_rate), strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * rate
        early, late = self.progress < r.early_share, self.progress >= 1 - r.late_share
        pictures, numbers = self.sampler.batch(self.steps, view=r.early_view if early else r.view, late=late)
        targets, silent = self.asking(numbers, np.random.default_rng((r.seed, 12, self.steps)))
        with torch.autocast("cpu", torch.bfloat16):
            rows = self.model.tower.embed(normalised(pictures))
        logits = rows @ self.model.names().T * self.model.scale
        loss = naming_loss(
            logits, torch.from_numpy(targets), torch.from_numpy(silent), smoothing=r.smoothing, doubt=r.doubt
        )
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        for optimiser in self.optimisers:
            optimiser.step()
        self._follow()
        value = float(loss.detach())
        check_finite(value, self.steps)
        self.loss = value if self.steps == 0 else 0.98 * self.loss + 0.02 * value
        self.steps += 1

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the running mean of the weights, faster while there are few steps to average."""
        keep = min(self.recipe.average, (1 + self.steps) / (10 + self.steps))
        for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)
        for kept, seen in zip(self.average.buffers(), self.model.buffers(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(seen, 1 - keep)


def _known(folder: Path, model: PhotoNetwork) -> dict[str, Tensor]:
    """The weights of a checkpoint's network of the same sizes and names."""
    from seektrack.encoders.photo_clip import PhotoNetworks

    state = grown(PhotoNetworks(folder).network, model.tower.sizes).state_dict()
    mine = model.state_dict()
    other = [name for name, value in mine.items() if name not in state or state[name].shape != value.shape]
    if other:
        raise InputError(
            f"what {folder} knows of photographs has other sizes or names than the recipe: {other[0]}",
            hint="start without it, or with what this recipe made",
        )
    return dict(state)


def _optimisers(model: PhotoNetwork, recipe: PhotoRecipe) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions (Jordan et al., 2024), AdamW for all else."""
    matrices = [
        p for name, p in model.tower.trunk.named_parameters() if name.endswith("weight") and p.ndim == 2
    ]
    held = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in held]
    muon = torch.optim.Muon(
        matrices, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, momentum=0.9, ns_steps=4,
        adjust_lr_fn="match_rms_adamw",
    )  # fmt: skip
    return [muon, torch.optim.AdamW(others, lr=recipe.other_rate, weight_decay=0.0, betas=(0.9, 0.98))]


def normalised(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 (B, S, S, 3) to the network's float (B, 3, S, S)."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) * 255 for values in (CLIP_MEAN, CLIP_STD))
    return (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - mean) / std


@torch.no_grad()
def naming_logits(model: PhotoNetwork, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits (N, K + M) of pictures at the size of the view, uint8 (N, S, S, 3)."""
    names = model.names().T * model.scale
    with torch.autocast("cpu", torch.bfloat16):
        rows = [model.tower.embed(normalised(pictures[i : i + 256])) for i in range(0, len(pictures), 256)]
    return np.asarray((torch.cat(rows) @ names).numpy(), np.float32)


def training_part(tiles: Tiles) -> Tiles:
    """All but those that are held out."""
    return _chosen(tiles, np.arange(len(tiles.concepts)) % HELD_OUT != 0)


def held_out_part(tiles: Tiles) -> Tiles:
    """Those that are held out."""
    return _chosen(tiles, np.arange(len(tiles.concepts)) % HELD_OUT == 0)


def _some(tiles: Tiles, count: int) -> Tiles:
    return _chosen(tiles, np.unique(np.linspace(0, len(tiles.concepts) - 1, count).astype(int)))


def _chosen(tiles: Tiles, which: NDArray[Any]) -> Tiles:
    return Tiles(tiles.pictures[which], tiles.concepts[which], tiles.sets[which], tiles.names)
