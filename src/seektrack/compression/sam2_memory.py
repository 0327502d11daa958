"""SAM 2's memory attention as a graph, for objects that remember different amounts.

Memories and pointers are padded to the longest, and a mask says which are there. Rotary positions are real
sines and cosines. Shape letters as in ``segmentation.network``; T = f * f.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from seektrack.segmentation import network

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

_HIDDEN = -1e4
"""Added to the weight of what is not there; small enough for half precision."""


class MemoryAttention(nn.Module):
    """``network.condition`` for objects that remember different amounts."""

    cos: Tensor
    sin: Tensor
    place: Tensor
    own: Tensor
    ages: Tensor

    def __init__(self, model: Sam2VideoModel) -> None:
        super().__init__()
        self.model = model
        self.layers = model.memory_attention.layers
        attention, encoder = model.memory_attention, model.memory_encoder
        side, width = model.image_size // 16, int(model.hidden_dim)
        with torch.no_grad():
            cos, sin = attention.rotary_emb(model.no_memory_embedding, attention.position_ids)
            place = encoder.position_encoding(torch.Size((1, 64, side, side)), model.device, torch.float32)
            own = model.vision_encoder.neck.position_encoding(
                torch.Size((1, width, side, side)), model.device, torch.float32
            )
        # One value a pair of channels; they come doubled.
        self.register_buffer("cos", cos.reshape(side * side, -1)[:, 0::2].float().clone())
        self.register_buffer("sin", sin.reshape(side * side, -1)[:, 0::2].float().clone())
        self.register_buffer("place", place.flatten(2).transpose(1, 2).clone())
        self.register_buffer("own", own.flatten(2).transpose(1, 2).clone())
        ages = (torch.arange(model.num_maskmem) - 1) % model.num_maskmem
        self.register_buffer("ages", ages)

    def forward(
        self,
        top: Tensor,
        memories: Tensor,
        offsets: Tensor,
        there: Tensor,
        pointers: Tensor,
        pointer_offsets: Tensor,
        pointers_there: Tensor,
        pointer_span: Tensor,
    ) -> Tensor:
        """Let the frame look at each object's past.

        Args:
            top: (1, C, f, f).
            memories: (B, M, T, 64).
            offsets: int (B, M), as for ``network.condition``.
            there: float (B, M), 1 for a memory and 0 for padding.
            pointers: (B, P, C), P at least 1.
            pointer_offsets: float (B, P).
            pointers_there: float (B, P).
            pointer_span: float (1,), what the offsets of pointers are divided by.

        Returns:
            (B, C, f, f).
        """
        model = self.model
        codes = model.memory_temporal_positional_encoding[:, 0, 0][self.ages][offsets]
        placed = memories + self.place[:, None] + codes[:, :, None]
        tokens, token_codes = network.pointer_tokens_over(model, pointers, pointer_offsets / pointer_span)
        splits = max(pointers.shape[-1] // 64, 1)
        seen = torch.cat([memories.flatten(1, 2), tokens], dim=1)
        shown = torch.cat(
            [
                there.repeat_interleave(memories.shape[2], dim=1),
                pointers_there.repeat_interleave(splits, dim=1),
            ],
            dim=1,
        )
        hidden = ((1 - shown) * _HIDDEN)[:, None, None]
        x = top.flatten(2).transpose(1, 2) + 0.1 * self.own
        for layer in self.layers:
            x = x + self._within(layer.self_attn, layer.layer_norm1(x))
            query = layer.layer_norm2(x)
            x = x + self._across(layer.cross_attn_image, query, placed, tokens + token_codes, seen, hidden)
            x = x + layer.linear2(layer.activation(layer.linear1(layer.layer_norm3(x))))
        out = model.memory_attention.layer_norm(x).transpose(1, 2)
        embedding: Tensor = out.reshape(out.shape[0], out.shape[1], top.shape[2], top.shape[3])
        return embedding

    def _within(self, own: Any, x: Tensor) -> Tensor:
        heads = own.num_attention_heads
        query, key = (_heads(self._turned(p(x), heads), heads) for p in (own.q_proj, own.k_proj))
        weights = (query @ key.transpose(-1, -2) * own.scaling).softmax(-1)
        out: Tensor = own.o_proj((weights @ _heads(own.v_proj(x), heads)).transpose(1, 2).flatten(2))
        return out

    def _across(
        self, own: Any, x: Tensor, placed: Tensor, pointers: Tensor, values: Tensor, hidden: Tensor
    ) -> Tensor:
        """Values stay as narrow as memories until they have been mixed."""
        heads = own.num_attention_heads
        query = _heads(self._turned(own.q_proj(x), heads), heads)
        keys = self._turned(own.k_proj(placed), heads).flatten(1, 2)
        keys = _heads(torch.cat([keys, own.k_proj(pointers)], dim=1), heads)
        weights = (query @ keys.transpose(-1, -2) * own.scaling + hidden).softmax(-1)
        mixed = weights @ values[:, None]
        by_head = own.v_proj.weight.reshape(heads, -1, values.shape[-1])
        seen = (mixed @ by_head.transpose(1, 2)).transpose(1, 2).flatten(2) + own.v_proj.bias
        out: Tensor = own.o_proj(seen)
        return out

    def _turned(self, x: Tensor, heads: int) -> Tensor:
        """Rotate neighbouring channels of (…, T, heads * 2r) by position."""
        pairs = x.unflatten(-1, (heads, -1, 2))  # type: ignore[no-untyped-call]
        even, odd = pairs[..., 0], pairs[..., 1]
        cos, sin = self.cos[:, None], self.sin[:, None]
        return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-3)


def _heads(x: Tensor, heads: int) -> Tensor:
    """(B, T, C) as (B, heads, T, C / heads)."""
    out: Tensor = x.unflatten(-1, (heads, -1)).transpose(1, 2)  # type: ignore[no-untyped-call]
    return out
