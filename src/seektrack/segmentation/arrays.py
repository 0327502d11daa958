"""Arrays of either runtime, looked at alike: the array API standard, and what it leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.segmentation.features import Array


def namespace(*arrays: Array) -> Any:
    """The functions of the array API standard for arrays of one kind."""
    from array_api_compat import array_namespace

    return array_namespace(*arrays)


def floats(array: Array) -> NDArray[np.float32]:
    """As float32 of numpy."""
    if isinstance(array, np.ndarray):
        return array.astype(np.float32, copy=False)
    return np.asarray(array.detach().float().cpu().numpy())


def like(values: NDArray[Any], array: Array) -> Array:
    """Values of numpy in the kind, the type and the place of an array."""
    if isinstance(array, np.ndarray):
        return values.astype(array.dtype, copy=False)
    xp = namespace(array)
    return xp.asarray(np.ascontiguousarray(values), device=array.device).to(array.dtype)


def sigmoid(array: Array) -> Array:
    """One over one plus e to the minus, in float32."""
    if isinstance(array, np.ndarray):
        return 1 / (1 + np.exp(-np.clip(array, -80, 80, dtype=np.float32)))
    return array.float().sigmoid()


def stability(logits: Array, *, delta: float | Array, threshold: float = 0.0) -> Array:
    """Overlap of the masks cut at ``threshold + delta`` and ``threshold - delta``; 1 where both are empty.

    Logits are (..., h, w), ``delta`` one number or (..., 1, 1), the result is (...,).
    """
    xp = namespace(logits)
    inner, outer = (
        xp.astype(xp.sum(xp.astype(logits > cut, xp.int32), axis=(-2, -1)), xp.float32)
        for cut in (threshold + delta, threshold - delta)
    )
    return xp.where(outer > 0, inner / xp.clip(outer, 1, None), xp.ones_like(outer))
