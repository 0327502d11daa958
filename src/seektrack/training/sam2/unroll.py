"""A differentiable video step: all objects of a batch of clips through the frames, losses on every frame."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import Sam2VideoModel

from seektrack.segmentation import network
from seektrack.segmentation.network import Chosen, Decoded, ImageFeatures
from seektrack.training.sam2.data import Batch
from seektrack.training.sam2.losses import LossWeights, change_loss, click_loss, mask_loss, target_loss
from seektrack.training.sam2.prompts import MASK, PromptMix, corrective_clicks, fed_back, prompts_for
from seektrack.training.sam2.spoil import Spoiler

VISIBLE_PIXELS = 20


@dataclass(frozen=True, eq=False)
class Unrolled:
    """What a clip step gives.

    Attributes:
        loss: Scalar.
        iou: Mean overlap per frame, (T,).
        logits: Mask 0 per frame, float (B, T, h, h), detached.
        scores: Object score logits, float (B, T), detached.
    """

    loss: Tensor
    iou: Tensor
    logits: Tensor
    scores: Tensor


def chosen(model: Sam2VideoModel, decoded: Decoded, points: Tensor | None, *, afresh: bool = True) -> Chosen:
    """The answer the engine would take: one of several where the checkpoint's configuration asks for it."""
    config, count = model.config, 0 if points is None else points.shape[1]
    asked = config.multimask_output_in_sam and (afresh or config.multimask_output_for_tracking)
    inside = config.multimask_min_pt_num <= count <= config.multimask_max_pt_num
    return network.choose(model, decoded, multimask=bool(asked and inside))


def with_correction(
    rng: np.random.Generator,
    answer: Tensor,
    target: Tensor,
    points: Tensor | None,
    labels: Tensor | None,
    known: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Prompts so far, (B, K, 2) and (B, K), and a corrective click for an answer (B, h, h)."""
    more, their_labels = corrective_clicks(rng, answer, target, known)
    if points is None or labels is None:
        return more, their_labels
    return torch.cat([points, more], 1), torch.cat([labels, their_labels], 1)


class _Run:
    """One batch on its way through its frames."""

    def __init__(
        self,
        model: Sam2VideoModel,
        batch: Batch,
        kind: str,
        rng: np.random.Generator,
        weights: LossWeights,
        mix: PromptMix,
        *,
        lead: int = 0,
        fixed_encoder: bool = False,
        spoil: float = 0.0,
    ) -> None:
        self.model, self.batch, self.kind = model, batch, kind
        self.rng, self.weights, self.mix = rng, weights, mix
        self.t_len = batch.masks.shape[1]
        apart = rng.spawn(1)[0]  # prompts are drawn as they would be without faults
        self.spoiler = Spoiler(apart, objects=len(batch.owner), frames=self.t_len, lead=lead, chance=spoil)
        with torch.no_grad() if fixed_encoder else nullcontext():
            self.features = network.encode(model, batch.pixels)
        self.memories: list[Tensor] = []
        self.pointers: list[Tensor] = []
        self.prompted = True
        self.clicks: list[tuple[Decoded, Tensor, Tensor]] = []

    def embedding(self, t: int, features: ImageFeatures) -> Tensor:
        """What the decoder starts from on frame ``t``."""
        model, device = self.model, features.top.device
        if t == 0:
            return network.without_memory(model, features)
        recent = [t - r for r in range(model.num_maskmem - 1, 0, -1) if t - r >= 1]
        past = [0, *recent]
        heard = [0, *(t - r for r in range(1, model.config.max_object_pointers_in_encoder) if t - r >= 1)]
        return network.condition(
            model,
            features,
            memories=torch.stack([self.memories[i] for i in past], 1),
            offsets=torch.tensor([0, *(t - i for i in recent)], device=device),
            pointers=torch.stack([self.pointers[i] for i in heard], 1),
            pointer_offsets=torch.tensor([t - i for i in heard], device=device),
        )

    def answers(self, t: int, features: ImageFeatures) -> tuple[list[Decoded], Chosen]:
        """All rounds of answers on a frame, and the last one's choice.

        A mask prompt is decoded as the reference does it: no ``no_memory_embedding``, pointer from the best
        of the multimask tokens.
        """
        model, rng, mix = self.model, self.rng, self.mix
        target, known = self.batch.masks[:, t], self.batch.known_at(t)
        self.clicks = []
        if t == 0 and self.kind == MASK:
            decoded = network.decode(
                model, features, features.top, mask=model.mask_downsample(target[:, None])
            )
            best = network.choose(model, decoded, multimask=True)
            return [decoded], Chosen(decoded.logits[:, 0], decoded.iou[:, 0], best.token)
        points, labels = prompts_for(rng, target, self.kind, mix) if t == 0 else (None, None)
        if t == 0:
            rounds = int(rng.integers(0, mix.corrections + 1)) if mix.corrections else 0
        else:
            rounds = int(mix.later > 0 and rng.random() < mix.later)
        embedding, afresh = self.embedding(t, features), t == 0
        answers = [network.decode(model, features, embedding, points=points, labels=labels)]
        for _ in range(rounds):
            answer = chosen(model, answers[-1], points, afresh=afresh).logits
            points, labels = with_correction(rng, answer, target, points, labels, known)
            dense = fed_back(answer) if rng.random() < mix.feedback else None
            answers.append(
                network.decode(model, features, embedding, points=points, labels=labels, mask=dense)
            )
            self.clicks.append((answers[-1], points, labels))
        self.prompted = points is not None
        return answers, chosen(model, answers[-1], points, afresh=afresh)

    def clicked(self) -> Tensor:
        """How far the frame's corrective clicks were not obeyed, see `click_loss`."""
        side = self.batch.masks.shape[-1]
        return torch.stack([click_loss(*click, side) for click in self.clicks]).mean()

    def remember(
        self, t: int, features: ImageFeatures, answer: Chosen, appearing: Tensor, *, forced: bool
    ) -> None:
        """Keep memory and pointer of a frame; a prompted frame's mask is cut, as the reference does."""
        model, target = self.model, self.batch.masks[:, t]
        if forced or (t == 0 and self.kind == MASK):
            mask = target[:, None]
        else:
            told = self.spoiler(t, answer.logits, self.batch.others[:, t])
            logits = torch.where(appearing[:, None, None], told, network.NO_OBJECT_LOGIT)
            mask = network.memory_mask(model, logits, binarise=self.prompted)
        self.memories.append(network.remember(model, features.top, mask, appearing[:, None]))
        self.pointers.append(network.object_pointer(model, answer.token, appearing[:, None]))


def unroll(
    model: Sam2VideoModel,
    batch: Batch,
    *,
    kind: str,
    rng: np.random.Generator,
    weights: LossWeights,
    mix: PromptMix | None = None,
    teacher: float = 0.0,
    lead: int = 0,
    fixed_encoder: bool = False,
    spoil: float = 0.0,
) -> Unrolled:
    """Follow every object of a batch from its prompt on the first frame to the last frame.

    Args:
        model: The network.
        batch: Clips of T frames.
        kind: Prompt on the first frame: box, point or mask.
        rng: Draws prompts and teacher forcing.
        weights: Of the losses.
        mix: Corrective clicks, on the first frame and on later ones; none by default.
        teacher: Chance per frame that memory is made from the true mask instead of the predicted one.
        lead: Frames at the start that are followed without gradient and loss, fewer than T.
        fixed_encoder: No gradient reaches the image encoder.
        spoil: Chance of each object to be remembered wrongly for some frames (see
            :mod:`seektrack.training.sam2.spoil`).
    """
    run = _Run(
        model, batch, kind, rng, weights, mix or PromptMix(),
        lead=lead, fixed_encoder=fixed_encoder, spoil=spoil,
    )  # fmt: skip
    losses, overlaps, logits, scores = [], [], [], []
    seen = batch.masks.flatten(2).sum(2) >= VISIBLE_PIXELS
    for t in range(run.t_len):
        early = t < lead
        with torch.no_grad() if early else nullcontext():
            features = run.features.rows(batch.owner * run.t_len + t)
            answers, answer = run.answers(t, features)
            rounds = [
                mask_loss(
                    decoded, batch.masks[:, t], batch.others[:, t], seen[:, t], weights,
                    known=batch.known_at(t),
                )
                for decoded in answers
            ]  # fmt: skip
            if t < run.t_len - 1:
                forced = rng.random() < teacher
                appearing = seen[:, t] if forced or t == 0 else answers[-1].score[:, 0] > 0
                run.remember(t, features, answer, appearing, forced=forced)
        if not early:
            loss = torch.stack([loss for loss, _ in rounds]).mean()
            if weights.clicked and run.clicks:
                loss = loss + weights.clicked * run.clicked()
            if weights.targets:
                told = target_loss(answer.logits, batch.masks[:, t], batch.owner)
                loss = loss + weights.targets * told
            losses.append(loss * (0.5 if t == 0 else 1.0))
        overlaps.append(rounds[-1][1])
        logits.append(answer.logits)
        scores.append(answers[-1].score[:, 0].detach())
    loss = torch.stack(losses).mean()
    if weights.consistency:
        changes = change_loss(torch.stack(logits[lead:], 1), batch.masks[:, lead:], seen[:, lead:])
        loss = loss + weights.consistency * changes
    return Unrolled(
        loss=loss,
        iou=torch.stack(overlaps).detach(),
        logits=torch.stack(logits, 1).detach(),
        scores=torch.stack(scores, 1),
    )
