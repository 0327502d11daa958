"""The small convolutional network that knows photographs, beside the pocket CLIP that knows the drawn world.

It looks at what the CLIP is given, a normalised picture of 112 pixels (or a frame of 224), through a coarser
grid: the photographs it learnt from had 32 pixels a side, and finer detail would only mislead it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class PhotoSizes:
    """Sizes of the network.

    Attributes:
        widths: Channels at a half, a quarter and an eighth of the view.
        blocks: Residual blocks at each.
        dim: Of its vectors.
        grain: Pixels of the input for one of the view, as a side of 112 over one of 32.
    """

    widths: tuple[int, int, int] = (64, 128, 320)
    blocks: tuple[int, int, int] = (1, 1, 1)
    dim: int = 128
    grain: float = 3.5


_TAPS, _COARSE = 3, 3
"""Convolutions of this side onto grids of at most so many pixels are trained as products of matrices."""


class _Gathered(torch.autograd.Function):
    """A 3 × 3 convolution of a padded picture as one product of matrices.

    On coarse grids the backward pass of the usual one takes two to four times as long on a CPU.
    """

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        """Padded pictures (B, H + 2, W + 2, C) and (9 C, O) to (B, H / stride, W / stride, O)."""
        b, h, w, c = x.shape[0], x.shape[1] - 2, x.shape[2] - 2, x.shape[3]
        taps = [x[:, i : i + h : stride, j : j + w : stride] for i in range(_TAPS) for j in range(_TAPS)]
        columns = torch.cat(taps, -1).view(-1, _TAPS * _TAPS * c)
        context.save_for_backward(columns, weight)
        context.shape, context.stride = x.shape, stride
        return (columns @ weight).view(b, len(range(0, h, stride)), len(range(0, w, stride)), -1)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """The gradients of the pictures and of the weight."""
        columns, weight = context.saved_tensors
        gradient = gradients[0].flatten(0, 2)
        b, h, w, c = context.shape
        back = (gradient @ weight.t()).view(*gradients[0].shape[:3], _TAPS * _TAPS, c)
        pictures = back.new_zeros(b, h, w, c)
        for k in range(_TAPS * _TAPS):
            i, j = divmod(k, _TAPS)
            pictures[:, i : i + h - 2 : context.stride, j : j + w - 2 : context.stride] += back[:, :, :, k]
        return pictures, columns.t() @ gradient, None


def _gathered(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """The convolution of (B, C, H, W) with a matrix (O, C · 9), padded by 1, as `torch.conv2d` gives it."""
    if torch.is_autocast_enabled(x.device.type):
        kind = torch.get_autocast_dtype(x.device.type)
        x, weight = x.to(kind), weight.to(kind)
    outputs, c = len(weight), x.shape[1]
    matrix = weight.view(outputs, c, _TAPS * _TAPS).permute(2, 1, 0).reshape(-1, outputs)
    rows = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    return _Gathered.apply(rows, matrix, stride).permute(0, 3, 1, 2)  # type: ignore[no-untyped-call,no-any-return]


class Conv(nn.Module):
    """A convolution without bias, its normalisation, and a rectifier.

    The weights are kept as a matrix, one row an output, which is what the optimiser works on.
    """

    def __init__(self, inputs: int, outputs: int, *, side: int = 3, stride: int = 1, rectify: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs * side * side))
        self.norm = nn.BatchNorm2d(outputs)
        self.shape, self.stride, self.rectify = (outputs, inputs, side, side), stride, rectify
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        padding = (self.shape[-1] - self.stride + 1) // 2
        if self.training and self.shape[-1] == _TAPS and x.shape[-1] // self.stride <= _COARSE:
            x = _gathered(x, self.weight, self.stride)
        else:
            x = F.conv2d(x, self.weight.view(self.shape), stride=self.stride, padding=padding)
        x = self.norm(x)
        return F.relu(x) if self.rectify else x


class Residual(nn.Module):
    """Two convolutions that add to what they are given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = Conv(width, width), Conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        out: Tensor = x + self.second(self.first(x))
        return out


class PhotoTower(nn.Module):
    """Pictures to unit vectors."""

    def __init__(self, sizes: PhotoSizes) -> None:
        super().__init__()
        self.sizes = sizes
        a, b, c = sizes.widths
        parts: list[nn.Module] = [Conv(3, a, side=4, stride=2)]
        parts += [Residual(a) for _ in range(sizes.blocks[0])]
        parts += [Conv(a, b, stride=2), *[Residual(b) for _ in range(sizes.blocks[1])]]
        parts += [Conv(b, c, stride=2), *[Residual(c) for _ in range(sizes.blocks[2])]]
        self.trunk = nn.Sequential(*parts)
        self.project = nn.Linear(c, sizes.dim, bias=False)

    def embed(self, view: Tensor) -> Tensor:
        """Unit rows (B, D) of pictures on that grid."""
        features = self.trunk(view.contiguous(memory_format=torch.channels_last)).mean((2, 3))
        return F.normalize(self.project(features).float(), dim=-1)


class PhotoNetwork(nn.Module):
    """The tower, and a vector for everything that can be named.

    Args:
        sizes: Of the tower.
        concepts: K things with a name.
        backgrounds: M vectors for pictures of none of them.
    """

    def __init__(self, sizes: PhotoSizes, *, concepts: int, backgrounds: int) -> None:
        super().__init__()
        self.tower = PhotoTower(sizes)
        self.concepts = nn.Parameter(torch.randn(concepts, sizes.dim))
        self.backgrounds = nn.Parameter(torch.randn(backgrounds, sizes.dim))
        self.log_scale = nn.Parameter(torch.tensor(2.8))

    @property
    def scale(self) -> Tensor:
        """Factor from cosines to logits."""
        return self.log_scale.exp().clamp(max=100)

    def names(self) -> Tensor:
        """Unit rows of the concepts, then of the backgrounds, (K + M, D)."""
        return F.normalize(torch.cat([self.concepts, self.backgrounds]), dim=-1)


class Gate(nn.Module):
    """Tells drawings from photographs, by their surfaces."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            Conv(3, width, side=4, stride=4),
            Conv(width, 2 * width),
            Conv(2 * width, 3 * width, stride=2),
            Conv(3 * width, 3 * width, stride=2),
        )
        self.head = nn.Linear(6 * width, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Log odds (B,) that normalised pictures (B, 3, S, S) are drawings."""
        features = self.trunk(pixels.contiguous(memory_format=torch.channels_last))
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        odds: Tensor = self.head(pooled)[:, 0]
        return odds
