"""One batch of objects through the network: from prompts and memories to masks and new memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seektrack.segmentation import network
from seektrack.segmentation.fused import FusedNetwork
from seektrack.segmentation.fused.weights import map_of
from seektrack.segmentation.memory import Recall, Row
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.network import ImageFeatures
from seektrack.segmentation.prompts import PointInputs, mask_inputs
from seektrack.types import Prompt


@dataclass(frozen=True, eq=False)
class Job:
    """One object to be answered on the frame being stepped.

    Attributes:
        obj_id: Stable identity.
        recall: What it remembers; None on a prompted frame that starts afresh.
        points: Its points and box corners; None when following or prompted by a mask.
        mask: The prompt holding a mask, or None.
    """

    obj_id: int
    recall: Recall | None
    points: PointInputs | None = None
    mask: Prompt | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Jobs of equal key run in one batch; how much each remembers may differ."""
        n_points = None if self.points is None else len(self.points.labels)
        return self.mask is not None, n_points, self.recall is not None


def answer(
    sam2: Sam2,
    features: ImageFeatures,
    jobs: Sequence[Job],
    *,
    n_pointers: int,
    memory_dtype: torch.dtype = torch.bfloat16,
) -> list[Row]:
    """Answer for a batch of jobs of equal key.

    Args:
        sam2: The network.
        features: Of the frame, one row.
        jobs: At least one.
        n_pointers: What the time codes of pointers are scaled to.
        memory_dtype: What memories are stored in; bfloat16 as in the reference halves them.
    """
    if jobs[0].mask is not None:
        return _answer_masks(sam2, features, [j.mask for j in jobs if j.mask is not None], memory_dtype)
    model, fused = sam2.model, sam2.fused
    recalls = [j.recall for j in jobs if j.recall is not None]
    inputs = [j.points for j in jobs if j.points is not None]
    multimask = _multimask(model.config, len(inputs[0].labels) if inputs else 0, afresh=not recalls)
    if recalls:
        embedding = fused.condition(features, recalls, max_pointers=n_pointers)
    if recalls and not inputs:
        chosen, score = fused.follow(features, embedding, multimask=multimask)
    else:
        start = network.without_memory(model, features)
        if recalls:
            start = map_of(embedding, (start.shape[-2], start.shape[-1])).to(start.dtype)
        points = torch.stack([p.points for p in inputs]).to(sam2.device)
        labels = torch.stack([p.labels for p in inputs]).to(sam2.device)
        decoded = network.decode(model, features, start, points=points, labels=labels)
        chosen, score = network.choose(model, decoded, multimask=multimask), decoded.score
    there = score > 0
    logits = torch.where(there[..., None], chosen.logits, network.NO_OBJECT_LOGIT)
    pointer = network.object_pointer(model, chosen.token, there)
    mask = network.memory_mask(model, logits, binarise=bool(inputs))
    memory = fused.remember(features, mask, there).to(memory_dtype)
    return _rows(fused, logits, score[:, 0], chosen.iou, pointer, memory)


def _answer_masks(
    sam2: Sam2, features: ImageFeatures, prompts: list[Prompt], memory_dtype: torch.dtype
) -> list[Row]:
    """A mask prompt is its own answer; the decoder only makes a pointer of it."""
    model, fused = sam2.model, sam2.fused
    mask = mask_inputs(prompts, sam2.resolution).to(sam2.device, sam2.dtype)
    full = mask.float() * network.MASK_LOGIT_SCALE + network.MASK_LOGIT_BIAS
    size = (sam2.resolution // 4,) * 2
    logits = F.interpolate(full, size, mode="bilinear", align_corners=False, antialias=True)[:, 0]
    there = mask.flatten(1).any(dim=1, keepdim=True)
    decoded = network.decode(model, features, features.top, mask=model.mask_downsample(mask))
    chosen = network.choose(model, decoded, multimask=True)
    pointer = network.object_pointer(model, chosen.token, decoded.score > 0)
    memory = fused.remember(features, mask, there).to(memory_dtype)
    score = there[:, 0].float() * network.MASK_LOGIT_SCALE + network.MASK_LOGIT_BIAS
    return _rows(fused, logits.to(mask.dtype), score, torch.ones_like(score), pointer, memory)


def _multimask(config: Any, n_points: int, *, afresh: bool) -> bool:
    """Whether the checkpoint's configuration asks for several masks to choose from."""
    asked = config.multimask_output_in_sam and (afresh or config.multimask_output_for_tracking)
    return bool(asked and config.multimask_min_pt_num <= n_points <= config.multimask_max_pt_num)


def _rows(
    fused: FusedNetwork, logits: Tensor, score: Tensor, iou: Tensor, pointer: Tensor, memory: Tensor
) -> list[Row]:
    """Cut a batch into one ``Row`` an object, copied so that what is kept does not hold the whole batch."""

    def own(column: Tensor, row: int) -> Tensor:
        return column[row].clone(memory_format=torch.contiguous_format)

    return [
        Row(
            logits=own(logits, row),
            score=own(score, row),
            iou=own(iou, row),
            pointer=own(pointer, row),
            memory=fused.remembered(own(memory, row)),
        )
        for row in range(len(logits))
    ]
