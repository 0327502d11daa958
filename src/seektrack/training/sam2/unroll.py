"""A differentiable video step: all objects of a batch of clips through the frames, losses on every frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import Sam2VideoModel

from seektrack.segmentation import network
from seektrack.segmentation.network import Decoded, ImageFeatures
from seektrack.training.sam2.data import MASK, Batch, prompts_for
from seektrack.training.sam2.losses import LossWeights, mask_loss

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


def first_answer(
    model: Sam2VideoModel, features: ImageFeatures, target: Tensor, kind: str, rng: np.random.Generator
) -> tuple[Decoded, Tensor]:
    """Decode the prompted frame; returns the answers and the token (B, C) the pointer is made from.

    A mask prompt is decoded as the reference does it: no ``no_memory_embedding``, pointer from the best of
    the multimask tokens.
    """
    if kind == MASK:
        dense = model.mask_downsample(target[:, None])
        decoded = network.decode(model, features, features.top, mask=dense)
        rows = torch.arange(len(target))
        return decoded, decoded.tokens[rows, 1 + decoded.iou[:, 1:].argmax(1)]
    points, labels = prompts_for(rng, target, kind)
    decoded = network.decode(
        model, features, network.without_memory(model, features), points=points, labels=labels
    )
    return decoded, decoded.tokens[:, 0]


def unroll(
    model: Sam2VideoModel,
    batch: Batch,
    *,
    kind: str,
    rng: np.random.Generator,
    weights: LossWeights,
    teacher: float = 0.0,
) -> Unrolled:
    """Follow every object of a batch from its prompt on the first frame to the last frame.

    Args:
        model: The network.
        batch: Clips of T frames.
        kind: Prompt on the first frame: box, point or mask.
        rng: Draws prompts and teacher forcing.
        weights: Of the losses.
        teacher: Chance per frame that memory is made from the true mask instead of the predicted one.
    """
    t_len = batch.masks.shape[1]
    all_features = network.encode(model, batch.pixels)
    side = batch.masks.shape[-1]
    memories: list[Tensor] = []
    pointers: list[Tensor] = []
    losses, overlaps, logits, scores = [], [], [], []
    seen = batch.masks.flatten(2).sum(2) >= VISIBLE_PIXELS
    for t in range(t_len):
        features = all_features.rows(batch.owner * t_len + t)
        target, visible = batch.masks[:, t], seen[:, t]
        if t == 0:
            decoded, token = first_answer(model, features, target, kind, rng)
        else:
            recent = [t - r for r in range(model.num_maskmem - 1, 0, -1) if t - r >= 1]
            past = [0, *recent]
            heard = [0, *(t - r for r in range(1, model.config.max_object_pointers_in_encoder) if t - r >= 1)]
            embedding = network.condition(
                model,
                features,
                memories=torch.stack([memories[i] for i in past], 1),
                offsets=torch.tensor([0, *(t - i for i in recent)]),
                pointers=torch.stack([pointers[i] for i in heard], 1),
                pointer_offsets=torch.tensor([t - i for i in heard]),
            )
            decoded = network.decode(model, features, embedding)
            token = decoded.tokens[:, 0]
        loss, overlap = mask_loss(decoded, target, batch.others[:, t], visible, weights)
        losses.append(loss * (0.5 if t == 0 else 1.0))
        overlaps.append(overlap)
        logits.append(decoded.logits[:, 0].detach())
        scores.append(decoded.score[:, 0].detach())
        if t == t_len - 1:
            break
        forced = rng.random() < teacher
        appearing = visible if forced or t == 0 else decoded.score[:, 0] > 0
        if forced or (t == 0 and kind == MASK):
            memory_mask = target[:, None]
        else:
            full = F.interpolate(
                decoded.logits[:, :1], size=(side, side), mode="bilinear", align_corners=False
            )
            full = torch.where(appearing[:, None, None, None], full, network.NO_OBJECT_LOGIT)
            memory_mask = (full > 0).float() if t == 0 else full.sigmoid()
        memories.append(network.remember(model, features.top, memory_mask, appearing[:, None]))
        pointers.append(network.object_pointer(model, token, appearing[:, None]))
    return Unrolled(
        loss=torch.stack(losses).mean(),
        iou=torch.stack(overlaps).detach(),
        logits=torch.stack(logits, 1),
        scores=torch.stack(scores, 1),
    )
