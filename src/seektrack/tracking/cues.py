"""Cheap cues of who an object is beside what an encoder sees: colours, outline, the engine's pointer.

Each is a unit vector whose dot product with another of its kind is a similarity, so that one gallery
(`seektrack.tracking.appearance.Appearance`) holds any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import BoolMask, mask_to_box

Vector = NDArray[np.float32]
Cue = Literal["clip", "pointer", "colour", "shape"]
CUES: tuple[Cue, ...] = get_args(Cue)
"""``clip``, an encoder's embedding; ``pointer``, what the segmentation network calls the object by;
``colour``, its histogram; ``shape``, its outline."""
Cues = Mapping[Cue, Vector]

COLOUR_BINS = (6, 12, 12)
COLOUR_LIMITS = [0.0, 256.0, 0.0, 256.0, 0.0, 256.0]
_OUTLINE = 16


def cues_of(image: NDArray[np.uint8], mask: BoolMask, *, pointer: Any = None) -> Cues:
    """Colours and outline of an object, and the engine's pointer to it where one is given.

    Args:
        image: uint8 (H, W, 3), RGB.
        mask: bool (H, W).
        pointer: float (C,) array or tensor.
    """
    found: dict[Cue, Vector | None] = {"colour": colours(image, mask), "shape": outline(mask)}
    if pointer is not None:
        values = pointer.float().cpu().numpy() if hasattr(pointer, "cpu") else np.asarray(pointer)
        found["pointer"] = unit(values)
    return {cue: vector for cue, vector in found.items() if vector is not None}


def unit(vector: NDArray[np.floating]) -> Vector:
    """The vector at length one."""
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), dtype=np.float32)


def colours(image: NDArray[np.uint8], mask: BoolMask) -> Vector | None:
    """Square roots of a blurred CIELAB histogram of an object's pixels, (864,); None where the mask is empty.

    The dot product of two is their Bhattacharyya coefficient. Lightness has half the bins of the colour
    axes. The outermost pixels, mixed with what lies behind, are left out where others remain.

    Args:
        image: uint8 (H, W, 3), RGB.
        mask: bool (H, W).
    """
    box = mask_to_box(mask)
    if box is None:
        return None
    x0, y0, x1, y1 = (int(v) for v in box)
    part = np.ascontiguousarray(mask[y0:y1, x0:x1], dtype=np.uint8)
    inner = cv2.erode(np.pad(part, 1), np.ones((3, 3), np.uint8))[1:-1, 1:-1]
    if inner.sum() >= max(12, part.sum() // 4):
        part = np.ascontiguousarray(inner)
    lab = cv2.cvtColor(np.ascontiguousarray(image[y0:y1, x0:x1]), cv2.COLOR_RGB2LAB)
    counts = cv2.calcHist([lab], [0, 1, 2], part, list(COLOUR_BINS), COLOUR_LIMITS)
    return unit(np.sqrt(blurred(counts).ravel()))


def outline(mask: BoolMask) -> Vector | None:
    """The mask in its box, padded to a square and reduced to (256,), less its mean; None where empty."""
    box = mask_to_box(mask)
    if box is None:
        return None
    x0, y0, x1, y1 = (int(v) for v in box)
    height, width = y1 - y0, x1 - x0
    side = max(height, width)
    square = np.zeros((side, side), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = mask[y0:y1, x0:x1]
    small = cv2.resize(square, (_OUTLINE, _OUTLINE), interpolation=cv2.INTER_AREA)
    return unit((small - small.mean()).ravel())


def blurred(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Counts shared with neighbouring bins, so that a colour at the edge of one is near its neighbour."""
    out = np.asarray(counts, dtype=np.float64)
    for axis in range(3):
        padded = np.pad(out, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        low, high = (
            np.take(padded, range(out.shape[axis]), axis),
            np.take(padded, range(2, out.shape[axis] + 2), axis),
        )
        out = 0.5 * out + 0.25 * (low + high)
    return out
