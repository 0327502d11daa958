"""A finished network made deeper, with the answers it had: new encoder blocks that at first add nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from seektrack.errors import InputError
from seektrack.segmentation import load_sam2
from seektrack.training.sam2.config import PocketSize, build_pocket, size_of

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

    from seektrack.segmentation.paired import Weights

_BLOCKS = "vision_encoder.backbone.blocks."
_ADDING = ("attn.proj.weight", "attn.proj.bias", "mlp.proj_out.weight", "mlp.proj_out.bias")


def started(
    init: str | Path, blocks: Sequence[int] = (), *, weights: Weights | None = None
) -> Sam2VideoModel:
    """The network of a pocket checkpoint, to train, with at least so many encoder blocks per stage.

    Of two sets of weights the one named, that of the drawn world where none is.

    Raises:
        ModelError: It cannot be loaded, or is not built like a pocket network.
        InputError: As :func:`deepen`.
    """
    start = load_sam2(init, device="cpu", weights=weights).model
    size = size_of(start, init)
    model = build_pocket(size)
    model.load_state_dict(start.state_dict())
    return deepen(model, *map(max, size.blocks, blocks)) if blocks else model


def deepen(model: Sam2VideoModel, *blocks: int) -> Sam2VideoModel:
    """The same function in a network with more encoder blocks.

    A new block stands at the end of its stage and is a copy of the last one there but for what it adds to
    the features, which is zero at first: Net2DeeperNet (Chen et al., Net2Net, arXiv:1511.05641). What cannot
    be copied, because that block pools, starts as in any pocket network.

    Args:
        model: A pocket SAM 2.
        blocks: Encoder blocks per stage of the result, none fewer than the model has.

    Raises:
        InputError: A stage would lose blocks.
    """
    size = PocketSize.of(model.config)
    if len(blocks) != len(size.blocks) or any(map(int.__lt__, blocks, size.blocks)):
        raise InputError(
            f"cannot grow from {size.blocks} to {blocks} blocks a stage",
            hint="give as many stages, none with fewer blocks",
        )
    deeper = build_pocket(replace(size, blocks=blocks))
    old, state = model.state_dict(), deeper.state_dict()
    origins = _origins(size.blocks, blocks)
    for key, value in state.items():
        if not key.startswith(_BLOCKS):
            state[key] = old[key]
            continue
        number, part = key.removeprefix(_BLOCKS).split(".", 1)
        origin, new = origins[int(number)]
        copied = old.get(f"{_BLOCKS}{origin}.{part}")
        if new and part in _ADDING:
            state[key] = torch.zeros_like(value)
        elif copied is not None and copied.shape == value.shape:
            state[key] = copied
    deeper.load_state_dict(state)
    return deeper.train(model.training)


def _origins(before: Sequence[int], after: Sequence[int]) -> list[tuple[int, bool]]:
    """For each block of the deeper network, the block it comes from, and whether it is an addition."""
    origins: list[tuple[int, bool]] = []
    first = 0
    for had, has in zip(before, after, strict=True):
        origins += [(first + min(at, had - 1), at >= had) for at in range(has)]
        first += had
    return origins
