"""Quantisation-aware training: linear layers see what eight bits leave of their weights and inputs.

Rounding has no gradient, so it is passed as if nothing had been rounded (Jacob et al., Quantization and
Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, arXiv:1712.05877). Rounded is
what ``seektrack models export --precision int8`` rounds: products with weights, a scale for each channel of
the weights, a range for each input.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class EightBits(TorchFunctionMode):
    """While it is entered, every linear layer of this thread computes in eight bits, simulated."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Round the first two arguments of a linear layer; leave all else."""
        if func is F.linear:
            args = (rounded_input(args[0]), rounded_weight(args[1]), *args[2:])
        return func(*args, **(kwargs or {}))


def eight_bits(wanted: bool) -> contextlib.AbstractContextManager[Any]:
    """Simulate eight bits, if that is wanted."""
    return EightBits() if wanted else contextlib.nullcontext()


def rounded_weight(weight: Tensor) -> Tensor:
    """(out, in) in signed eight bits, a scale for each row."""
    scale = weight.detach().abs().amax(1, keepdim=True).float().clamp(min=1e-12) / 127
    return _straight(weight, (weight.detach() / scale).round() * scale)


def rounded_input(x: Tensor) -> Tensor:
    """(…, in) in unsigned eight bits over the range of all of it, which holds 0."""
    if not x.numel():
        return x
    held = x.detach().float()
    low, high = held.min().clamp(max=0), held.max().clamp(min=0)
    scale = ((high - low) / 255).clamp(min=1e-12)
    zero = (-low / scale).round()
    return _straight(x, (((held / scale).round() + zero).clamp(0, 255) - zero) * scale)


def _straight(x: Tensor, rounded: Tensor) -> Tensor:
    """The rounded values with the gradient of the others."""
    return x + (rounded.to(x.dtype) - x.detach())
