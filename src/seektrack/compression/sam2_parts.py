"""SAM 2 as graphs: the plain functions of ``segmentation.network``, one module a graph.

Objects are rows. Shape letters as in ``segmentation.network``; T = f * f.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from seektrack.compression.parts import GraphPart
from seektrack.compression.sam2_memory import MemoryAttention
from seektrack.segmentation import network
from seektrack.segmentation.features import ImageFeatures
from seektrack.segmentation.torch_network import network_sizes

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

    from seektrack.segmentation import Sam2


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
