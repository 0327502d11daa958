"""A network that knows photographs, made deeper without forgetting what it knows."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

from torch import nn

from seektrack.encoders.photo_network import PhotoNetwork, PhotoSizes, Residual
from seektrack.encoders.photographs import read_settings

QUIET = 0.1
"""What a new block's answer is scaled by: next to nothing, and enough to learn from."""


def sizes_in(folder: Path) -> PhotoSizes:
    """The sizes of the network that knows photographs in a checkpoint's folder.

    Raises:
        ModelError: There is none.
    """
    held = PhotoSizes(**read_settings(folder)["sizes"])
    (a, b, c), (d, e, f) = held.widths, held.blocks  # lists, as JSON has them
    return replace(held, widths=(a, b, c), blocks=(d, e, f))


def grown(network: PhotoNetwork, sizes: PhotoSizes) -> PhotoNetwork:
    """The network with as many blocks as ``sizes`` has, new ones adding next to nothing at first.

    As in Net2Net (Chen et al., 2016), the larger network answers as the smaller did and learns on from there.

    Args:
        network: What is known.
        sizes: Of the larger; where it has other widths or fewer blocks, the network comes back as it is.
    """
    had = network.tower.sizes
    extra = [new - old for new, old in zip(sizes.blocks, had.blocks, strict=True)]
    if tuple(had.widths) != tuple(sizes.widths) or min(extra) < 0 or not any(extra):
        return network
    out, parts = copy.deepcopy(network), []
    held = iter(out.tower.trunk)
    for old, more, width in zip(had.blocks, extra, sizes.widths, strict=True):
        parts += [next(held) for _ in range(1 + old)] + [_quiet(width) for _ in range(more)]
    out.tower.trunk, out.tower.sizes = nn.Sequential(*parts), sizes
    return out


def _quiet(width: int) -> Residual:
    block = Residual(width)
    nn.init.constant_(block.second.norm.weight, QUIET)
    return block
