"""A fresh temporal encoder grown out of a CLIP: its first image layers, its text tower, its tokenizer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seektrack.encoders import load_encoder
from seektrack.encoders.preprocess import ImageSettings, clip_transform
from seektrack.encoders.temporal_network import FrameTower, TemporalModel
from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.errors import ModelError
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds

_FITTED = 60
"""Scenes from which the reduction of patches is fitted."""


def grow(
    model: str, sizes: TemporalSizes, settings: SceneSettings, *, seed: int, fit: bool = True
) -> tuple[TemporalModel, Any]:
    """A temporal model whose towers start as those of a CLIP, and the CLIP's tokenizer.

    Args:
        model: A CLIP folder or name; its image tower must have the widths of ``sizes``.
        sizes: Of the network.
        settings: Scenes from which the reduction of patches is fitted.
        seed: Of the new weights.
        fit: Whether to fit the reduction of patches; not needed for weights that will be loaded.

    Raises:
        ModelError: The model is no CLIP, or of other widths.
    """
    encoder = load_encoder(model, device="cpu", dtype="float32")
    clip = getattr(encoder, "network", None)
    if clip is None or clip.config.model_type != "clip":
        raise ModelError(
            f"{model!r} is not of the CLIP architecture", hint="start from pocket or another CLIP folder"
        )
    vision = clip.config.vision_config
    fits = (vision.hidden_size, vision.patch_size) == (sizes.tower_width, sizes.patch_size)
    if not fits or vision.num_hidden_layers < sizes.tower_layers or clip.config.projection_dim != sizes.dim:
        raise ModelError(
            f"{model!r} has an image tower of width {vision.hidden_size} in patches of {vision.patch_size},"
            f" not {sizes.tower_width} and {sizes.patch_size}, or another dimension than {sizes.dim}",
            hint="set TemporalSizes to those of the model",
        )
    torch.manual_seed(seed)
    grown = TemporalModel(sizes, clip.config.text_config)
    grown.text.set_attn_implementation("eager")
    grown.text.text_model.load_state_dict(clip.text_model.state_dict())
    grown.text.text_projection.load_state_dict(clip.text_projection.state_dict())
    _copy_tower(grown.frames, clip.vision_model)
    grown.frames.eval()
    if fit:
        _fit_reduction(grown.frames, sizes, settings)
    grown.frames.requires_grad_(False)
    return grown, encoder.tokenizer  # type: ignore[attr-defined]  # a CLIP has one


def _copy_tower(tower: FrameTower, vision: Any) -> None:
    """Copy the layers there are, and stretch the places of the patches to the finer grid."""
    own = tower.vision.vision_model if hasattr(tower.vision, "vision_model") else tower.vision
    state = {k: v for k, v in vision.state_dict().items() if k in own.state_dict()}
    key = "embeddings.position_embedding.weight"
    old = state[key]
    side = round((len(old) - 1) ** 0.5)
    places = old[1:].T.reshape(1, -1, side, side)
    finer = F.interpolate(places, size=(tower.grid, tower.grid), mode="bicubic", align_corners=False)
    state[key] = torch.cat([old[:1], finer.flatten(2)[0].T])
    state.pop("embeddings.position_ids", None)
    own.load_state_dict(state, strict=False)


@torch.no_grad()
def _fit_reduction(tower: FrameTower, sizes: TemporalSizes, settings: SceneSettings) -> None:
    """Keep of each patch its principal components, each of unit size."""
    rows = []
    preprocess = ImageSettings.for_size(sizes.image_size)
    for seed in seeds(Split.TRAIN, _FITTED):
        clip = render(sample_scene(seed, settings))
        pictures = clip.frames[:: max(1, len(clip.frames) - 1)]
        pixels = torch.from_numpy(np.stack([clip_transform(f, preprocess) for f in pictures]))
        rows.append(tower.patches(pixels).flatten(0, 1))
    patches = torch.cat(rows)
    parts = patches.split(sizes.tower_width, dim=1)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    kept = sizes.channels // len(parts)
    counts = [kept] * (len(parts) - 1) + [sizes.channels - kept * (len(parts) - 1)]
    components = [_components(part, n) for part, n in zip(parts, counts, strict=True)]
    weight: Tensor = torch.block_diag(*components)  # type: ignore[no-untyped-call]  # likewise
    tower.reduce.weight.copy_(weight)
    tower.reduce.bias.copy_(-(weight @ patches.mean(0)))


def _components(patches: Tensor, count: int) -> Tensor:
    """Principal components of rows (N, W), strongest first, each scaled to unit size: (count, W)."""
    _, values, vectors = torch.linalg.svd(patches - patches.mean(0), full_matrices=False)
    spread = values[:count] / max(1, len(patches)) ** 0.5
    # A little below unit size for weak components, so that noise is not blown up.
    weight: Tensor = vectors[:count] / (spread + 0.1 * spread[0])[:, None]
    return weight
