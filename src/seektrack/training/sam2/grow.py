"""A finished network made deeper, with the answers it had: new encoder blocks that at first add nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from seektrack.errors import InputError
from seektrack.segmentation import load_sam2
from seektrack.training.sam2.config import PocketSize, build_pocket, pocket_config, size_of

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

_BLOCKS = "vision_encoder.backbone.blocks."
_ADDING = ("attn.proj.weight", "attn.proj.bias", "mlp.proj_out.weight", "mlp.proj_out.bias")


def started(init: str | Path, blocks: Sequence[int] = ()) -> Sam2VideoModel:
    """The network of a pocket checkpoint, to train, with at least so many encoder blocks per stage.

    Raises:
        ModelError: It cannot be loaded, or is not built like a pocket network.
        InputError: As :func:`deepen`.
    """
    start = load_sam2(init, device="cpu").model
    size = size_of(start, init)
    model = build_pocket(size)
    model.load_state_dict(start.state_dict())
    return deepen(model, *map(max, size.blocks, blocks)) if blocks else model


def deepen(model: Sam2VideoModel, *blocks: int) -> Sam2VideoModel:
    """The same function in a network with more encoder blocks.

    A new block stands at the end of its stage and is a copy of the last one there but for what it adds to
    the features, which is zero at first: Net2DeeperNet (Chen et al., Net2Net, arXiv:1511.05641).

    Args:
        model: A pocket SAM 2.
        blocks: Encoder blocks per stage of the result, none fewer than the model has.

    Raises:
        InputError: A stage would lose blocks.
    """
    from transformers import Sam2VideoModel

    size = PocketSize.of(model.config)
    first, second, third, fourth = blocks if len(blocks) == len(size.blocks) else (0, 0, 0, 0)
    if any(map(int.__lt__, (first, second, third, fourth), size.blocks)):
        raise InputError(
            f"cannot grow from {size.blocks} to {blocks} blocks a stage",
            hint="give as many stages, none with fewer blocks",
        )
    deeper = Sam2VideoModel(pocket_config(replace(size, blocks=(first, second, third, fourth))))
    old, new = model.state_dict(), deeper.state_dict()
    state = {key: value for key, value in old.items() if not key.startswith(_BLOCKS)}
    first_old = first_new = 0
    for had, has in zip(size.blocks, blocks, strict=True):
        for at in range(has):
            source = first_old + min(at, had - 1)
            prefix = f"{_BLOCKS}{first_new + at}."
            for key in (k for k in new if k.startswith(prefix)):
                part = key.removeprefix(prefix)
                value = old.get(f"{_BLOCKS}{source}.{part}")
                fits = value is not None and value.shape == new[key].shape
                if at >= had and part in _ADDING:
                    state[key] = torch.zeros_like(new[key])
                else:
                    state[key] = value if fits else new[key]
        first_old, first_new = first_old + had, first_new + has
    deeper.load_state_dict(state)
    return deeper.train(model.training)
