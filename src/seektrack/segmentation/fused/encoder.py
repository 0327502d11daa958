"""The image encoder on channels-last tokens, joined with the projections the mask decoder begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seektrack.segmentation.fused.weights import Dense, Mlp, Norm, linear, plain, unfold

if TYPE_CHECKING:
    from transformers import Sam2VideoModel


@dataclass(frozen=True, eq=False)
class _Block:
    """One block of Hiera: attention inside windows, pooled queries where a stage begins, an MLP."""

    norm1: Norm
    norm2: Norm
    qkv: Dense
    out: Dense
    project: Dense | None
    mlp: Mlp
    heads: int
    window: int
    pool: int

    @classmethod
    def of(cls, block: Any, dtype: torch.dtype) -> _Block:
        own = block.attn
        widened = block.dim != block.dim_out
        return cls(
            norm1=Norm.of(block.layer_norm1, dtype),
            norm2=Norm.of(block.layer_norm2, dtype),
            qkv=Dense.of(own.qkv.weight, own.qkv.bias, dtype),
            out=Dense.of(own.proj.weight, own.proj.bias, dtype),
            project=Dense.of(block.proj.weight, block.proj.bias, dtype) if widened else None,
            mlp=Mlp.of(block.mlp, dtype),
            heads=int(own.num_attention_heads),
            window=int(block.window_size),
            pool=int(block.query_stride[0]) if block.query_stride else 1,
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Tokens (B, H, W, C) to (B, H / pool, W / pool, C')."""
        hidden = self.norm1(x)
        rest = x if self.project is None else _pool(self.project(hidden), self.pool)
        attended = self._attend(hidden)
        x = rest + attended[:, : rest.shape[1], : rest.shape[2]]
        return x + self.mlp(self.norm2(x))

    def _attend(self, x: Tensor) -> Tensor:
        n, height, width, _ = x.shape
        h = w = self.window
        if not self.window:
            h, w = height, width
        if height % h or width % w:
            x = F.pad(x, (0, 0, 0, -width % w, 0, -height % h))
        rows, columns = x.shape[1] // h, x.shape[2] // w
        x = unfold(unfold(x, 2, (columns, w)), 1, (rows, h)).transpose(2, 3)
        qkv = unfold(self.qkv(x.reshape(n * rows * columns, h * w, -1)), -1, (3, self.heads, -1))
        query, key, value = qkv.unbind(2)
        if self.pool > 1:
            query = _pool(unfold(query.flatten(2), 1, (h, w)), self.pool)
            h, w = query.shape[1:3]
            query = unfold(query.flatten(1, 2), -1, (self.heads, -1))
        query, key, value = (t.transpose(1, 2) for t in (query, key, value))
        seen = F.scaled_dot_product_attention(query, key, value)
        out = self.out(seen.transpose(1, 2).flatten(2)).view(n, rows, columns, h, w, -1)
        return out.transpose(2, 3).reshape(n, rows * h, columns * w, -1)


class ImageEncoder:
    """``network.encode`` without what its answer does not need.

    transformers computes an attention map it throws away and features nothing reads; position codes are
    computed here once; the finest features go straight to the width the decoder takes, since the
    projections between are linear and pixel by pixel.

    Args:
        model: The network.
        dtype: What to compute in.
    """

    def __init__(self, model: Sam2VideoModel, dtype: torch.dtype) -> None:
        backbone, neck = model.vision_encoder.backbone, model.vision_encoder.neck
        self.dtype = dtype
        patch = backbone.patch_embed.projection
        self.patch = plain(patch.weight, dtype).contiguous(memory_format=torch.channels_last)
        self.patch_bias, self.stride, self.padding = plain(patch.bias, dtype), patch.stride, patch.padding
        side = int(model.image_size) // int(patch.stride[0])
        self.place = plain(backbone._get_pos_embed((side, side)), dtype)
        self.blocks = [_Block.of(block, dtype) for block in backbone.blocks]
        self.ends = [int(i) for i in backbone.stage_ends]
        self.from_above = {int(i) for i in neck.fpn_top_down_levels} - {len(neck.convs) - 1}
        lateral = {i: (c.weight.flatten(1), c.bias) for i, c in enumerate(reversed(neck.convs))}
        self.lateral = {i: Dense.of(*pair, dtype) for i, pair in lateral.items()}
        finals = {0: model.mask_decoder.conv_s0, 1: model.mask_decoder.conv_s1}
        self.joined, self.carried = {}, {}
        for i, final in finals.items():
            weight, bias = lateral[i]
            last = final.weight.flatten(1)
            self.joined[i] = Dense.of(last @ weight, last @ bias + final.bias, dtype)
            self.carried[i] = plain(last, dtype)

    @staticmethod
    def fits(model: Sam2VideoModel) -> bool:
        """Whether the pyramid has the form this is written for: lateral projections of one pixel."""
        neck = model.vision_encoder.neck
        return len(neck.convs) >= 3 and all(c.kernel_size == (1, 1) for c in neck.convs)

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels float (B, 3, S, S), normalised, to ``s0``, ``s1`` and ``top`` of ``ImageFeatures``."""
        s0, s1, top = (level.permute(0, 3, 1, 2) for level in self._levels(pixels))
        return s0, s1, top

    def compile(self) -> None:
        """Have ``torch.compile`` translate what follows, when it is first needed."""
        self._levels = torch.compile(self._levels, dynamic=False)  # type: ignore[method-assign]

    def _levels(self, pixels: Tensor) -> list[Tensor]:
        pixels = pixels.to(self.dtype).contiguous(memory_format=torch.channels_last)
        patches = F.conv2d(pixels, self.patch, self.patch_bias, self.stride, self.padding)
        x = patches.permute(0, 2, 3, 1) + self.place
        stages = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.ends:
                stages.append(x)
        return self._pyramid(stages)

    def _pyramid(self, stages: list[Tensor]) -> list[Tensor]:
        """The three finest levels; levels 0 and 1 in the decoder's width."""
        out: dict[int, Tensor] = {}
        above: Tensor | None = None
        for i in range(len(stages) - 1, -1, -1):
            coarser = above if i in self.from_above else None
            if i in self.joined:
                fine = self.joined[i](stages[i])
                if coarser is not None:
                    fine = fine + _double(linear(coarser, self.carried[i]))
                out[i] = fine
            if i > 0 and (i - 1 in self.from_above or i not in self.joined):
                above = self.lateral[i](stages[i])
                if coarser is not None:
                    above = above + _double(coarser)
                out.setdefault(i, above)
        return [out[i] for i in range(3)]


def _pool(x: Tensor, stride: int) -> Tensor:
    """Maximum of each ``stride`` x ``stride`` square of tokens (B, H, W, C)."""
    if stride == 2 and x.shape[1] % 2 == 0 and x.shape[2] % 2 == 0:
        rows = torch.maximum(x[:, 0::2], x[:, 1::2])
        return torch.maximum(rows[:, :, 0::2], rows[:, :, 1::2])
    if stride == 1:
        return x
    return F.max_pool2d(x.permute(0, 3, 1, 2), stride, stride).permute(0, 2, 3, 1)


def _double(x: Tensor) -> Tensor:
    """Each token (B, H, W, C) of a square of two by two, (B, 2H, 2W, C)."""
    n, height, width, channels = x.shape
    square = x[:, :, None, :, None].expand(n, height, 2, width, 2, channels)
    return square.reshape(n, 2 * height, 2 * width, channels)
