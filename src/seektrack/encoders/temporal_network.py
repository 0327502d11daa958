"""The networks of the temporal encoder: what a frame shows where, and what happens over the frames.

A frame passes the first layers of a CLIP image tower. Its patches stay apart, because whether something
moves left or right is lost in a pooled embedding. Queries read off where things are in each frame, and a
transformer over their trajectories gives one vector in a space shared with a text tower.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seektrack.encoders.temporal_sizes import TemporalSizes

_SHARP = 4.0
"""What queries and shifts are multiplied by, so that places and their changes are heard from the start."""
_CORNERS = 4
"""Parts along a side of the picture whose mean over time is a token beside the trajectories."""


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
        self.early = sizes.early_layer
        self.reduce = nn.Linear(sizes.tower_width * (2 if self.early else 1), sizes.channels)

    def patches(self, pixels: Tensor) -> Tensor:
        """Patches of normalised pictures (N, 3, S, S) as (N, G², W), row by row.

        W is ``tower_width``; twice that with an early layer, whose part comes first.
        """
        seen = self.vision(pixel_values=pixels, output_hidden_states=bool(self.early))
        hidden: Tensor = seen.last_hidden_state[:, 1:]
        return torch.cat([seen.hidden_states[self.early][:, 1:], hidden], -1) if self.early else hidden

    def forward(self, pixels: Tensor) -> Tensor:
        """Features of normalised pictures (N, 3, S, S) as (N, G, G, C)."""
        reduced: Tensor = self.reduce(self.patches(pixels))
        return reduced.reshape(len(reduced), self.grid, self.grid, -1)


class TemporalNetwork(nn.Module):
    """Frame features over time to one unit vector a clip.

    Learnt queries look for what they know in every frame, each on its own: what it found, where, and how much
    of it; beside what a patch shows stands where it drifts. What one query found over all frames is one
    token, a trajectory; a transformer over those tokens puts together who did what. Parts of the picture
    averaged over time are tokens too: what is there at all. Reading positions off attention is a spatial
    soft-argmax (Levine et al., arXiv:1504.00702). The other network reads what all queries found frame by
    frame with an LSTM that runs both ways.

    Args:
        sizes: Of the network.
    """

    def __init__(self, sizes: TemporalSizes) -> None:
        super().__init__()
        w = sizes.width
        self.values = w // 4
        self.gather = nn.Sequential(nn.Linear(4 * (sizes.channels + 5), w), nn.GELU(), nn.LayerNorm(w))
        self.query = nn.Linear(w, sizes.queries)
        self.value = nn.Linear(w, self.values)
        side = sizes.grid // 2
        along = (torch.arange(side) + 0.5) / side * 2 - 1
        ys, xs = torch.meshgrid(along, along, indexing="ij")
        self.register_buffer("places", torch.stack([xs, ys], -1).reshape(side * side, 2), persistent=False)
        self.recurrent = sizes.network == "lstm"
        if self.recurrent:
            self.frame = nn.Linear(sizes.queries * (self.values + 5) + w, w)
            self.over = nn.LSTM(w, w // 2, sizes.layers, batch_first=True, bidirectional=True)
        else:
            self._transformer(sizes)
        self.norm = nn.LayerNorm(w)
        self.project = nn.Linear(w, sizes.dim, bias=False)

    def _transformer(self, sizes: TemporalSizes) -> None:
        w = sizes.width
        self.trajectory = nn.Sequential(
            nn.Linear(sizes.frames * (self.values + 5), 2 * w), nn.GELU(), nn.Linear(2 * w, w)
        )
        self.identity = nn.Parameter(torch.randn(sizes.queries, w) * 0.3)
        self.scene = nn.Linear(w, w)
        self.corner = nn.Parameter(torch.randn(_CORNERS * _CORNERS, w) * 0.3)
        self.whole = nn.Parameter(torch.randn(1, 1, w) * 0.3)
        self.layers = nn.ModuleList(Layer(w, sizes.heads) for _ in range(sizes.layers))

    def forward(self, features: Tensor) -> Tensor:
        """Unit vectors (N, D) of the features of clips, (N, T, G, G, C)."""
        cells = self.cells(features)
        if self.recurrent:
            seen = torch.cat([self.look(cells).flatten(2), cells.mean(2)], dim=-1)
            read, _ = self.over(self.frame(seen))
            return F.normalize(self.project(self.norm(read.mean(1) + read[:, -1])).float(), dim=-1)
        moving = self.trajectory(self.look(cells).transpose(1, 2).flatten(2)) + self.identity
        side = round(cells.shape[2] ** 0.5)
        still = cells.mean(1).transpose(1, 2).reshape(len(cells), -1, side, side)
        shown = self.scene(F.adaptive_avg_pool2d(still, _CORNERS).flatten(2).transpose(1, 2)) + self.corner
        tokens = torch.cat([self.whole.expand(len(moving), -1, -1), moving, shown], dim=1)
        for layer in self.layers[:-1]:
            tokens = layer(tokens, tokens)
        pooled = self.norm(self.layers[-1](tokens[:, :1], tokens)[:, 0])
        return F.normalize(self.project(pooled).float(), dim=-1)

    def cells(self, features: Tensor) -> Tensor:
        """Every four patches as one cell: (N, T, G/2 * G/2, W)."""
        features = torch.cat([features, drift(features)], dim=-1)
        n, t, g, _, c = features.shape
        fours = features.reshape(n, t, g // 2, 2, g // 2, 2, c).transpose(3, 4).reshape(n, t, -1, 4 * c)
        gathered: Tensor = self.gather(fours)
        return gathered

    def look(self, cells: Tensor) -> Tensor:
        """What each query finds in each frame: (N, T, Q, V + 5): x, y, how far from its mean, how much."""
        asked = _SHARP * self.query(cells).transpose(2, 3)
        found = asked.softmax(-1)
        # Some of it is there where its best cell says so; where it is not, its place means nothing.
        much = torch.sigmoid(asked.amax(-1, keepdim=True) - _SHARP)
        where = found @ self.places.to(found.dtype)
        moved = _SHARP * (where - (where * much).sum(1, keepdim=True) / much.sum(1, keepdim=True))
        return torch.cat([found @ self.value(cells), where, moved, much], dim=-1) * much


@torch.no_grad()
def drift(features: Tensor, *, channels: int = 16) -> Tensor:
    """Where each patch goes until the next frame, by its likeness to its neighbours there.

    A local correlation volume, as in FlowNet (Dosovitskiy et al., arXiv:1504.06852), read by a soft-argmax.
    The pan of a camera shows as a drift of everything.

    Args:
        features: (N, T, G, G, C).
        channels: Of the features that are compared, the strongest first.

    Returns:
        (N, T, G, G, 5): x and y in patches, both times how much the patch changes, and how much; 0 on the
        last frame.
    """
    some = features[..., :channels].float()
    unit = F.normalize(some - some.mean((2, 3), keepdim=True), dim=-1)
    here, there = unit[:, :-1].flatten(0, 1), unit[:, 1:].flatten(0, 1)
    side = here.shape[1]
    around = F.pad(there.permute(0, 3, 1, 2), (2, 2, 1, 1)).permute(0, 2, 3, 1)
    shifts = [(dx, dy) for dy in (-1, 0, 1) for dx in (-2, -1, 0, 1, 2)]
    likeness = [
        (here * around[:, 1 + dy : 1 + dy + side, 2 + dx : 2 + dx + side]).sum(-1) for dx, dy in shifts
    ]
    weight = (16.0 * torch.stack(likeness, -1)).softmax(-1)
    flow = weight @ torch.tensor(shifts, dtype=weight.dtype, device=weight.device)
    change = (some[:, 1:] - some[:, :-1]).flatten(0, 1).norm(dim=-1, keepdim=True) / 2
    found = torch.cat([flow, flow * change, change], dim=-1).reshape(len(features), -1, side, side, 5)
    return F.pad(found, (0, 0, 0, 0, 0, 0, 0, 1)).to(features.dtype)


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
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(2 * width, width),
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
