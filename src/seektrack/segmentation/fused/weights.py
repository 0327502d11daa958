"""A network's weights in the form the fused layers take: one floating type, one layout, nothing to train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.activations import GELUActivation

_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise") and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
_OF_ONEDNN = (torch.float32, torch.bfloat16)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, then: str = "none") -> Tensor:
    """A linear layer, and on a CPU what follows it in the same pass, by oneDNN.

    torch multiplies float32 by MKL, which uses half of what processors not made by Intel can do, and reads
    answers again for a bias and an activation.

    Args:
        x: (…, in).
        weight: (out, in).
        bias: (out,).
        then: ``none``, ``relu`` or ``gelu``.

    Returns:
        (…, out).
    """
    if _ONEDNN and x.device.type == "cpu" and x.dtype in _OF_ONEDNN and x.numel() and not _compiling():
        x, weight = x.contiguous(), weight.contiguous()  # rows further apart take a path 500 times slower
        how = "none" if then == "gelu" else ""
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, then, [], how)
        return out
    found = F.linear(x, weight, bias)
    return found if then == "none" else F.relu(found) if then == "relu" else F.gelu(found)


def _compiling() -> bool:
    return bool(torch.compiler.is_compiling())


@dataclass(frozen=True, eq=False)
class Dense:
    """A linear layer over the last axis: ``weight`` (out, in), ``bias`` (out,)."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Dense:
        """Of a linear layer's weights, or those of a convolution that sees one pixel."""
        return cls(plain(weight.flatten(1), dtype), plain(bias, dtype))

    def __call__(self, x: Tensor, *, then: str = "none") -> Tensor:
        """(…, in) to (…, out); see ``linear``."""
        return linear(x, self.weight, self.bias, then=then)


@dataclass(frozen=True, eq=False)
class Norm:
    """Layer normalisation over the last axis."""

    weight: Tensor
    bias: Tensor
    eps: float

    @classmethod
    def of(cls, module: Any, dtype: torch.dtype, *, shift: Tensor | None = None) -> Norm:
        """Of a layer norm; ``shift`` is added to its answer."""
        bias = module.bias if shift is None else module.bias + shift
        return cls(plain(module.weight, dtype), plain(bias, dtype), float(module.eps))

    def __call__(self, x: Tensor) -> Tensor:
        """Normalise (…, C)."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True, eq=False)
class Mlp:
    """Linear layers with an activation between them."""

    layers: Sequence[Dense]
    activation: Callable[[Tensor], Tensor]

    @classmethod
    def of(cls, module: Any, dtype: torch.dtype) -> Mlp:
        """Of transformers' feed-forward block without a sigmoid at its end."""
        layers = [module.proj_in, *module.layers, module.proj_out]
        return cls([Dense.of(layer.weight, layer.bias, dtype) for layer in layers], module.activation)

    def __call__(self, x: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        then = _NAMED.get(type(self.activation), "")
        for layer in self.layers[:-1]:
            x = layer(x, then=then) if then else self.activation(layer(x))
        return self.layers[-1](x)


_NAMED: dict[type, str] = {nn.ReLU: "relu", GELUActivation: "gelu"}
"""Activations that ``linear`` knows."""


def plain(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """A contiguous tensor in ``dtype`` without a gradient; the weight itself where it is one already."""
    return weight.detach().to(dtype).contiguous()


def tokens_of(features: Tensor) -> Tensor:
    """Feature maps (B, C, h, w) as tokens (B, h * w, C)."""
    return features.flatten(2).transpose(1, 2)


def map_of(tokens: Tensor, hw: tuple[int, int]) -> Tensor:
    """Tokens (B, h * w, C) as feature maps (B, C, h, w)."""
    return unfold(tokens.transpose(1, 2), 2, hw)


def unfold(x: Tensor, axis: int, sizes: tuple[int, ...]) -> Tensor:
    """One axis as several; one of the sizes may be -1."""
    out: Tensor = x.unflatten(axis, sizes)  # type: ignore[no-untyped-call]
    return out
