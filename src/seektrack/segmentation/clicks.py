"""The mask that clicks ask for on one picture, with every click on its right side.

The network is asked in several ways, and the answer that obeys the clicks, is sure of itself and is like what
is known of the object is taken. Where it will not obey, the pixels around a click are put right by colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import PromptError
from seektrack.geometry import BoolMask, Box
from seektrack.segmentation.answer import Job
from seektrack.segmentation.arrays import floats
from seektrack.segmentation.features import Array, ImageFeatures
from seektrack.segmentation.masks import upsample
from seektrack.segmentation.memory import Recall, Row
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.prompts import PointInputs, point_inputs
from seektrack.segmentation.windows import window_around
from seektrack.types import Mask, Prompt

Points = Sequence[tuple[float, float]]

_SURE = 8.0
"""Logit that stands for a pixel of the mask that is to be put right."""
_NEAR = 0.5
"""A click so near a mask, in sides of it, is about that mask; one farther away says where the object is."""
_PATCHED = 0.7
"""What the mask as it was, put right by hand, counts as predicted overlap."""
_LIKE = 4.0
"""What likeness to the object counts beside the predicted overlap; two answers differ by little of it."""
_CLOSER = 1.5
"""What is seen around an object that is looked for in a crop, on each side, in sides of it."""
_SMALL = 0.6
"""A crop of more than this of the picture's shorter side would show no more than the picture."""
_PART = 0.6
"""A click takes away another thing up to this share of the mask; more would be the object itself."""
_ALIKE = 10
"""CIELAB levels by which a pixel may differ from the clicked one to be of the same surface."""
_DOT = 2
"""Radius in pixels of what is put right around a click where its surface says nothing."""


@dataclass(frozen=True)
class Clicks:
    """What a person says of an object on one picture, in source pixels.

    Attributes:
        positive: ``(x, y)`` on the object.
        negative: ``(x, y)`` not on it.
        box: ``xyxy`` around it, or None.
    """

    positive: Points = ()
    negative: Points = ()
    box: Box | None = None


@dataclass(frozen=True)
class Expected:
    """What is known of the object beside the clicks.

    Attributes:
        before: The mask to put right, bool (H, W); None where there is none.
        area: Pixels it usually has; None when nobody knows.
        likeness: How like the object a mask looks, in [0, 1]; None when nobody knows.
        shown: Other frames on which it is known: features and mask of each, and how many frames away.
    """

    before: BoolMask | None = None
    area: float | None = None
    likeness: Callable[[BoolMask], float] | None = None
    shown: Sequence[tuple[ImageFeatures, Mask, int]] = ()


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
    asked = list(_candidates(sam2, features, clicks, before, expected.shown))
    if before is not None:
        asked += _without_others(sam2, features, clicks, before)
    asked += _closer(sam2, image, clicks, expected.area)
    for mask, iou in asked:
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


def pixel_of(point: tuple[float, float], hw: tuple[int, int]) -> tuple[int, int]:
    """Row and column of the pixel a point lies in; the far edges belong to the last ones."""
    return min(int(point[1]), hw[0] - 1), min(int(point[0]), hw[1] - 1)


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


def _candidates(
    sam2: Sam2,
    features: ImageFeatures,
    clicks: Clicks,
    before: BoolMask | None,
    shown: Sequence[tuple[ImageFeatures, Mask, int]],
) -> Iterable[tuple[BoolMask, float]]:
    """What the network answers, and how sure it is: to the clicks, with the mask before, with memories."""
    positive = list(clicks.positive)
    if not positive and before is not None:
        positive = [_deepest(before, clicks.negative)]
    points = [*positive, *clicks.negative]
    labels = [1] * len(positive) + [0] * len(clicks.negative)
    prompt = Prompt(
        0,
        0,
        points=np.array(points, dtype=np.float64) if points else None,
        point_labels=np.array(labels, dtype=np.int64) if points else None,
        box=clicks.box,
    )
    inputs = point_inputs(prompt, features.hw, sam2.resolution)
    asked: list[Array | None] = [None]
    if before is not None:
        asked.append(_dense(before, sam2))
    for row in _remembering(sam2, features, inputs, shown):
        yield upsample(row.logits, features.hw) > 0, min(max(float(row.iou), 0.0), 1.0)
        asked.append(row.logits[None, None])
    for dense in asked:
        decoded = sam2.network.decode(
            features, points=inputs.points[None], labels=inputs.labels[None], mask=dense
        )
        for logits, iou in zip(decoded.logits[0], floats(decoded.iou[0]).tolist(), strict=True):
            yield upsample(logits, features.hw) > 0, min(max(iou, 0.0), 1.0)


def _without_others(
    sam2: Sam2, features: ImageFeatures, clicks: Clicks, before: BoolMask
) -> Iterable[tuple[BoolMask, float]]:
    """The mask before less the thing that the network sees under a click that is not the object."""
    hw = (int(before.shape[0]), int(before.shape[1]))
    inside = [pixel_of(p, hw) for p in clicks.positive]
    for point in clicks.negative:
        prompt = Prompt(0, 0, points=np.array([point]), point_labels=np.ones(1, dtype=np.int64))
        for thing, iou in _answers(sam2, features, prompt):
            part = thing & before
            if (
                part[pixel_of(point, hw)]
                and part.sum() <= _PART * before.sum()
                and not any(thing[p] for p in inside)
            ):
                yield before & ~thing, (1 + iou) / 2


def _closer(
    sam2: Sam2, image: NDArray[np.uint8], clicks: Clicks, area: float | None
) -> Iterable[tuple[BoolMask, float]]:
    """What the network answers in a crop around the clicks, where the object is known to be small."""
    hw = (int(image.shape[0]), int(image.shape[1]))
    if area is None or clicks.box is not None or not clicks.positive:
        return
    half = math.sqrt(area) / 2
    x, y = np.mean(clicks.positive, axis=0).tolist()
    box = (x - half, y - half, x + half, y + half)
    x0, y0, x1, y1 = window_around(box, hw, margin=_CLOSER)
    if max(x1 - x0, y1 - y0) > _SMALL * min(hw):
        return
    here = [p for p in (*clicks.positive, *clicks.negative) if x0 <= p[0] < x1 and y0 <= p[1] < y1]
    if any(p not in here for p in clicks.positive):
        return
    prompt = Prompt(
        0,
        0,
        points=np.array(here, dtype=np.float64) - (x0, y0),
        point_labels=np.array([int(p in clicks.positive) for p in here], dtype=np.int64),
    )
    crop = np.ascontiguousarray(image[y0:y1, x0:x1])
    for small, iou in _answers(sam2, sam2.encode(crop), prompt):
        mask = np.zeros(hw, dtype=bool)
        mask[y0:y1, x0:x1] = small
        yield mask, iou


def _answers(sam2: Sam2, features: ImageFeatures, prompt: Prompt) -> Iterable[tuple[BoolMask, float]]:
    """What the network answers to a prompt alone, and how sure it is."""
    inputs = point_inputs(prompt, features.hw, sam2.resolution)
    decoded = sam2.network.decode(features, points=inputs.points[None], labels=inputs.labels[None], mask=None)
    for logits, iou in zip(decoded.logits[0], floats(decoded.iou[0]).tolist(), strict=True):
        yield upsample(logits, features.hw) > 0, min(max(iou, 0.0), 1.0)


def _remembering(
    sam2: Sam2,
    features: ImageFeatures,
    inputs: PointInputs,
    shown: Sequence[tuple[ImageFeatures, Mask, int]],
) -> list[Row]:
    """What the network answers that remembers the object from other frames: to the clicks, and unasked."""
    if not shown:
        return []
    network, (n_pointers, dtype) = sam2.network, (sam2.network.sizes.n_pointers, sam2.network.memory_dtype)

    def answer(on: ImageFeatures, job: Job) -> Row:
        return network.answer(on, [job], n_pointers=n_pointers, memory_dtype=dtype)[0]

    rows = [answer(there, Job(0, None, mask=Prompt(0, 0, mask=mask))) for there, mask, _ in shown]
    ages = [min(max(abs(away), 1), n_pointers - 1) for _, _, away in shown]
    recall = Recall([r.memory for r in rows], [0] * len(rows), [r.pointer for r in rows], ages)
    return [answer(features, Job(0, recall, inputs)), answer(features, Job(0, recall))]


def _dense(mask: BoolMask, sam2: Sam2) -> Array:
    """A mask as a dense prompt (1, 1, h, h)."""
    side = sam2.resolution // 4
    small = cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    return sam2.network.array(np.asarray((small * 2 - 1) * _SURE)[None, None])


def _deepest(mask: BoolMask, away_from: Points) -> tuple[float, float]:
    """The point ``(x, y)`` farthest inside a mask and from some others."""
    open_to = mask.astype(np.uint8)
    hw = (int(mask.shape[0]), int(mask.shape[1]))
    for point in away_from:
        open_to[pixel_of(point, hw)] = 0
    depth = cv2.distanceTransform(np.pad(open_to, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(x) + 0.5, float(y) + 0.5


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
