"""The last stage of the pocket CLIP: what to say, and what to refuse to say, to a segmenter's proposals."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seektrack.checkpoints import load_network, load_tokenizer
from seektrack.files import new_file
from seektrack.geometry import crop_square
from seektrack.training.clip.loop import N_BACKGROUND, Run
from seektrack.training.clip.losses import N_COLOURS, either_loss, matching_loss, shared_loss, vocabulary_loss
from seektrack.training.clip.matching import NO_LABEL, REJECT, Sample, match_matrix, present_labels
from seektrack.training.clip.mining import MARGIN, RegionStore, mine
from seektrack.training.clip.model import embed_images, embed_texts, normalise
from seektrack.training.clip.recipe import ClipRecipe
from seektrack.training.clip.samples import asked_of_crop, augment
from seektrack.training.clip.texts import labels_of, query
from seektrack.training.common import Budget
from seektrack.training.drive import drive
from seektrack.types import Progress
from seektrack.world import Split, vocabulary

if TYPE_CHECKING:
    from seektrack.segmentation import Sam2

VALIDATED = 600
"""Held-out proposals looked at while training."""
_HALVED = ("objects", "backgrounds", "things", "scenes", "frames")
_SHARES = (0.35, 0.25, 0.4)
"""Of the evenly drawn half of the regions: those of one name, those of several answers, those to refuse."""


def _batches() -> ClipRecipe:
    return ClipRecipe(
        seed=1,
        objects=15,
        backgrounds=4,
        things=2,
        scenes=11,
        unknown_texts=8,
        early_share=0.0,
        steps=1200,
        learning_rate=4e-4,
        warmup=40,
        floor=0.0,
        average=0.99,
    )


@dataclass(frozen=True, kw_only=True)
class ProposalRecipe:
    """The stage; equal recipes on equal data take equal steps.

    Attributes:
        clip: The other half of each batch, and the schedule.
        scenes: Training scenes to propose in, two frames of each.
        validation_scenes: The same for the look while training.
        mined: Proposed regions in a batch.
        hard: Share of them drawn by how wrong the encoder was about them before the stage.
        mix: How far the exported weights go from those at the start, 0, to the running mean, 1: what lies
            between keeps more of what was known (Wortsman et al., Robust fine-tuning, 2022).
    """

    clip: ClipRecipe = field(default_factory=_batches)
    scenes: int = 500
    validation_scenes: int = 50
    mined: int = 36
    hard: float = 0.5
    mix: float = 1.0


def proposals_of(clip: ClipRecipe) -> ProposalRecipe:
    """The stage that follows a training with this recipe: its batches halved, on the same pictures."""
    if clip == ClipRecipe():
        return ProposalRecipe()
    halved = {name: -(-getattr(clip, name) // 2) for name in _HALVED}
    base = _batches()
    schedule = {name: getattr(base, name) for name in
                ("seed", "early_share", "steps", "learning_rate", "warmup", "floor", "average")}  # fmt: skip
    return ProposalRecipe(clip=replace(clip, **halved, **schedule))


def train_proposals(
    recipe: ProposalRecipe,
    start: Path,
    out: Path,
    sam2: Sam2,
    *,
    max_minutes: float,
    resume: bool = True,
    progress: Progress | None = None,
    cache: Path | None = None,
    checkpoint_every_s: float = 90.0,
    validate_every_s: float = 180.0,
) -> dict[str, Any]:
    """Go on training a CLIP on what a segmenter proposes, half of each batch being as before.

    Args:
        recipe: What to train on, for how many steps.
        start: Folder that :func:`seektrack.training.clip.train_clip` wrote; only read.
        out: Folder of the result; ``out/training`` keeps the checkpoint and the curve.
        sam2: Proposes.
        max_minutes: As of ``train_clip``; mining, and looking through what was mined, take their own time.
        resume: Go on from ``out/training/checkpoint.pt`` where there is one.
        progress: Called with done, total and the name of the stage.
        cache: Folder of rendered and mined pictures; if not given, ``start/training/frames``.
        checkpoint_every_s: Seconds between checkpoints.
        validate_every_s: Seconds between validations.

    Returns:
        The last figures: those of ``train_clip``; ``proposal_wrong``, the share of proposals that a label
        they do not show claims at p >= 0.5; ``proposal_named``, the share of whole objects that get their own
        at p >= 0.5; ``steps``, ``seconds`` and ``folder``.

    Raises:
        ModelError: The checkpoint belongs to another recipe.
    """
    out, frames = Path(out), cache or Path(start) / "training" / "frames"
    shards = {
        split: mine(frames, split, sam2, scenes=scenes, rich=recipe.clip.rich > 0, progress=progress)
        for split, scenes in (
            (Split.VALIDATION, recipe.validation_scenes),
            (Split.TRAIN, recipe.scenes),
        )
    }
    run = _ProposalRun(
        recipe, Path(start), out / "training", frames, shards,
        resume=resume, max_minutes=max_minutes, progress=progress,
    )  # fmt: skip
    return drive(
        run, out, progress=progress, checkpoint_every_s=checkpoint_every_s, validate_every_s=validate_every_s
    )


class _ProposalRun(Run):
    def __init__(
        self,
        recipe: ProposalRecipe,
        start: Path,
        work: Path,
        frames: Path,
        shards: dict[Split, list[Path]],
        *,
        resume: bool,
        max_minutes: float,
        progress: Progress | None,
    ) -> None:
        self.stage, self.start = recipe, start
        self.n_labels = recipe.clip.n_categories * N_COLOURS
        self.regions = RegionStore(shards[Split.TRAIN], self.n_labels)
        self.held_out = RegionStore(shards[Split.VALIDATION], self.n_labels)
        described = {k: v for k, v in dataclasses.asdict(recipe).items() if k != "clip"}
        super().__init__(
            recipe.clip, work, frames,
            resume=resume, max_minutes=max_minutes, progress=progress, description=described,
        )  # fmt: skip
        answers = self.regions.allowed.sum(1)
        refuse = self.regions.allowed[:, self.n_labels] & (answers == 1)
        groups = ((answers == 1) & ~refuse, answers > 1, refuse)
        self.groups = [np.flatnonzero(g) for g in groups]
        self.doubt = self._doubt(work / "doubt.npy", known=resume)
        self.budget = Budget(max_minutes, self.budget.spent_s)

    def _network(self, work: Path, *, resume: bool) -> tuple[Any, Any]:
        from transformers import CLIPModel, CLIPTokenizer

        model = load_network(CLIPModel, self.start, str(self.start)).float().train()
        return load_tokenizer(CLIPTokenizer, self.start, str(self.start)), model

    def _doubt(self, path: Path, *, known: bool) -> NDArray[np.float64]:
        """How likely the encoder was, before the stage, to say something wrong about each region."""
        if not (known and path.exists()):
            _, model = self._network(path.parent, resume=False)
            p = self._probabilities(model.eval(), self.regions, np.arange(len(self.regions)))
            with new_file(path) as temporary, temporary.open("wb") as stream:
                np.save(stream, 1 - (p * self.regions.allowed).sum(1))
        doubt = np.load(path, allow_pickle=False).astype(np.float64).clip(1e-4, 1)
        return np.asarray(doubt / doubt.sum(), np.float64)

    @torch.no_grad()
    def _probabilities(
        self, model: Any, regions: RegionStore, which: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """(M, L + 1) of ``which`` regions: every label, and last the background, as a search sees them."""
        labels = labels_of(self.recipe.n_categories)
        texts = embed_texts(model, self.tokenizer, labels + vocabulary()["background"])
        scale = model.logit_scale.exp().clamp(max=100)
        side, parts = self.recipe.sizes.image_size, []
        for first in range(0, len(which), 100):
            crops = [_crop(regions, int(i), side, MARGIN) for i in which[first : first + 100]]
            images = embed_images(model, normalise(np.stack(crops), self.processor))
            p = torch.softmax(images @ texts.T * scale, 1)
            parts.append(torch.cat([p[:, : self.n_labels], p[:, self.n_labels :].sum(1, keepdim=True)], 1))
        return np.asarray(torch.cat(parts).numpy(), np.float64)

    @torch.no_grad()
    def exported(self) -> Any:
        """The network at the start and the running mean, mixed."""
        _, model = self._network(self.path.parent, resume=False)
        for weight, mean in zip(model.parameters(), self.average.parameters(), strict=True):
            weight.lerp_(mean, self.stage.mix)
        return model.eval()

    def validate(self) -> dict[str, float]:
        """Figures of the exported weights, with those on held-out proposals."""
        which = np.random.default_rng(0).permutation(len(self.held_out))[:VALIDATED]
        p, allowed = self._probabilities(self.exported(), self.held_out, which), self.held_out.allowed[which]
        wrong = np.where(allowed, 0, p)[:, : self.n_labels].max(1)
        whole = allowed[:, : self.n_labels].any(1) & (allowed.sum(1) == 1)
        return super().validate() | {
            "proposal_wrong": round(float((wrong >= 0.5).mean()), 4),
            "proposal_named": round(float((p[whole][allowed[whole]] >= 0.5).mean()), 4),
        }

    def _draw(self, rng: np.random.Generator) -> list[int]:
        """Regions of a step: some by doubt, the others evenly over their groups."""
        n_hard = round(self.stage.mined * self.stage.hard)
        hard = rng.choice(len(self.regions), n_hard, p=self.doubt)
        shares = np.array([share * bool(len(g)) for share, g in zip(_SHARES, self.groups, strict=True)])
        which = rng.choice(len(self.groups), self.stage.mined - n_hard, p=shares / shares.sum())
        return [int(i) for i in hard] + [int(rng.choice(self.groups[g])) for g in which]

    def _loss(self) -> Tensor:
        r = self.recipe
        rng = np.random.default_rng((r.seed, 9, self.steps))
        samples, texts, extra = self.sampler.batch(self.steps)
        further = texts[len(samples) :]
        texts = texts[: len(samples)]
        unclear: list[NDArray[np.uint8]] = []
        allowed: list[NDArray[np.bool_]] = []
        for i in self._draw(rng):
            margin = MARGIN if rng.random() < 0.6 else float(rng.uniform(0.3, 0.6))
            crop = _crop(self.regions, i, r.sizes.image_size, margin, rng.normal(0, 0.03, 4))
            image, right = augment(crop, rng), self.regions.allowed[i]
            if right.sum() > 1:
                unclear.append(image)
                allowed.append(right)
                continue
            sample = _sample(image, right, rng)
            samples.append(sample)
            texts.append(query(sample.asked, rng))
        matches = torch.from_numpy(match_matrix(samples, len(texts) + len(further), extra=extra))
        labels = torch.tensor([s.label for s in samples])
        crops = labels != NO_LABEL
        images, asked, classes, scale, patches = self._embed(
            [s.image for s in samples] + unclear, texts + further
        )
        clear, rest = images[: len(samples)], images[len(samples) :]
        named = vocabulary_loss(
            clear[crops] @ classes.T * scale, labels[crops], N_BACKGROUND, n_categories=r.n_categories
        )
        n_clear, n_unclear = int(crops.sum()), len(unclear)
        if n_unclear:
            right_answers = torch.from_numpy(np.stack(allowed))
            labelled, refused = right_answers[:, : self.n_labels], right_answers[:, self.n_labels :]
            right_answers = torch.cat([labelled, refused.expand(-1, N_BACKGROUND)], 1)
            either = either_loss(rest @ classes.T * scale, right_answers)
            named = (n_clear * named + n_unclear * either) / (n_clear + n_unclear)
        loss = matching_loss(clear @ asked.T * scale, matches) + r.label_weight * named
        if r.scene_weight:
            present = torch.from_numpy(present_labels(samples, self.n_labels, N_BACKGROUND))
            scenes = clear[~crops] @ classes.T * scale
            loss = loss + r.scene_weight * shared_loss(scenes, present[~crops])
        return loss + self._dense(samples, patches, classes, scale)


def _crop(
    regions: RegionStore, i: int, side: int, margin: float, shift: NDArray[np.float64] | None = None
) -> NDArray[np.uint8]:
    """A region with its surroundings; ``shift`` moves its four sides, in shares of its own size."""
    x0, y0, x1, y1 = regions.boxes[i]
    d = np.zeros(4) if shift is None else shift * (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
    return crop_square(regions.picture(i), (x0 + d[0], y0 + d[1], x1 + d[2], y1 + d[3]), side, margin=margin)


def _sample(image: NDArray[np.uint8], right: NDArray[np.bool_], rng: np.random.Generator) -> Sample:
    """A region with one answer, as the other crops of a batch are."""
    if right[-1]:
        return Sample(image, [], [], REJECT)
    label = int(right.argmax())
    item = divmod(label, N_COLOURS)
    return Sample(image, [item], [asked_of_crop(item, rng)], label)
