"""SAM 2 as graphs: the plain functions of ``segmentation.network``, one module a graph.

Objects are rows. What objects remember may differ in number: memories and pointers are padded to the longest,
and a mask says which are there. Rotary positions are real sines and cosines. Shape letters as in
``segmentation.network``; T = f * f.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from seektrack.compression.parts import GraphPart
from seektrack.segmentation import network
from seektrack.segmentation.features import ImageFeatures
from seektrack.segmentation.torch_network import network_sizes

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

    from seektrack.segmentation import Sam2

_HIDDEN = -1e4
"""Added to the weight of what is not there; small enough for half precision."""


class ImageEncoder(nn.Module):
    """``network.encode``."""

    def __init__(self, model: Sam2VideoModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels (B, 3, S, S) to ``s0``, ``s1``, ``top`` of ``ImageFeatures``."""
        found = network.encode(self.model, pixels)
        return found.s0, found.s1, found.top


class MaskDecoder(nn.Module):
    """``network.decode``, and the pointer each of its four answers would leave."""

    def __init__(self, model: Sam2VideoModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, s0: Tensor, s1: Tensor, image: Tensor, points: Tensor, labels: Tensor) -> Any:
        """Decode.

        Args:
            s0: (1, C/8, S/4, S/4), of the frame.
            s1: (1, C/4, S/8, S/8).
            image: (B, C, f, f), what to decode from with the dense prompt added.
            points: (B, K, 2) in pixels of the square input.
            labels: int (B, K); -1 is no point.

        Returns:
            Logits (B, 4, h, h), predicted overlaps (B, 4), pointers (B, 4, C), object scores (B, 1).
        """
        model = self.model
        features = ImageFeatures(s0=s0, s1=s1, top=image, position=image, hw=(0, 0))
        found = network.decode(model, features, image - self.nothing(), points=points, labels=labels)
        there = found.score[:, None] > 0
        pointers = torch.where(there, model.object_pointer_proj(found.tokens), model.no_object_pointer)
        return found.logits, found.iou, pointers, found.score

    def nothing(self) -> Tensor:
        """What stands for no mask prompt, (1, C, 1, 1); `decode` adds it."""
        out: Tensor = self.model.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        return out


class MaskPrompt(nn.Module):
    """A mask as a dense prompt."""

    def __init__(self, model: Sam2VideoModel) -> None:
        super().__init__()
        self.embed = model.prompt_encoder.mask_embed

    def forward(self, mask: Tensor) -> Tensor:
        """Logits (B, 1, h, h) to (B, C, f, f)."""
        out: Tensor = self.embed(mask)
        return out


class MaskShrinker(nn.Module):
    """A mask prompt at the side of a dense prompt."""

    def __init__(self, model: Sam2VideoModel) -> None:
        super().__init__()
        self.shrink = model.mask_downsample

    def forward(self, mask: Tensor) -> Tensor:
        """A mask (B, 1, S, S) of 0 and 1 to (B, 1, h, h)."""
        out: Tensor = self.shrink(mask)
        return out


class MemoryEncoder(nn.Module):
    """``network.remember``, as tokens."""

    def __init__(self, model: Sam2VideoModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, top: Tensor, mask: Tensor, appearing: Tensor) -> Tensor:
        """Features (1, C, f, f), masks (B, 1, S, S) in [0, 1], presence (B, 1) to memories (B, T, 64)."""
        return network.remember(self.model, top, mask, appearing).flatten(2).transpose(1, 2)


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


def sam2_parts(model: Sam2VideoModel) -> list[GraphPart]:
    """The graphs of a SAM 2 in evaluation mode, at its own resolution."""
    side, width, memories = int(model.image_size), int(model.hidden_dim), int(model.num_maskmem)
    f, h = side // 16, side // 4
    draw = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw)

    def decoding(rows: int, count: int) -> dict[str, Tensor]:
        return {
            "s0": noise(1, width // 8, h, h),
            "s1": noise(1, width // 4, 2 * f, 2 * f),
            "image": noise(rows, width, f, f),
            "points": torch.rand((rows, count, 2), generator=draw) * side,
            "labels": torch.randint(-1, 4, (rows, count), generator=draw),
        }

    def remembering(rows: int) -> dict[str, Tensor]:
        return {
            "top": noise(1, width, f, f),
            "mask": noise(rows, 1, side, side).sigmoid(),
            "appearing": (torch.arange(rows) % 2)[:, None].float(),
        }

    def attending(rows: int, m: int, p: int) -> dict[str, Tensor]:
        return {
            "top": noise(1, width, f, f),
            "memories": noise(rows, m, f * f, 64),
            "offsets": torch.randint(0, memories, (rows, m), generator=draw),
            "there": (torch.rand((rows, m), generator=draw) > 0.3)
            .float()
            .index_fill_(1, torch.tensor(0), 1.0),
            "pointers": noise(rows, p, width),
            "pointer_offsets": torch.randint(1, 16, (rows, p), generator=draw).float(),
            "pointers_there": (torch.rand((rows, p), generator=draw) > 0.3).float(),
            "pointer_span": torch.tensor([15.0]),
        }

    rows = {0: "objects"}
    several = {0: "objects", 1: "memories"}
    pointing = {0: "objects", 1: "pointers"}
    return [
        GraphPart(
            "image_encoder",
            ImageEncoder(model),
            {"pixels": noise(2, 3, side, side)},
            ("s0", "s1", "top"),
            {"pixels": {0: "frames"}},
            lambda: [{"pixels": noise(1, 3, side, side)}],
        ),
        GraphPart(
            "mask_decoder",
            MaskDecoder(model),
            decoding(2, 3),
            ("logits", "iou", "pointers", "score"),
            {
                "image": rows,
                "points": {0: "objects", 1: "points"},
                "labels": {0: "objects", 1: "points"},
            },
            lambda: [decoding(1, 1), decoding(5, 2)],
        ),
        GraphPart(
            "mask_prompt",
            MaskPrompt(model),
            {"mask": noise(2, 1, h, h)},
            ("dense",),
            {"mask": rows},
            lambda: [{"mask": noise(3, 1, h, h)}, {"mask": noise(1, 1, h, h)}],
        ),
        GraphPart(
            "mask_shrinker",
            MaskShrinker(model),
            {"mask": (noise(2, 1, side, side) > 0).float()},
            ("shrunk",),
            {"mask": rows},
            lambda: [{"mask": (noise(1, 1, side, side) > 0).float()}],
        ),
        GraphPart(
            "memory_encoder",
            MemoryEncoder(model),
            remembering(2),
            ("memory",),
            {"mask": rows, "appearing": rows},
            lambda: [remembering(1), remembering(3)],
        ),
        GraphPart(
            "memory_attention",
            MemoryAttention(model),
            attending(2, 3, 4),
            ("embedding",),
            {
                "memories": several,
                "offsets": several,
                "there": several,
                "pointers": pointing,
                "pointer_offsets": pointing,
                "pointers_there": pointing,
            },
            lambda: [attending(1, 1, 1), attending(3, 7, 16)],
        ),
    ]


def sam2_settings(sam2: Sam2) -> dict[str, Any]:
    """What the user of the graphs must know beside them; see ``segmentation.runtime.NetworkSizes``."""
    model = sam2.model
    return {
        "sizes": asdict(network_sizes(model)),
        "no_mask": model.prompt_encoder.no_mask_embed.weight.detach().float().flatten().tolist(),
        "no_memory": model.no_memory_embedding.detach().float().flatten().tolist(),
    }
