"""What one step of each stage computes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from transformers import Sam2VideoModel

from seektrack.segmentation import network
from seektrack.segmentation.network import ImageFeatures
from seektrack.training.sam2.augment import Augment, RawClip
from seektrack.training.sam2.data import Batch, make_batch
from seektrack.training.sam2.losses import click_loss, dense_loss, mask_loss, nothing_loss
from seektrack.training.sam2.prompts import (
    BOX,
    MASK,
    POINT,
    background_points,
    fed_back,
    prompts_for,
    rough_mask,
)
from seektrack.training.sam2.recipe import Sam2Recipe, Stage
from seektrack.training.sam2.sides import set_side
from seektrack.training.sam2.unroll import chosen, unroll, with_correction


def group_batch(
    stage: Stage,
    clips: Sequence[RawClip],
    rng: np.random.Generator,
    *,
    single: bool = False,
    augment: Augment | None = None,
) -> Batch | None:
    """Some objects of a group of clips, None where none is large enough; ``single`` takes frames apart."""
    area = max(12, int(stage.min_area * (clips[0][0].shape[1] / 192) ** 2))
    if single:
        clips = [(f[t : t + 1], i[t : t + 1]) for f, i in clips for t in range(len(f))]
    alone = len(clips[0][0]) == 1 and stage.image_objects
    return make_batch(
        rng, clips, per_clip=stage.image_objects if alone else stage.objects, min_area=area, augment=augment
    )


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
    ids = (
        torch.from_numpy(np.ascontiguousarray(batch.ids.reshape(-1, side, side)[:, 2::4, 2::4]))
        .long()
        .to(fine.device)
    )
    return features, dense_loss(head(fine), ids)


def _prompted(
    model: Sam2VideoModel,
    features: ImageFeatures,
    batch: Batch,
    kind: str,
    rng: np.random.Generator,
    recipe: Sam2Recipe,
    rows: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss and overlap of prompts on objects, corrected or not, with clicks on the background beside them.

    ``rows``, long (R,), are the objects prompted; all of them if not given.
    """
    rows = torch.arange(len(batch.owner), device=batch.owner.device) if rows is None else rows
    weights, mix, target, owner = recipe.losses, recipe.prompts, batch.masks[rows, 0], batch.owner[rows]
    known = batch.known_at(0)
    known = None if known is None else known[rows]
    empty = network.without_memory(model, features)
    own, embedding = features.rows(owner), empty[owner]
    visible = torch.ones(len(target), dtype=torch.bool, device=target.device)
    points, labels, dense = None, None, None
    if kind == MASK:
        dense = rough_mask(rng, target)
    else:
        points, labels = prompts_for(rng, target, kind, mix)
    losses = []
    rounds = int(rng.integers(0, mix.corrections + 1)) if mix.corrections else 0
    for left in range(rounds, -1, -1):
        decoded = network.decode(model, own, embedding, points=points, labels=labels, mask=dense)
        loss, overlap = mask_loss(decoded, target, batch.others[rows, 0], visible, weights, known=known)
        if weights.clicked and points is not None and labels is not None:
            loss = loss + weights.clicked * click_loss(decoded, points, labels, target.shape[-1])
        losses.append(loss)
        if left:
            answer = chosen(model, decoded, points).logits
            points, labels = with_correction(rng, answer, target, points, labels, known)
            dense = fed_back(answer) if rng.random() < mix.feedback else None
    loss = torch.stack(losses).mean()
    if kind == POINT and recipe.foreground:
        frames, clicks = background_points(rng, batch.ids[:, 0], max(1, len(target) // 3))
        if len(frames):
            frames, clicks = frames.to(target.device), clicks.to(target.device)
            ones = torch.ones(len(frames), 1, dtype=torch.int32, device=target.device)
            nothing = network.decode(model, features.rows(frames), empty[frames], points=clicks, labels=ones)
            loss = loss + 0.3 * nothing_loss(nothing, weights)
    return loss, overlap


def _each_prompted(
    model: Sam2VideoModel, features: ImageFeatures, batch: Batch, rng: np.random.Generator, recipe: Sam2Recipe
) -> tuple[Tensor, Tensor]:
    """As ``_prompted``, every object with a kind of prompt of its own.

    Kinds are decoded apart: a click padded to the two points of a box would tell itself from the unpadded
    clicks on the background by its padding.
    """
    kinds = np.array([recipe.prompts.kind(rng, clip=False) for _ in range(len(batch.owner))])
    loss, overlap = torch.zeros((), device=batch.masks.device), torch.zeros((), device=batch.masks.device)
    for kind in np.unique(kinds):
        rows = torch.from_numpy(np.flatnonzero(kinds == kind)).to(batch.owner.device)
        part, right = _prompted(model, features, batch, str(kind), rng, recipe, rows)
        share = len(rows) / len(kinds)
        loss, overlap = loss + share * part, overlap + share * right
    return loss, overlap


def step_loss(
    model: Sam2VideoModel,
    head: nn.Module | None,
    stage: Stage,
    clips: Sequence[RawClip],
    rng: np.random.Generator,
    recipe: Sam2Recipe,
    progress: float,
) -> tuple[Tensor, float] | None:
    """Loss of one group of clips and the mean overlap it saw; None where no object is large enough.

    Args:
        model: The network.
        head: The dense auxiliary head, thrown away after training; None trains without one.
        stage: Which stage.
        clips: The group.
        rng: Draws prompts and augmentation.
        recipe: Its losses, prompts and augmentation.
        progress: Of the stage, 0 to 1.
    """
    single = stage.image_clips == 0 and stage.image_share > 0 and rng.random() < stage.image_share
    batch = group_batch(stage, clips, rng, single=single, augment=recipe.augment)
    if batch is None:
        return None
    batch = batch.to(model.device)
    set_side(model, batch.pixels.shape[-1])
    if stage.name == "dense" and head is not None:
        return _encode_with_dense(model, head, batch)[1], 0.0
    if stage.name == "decoder":
        with torch.no_grad():
            features = network.encode(model, batch.pixels)
        kind = POINT if progress < 0.5 or rng.random() < 0.5 else BOX
        loss, overlap = _prompted(model, features, batch, kind, rng, recipe)
        return loss, float(overlap)
    if stage.name == "image" or batch.masks.shape[1] == 1:
        dense: Tensor | float = 0.0
        if head is None:
            features = network.encode(model, batch.pixels)
        else:
            features, dense = _encode_with_dense(model, head, batch)
        if recipe.prompts.mixed:
            loss, overlap = _each_prompted(model, features, batch, rng, recipe)
        else:
            kind = recipe.prompts.kind(rng, clip=False)
            loss, overlap = _prompted(model, features, batch, kind, rng, recipe)
        return loss + dense, float(overlap)
    kind = recipe.prompts.kind(rng, clip=True)
    fade = max(0.0, 1 - progress / 0.7)
    out = unroll(
        model,
        batch,
        kind=kind,
        rng=rng,
        weights=recipe.losses,
        mix=recipe.prompts,
        teacher=stage.teacher * fade,
        lead=batch.masks.shape[1] - stage.frames,
        fixed_encoder=stage.fixed_encoder,
        spoil=stage.spoil,
    )
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
