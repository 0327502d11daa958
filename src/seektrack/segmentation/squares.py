"""Pictures and masks at the size of the square input, without a network: PIL's antialiased resize."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import PromptError
from seektrack.types import Prompt

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, by which pictures are normalised."""


def squared(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """An RGB picture (H, W, 3) squeezed to (side, side, 3)."""
    from PIL import Image

    if image.shape[:2] == (side, side):
        return image
    drawn = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(drawn.resize((side, side), Image.Resampling.BILINEAR))


def resized(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Values (H, W) squeezed to (side, side)."""
    from PIL import Image

    if values.shape == (side, side):
        return values
    return np.asarray(Image.fromarray(values).resize((side, side), Image.Resampling.BILINEAR))


def mask_square(prompt: Prompt, side: int) -> NDArray[np.float32]:
    """A mask prompt in the square input: float32 (side, side) of 0 and 1.

    A mask that would vanish at that size keeps the pixels it covers most.
    """
    if prompt.mask is None:
        raise PromptError(f"object {prompt.obj_id}: a mask is needed here")
    mask = resized(prompt.mask.to_array().astype(np.float32), side)
    return (mask >= min(max(float(mask.max()), 1e-6), 0.5)).astype(np.float32)
