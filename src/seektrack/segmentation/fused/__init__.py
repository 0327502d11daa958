"""The network rearranged for inference: the same answers as ``segmentation.network``, several times sooner.

Weights are joined where layers follow each other with nothing between, what is equal for all objects or all
frames is computed once, and activations keep one layout from end to end. ``segmentation.network`` is the
plain form, which training uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from seektrack.segmentation import network
from seektrack.segmentation.fused.attention import MemoryAttention
from seektrack.segmentation.fused.decoder import MaskDecoder
from seektrack.segmentation.fused.encoder import ImageEncoder
from seektrack.segmentation.fused.memories import MemoryEncoder
from seektrack.segmentation.fused.weights import tokens_of
from seektrack.segmentation.memory import Recall, Remembered
from seektrack.segmentation.network import Chosen, ImageFeatures

if TYPE_CHECKING:
    from transformers import Sam2VideoModel


class FusedNetwork:
    """A network's layers in their fused form; weights are taken when it is made.

    Args:
        model: The network; it is not changed.
        dtype: What to compute in. The answers are in the model's own type.
    """

    def __init__(self, model: Sam2VideoModel, dtype: torch.dtype) -> None:
        self.model, self.dtype = model, dtype
        with torch.inference_mode():
            self.encoder = ImageEncoder(model, dtype) if ImageEncoder.fits(model) else None
            self.attention = MemoryAttention(model, dtype)
            self.decoder = MaskDecoder(model, dtype)
            self.memories = MemoryEncoder(model, dtype)
            neck = model.vision_encoder.neck
            side = int(model.image_size) // 16
            size = torch.Size((1, model.hidden_dim, side, side))
            self.position = neck.position_encoding(size, model.device, model.dtype)

    def encode(self, pixels: Tensor, *, hw: tuple[int, int]) -> ImageFeatures:
        """Like ``network.encode``."""
        if self.encoder is None:
            return network.encode(self.model, pixels, hw=hw)
        s0, s1, top = (level.to(self.model.dtype) for level in self.encoder(pixels))
        return ImageFeatures(s0=s0, s1=s1, top=top, position=self.position, hw=hw)

    def compile(self) -> None:
        """Compile the image encoder, which sees one shape only; the rest changes shape with the objects."""
        if self.encoder is not None:
            self.encoder.compile()

    def condition(self, features: ImageFeatures, recalls: Sequence[Recall], *, max_pointers: int) -> Tensor:
        """What to decode from, tokens (B, T, C); see ``MemoryAttention``."""
        top, position = tokens_of(features.top), tokens_of(features.position)
        return self.attention(top, position, recalls, max_pointers=max_pointers)

    def follow(self, features: ImageFeatures, embedding: Tensor, *, multimask: bool) -> tuple[Chosen, Tensor]:
        """One mask an object without a prompt, and object scores; see ``MaskDecoder``."""
        chosen, score = self.decoder(features, embedding, multimask=multimask)
        return replace(chosen, logits=chosen.logits.to(self.model.dtype)), score

    def remembered(self, tokens: Tensor) -> Remembered:
        """One memory (T, 64) with its keys, where they are worth keeping."""
        return Remembered(tokens, self.attention.keys(tokens))

    def remember(self, features: ImageFeatures, mask: Tensor, appearing: Tensor) -> Tensor:
        """Memory tokens (B, T, 64); see ``MemoryEncoder``."""
        return self.memories(features.top, mask, appearing)
