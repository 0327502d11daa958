"""Memory attention for many objects at once, with the keys of memories made once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seektrack.segmentation.fused.weights import Dense, Mlp, Norm, linear, plain, unfold
from seektrack.segmentation.memory import Recall
from seektrack.segmentation.network import pointer_tokens

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

MEMORY_WIDTH = 64
"""Channels of a memory."""
KEPT_KEY_BYTES = 1 << 21
"""Keys of a memory are kept beside it up to this size (512 pixels in bf16); else they are made when read."""
_TILE = 1 << 18
"""Attention weights computed at once on a CPU: they stay in the cache of a core."""
_TILE_ROWS = 128
"""Fewest rows of them: below, reading the keys again costs more than the cache saves."""
_BLOCK = 512
"""Keys and queries looked at together in float32 where there are more than ``_LONG`` keys."""
_LONG = 2048


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer; queries carry the scale of the dot product.

    The rows of queries and keys are in the order of ``halves``: positions rotate the first half of a head's
    channels with the second, channel by channel, where transformers rotates each channel with its neighbour.
    """

    norms: tuple[Norm, Norm, Norm]
    qkv: Dense
    out: Dense
    query: Dense
    key: Dense
    memory_key: Tensor
    value_out: Dense
    mlp: Mlp
    heads: int
    width: int

    @classmethod
    def of(cls, layer: Any, dtype: torch.dtype) -> _Layer:
        own, cross = layer.self_attn, layer.cross_attn_image
        q, k, v = own.q_proj, own.k_proj, own.v_proj
        scale = own.scaling
        heads, width = int(own.num_attention_heads), int(own.internal_dim)
        order = halves(width, heads).to(q.weight.device)
        qw, qb = cross.q_proj.weight[order] * cross.scaling, cross.q_proj.bias[order] * cross.scaling
        kw, kb = cross.k_proj.weight[order], cross.k_proj.bias[order]
        per_head = unfold(cross.o_proj.weight, 1, (heads, -1)).transpose(0, 1)
        seen = per_head @ unfold(cross.v_proj.weight, 0, (heads, -1))
        linear = [Dense.of(m.weight, m.bias, dtype) for m in (layer.linear1, layer.linear2)]
        return cls(
            norms=(
                Norm.of(layer.layer_norm1, dtype),
                Norm.of(layer.layer_norm2, dtype),
                Norm.of(layer.layer_norm3, dtype),
            ),
            qkv=Dense.of(
                torch.cat([q.weight[order] * scale, k.weight[order], v.weight]),
                torch.cat([q.bias[order] * scale, k.bias[order], v.bias]),
                dtype,
            ),
            out=Dense.of(own.o_proj.weight, own.o_proj.bias, dtype),
            query=Dense.of(qw, qb, dtype),
            key=Dense.of(kw, kb, dtype),
            memory_key=plain(kw, dtype),
            value_out=Dense.of(
                seen.transpose(0, 1).flatten(1),
                cross.o_proj.weight @ cross.v_proj.bias + cross.o_proj.bias,
                dtype,
            ),
            mlp=Mlp(linear, layer.activation),
            heads=heads,
            width=width,
        )


class MemoryAttention:
    """``network.condition`` for objects that remember different amounts.

    What makes it fast: values stay as narrow as memories (64) until they have been mixed; a memory's rotated
    keys are kept, and what its age adds to them is a table; until objects' pasts come in there is one row for
    all; attention weights are computed in tiles that fit a core's cache.

    Args:
        model: The network.
        dtype: What to compute in.
    """

    def __init__(self, model: Sam2VideoModel, dtype: torch.dtype) -> None:
        attention = model.memory_attention
        self.model, self.dtype = model, dtype
        cos, sin = attention.rotary_emb(model.no_memory_embedding, attention.position_ids)
        heads = int(attention.layers[0].self_attn.num_attention_heads)
        cos, sin = (plain(t[0, :, None, 0::2], torch.float32) for t in (cos, sin))
        self.cos, self.sin = plain(cos, dtype), plain(sin, dtype)
        self.layers = [_Layer.of(layer, dtype) for layer in attention.layers]
        self.norm = Norm.of(attention.layer_norm, dtype)
        side = int(self.cos.shape[0] ** 0.5)
        size = torch.Size((1, MEMORY_WIDTH, side, side))
        place = model.memory_encoder.position_encoding(size, model.device, torch.float32)
        ages = (torch.arange(model.num_maskmem, device=model.device) - 1) % model.num_maskmem
        codes = model.memory_temporal_positional_encoding[:, 0, 0][ages]
        tokens = place.flatten(2).transpose(1, 2) + codes[:, None]
        self.of_age = []
        for layer in attention.layers:
            key = layer.cross_attn_image.k_proj(tokens.to(codes.dtype)).float()
            order = halves(key.shape[-1], heads).to(key.device)
            self.of_age.append(plain(rotate(key[..., order], cos, sin), dtype))
        width = sum(layer.width for layer in self.layers)
        self.keeps_keys = side * side * width * self.cos.element_size() <= KEPT_KEY_BYTES

    def keys(self, memory: Tensor) -> Tensor | None:
        """Keys (layers, T, C) of one memory (T, 64), to keep beside it; None where they are too large."""
        return torch.stack([self._key(y, memory) for y in self.layers]) if self.keeps_keys else None

    def __call__(
        self, top: Tensor, position: Tensor, recalls: Sequence[Recall], *, max_pointers: int
    ) -> Tensor:
        """Let a frame look at each object's past.

        Args:
            top: (1, T, C), the frame's coarsest features.
            position: (1, T, C), their position code.
            recalls: What each of the B objects reads.
            max_pointers: What the time codes of pointers are scaled to.

        Returns:
            (B, T, C) in the type computed in.
        """
        pointers, pointer_codes, counts = self._pointers(recalls, max_pointers)
        values = [
            torch.cat([*(m.tokens.to(self.dtype) for m in recall.memories), own])
            for recall, own in zip(recalls, torch.split(pointers, counts), strict=True)
        ]
        x = (top + 0.1 * position).to(self.dtype)
        for i, layer in enumerate(self.layers):
            x = x + layer.out(self._look_within(layer, layer.norms[0](x)))
            query = rotate(layer.query(layer.norms[1](x)), self.cos, self.sin)
            pointer_keys = torch.split(layer.key(pointers + pointer_codes), counts)
            keys = [self._read(i, r, k) for r, k in zip(recalls, pointer_keys, strict=True)]
            x = x + layer.value_out(attend(query, keys, values, heads=layer.heads))
            x = x + layer.mlp(layer.norms[2](x))
        return self.norm(x)

    def _look_within(self, layer: _Layer, x: Tensor) -> Tensor:
        width = layer.width
        joined = layer.qkv(x)
        both = rotate(joined[..., : 2 * width], self.cos, self.sin)
        query, key, values = both[..., :width], both[..., width:], joined[..., 2 * width :]
        if layer.heads == 1 and x.device.type == "cpu":
            return attend(query, list(key), list(values))
        query, key, values = (_by_head(t, layer.heads) for t in (query, key, values))
        seen = F.scaled_dot_product_attention(query, key, values, scale=1.0)
        return seen.transpose(1, 2).flatten(2)

    def _key(self, layer: _Layer, memory: Tensor) -> Tensor:
        """Keys (T, C) of one memory for one layer, without its age."""
        return rotate(linear(memory.to(self.dtype), layer.memory_key), self.cos, self.sin)

    def _read(self, index: int, recall: Recall, pointer_keys: Tensor) -> Tensor:
        """Keys (K, C) of all an object remembers, for one layer."""
        layer, t_len = self.layers[index], self.cos.shape[0]
        n_memory = t_len * len(recall.memories)
        out = pointer_keys.new_empty(n_memory + len(pointer_keys), layer.width)
        for slot, (memory, age) in enumerate(zip(recall.memories, recall.offsets, strict=True)):
            key = self._key(layer, memory.tokens) if memory.keys is None else memory.keys[index]
            torch.add(key, self.of_age[index][age], out=out[slot * t_len : (slot + 1) * t_len])
        out[n_memory:] = pointer_keys
        return out

    def _pointers(self, recalls: Sequence[Recall], max_pointers: int) -> tuple[Tensor, Tensor, list[int]]:
        """All objects' pointers as tokens in a row with their codes, and how many each has."""
        flat = [p for r in recalls for p in r.pointers]
        device = self.cos.device
        if not flat:
            none = torch.zeros(0, MEMORY_WIDTH, device=device, dtype=self.dtype)
            return none, none, [0] * len(recalls)
        ages = torch.tensor([[a for r in recalls for a in r.pointer_offsets]], device=device)
        tokens, codes = pointer_tokens(self.model, torch.stack(flat)[None], ages, max_pointers)
        splits = tokens.shape[1] // len(flat)
        counts = [splits * len(r.pointers) for r in recalls]
        return tokens[0].to(self.dtype), codes[0].to(self.dtype), counts


def halves(width: int, heads: int) -> Tensor:
    """Where channels come from when each head takes its even ones first, then its odd ones: int (width,)."""
    return torch.arange(width).view(heads, -1, 2).transpose(1, 2).flatten()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate heads of tokens by position, their channels in the order of ``halves``.

    Args:
        x: (…, T, n * 2 * r) of n heads.
        cos: (T, 1, r), and ``sin`` likewise.
    """
    pairs = unfold(x, -1, (-1, 2, cos.shape[-1]))
    out = pairs * cos[..., None, :]
    out[..., 0, :].addcmul_(pairs[..., 1, :], sin, value=-1)
    out[..., 1, :].addcmul_(pairs[..., 0, :], sin)
    return out.flatten(-3)


def attend(
    query: Tensor,
    keys: Sequence[Tensor],
    values: Sequence[Tensor],
    *,
    heads: int = 1,
    batched: bool | None = None,
) -> Tensor:
    """Attention of objects whose pasts differ in length.

    Args:
        query: (B or 1, T, C), scaled.
        keys: B tensors (K, C).
        values: B tensors (K, D), shared by all heads.
        heads: Heads the width C is split into.
        batched: All objects in one call with the missing masked, as suits a GPU, or one after the other in
            tiles, as suits a CPU; by the device if not given.

    Returns:
        (B, T, heads * D).
    """
    if batched if batched is not None else query.device.type != "cpu":
        return _attend_batched(query, keys, values, heads)
    rows, t_len = len(keys), query.shape[1]
    out = values[0].new_empty(rows, t_len, heads, values[0].shape[-1])
    for row, (key, value) in enumerate(zip(keys, values, strict=True)):
        size = max(_TILE // len(key), min(_TILE_ROWS, t_len))
        size = -(-t_len // -(-t_len // size))
        own = unfold(query[row if len(query) > 1 else 0], -1, (heads, -1))
        split = unfold(key, -1, (heads, -1))
        for head in range(heads):
            if len(key) > _LONG and key.dtype == torch.float32:
                _attend_in_blocks(own[:, head], split[:, head], value, out[row, :, head])
                continue
            seen, turned = split[:, head], value.t().contiguous()
            for start in range(0, t_len, size):
                tile = slice(start, start + size)
                weights = linear(own[tile, head], seen).softmax(dim=-1)
                out[row, tile, head] = linear(weights, turned)
    return out.flatten(2)


def _attend_in_blocks(query: Tensor, key: Tensor, value: Tensor, out: Tensor) -> None:
    """Softmax attention brought up to date block by block of keys, as in FlashAttention (arXiv:2205.14135).

    ``query`` (T, C), ``key`` (K, C), ``value`` (K, D); writes ``out`` (T, D).
    """
    turned = value.t().contiguous()
    for start in range(0, len(query), _BLOCK):
        own = query[start : start + _BLOCK]
        top = own.new_full((len(own), 1), -torch.inf)
        total, mixed = torch.zeros_like(top), own.new_zeros(len(own), value.shape[1])
        for first in range(0, len(key), _BLOCK):
            weights = linear(own, key[first : first + _BLOCK])
            higher = torch.maximum(top, weights.amax(dim=1, keepdim=True))
            weights.sub_(higher).exp_()
            fade = (top - higher).exp_()
            total.mul_(fade).add_(weights.sum(dim=1, keepdim=True))
            mixed.mul_(fade).add_(linear(weights, turned[:, first : first + _BLOCK]))
            top = higher
        out[start : start + _BLOCK] = mixed / total


def _attend_batched(query: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], heads: int) -> Tensor:
    lengths = [len(k) for k in keys]
    longest = max(lengths)
    query = _by_head(query.expand(len(keys), -1, -1), heads)
    width = query.shape[-1]
    key = torch.stack([F.pad(k, (0, 0, 0, longest - len(k))) for k in keys])
    depth = values[0].shape[-1]
    value = torch.stack([F.pad(v, (0, max(width - depth, 0), 0, longest - len(v))) for v in values])
    mask = None
    if min(lengths) < longest:
        counts = torch.tensor(lengths, device=key.device)
        mask = (torch.arange(longest, device=key.device) < counts[:, None])[:, None, None]
    value = value[:, None].expand(-1, heads, -1, -1)
    seen = F.scaled_dot_product_attention(query, _by_head(key, heads), value, attn_mask=mask, scale=1.0)
    return seen[..., :depth].transpose(1, 2).flatten(2)


def _by_head(x: Tensor, heads: int) -> Tensor:
    """(B, T, C) as (B, heads, T, C / heads)."""
    return unfold(x, -1, (heads, -1)).transpose(1, 2)
