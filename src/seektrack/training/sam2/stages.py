"""What one step of each stage computes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from transformers import Sam2VideoModel

from seektrack.segmentation import network
from seektrack.segmentation.network import ImageFeatures
from seektrack.training.sam2.data import (
    BOX,
    MASK,
    POINT,
    Batch,
    RawClip,
    background_points,
    make_batch,
    prompts_for,
)
from seektrack.training.sam2.losses import LossWeights, dense_loss, mask_loss, nothing_loss
from seektrack.training.sam2.recipe import Stage
from seektrack.training.sam2.sides import set_side
from seektrack.training.sam2.unroll import unroll

Clips = Iterator[list[RawClip]]


def next_batch(stage: Stage, clips: Clips, rng: np.random.Generator, *, single: bool = False) -> Batch:
    """Take clips from the stream until some have an object to train on; ``single`` takes frames apart."""
    while True:
        chosen = next(clips)
        area = max(12, int(stage.min_area * (chosen[0][0].shape[1] / 192) ** 2))
        if single:
            chosen = [(f[t : t + 1], i[t : t + 1]) for f, i in chosen for t in range(len(f))]
        batch = make_batch(rng, chosen, per_clip=stage.objects, min_area=area)
        if batch is not None:
            return batch


def _encode_with_dense(model: Sam2VideoModel, head: nn.Module, batch: Batch) -> tuple[ImageFeatures, Tensor]:
    """Image features, and the loss of the dense head on the finest map."""
    out = model.vision_encoder(batch.pixels, return_dict=True)
    fine, middle, top = out.fpn_hidden_states
    side = batch.pixels.shape[-1]
    features = ImageFeatures(
        s0=model.mask_decoder.conv_s0(fine),
        s1=model.mask_decoder.conv_s1(middle),
        top=top,
        position=out.fpn_position_encoding[-1][:1],
        hw=(side, side),
    )
    ids = torch.from_numpy(np.ascontiguousarray(batch.ids.reshape(-1, side, side)[:, 2::4, 2::4])).long()
    return features, dense_loss(head(fine), ids)


def _prompted(
    model: Sam2VideoModel,
    features: ImageFeatures,
    batch: Batch,
    kind: str,
    rng: np.random.Generator,
    weights: LossWeights,
) -> tuple[Tensor, Tensor]:
    """Loss and overlap of prompts on objects, with a few clicks on the background beside them."""
    target = batch.masks[:, 0]
    points, labels = prompts_for(rng, target, kind)
    empty = network.without_memory(model, features)
    own = features.rows(batch.owner)
    decoded = network.decode(model, own, empty[batch.owner], points=points, labels=labels)
    visible = torch.ones(len(target), dtype=torch.bool)
    loss, overlap = mask_loss(decoded, target, batch.others[:, 0], visible, weights)
    if kind == POINT:
        frames, clicks = background_points(rng, batch.ids[:, 0], max(1, len(target) // 3))
        if len(frames):
            ones = torch.ones(len(frames), 1, dtype=torch.int32)
            nothing = network.decode(model, features.rows(frames), empty[frames], points=clicks, labels=ones)
            loss = loss + 0.3 * nothing_loss(nothing, weights)
    return loss, overlap


def step_loss(
    model: Sam2VideoModel,
    head: nn.Module,
    stage: Stage,
    clips: Clips,
    rng: np.random.Generator,
    weights: LossWeights,
    progress: float,
) -> tuple[Tensor, float]:
    """Loss of one step and the mean overlap it saw.

    Args:
        model: The network.
        head: The dense auxiliary head, thrown away after training.
        stage: Which stage.
        clips: Endless stream of clips.
        rng: Draws prompts and augmentation.
        weights: Of the losses.
        progress: Of the stage, 0 to 1.
    """
    single = stage.image_share > 0 and rng.random() < stage.image_share
    batch = next_batch(stage, clips, rng, single=single)
    set_side(model, batch.pixels.shape[-1])
    if stage.name == "dense":
        return _encode_with_dense(model, head, batch)[1], 0.0
    if stage.name == "decoder":
        with torch.no_grad():
            features = network.encode(model, batch.pixels)
        kind = POINT if progress < 0.5 or rng.random() < 0.5 else BOX
        loss, overlap = _prompted(model, features, batch, kind, rng, weights)
        return loss, float(overlap)
    if stage.name == "image" or single:
        features, dense = _encode_with_dense(model, head, batch)
        loss, overlap = _prompted(model, features, batch, str(rng.choice([BOX, POINT])), rng, weights)
        return loss + dense, float(overlap)
    kind = str(rng.choice([BOX, POINT, MASK], p=(0.45, 0.35, 0.2)))
    fade = max(0.0, 1 - progress / 0.7)
    out = unroll(model, batch, kind=kind, rng=rng, weights=weights, teacher=stage.teacher * fade)
    return out.loss, float(out.iou[1:].mean())


def trained_parameters(
    model: Sam2VideoModel, head: nn.Module, stage: Stage
) -> list[tuple[str, nn.Parameter]]:
    """Named parameters a stage changes: the encoder, the decoder, or everything."""
    named = list(model.named_parameters())
    if stage.name == "dense":
        return [*((n, p) for n, p in named if n.startswith("vision_encoder")), *_named_head(head)]
    if stage.name == "decoder":
        return [(n, p) for n, p in named if n.startswith(("mask_decoder", "prompt_encoder", "no_memory"))]
    return [*named, *_named_head(head)]


def _named_head(head: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(f"dense_head.{n}", p) for n, p in head.named_parameters()]
