"""One training on videos and moments of one's own: its data, its weights, its steps and measurements."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seektrack.encoders import load_encoder
from seektrack.encoders.temporal import TemporalEncoder, save_temporal
from seektrack.encoders.temporal_network import TemporalNetwork
from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.errors import InputError, ModelError
from seektrack.training.best import Best
from seektrack.training.clip.losses import matching_loss
from seektrack.training.common import (
    Budget,
    check_finite,
    cosine,
    load_checkpoint,
    save_checkpoint,
    warmed,
    whichever_is_further,
)
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.training.datasets.text_items import TextItem
from seektrack.training.finetune.batches import match_matrix
from seektrack.training.finetune.data import distinct_texts
from seektrack.training.finetune.validate import recall_at_1
from seektrack.training.scale import Scale
from seektrack.training.temporal.batches import shifted
from seektrack.training.temporal.loop import groups
from seektrack.training.temporal.moments import digest, features_of
from seektrack.training.temporal.recipe import OwnTemporalRecipe
from seektrack.types import Progress


class Tuning:
    """The state of one training: what a checkpoint holds, and what a step does to it."""

    def __init__(
        self,
        recipe: OwnTemporalRecipe,
        data: list[TextItem],
        held_out: Sequence[TextItem] | None,
        work: Path,
        model: str,
        scale: Scale,
        *,
        resume: bool,
    ) -> None:
        self.recipe, self.path, self.left_out, self.scale = recipe, work / "checkpoint.pt", LeftOuts(), scale
        encoder = load_encoder(model, device="cpu", dtype="float32")
        if not isinstance(encoder, TemporalEncoder):
            raise ModelError(
                f"{model!r} is no temporal encoder", hint="start from temporal, or a folder of its kind"
            )
        data = self._moving(data)
        others = None if held_out is None else self._moving(list(held_out))
        if len(data) < 4:
            raise InputError(
                f"{len(data)} videos or moments are too few to learn from", hint="give 4 or more"
            )
        self.description = json.dumps(
            asdict(recipe) | {"model": encoder.fingerprint, "data": digest([*data, *(others or ())])},
            sort_keys=True,
        )
        state = load_checkpoint(self.path, recipe=self.description) if resume else None
        self.encoder, self.items = encoder, [*data, *(others or ())]
        self.parts = self._split(len(data), len(others) if others is not None else None)
        self.model, self.tokenizer = encoder._model.float(), encoder._tokenizer
        self.model.text.set_attn_implementation("eager")
        if recipe.network is not None and recipe.network != encoder.sizes.network:
            sizes = TemporalSizes.from_dict(encoder.sizes.to_dict() | {"network": recipe.network})
            torch.manual_seed(recipe.seed)
            self.model.sizes, self.model.time = sizes, TemporalNetwork(sizes)
        self.model.frames.requires_grad_(False)
        if state is not None:
            self.model.load_state_dict(state["model"])
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(groups(self.model, recipe), betas=(0.9, 0.98))
        self.best = Best("r1", patience=0)
        self.steps, self.loss, self.spent_s = 0, 0.0, 0.0
        if state is not None:
            self.average.load_state_dict(state["average_weights"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.steps, self.loss, self.spent_s = state["steps"], state["loss"], state["seconds"]
            self.best.load_state_dict(state)
        self.budget = Budget(float("inf"), self.spent_s)

    def _moving(self, items: list[TextItem]) -> list[TextItem]:
        for item in items:
            if not item.video:
                self.left_out.add(item.file, "", "a picture, in which nothing happens")
        return [item for item in items if item.video]

    def _split(self, own: int, others: int | None) -> tuple[list[int], list[int]]:
        """Numbers of the items to learn from, and of those held out."""
        if others is not None:
            return list(range(own)), list(range(own, own + others))
        count = max(2, round(own * self.recipe.held_out)) if self.recipe.held_out else 0
        if own - count < 2:
            raise InputError(
                f"{own} videos or moments, {count} of them held out, are too few", hint="give more"
            )
        order = np.random.default_rng((self.recipe.seed, 1)).permutation(own).tolist()
        return sorted(order[count:]), sorted(order[:count])

    def look(self, until: float, progress: Progress | None) -> None:
        """Pass the frames through the frame tower, which one process does; what cannot be is left out."""
        order = np.random.default_rng((self.recipe.seed, 2)).permutation(len(self.items)).tolist()
        how = (self.items, order, self.encoder, self.recipe.spare, self.path.parent)
        if self.scale.main:
            self.features = features_of(*how, left_out=self.left_out, until=until, progress=progress)
        self.scale.wait()
        if not self.scale.main:
            self.features = features_of(*how, left_out=LeftOuts(), until=0.0, progress=None)
        self.chosen, self.watched = ([i for i in part if i in self.features] for part in self.parts)
        self.texts = {i: self.items[i].texts for i in self.features}
        if len(self.chosen) < 2:
            raise InputError(
                f"only {len(self.features)} of {len(self.items)} videos or moments could be looked at",
                hint="give more time (--minutes): the same command goes on",
            )

    @property
    def progress(self) -> float:
        """Share done, by steps or by one process's clock, whichever is further on."""
        share = whichever_is_further(self.steps / self.recipe.steps, self.budget.progress)
        return float(self.scale.agree(share))

    def begin(self) -> None:
        """Measure what is started from."""
        if not self.best.before and self.watched:
            self.validate()

    def step(self) -> None:
        """One batch, one update; the step's number decides what is drawn."""
        r = self.recipe
        share = warmed(self.steps, r.warmup) * cosine(self.progress, floor=r.floor)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * share
        rng = np.random.default_rng((r.seed, 5, self.steps))
        size = min(r.batch, len(self.chosen)) // self.scale.world * self.scale.world
        drawn = rng.choice(self.chosen, size, replace=False).tolist()
        asked = distinct_texts(
            self.texts[i][int(k)]
            for i in drawn
            for k in rng.choice(len(self.texts[i]), min(r.texts, len(self.texts[i])), replace=False)
        )
        views = [shifted(self.view(i, rng), *rng.integers(-r.shift, r.shift + 1, 2)) for i in drawn]
        matches = torch.from_numpy(match_matrix([self.texts[i] for i in drawn], asked))
        torch.manual_seed(r.seed * 1_000_003 + self.steps)  # what dropout draws is the step's alone
        self.model.train()
        self.model.frames.eval()
        with torch.autocast("cpu", torch.bfloat16, enabled=r.bf16):
            clips = self.model.time(torch.from_numpy(np.stack(self.scale.share(views))).float())
            texts = self.model.embed_tokens(self._tokens(asked))
        clips = self.scale.gather(clips)
        loss = matching_loss(clips @ texts.T * self.model.logit_scale.exp().clamp(max=100), matches)
        value = float(loss.detach())
        check_finite(value, self.steps)
        self.optimiser.zero_grad(set_to_none=True)
        (loss / self.scale.world).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.scale.sum_gradients(self.model.parameters())
        torch.nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], 1.0)
        self.optimiser.step()
        self._follow()
        self.loss = value if self.steps == 0 else 0.95 * self.loss + 0.05 * value
        self.steps += 1

    def view(self, item: int, rng: np.random.Generator | None = None) -> NDArray[np.float16]:
        """Features (T, G, G, C): of each group of neighbouring frames one, the middle without chance."""
        found = self.features[item]
        spare = self.recipe.spare
        count = len(found) // spare
        pick = np.full(count, spare // 2) if rng is None else np.full(count, int(rng.integers(spare)))
        return np.asarray(found[np.arange(count) * spare + pick])

    @torch.no_grad()
    def _follow(self) -> None:
        keep = min(self.recipe.average, (1 + self.steps) / (10 + self.steps))
        for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)

    @torch.no_grad()
    def validate(self) -> dict[str, Any]:
        """R@1 of the running mean on what is held out, in both directions."""
        row: dict[str, Any] = {
            "step": self.steps,
            "seconds": round(self.budget.used_s),
            "loss": round(self.loss, 4),
        }
        if not self.watched:
            return row
        carried = [self.texts[i] for i in self.watched]
        asked = distinct_texts(text for of_one in carried for text in of_one)
        views = np.stack([self.view(i) for i in self.watched])
        clips = [
            self.average.time(torch.from_numpy(views[k : k + 16]).float()) for k in range(0, len(views), 16)
        ]
        texts = [self.average.embed_tokens(self._tokens(asked[i : i + 64])) for i in range(0, len(asked), 64)]
        cosines = (torch.cat(clips) @ torch.cat(texts).T).numpy()
        text_r1, image_r1 = recall_at_1(cosines, match_matrix(carried, asked))
        figures = {"r1": round((text_r1 + image_r1) / 2, 4), "text_r1": text_r1, "image_r1": image_r1}
        self.best.judge(figures, self.steps, self._weights)
        return row | figures

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.average.state_dict().items()}

    def export(self, out: Path) -> None:
        """Write the folder that is loaded by its name: the weights that measured best."""
        chosen = copy.deepcopy(self.average)
        if self.best.weights:
            chosen.load_state_dict(self.best.weights)
        save_temporal(chosen, self.tokenizer, out)

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(
            self.path,
            recipe=self.description,
            model=self.model.state_dict(),
            average_weights=self.average.state_dict(),
            optimiser=self.optimiser.state_dict(),
            steps=self.steps,
            loss=self.loss,
            seconds=self.budget.used_s,
            **self.best.state_dict(),
        )

    def summary(self) -> dict[str, Any]:
        """What is told at the end."""
        return {
            "steps": self.steps,
            "seconds": round(self.budget.used_s),
            "loss": round(self.loss, 4),
            "videos": len(self.chosen),
            "held_out": len(self.watched),
            "left_out": len(self.left_out),
            **self.best.summary(),
        }

    def _tokens(self, texts: list[str]) -> dict[str, Tensor]:
        longest = int(self.model.text.config.max_position_embeddings)
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        return {k: tokens[k] for k in ("input_ids", "attention_mask")}
