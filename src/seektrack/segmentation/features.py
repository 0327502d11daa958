"""What a network says, whoever computes it; see ``segmentation.network`` for the shape letters.

Arrays are those of the runtime: torch's tensors on the network's device, or numpy's arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Array = Any
"""A tensor of torch or an array of numpy."""

NO_OBJECT_LOGIT = -1024.0
"""Mask logit everywhere when the object is not on the frame."""
MASK_LOGIT_SCALE, MASK_LOGIT_BIAS = 20.0, -10.0
"""A mask prompt's pixels become logits ``scale * mask + bias``."""


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """What the image encoder says of a frame; shared by all objects on it.

    Attributes:
        s0: float (B, C/8, S/4, S/4), finest features, projected for the mask decoder.
        s1: float (B, C/4, S/8, S/8).
        top: float (B, C, f, f), coarsest features, without memory.
        position: float (1, C, f, f), sine position code of ``top``.
        hw: Height and width of the source picture in pixels.
        weights: The name of the set of weights that made them, where a checkpoint holds two.
    """

    s0: Array
    s1: Array
    top: Array
    position: Array
    hw: tuple[int, int]
    weights: str = ""

    def rows(self, index: Array) -> ImageFeatures:
        """The features of rows ``index`` (ints, (B',)), in that order; rows may repeat."""
        return replace(self, s0=self.s0[index], s1=self.s1[index], top=self.top[index])


@dataclass(frozen=True, eq=False)
class Decoded:
    """All the mask decoder's answers to a batch of prompts.

    Attributes:
        logits: float (B, 4, h, h); mask 0 is the single answer, 1 to 3 are for an ambiguous prompt.
        iou: float (B, 4), predicted overlap with the truth, in [0, 1].
        tokens: float (B, 4, C), the mask tokens an object pointer is made from; the pointers themselves of
            a runtime whose graph makes them.
        score: float (B, 1), logit that the object is on the frame.
    """

    logits: Array
    iou: Array
    tokens: Array
    score: Array


@dataclass(frozen=True, eq=False)
class Chosen:
    """One answer per object: ``logits`` (B, h, h), ``iou`` (B,), ``token`` (B, C)."""

    logits: Array
    iou: Array
    token: Array
