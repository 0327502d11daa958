"""What the image encoder says of a frame; see ``segmentation.network`` for the shape letters."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """What the image encoder says of a frame; shared by all objects on it.

    Attributes:
        s0: float (B, C/8, S/4, S/4), finest features, projected for the mask decoder.
        s1: float (B, C/4, S/8, S/8).
        top: float (B, C, f, f), coarsest features, without memory.
        position: float (1, C, f, f), sine position code of ``top``.
        hw: Height and width of the source picture in pixels.
    """

    s0: Tensor
    s1: Tensor
    top: Tensor
    position: Tensor
    hw: tuple[int, int]

    def rows(self, index: Tensor) -> ImageFeatures:
        """The features of rows ``index`` (long, (B',)), in that order; rows may repeat."""
        return replace(self, s0=self.s0[index], s1=self.s1[index], top=self.top[index])
