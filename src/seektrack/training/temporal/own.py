"""Training of a temporal encoder on videos and moments of one's own, with texts."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
from seektrack.training.datasets.texts import TextItem
from seektrack.training.drive import drive
from seektrack.training.finetune.batches import match_matrix
from seektrack.training.finetune.data import distinct_texts
from seektrack.training.finetune.validate import recall_at_1
from seektrack.training.temporal.batches import shifted
from seektrack.training.temporal.moments import digest, features_of
from seektrack.training.temporal.report import report_moments
from seektrack.types import Progress

NETWORKS = ("transformer", "lstm")


@dataclass(frozen=True, kw_only=True)
class OwnTemporalRecipe:
    """Everything that decides what comes out, time apart.

    Attributes:
        network: What joins the frames: ``transformer``, or ``lstm``, which is always trained from random
            weights; None keeps that of the model.
        batch: Videos or moments in a step.
        texts: Texts asked of each.
        steps: Steps after which the learning rate has fallen to ``floor``.
        learning_rate, text_rate: Peak for the network over time, and for the text tower.
        floor: Last learning rate over the peak.
        warmup: Steps until the peak.
        weight_decay: Of matrices.
        average: Share of the running mean of the weights kept at each step.
        shift: Most patches a video is moved by, up or down and to the sides.
        spare: Frames looked at of each, over those of the network: which of them are taken differs by step.
        held_out: Share kept from training to measure on.
        seed: Of the split and the batches.
        bf16: Compute in bfloat16.
    """

    network: str | None = None
    batch: int = 32
    texts: int = 2
    steps: int = 1000
    learning_rate: float = 6e-4
    text_rate: float = 2e-4
    floor: float = 0.02
    warmup: int = 20
    weight_decay: float = 0.1
    average: float = 0.98
    shift: int = 1
    spare: int = 2
    held_out: float = 0.15
    seed: int = 0
    bf16: bool = True

    def __post_init__(self) -> None:
        if self.network not in (None, *NETWORKS):
            raise InputError(f"unknown network {self.network!r}", hint=f"choose from {', '.join(NETWORKS)}")
        if min(self.batch, self.texts + 1, self.steps + 1, self.spare + 1) < 2 or not 0 <= self.held_out < 1:
            raise InputError("batch must be 2 or more, texts, steps and spare 1 or more, held_out below 1")


def train_moments(
    recipe: OwnTemporalRecipe,
    data: Sequence[TextItem],
    out: str | Path,
    *,
    max_minutes: float,
    held_out: Sequence[TextItem] | None = None,
    model: str | Path = "temporal",
    resume: bool = True,
    progress: Progress | None = None,
    checkpoint_every_s: float = 60.0,
    validate_every_s: float = 20.0,
) -> dict[str, Any]:
    """Train a temporal encoder on what texts say of videos and moments, and write it to ``out``.

    The frames pass the frame tower first, which does not move; that counts as training time only where it
    takes longer than the time allowed.

    Args:
        recipe: How.
        data: Videos and moments with texts, see :func:`seektrack.training.datasets.read_texts`.
        out: Folder of the result; ``out/training`` keeps the checkpoint, the frames' features, the curve and
            what was left out.
        max_minutes: Time allowed, counting earlier runs that this one resumes.
        held_out: What to measure on; a share of ``data`` when None.
        model: The temporal encoder to start from.
        resume: Go on from ``out/training/checkpoint.pt`` where there is one.
        progress: Called with done, total and the name of the stage.
        checkpoint_every_s: Seconds between checkpoints.
        validate_every_s: Fewest seconds between measurements.

    Returns:
        ``r1_before`` and ``r1`` of the weights written, which measured best (mean of ``text_r1``, a moment
        among all texts, and ``image_r1``, a text among all moments), ``steps``, ``seconds``, ``folder`` and
        counts; ``report``, what got better and worse; the model card is ``README.md``.

    Raises:
        InputError: The data cannot be used.
        ModelError: The model is no temporal encoder, or the checkpoint belongs to another recipe or data.
    """
    out = Path(out)
    if Path(model).is_dir() and Path(model).resolve() == out.resolve():
        raise InputError(f"{out} is the model to start from", hint="write the result to another folder")
    run = _Run(recipe, list(data), held_out, out / "training", str(model), resume=resume, progress=progress)
    run.budget = Budget(max_minutes, run.spent_s)
    run.begin()
    drive(
        run, out, progress=progress, checkpoint_every_s=checkpoint_every_s, validate_every_s=validate_every_s
    )
    if run.left_out:
        run.left_out.write(out / "training" / "left-out.csv")
    figures = {**run.summary(), "folder": str(out)}
    watched = [run.items[i] for i in run.watched]
    views = np.stack([run._view(i) for i in run.watched]) if watched else np.zeros(0)
    named = str(data[0].file.parent) if len(data) else ""
    return figures | report_moments(
        recipe, watched, views, out, model=str(model), data=named, figures=figures
    )


class _Run:
    """The state of one training: what a checkpoint holds, and what a step does to it."""

    def __init__(
        self,
        recipe: OwnTemporalRecipe,
        data: list[TextItem],
        held_out: Sequence[TextItem] | None,
        work: Path,
        model: str,
        *,
        resume: bool,
        progress: Progress | None,
    ) -> None:
        self.recipe, self.path, self.left_out = recipe, work / "checkpoint.pt", LeftOuts()
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
        every = [*data, *(others or ())]
        features, kept = features_of(every, encoder, recipe.spare, work, self.left_out, progress)
        self.features, self.items = features, every
        self.texts = {i: every[i].texts for i in kept}
        first = [i for i in kept if i < len(data)]
        self.chosen, self.watched = self._split(
            first, [i for i in kept if i >= len(data)], others is not None
        )
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
        self.optimiser = torch.optim.AdamW(self._groups(), betas=(0.9, 0.98))
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

    def _split(self, own: list[int], others: list[int], given: bool) -> tuple[list[int], list[int]]:
        if given:
            return own, others
        count = max(2, round(len(own) * self.recipe.held_out)) if self.recipe.held_out else 0
        if len(own) - count < 2:
            raise InputError(
                f"{len(own)} videos or moments, {count} of them held out, are too few", hint="give more"
            )
        order = [own[int(i)] for i in np.random.default_rng((self.recipe.seed, 1)).permutation(len(own))]
        return sorted(order[count:]), sorted(order[:count])

    def _groups(self) -> list[dict[str, Any]]:
        r = self.recipe
        out = []
        for is_text in (False, True):
            for is_matrix in (False, True):
                chosen = [
                    p
                    for name, p in self.model.named_parameters()
                    if p.requires_grad and name.startswith("text.") is is_text and (p.ndim > 1) is is_matrix
                ]
                out.append({"params": chosen, "peak": r.text_rate if is_text else r.learning_rate,
                            "weight_decay": r.weight_decay if is_matrix else 0.0})  # fmt: skip
        return out

    @property
    def progress(self) -> float:
        """Share of the schedule done, by steps or by time, whichever is further on."""
        return whichever_is_further(self.steps / self.recipe.steps, self.budget.progress)

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
        drawn = rng.choice(self.chosen, min(r.batch, len(self.chosen)), replace=False).tolist()
        asked = distinct_texts(
            self.texts[i][int(k)]
            for i in drawn
            for k in rng.choice(len(self.texts[i]), min(r.texts, len(self.texts[i])), replace=False)
        )
        views = [shifted(self._view(i, rng), *rng.integers(-r.shift, r.shift + 1, 2)) for i in drawn]
        matches = torch.from_numpy(match_matrix([self.texts[i] for i in drawn], asked))
        torch.manual_seed(r.seed * 1_000_003 + self.steps)  # what dropout draws is the step's alone
        self.model.train()
        self.model.frames.eval()
        with torch.autocast("cpu", torch.bfloat16, enabled=r.bf16):
            clips = self.model.time(torch.from_numpy(np.stack(views)).float())
            texts = self.model.embed_tokens(self._tokens(asked))
        loss = matching_loss(clips @ texts.T * self.model.logit_scale.exp().clamp(max=100), matches)
        value = float(loss.detach())
        check_finite(value, self.steps)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], 1.0)
        self.optimiser.step()
        self._follow()
        self.loss = value if self.steps == 0 else 0.95 * self.loss + 0.05 * value
        self.steps += 1

    def _view(self, item: int, rng: np.random.Generator | None = None) -> NDArray[np.float16]:
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
        views = np.stack([self._view(i) for i in self.watched])
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
