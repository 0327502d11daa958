"""The memory encoder on channels-last tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seektrack.segmentation.fused.weights import Dense, Mlp, Norm, linear, plain

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

_NARROW = 16
"""Up to as many channels are normalised plane by plane; torch's layer norm is slow over short rows."""


@dataclass(frozen=True, eq=False)
class _Shrink:
    """One step of the mask downsampler.

    Subtracting the mean over channels is linear, so it is done to the weights; the convolution's answer is
    centred already.
    """

    weight: Tensor
    bias: Tensor
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    norm: Norm
    activation: Callable[[Tensor], Tensor]

    @classmethod
    def of(cls, layer: Any, dtype: torch.dtype) -> _Shrink:
        conv = layer.conv
        weight, bias = conv.weight, conv.bias
        return cls(
            weight=plain(weight - weight.mean(dim=0, keepdim=True), dtype).contiguous(
                memory_format=torch.channels_last
            ),
            bias=plain(bias - bias.mean(), dtype),
            stride=conv.stride,
            padding=conv.padding,
            norm=Norm.of(layer.layer_norm, dtype),
            activation=layer.activation,
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Planes (B, c, h, w) to (B, C, h / 2, w / 2)."""
        x = F.conv2d(x.to(self.weight.dtype), self.weight, self.bias, self.stride, self.padding)
        channels = x.shape[1]
        if channels > _NARROW:
            return self.activation(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        x = x.contiguous()
        spread = x.square().mean(dim=1, keepdim=True).add_(self.norm.eps).rsqrt_()
        shape = (channels, 1, 1)
        x = torch.addcmul(self.norm.bias.view(shape), x.mul_(spread), self.norm.weight.view(shape))
        return self.activation(x)


@dataclass(frozen=True, eq=False)
class _Fuse:
    """One block of the memory fuser."""

    depthwise: Tensor
    bias: Tensor
    padding: tuple[int, ...]
    norm: Norm
    mlp: Mlp

    @classmethod
    def of(cls, layer: Any, dtype: torch.dtype) -> _Fuse:
        conv, first, second = layer.depthwise_conv, layer.pointwise_conv1, layer.pointwise_conv2
        return cls(
            depthwise=plain(conv.weight, dtype).contiguous(memory_format=torch.channels_last),
            bias=plain(conv.bias, dtype),
            padding=conv.padding,
            norm=Norm.of(layer.layer_norm, dtype),
            mlp=Mlp(
                [
                    Dense.of(first.weight, first.bias, dtype),
                    Dense.of(second.weight * layer.scale[:, None], second.bias * layer.scale, dtype),
                ],
                layer.activation,
            ),
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Tokens (B, f, f, C) to the same."""
        planes = x.permute(0, 3, 1, 2)
        near = F.conv2d(planes, self.depthwise, self.bias, padding=self.padding, groups=planes.shape[1])
        return x + self.mlp(self.norm(near.permute(0, 2, 3, 1)))


class MemoryEncoder:
    """``network.remember`` for many objects, with the frame's own part computed once.

    Args:
        model: The network.
        dtype: What to compute in; the finest step on the mask stays float32.
    """

    def __init__(self, model: Sam2VideoModel, dtype: torch.dtype) -> None:
        encoder, config = model.memory_encoder, model.config
        self.dtype = dtype
        self.scale = float(config.sigmoid_scale_for_mem_enc)
        self.bias = float(config.sigmoid_bias_for_mem_enc)
        shrinking = list(encoder.mask_downsampler.layers)
        self.shrink = [_Shrink.of(layer, dtype if i else torch.float32) for i, layer in enumerate(shrinking)]
        last, own = encoder.mask_downsampler.final_conv, encoder.feature_projection
        self.mask_out = plain(last.weight.flatten(1), dtype)
        self.features = Dense.of(own.weight, own.bias + last.bias, dtype)
        self.fuse = [_Fuse.of(layer, dtype) for layer in encoder.memory_fuser.layers]
        self.out = Dense.of(encoder.projection.weight, encoder.projection.bias, dtype)
        hidden = model.occlusion_spatial_embedding_parameter
        self.hidden = None if hidden is None else plain(hidden, dtype)

    def __call__(self, top: Tensor, mask: Tensor, appearing: Tensor) -> Tensor:
        """Encode a frame and each object's mask on it into memory tokens (B, T, 64).

        Args:
            top: (1, C, f, f), ``ImageFeatures.top``.
            mask: float (B, 1, S, S) in [0, 1].
            appearing: bool (B, 1), whether the object is on the frame.
        """
        x = mask.float() * self.scale + self.bias
        for step in self.shrink:
            x = step(x)
        seen = self.features(top.permute(0, 2, 3, 1).to(self.dtype))
        tokens = linear(x.permute(0, 2, 3, 1), self.mask_out) + seen
        for block in self.fuse:
            tokens = block(tokens)
        memory = self.out(tokens).flatten(1, 2)
        if self.hidden is not None:
            absent = (~appearing.bool()).to(self.dtype)
            memory = memory + (absent * self.hidden)[:, None]
        return memory
