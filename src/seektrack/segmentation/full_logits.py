"""Answers as the reference's video predictor gives them: logits of all objects in source resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from seektrack.segmentation.features import NO_OBJECT_LOGIT
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.postprocess import fill_holes

_FILLED, _LOST = 0.1, -10.0
"""Logits of a filled hole, and of a pixel given to another object, as in the reference."""


def full_logits(
    answer: FrameMasks, obj_ids: list[int], *, fill_hole_area: int = 0, non_overlap: bool = False
) -> Tensor:
    """Mask logits of objects over the source picture.

    Args:
        answer: The engine's.
        obj_ids: N objects, in the order wanted; one without an answer has -1024 everywhere.
        fill_hole_area: Largest hole filled, in source pixels.
        non_overlap: Give a pixel claimed by several objects to the surest.

    Returns:
        float (N, 1, H, W), positive inside.
    """
    full = torch.full(
        (len(obj_ids), 1, *answer.hw), NO_OBJECT_LOGIT, device=answer.logits.device, dtype=torch.float32
    )
    for slot, obj_id in enumerate(obj_ids):
        if obj_id in answer.obj_ids:
            logits = answer.logits[answer.obj_ids.index(obj_id)].float()[None, None]
            full[slot] = F.interpolate(logits, answer.hw, mode="bilinear", align_corners=False)[0]
    if fill_hole_area > 0:
        for logits in full[:, 0]:
            inside = (logits > 0).cpu().numpy()
            holes = torch.from_numpy(fill_holes(inside, fill_hole_area) & ~inside)
            logits[holes.to(logits.device)] = _FILLED
    if non_overlap and len(full) > 1:
        surest = full.argmax(dim=0, keepdim=True)
        mine = torch.arange(len(full), device=full.device).reshape(-1, 1, 1, 1) == surest
        full = torch.where(mine, full, full.clamp(max=_LOST))
    return full
