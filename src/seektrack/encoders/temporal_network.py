"""The networks of the temporal encoder: what a frame shows where, and what happens over the frames.

A frame passes the first layers of a CLIP image tower. Its patches stay apart, because whether something
moves left or right is lost in a pooled embedding; two small convolutions gather them into a coarse grid, and
a transformer over the grid cells of all frames gives one vector in a space shared with a text tower.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seektrack.errors import ModelError

MODEL_TYPE = "seektrack_temporal"


@dataclass(frozen=True, kw_only=True)
class TemporalSizes:
    """Sizes of the network.

    Attributes:
        frames: T, frames of a clip, spread evenly over it.
        image_size, patch_size: Side of a frame and of a patch in pixels.
        tower_width, tower_layers, tower_heads: Of the image tower.
        channels: C, numbers kept of each patch.
        width, layers, heads: Of the transformer over frames.
        dim: D, of the shared space.
    """

    frames: int = 8
    image_size: int = 224
    patch_size: int = 14
    tower_width: int = 192
    tower_layers: int = 2
    tower_heads: int = 4
    channels: int = 48
    width: int = 128
    layers: int = 3
    heads: int = 4
    dim: int = 128

    @property
    def grid(self) -> int:
        """G, patches along a side of the frame."""
        return self.image_size // self.patch_size

    def to_dict(self) -> dict[str, int]:
        """For a configuration file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> TemporalSizes:
        """From a configuration file; what it does not say keeps its default.

        Raises:
            ModelError: A size is no positive integer, or patches do not fill the frame.
        """
        given = {f.name: config[f.name] for f in fields(cls) if f.name in config}
        wrong = {k: v for k, v in given.items() if not isinstance(v, int) or isinstance(v, bool) or v < 1}
        if wrong:
            raise ModelError(
                f"sizes of a temporal encoder must be positive integers, got {wrong}",
                hint="config.json is damaged; write the folder again with seektrack train temporal",
            )
        sizes = cls(**given)
        if sizes.image_size % sizes.patch_size or sizes.grid % 4:
            raise ModelError(
                f"a frame of {sizes.image_size} px in patches of {sizes.patch_size} makes no grid of 4 × 4",
                hint="the side must be a multiple of four patches",
            )
        return sizes


class FrameTower(nn.Module):
    """The first layers of a CLIP image tower, and few numbers of each patch.

    Args:
        sizes: Of the network.
    """

    def __init__(self, sizes: TemporalSizes) -> None:
        super().__init__()
        from transformers import CLIPVisionConfig, CLIPVisionModel

        config = CLIPVisionConfig(
            hidden_size=sizes.tower_width,
            intermediate_size=4 * sizes.tower_width,
            num_hidden_layers=sizes.tower_layers,
            num_attention_heads=sizes.tower_heads,
            image_size=sizes.image_size,
            patch_size=sizes.patch_size,
            hidden_act="gelu",
        )
        self.grid = sizes.grid
        self.vision = CLIPVisionModel(config)
        self.reduce = nn.Linear(sizes.tower_width, sizes.channels)

    def patches(self, pixels: Tensor) -> Tensor:
        """Patches of normalised pictures (N, 3, S, S) as (N, G², tower_width), row by row."""
        hidden: Tensor = self.vision(pixel_values=pixels).last_hidden_state
        return hidden[:, 1:]

    def forward(self, pixels: Tensor) -> Tensor:
        """Features of normalised pictures (N, 3, S, S) as (N, G, G, C)."""
        reduced: Tensor = self.reduce(self.patches(pixels))
        return reduced.reshape(len(reduced), self.grid, self.grid, -1)


class TemporalNetwork(nn.Module):
    """Frame features over time to one unit vector a clip.

    Args:
        sizes: Of the network.
    """

    def __init__(self, sizes: TemporalSizes) -> None:
        super().__init__()
        cells = (sizes.grid // 4) ** 2
        half = sizes.width // 2
        # A frame is seen beside its difference from the one before: small shifts show at once.
        self.gather = nn.Sequential(
            nn.Conv2d(2 * sizes.channels, half, 3, stride=2, padding=1),
            nn.GroupNorm(4, half),
            nn.GELU(),
            nn.Conv2d(half, sizes.width, 3, stride=2, padding=1),
        )
        self.place = nn.Parameter(torch.randn(cells, sizes.width) * 0.3)
        self.moment = nn.Parameter(torch.randn(sizes.frames, sizes.width) * 0.3)
        self.whole = nn.Parameter(torch.randn(1, 1, sizes.width) * 0.3)
        self.layers = nn.ModuleList(Layer(sizes.width, sizes.heads) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width)
        self.project = nn.Linear(sizes.width, sizes.dim, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Unit vectors (N, D) of the features of clips, (N, T, G, G, C)."""
        n, t = features.shape[:2]
        before = torch.cat([features[:, :1], features[:, :-1]], dim=1)
        both = torch.cat([features, features - before], dim=-1)
        cells = self.gather(both.flatten(0, 1).permute(0, 3, 1, 2))
        cells = cells.flatten(2).transpose(1, 2).unflatten(0, (n, t))
        tokens = (cells + self.place + self.moment[:, None]).flatten(1, 2)
        tokens = torch.cat([self.whole.expand(n, -1, -1), tokens], dim=1)
        for layer in self.layers[:-1]:
            tokens = layer(tokens, tokens)
        pooled = self.norm(self.layers[-1](tokens[:, :1], tokens)[:, 0])
        return F.normalize(self.project(pooled).float(), dim=-1)


class Layer(nn.Module):
    """A pre-norm transformer layer whose queries may be fewer than its keys.

    Plain matrix products: the fused attention's backward pass in bfloat16 is slow on a CPU.

    Args:
        width: Of a token.
        heads: Of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.mix = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """Tokens (N, Q, W) after looking at tokens (N, K, W)."""
        known = self.before(tokens)
        asking = known if queries is tokens else self.before(queries)
        q = self.query(asking).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.key_value(known).chunk(2, -1)
        )
        weight = ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).softmax(-1)
        queries = queries + self.out((weight.to(v.dtype) @ v).transpose(1, 2).flatten(2))
        mixed: Tensor = queries + self.mix(queries)
        return mixed


class TemporalModel(nn.Module):
    """Everything a temporal encoder's folder holds: frame tower, network over time, text tower.

    Args:
        sizes: Of the network.
        text_config: A ``CLIPTextConfig``.
    """

    def __init__(self, sizes: TemporalSizes, text_config: Any) -> None:
        super().__init__()
        from transformers import CLIPTextModelWithProjection

        self.sizes = sizes
        self.frames = FrameTower(sizes)
        self.time = TemporalNetwork(sizes)
        self.text = CLIPTextModelWithProjection(text_config).float()
        self.logit_scale = nn.Parameter(torch.tensor(2.66))

    def embed_tokens(self, tokens: dict[str, Tensor]) -> Tensor:
        """Unit vectors (N, D) of tokenised texts."""
        return F.normalize(self.text(**tokens).text_embeds.float(), dim=-1)
