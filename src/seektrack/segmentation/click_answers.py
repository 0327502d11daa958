"""What the network answers to clicks on one picture, asked in several ways."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

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
_CLOSER = 1.5
"""What is seen around an object that is looked for in a crop, on each side, in sides of it."""
_SMALL = 0.6
"""A crop of more than this of the picture's shorter side would show no more than the picture."""
_PART = 0.6
"""A click takes away another thing up to this share of the mask; more would be the object itself."""


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


def answers(
    sam2: Sam2,
    features: ImageFeatures,
    image: NDArray[np.uint8],
    clicks: Clicks,
    before: BoolMask | None,
    expected: Expected,
) -> Iterator[tuple[BoolMask, float]]:
    """Masks that could be meant, and how sure the network is of each.

    Args:
        sam2: The network.
        features: Of the picture.
        image: The picture, uint8 (H, W, 3), RGB.
        clicks: At least one, or a box.
        before: The mask that the clicks put right; None where they begin one.
        expected: What else is known of the object.

    Yields:
        bool (H, W), and the predicted overlap in [0, 1].
    """
    yield from _candidates(sam2, features, clicks, before, expected.shown)
    if before is not None:
        yield from _without_others(sam2, features, clicks, before)
    yield from _closer(sam2, image, clicks, expected.area)


def pixel_of(point: tuple[float, float], hw: tuple[int, int]) -> tuple[int, int]:
    """Row and column of the pixel a point lies in; the far edges belong to the last ones."""
    return min(int(point[1]), hw[0] - 1), min(int(point[0]), hw[1] - 1)


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
