"""The mask that clicks ask for on one picture, with every click on its right side.

The network is asked in several ways, and the answer that obeys the clicks, is sure of itself and is like what
is known of the object is taken. Where it will not obey, the pixels around a click are put right by colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import PromptError
from seektrack.geometry import BoolMask
from seektrack.segmentation.click_answers import Clicks, Expected, answers, pixel_of
from seektrack.segmentation.features import ImageFeatures
from seektrack.segmentation.model import Sam2

_NEAR = 0.5
"""A click so near a mask, in sides of it, is about that mask; one farther away says where the object is."""
_PATCHED = 0.7
"""What the mask as it was, put right by hand, counts as predicted overlap."""
_LIKE = 4.0
"""What likeness to the object counts beside the predicted overlap; two answers differ by little of it."""
_ALIKE = 10
"""CIELAB levels by which a pixel may differ from the clicked one to be of the same surface."""
_DOT = 2
"""Radius in pixels of what is put right around a click where its surface says nothing."""


def mask_of_clicks(
    sam2: Sam2,
    features: ImageFeatures,
    image: NDArray[np.uint8],
    clicks: Clicks,
    expected: Expected | None = None,
) -> BoolMask:
    """The mask that clicks and a box ask for.

    Args:
        sam2: The network.
        features: Of the picture.
        image: The picture, uint8 (H, W, 3), RGB.
        clicks: At least one, or a box.
        expected: What else is known of the object.

    Returns:
        bool (H, W); every positive click lies inside, every negative one outside.

    Raises:
        PromptError: The clicks leave nothing of the object.
    """
    expected = expected or Expected()
    before = expected.before if puts_right(clicks, expected.before) else None
    best, best_worth = None, -math.inf
    for mask, iou in answers(sam2, features, image, clicks, before, expected):
        kept = _pieces(mask, clicks, before)
        worth = iou + _worth(kept, clicks, expected, before)
        if kept.any() and worth > best_worth:
            best, best_worth = kept, worth
    if before is not None:
        patched = obeying(before, image, clicks)
        if patched.any() and _PATCHED + _worth(patched, clicks, expected, before) > best_worth:
            return patched
    base = np.zeros(image.shape[:2], dtype=bool) if best is None else best
    mask = obeying(base, image, clicks)
    if not mask.any():
        raise PromptError("the clicks leave nothing of the object", hint="click on the object as well")
    return mask


def obeyed(mask: BoolMask, clicks: Clicks) -> int:
    """How many clicks a mask has on their right side."""
    hw = (int(mask.shape[0]), int(mask.shape[1]))
    inside = sum(bool(mask[pixel_of(p, hw)]) for p in clicks.positive)
    return inside + sum(not mask[pixel_of(p, hw)] for p in clicks.negative)


def obeying(mask: BoolMask, image: NDArray[np.uint8], clicks: Clicks) -> BoolMask:
    """The mask with the surface around every click that lies on its wrong side put right.

    Args:
        mask: bool (H, W).
        image: The picture, uint8 (H, W, 3), RGB.
        clicks: What it must obey.
    """
    if obeyed(mask, clicks) == len(clicks.positive) + len(clicks.negative):
        return mask
    out = mask.copy()
    hw = (int(mask.shape[0]), int(mask.shape[1]))
    side = math.sqrt(float(mask.sum())) if mask.any() else min(hw) / 8
    inside = [pixel_of(p, hw) for p in clicks.positive]
    outside = [pixel_of(p, hw) for p in clicks.negative]
    for at in inside:
        if not out[at]:
            out |= _surface(image, at, reach=side / 2, without=outside)
    for at in outside:
        if out[at]:
            out &= ~_wrong_part(out, image, at, inside, reach=side / 3)
    for at in inside:
        out[at] = True
    return out


def puts_right(clicks: Clicks, before: BoolMask | None) -> bool:
    """Whether clicks put a mask right, rather than say that the object is elsewhere."""
    if before is None or not before.any() or clicks.box is not None:
        return False
    if not clicks.positive:
        return True
    away = cv2.distanceTransform((~before).astype(np.uint8), cv2.DIST_L2, 3)
    hw = (int(before.shape[0]), int(before.shape[1]))
    reach = _NEAR * math.sqrt(float(before.sum()))
    return all(away[pixel_of(p, hw)] <= reach for p in clicks.positive)


def _worth(mask: BoolMask, clicks: Clicks, expected: Expected, before: BoolMask | None) -> float:
    """What speaks for a mask beside the network's own word."""
    area = float(mask.sum())
    if not area:
        return -math.inf
    said = len(clicks.positive) + len(clicks.negative)
    worth = obeyed(mask, clicks) / said if said else 0.0
    if expected.area:
        worth += 0.5 * math.exp(-abs(math.log(area / expected.area)))
    if expected.likeness is not None:
        worth += _LIKE * expected.likeness(mask)
    if before is not None:
        worth += 0.5 * float((mask & before).sum()) / float((mask | before).sum())
    return worth


def _pieces(mask: BoolMask, clicks: Clicks, before: BoolMask | None) -> BoolMask:
    """The pieces of a mask that a click lies on, and those that were there before; else the largest."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    hw = (int(mask.shape[0]), int(mask.shape[1]))
    keep = np.zeros(count, dtype=bool)
    for point in clicks.positive:
        keep[labels[pixel_of(point, hw)]] = True
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    if before is not None:
        keep |= np.bincount(labels[before], minlength=count) > 0.5 * areas
    keep[0] = False
    if not keep.any():
        areas[0] = 0
        keep[int(areas.argmax())] = True
    return np.asarray(keep[labels])


def _surface(
    image: NDArray[np.uint8], at: tuple[int, int], *, reach: float, without: Sequence[tuple[int, int]]
) -> BoolMask:
    """Pixels around one that look like it and hang together with it, within reach; a dot at least."""
    hw = (int(image.shape[0]), int(image.shape[1]))
    radius = max(int(reach), _DOT)
    top, left = max(at[0] - radius, 0), max(at[1] - radius, 0)
    bottom, right = min(at[0] + radius + 1, hw[0]), min(at[1] + radius + 1, hw[1])
    lab = cv2.cvtColor(np.ascontiguousarray(image[top:bottom, left:right]), cv2.COLOR_RGB2LAB)
    lab = cv2.medianBlur(lab, 3)
    barred = np.zeros((lab.shape[0] + 2, lab.shape[1] + 2), np.uint8)
    seed = (at[1] - left, at[0] - top)
    steps = (_ALIKE,) * 3
    cv2.floodFill(
        lab, barred, seed, (0, 0, 0), steps, steps, 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE
    )
    found = barred[1:-1, 1:-1].astype(bool)
    rows, columns = np.mgrid[top:bottom, left:right]
    far = (rows - at[0]) ** 2 + (columns - at[1]) ** 2
    found = (found & (far <= radius**2)) | (far <= _DOT**2)
    out = np.zeros(hw, dtype=bool)
    out[top:bottom, left:right] = found
    for pixel in without:
        out &= ~_dot(hw, pixel)
    out[at] = True
    return out


def _dot(hw: tuple[int, int], at: tuple[int, int]) -> BoolMask:
    out = np.zeros(hw, np.uint8)
    cv2.circle(out, (at[1], at[0]), _DOT, 1, -1)
    return out.astype(bool)


def _wrong_part(
    mask: BoolMask,
    image: NDArray[np.uint8],
    at: tuple[int, int],
    inside: Sequence[tuple[int, int]],
    *,
    reach: float,
) -> BoolMask:
    """What of a mask goes with a pixel that is not the object: its piece, its surface, or a dot."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    piece = np.asarray(labels == labels[at])
    if count > 2 and not any(piece[p] for p in inside) and piece.sum() < 0.5 * mask.sum():
        return piece
    part = _surface(image, at, reach=reach, without=inside) & mask
    small = part.sum() <= 0.5 * mask.sum()
    hw = (int(mask.shape[0]), int(mask.shape[1]))
    return part if small else _dot(hw, at) & mask
