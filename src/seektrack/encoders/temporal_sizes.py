"""Sizes of the temporal encoder, as its configuration file says them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from seektrack.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class TemporalSizes:
    """Sizes of the network.

    Attributes:
        frames: T, frames of a clip, spread evenly over it.
        image_size, patch_size: Side of a frame and of a patch in pixels.
        tower_width, tower_layers, tower_heads: Of the image tower.
        early_layer: Layer whose patches are kept beside those of the last, 0 for none: an early one tells
            patches of one thing apart, and so where they go; a late one names the thing.
        channels: C, numbers kept of each patch; of two layers, half of each, the early one's first.
        queries: Q, things looked for in every frame.
        width, layers, heads: Of the transformer over trajectories.
        dim: D, of the shared space.
        network: What joins the frames: ``transformer`` over trajectories, or ``lstm`` over frames.
    """

    frames: int = 8
    image_size: int = 224
    patch_size: int = 14
    tower_width: int = 192
    tower_layers: int = 2
    tower_heads: int = 4
    early_layer: int = 0
    channels: int = 48
    queries: int = 64
    width: int = 128
    layers: int = 2
    heads: int = 4
    dim: int = 128
    network: str = "transformer"

    @property
    def grid(self) -> int:
        """G, patches along a side of the frame."""
        return self.image_size // self.patch_size

    def to_dict(self) -> dict[str, int | str]:
        """For a configuration file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> TemporalSizes:
        """From a configuration file; what it does not say keeps its default.

        Raises:
            ModelError: A size is no positive integer, or patches do not fill the frame.
        """
        given = {f.name: config[f.name] for f in fields(cls) if f.name in config}
        network = given.pop("network", "transformer")
        if network not in ("transformer", "lstm"):
            raise ModelError(f"unknown network over time {network!r}", hint="transformer or lstm")
        least = {"early_layer": 0}
        wrong = {
            k: v
            for k, v in given.items()
            if not isinstance(v, int) or isinstance(v, bool) or v < least.get(k, 1)
        }
        if wrong:
            raise ModelError(
                f"sizes of a temporal encoder must be positive integers, got {wrong}",
                hint="config.json is damaged; write the folder again with seektrack pocket temporal",
            )
        sizes = cls(**given, network=network)
        if sizes.image_size % sizes.patch_size or sizes.grid % 2:
            raise ModelError(
                f"{sizes.image_size} px in patches of {sizes.patch_size} make no grid of even side",
                hint="the side must be an even number of patches",
            )
        if sizes.early_layer >= sizes.tower_layers:
            raise ModelError(
                f"layer {sizes.early_layer} is not before the last of {sizes.tower_layers}",
                hint="choose an earlier one, or 0 for none",
            )
        return sizes
