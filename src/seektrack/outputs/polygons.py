"""Masks of COCO's three forms: polygons, run lengths, compressed run lengths."""

from __future__ import annotations

import numpy as np

from seektrack import geometry
from seektrack.errors import InputError
from seektrack.outputs import reading
from seektrack.types import Mask


def read_segmentation(value: object, size: tuple[int, int], where: str) -> Mask | None:
    """The mask of a ``segmentation``, None where there is none.

    Args:
        value: A run-length code, or a list of polygons ``[x, y, x, y, ...]``.
        size: (H, W) of the picture.
        where: The place, for errors.

    Raises:
        InputError: It is of another form, of another size, or a polygon encloses nothing.
    """
    if value is None or value == [] or value == {}:
        return None
    if isinstance(value, list):
        return _rasterised(value, size, where)
    mask = reading.mask(value, where)
    if mask.size != size:
        raise InputError(f"{where}: the mask is {mask.size[0]}x{mask.size[1]}, its image {size[0]}x{size[1]}")
    return mask


def _rasterised(polygons: list[object], size: tuple[int, int], where: str) -> Mask:
    from pycocotools import mask as coco_mask

    geometry.check_size(size)
    checked = [_corners(polygon, size, f"{where}: polygon {n}") for n, polygon in enumerate(polygons)]
    merged = coco_mask.merge(coco_mask.frPyObjects(checked, *size))
    mask = Mask(size, bytes(merged["counts"]))
    if mask.area == 0:
        raise InputError(f"{where}: its polygons enclose no pixel", hint="remove it, or give its outline")
    return mask


def _corners(polygon: object, size: tuple[int, int], where: str) -> list[float]:
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise InputError(
            f"{where} has {len(polygon) if isinstance(polygon, list) else 'no'} numbers",
            hint="a polygon has at least three corners of two numbers each",
        )
    margins = np.array(
        [size[1], size[0]]
    )  # a drawn outline may leave the picture, but not by more than its size
    numbers = [reading.number(v, f"{where}: a corner") for v in polygon]
    corners = np.array(numbers).reshape(-1, 2)
    if (corners < -margins).any() or (corners > 2 * margins).any():
        raise InputError(f"{where} lies outside its picture of {size[1]}x{size[0]}")
    return numbers
