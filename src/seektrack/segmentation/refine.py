"""Masks in source resolution: looking again, closer, at where a coarse mask lies.

The network sees any picture squeezed to its own resolution; of a small thing in a large picture little is
left. Each method here cuts windows out of the source, asks for the object in them, and puts the answers back
in source coordinates. The windows of all objects go through the network in batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import BoolMask, Box, box_iou, clip_box, mask_iou, mask_to_box
from seektrack.segmentation.arrays import floats
from seektrack.segmentation.masks import upsample
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.prompts import BOX_CORNER_LABELS
from seektrack.segmentation.windows import Window, blend, tile_windows, window_around

Method = Literal["roi", "progressive", "multiscale", "tiles"]
METHODS: tuple[Method, ...] = ("roi", "progressive", "multiscale", "tiles")
SURE = 8.0
"""Logit that stands for a pixel of a coarse mask."""


@dataclass(frozen=True, kw_only=True)
class RefineSettings:
    """How a mask is looked at again.

    Attributes:
        method: ``roi``, one window around the object; ``progressive``, windows that close in on it step by
            step, each prompted by the mask before; ``multiscale``, the mean over windows of several sizes;
            ``tiles``, windows of one size over all of the object, for objects larger than one.
        margin: Of the window around the object, as a fraction of its longer side.
        margins: Of the windows of ``multiscale``.
        zoom: How much ``progressive`` closes in at each step.
        tile: Side of a tile in source pixels; the network's resolution if not given.
        overlap: Share of a tile that its neighbour sees too.
        min_agreement: An answer that overlaps the mask it is to refine by less IoU, inside the window, is not
            believed, unless its box overlaps the given box by as much.
        max_zoom: No window is smaller than the network's resolution divided by this.
        batch: Windows computed at once.
        min_gain: An object is left as it is when the window around it is not so many times smaller than the
            picture: the network saw it well enough. Not for tiles.
        use_mask: Give the network the coarse mask beside the box.
    """

    method: Method = "roi"
    margin: float = 0.3
    margins: tuple[float, ...] = (0.15, 0.4, 0.8)
    zoom: float = 2.0
    tile: int | None = None
    overlap: float = 0.3
    min_agreement: float = 0.5
    max_zoom: float = 4.0
    batch: int = 8
    min_gain: float = 3.0
    use_mask: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(
                f"there is no way to refine {self.method!r}", hint=f"take one of {', '.join(METHODS)}"
            )
        if min(self.margin, *self.margins) < 0 or self.zoom <= 1 or self.max_zoom <= 0 or self.batch < 1:
            raise InputError("margins start at 0, zoom above 1, max_zoom above 0 and batch at 1")


@dataclass(frozen=True, eq=False)
class Refined:
    """One object looked at again.

    Attributes:
        mask: bool (H, W) in source resolution.
        score: Predicted overlap with the truth, mean over the windows believed; 0 when none was.
        n_windows: How many were believed.
    """

    mask: BoolMask
    score: float
    n_windows: int


@dataclass(frozen=True)
class _Ask:
    """One question: the object of a box and a coarse mask, in a window."""

    slot: int
    window: Window
    box: Box
    coarse: BoolMask
    sure_box: bool = False


def refine(
    sam2: Sam2,
    image: NDArray[np.uint8],
    masks: NDArray[np.bool_],
    *,
    boxes: Sequence[Box | None] | None = None,
    settings: RefineSettings | None = None,
    threshold: float = 0.0,
) -> list[Refined]:
    """Look again at where masks lie, in source resolution.

    Args:
        sam2: The network; of two sets of weights the one that knows the picture.
        image: uint8 (H, W, 3), RGB.
        masks: bool (N, H, W), coarse; an empty one stays as it is.
        boxes: The objects' boxes where they are known better than by the masks.
        settings: See ``RefineSettings``.
        threshold: Logit above which a pixel is inside.

    Returns:
        As many results; a mask that no window confirms stays as it was, with score 0.

    Raises:
        InputError: The masks do not fit the picture, or not as many boxes are given.
    """
    settings = settings or RefineSettings()
    if masks.ndim != 3 or masks.shape[1:] != image.shape[:2] or masks.dtype != np.bool_:
        raise InputError(
            f"masks must be bool (N, {image.shape[0]}, {image.shape[1]}), got {masks.dtype} {masks.shape}"
        )
    if boxes is not None and len(boxes) != len(masks):
        raise InputError(f"{len(masks)} masks need as many boxes, got {len(boxes)}")
    sam2 = sam2.for_picture(image)
    current = [Refined(mask, 0.0, 0) for mask in masks]
    given = list(boxes) if boxes is not None else [None] * len(masks)
    for step in range(_n_steps(sam2, list(masks), settings)):
        asks = [
            ask
            for slot in range(len(masks))
            for ask in _asks(sam2, current[slot].mask, given[slot], slot, step, settings)
        ]
        answers = _answers(sam2, image, asks, settings)
        for slot in range(len(masks)):
            own = [(a, *b) for a, b in zip(asks, answers, strict=True) if a.slot == slot]
            current[slot] = _merged(current[slot], own, settings, threshold)
    return current


def _target(sam2: Sam2, box: Box, hw: tuple[int, int], margin: float, settings: RefineSettings) -> Window:
    smallest = max(round(sam2.resolution / settings.max_zoom), 8)
    return window_around(box, hw, margin=margin, min_side=smallest)


def _n_steps(sam2: Sam2, masks: Sequence[BoolMask], settings: RefineSettings) -> int:
    """Rounds of asking: as many as the smallest object needs to be closed in on."""
    if settings.method != "progressive":
        return 1
    steps = 1
    for box in filter(None, map(mask_to_box, masks)):
        hw = (int(masks[0].shape[0]), int(masks[0].shape[1]))
        window = _target(sam2, box, hw, settings.margin, settings)
        ratio = max(hw) / max(window[2] - window[0], window[3] - window[1])
        steps = max(steps, math.ceil(math.log(ratio, settings.zoom) - 1e-6))
    return steps


def _asks(
    sam2: Sam2, coarse: BoolMask, given: Box | None, slot: int, step: int, settings: RefineSettings
) -> list[_Ask]:
    """The windows one object is asked for in at one step."""
    found = mask_to_box(coarse)
    if found is None:
        return []
    hw = (int(coarse.shape[0]), int(coarse.shape[1]))
    box = clip_box(given, hw) if given is not None else found
    if settings.method == "tiles":
        return list(_tile_asks(coarse, slot, settings.tile or sam2.resolution, settings.overlap))
    closest = _target(sam2, box, hw, settings.margin, settings)
    least = closest[2] - closest[0]
    if settings.min_gain * least > max(hw):
        return []
    if settings.method == "multiscale":
        windows = [_target(sam2, box, hw, margin, settings) for margin in settings.margins]
    elif settings.method == "progressive":
        side = round(max(hw) / settings.zoom ** (step + 1))
        if step and side * settings.zoom <= least:
            return []
        windows = [window_around(box, hw, margin=settings.margin, min_side=max(side, least))]
    else:
        windows = [closest]
    return [_Ask(slot, window, box, coarse, given is not None) for window in dict.fromkeys(windows)]


def _tile_asks(coarse: BoolMask, slot: int, tile: int, overlap: float) -> Iterator[_Ask]:
    """Tiles the outline passes through; where the object fills a tile or is absent nothing is asked."""
    hw = (int(coarse.shape[0]), int(coarse.shape[1]))
    for window in tile_windows(hw, tile, overlap=overlap):
        x0, y0, x1, y1 = window
        part = coarse[y0:y1, x0:x1]
        box = mask_to_box(part)
        if box is not None and not part.all():
            yield _Ask(slot, window, (box[0] + x0, box[1] + y0, box[2] + x0, box[3] + y0), coarse)


def _answers(
    sam2: Sam2, image: NDArray[np.uint8], asks: Sequence[_Ask], settings: RefineSettings
) -> list[tuple[NDArray[np.float32], float]]:
    """Logits (h, w) of each window in source resolution, and predicted overlaps; a window is encoded once."""
    windows = list(dict.fromkeys(ask.window for ask in asks))
    out: dict[int, tuple[NDArray[np.float32], float]] = {}
    for start in range(0, len(windows), settings.batch):
        batch = windows[start : start + settings.batch]
        rows = [i for i, ask in enumerate(asks) if ask.window in batch]
        network, side = sam2.network, sam2.resolution
        pixels = sam2.preprocess_batch([image[y0:y1, x0:x1] for x0, y0, x1, y1 in batch])
        features = network.encode(pixels, hw=(side, side))
        dense = np.stack([_dense(asks[i], side // 4) for i in rows])
        decoded = network.decode(
            features.rows(np.array([batch.index(asks[i].window) for i in rows])),
            points=np.stack([_corners(asks[i], side) for i in rows]),
            labels=np.array([BOX_CORNER_LABELS] * len(rows), dtype=np.int32),
            mask=network.array(dense) if settings.use_mask else None,
        )
        chosen = network.choose(decoded, multimask=False)
        for i, logits, iou in zip(rows, chosen.logits, floats(chosen.iou).tolist(), strict=True):
            x0, y0, x1, y1 = asks[i].window
            out[i] = upsample(logits, (y1 - y0, x1 - x0)), float(iou)
    return [out[i] for i in range(len(asks))]


def _corners(ask: _Ask, side: int) -> NDArray[np.float64]:
    """Corners of the box (2, 2), cut to the window, in the square input."""
    x0, y0, x1, y1 = ask.window
    box = np.array(ask.box, dtype=np.float64).reshape(2, 2)
    inside = np.clip(box, (x0, y0), (x1, y1)) - (x0, y0)
    return inside * (side / (x1 - x0), side / (y1 - y0))


def _dense(ask: _Ask, side: int) -> NDArray[np.float32]:
    """The coarse mask in the window as a dense prompt (1, h, h)."""
    x0, y0, x1, y1 = ask.window
    part = ask.coarse[y0:y1, x0:x1].astype(np.float32)
    small = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray((small * 2 - 1) * SURE, dtype=np.float32)[None]


def _merged(
    before: Refined,
    answers: Sequence[tuple[_Ask, NDArray[np.float32], float]],
    settings: RefineSettings,
    threshold: float,
) -> Refined:
    """The believed answers in place of the coarse mask, wherever a window lies."""
    believed = []
    for ask, logits, iou in answers:
        if _agreement(ask, logits > threshold) >= settings.min_agreement:
            believed.append((ask.window, logits, max(iou, 1e-3)))
    if not believed:
        return before
    corners = np.array([window for window, _, _ in believed])
    (x0, y0), (x1, y1) = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    base = np.where(before.mask[y0:y1, x0:x1], SURE, -SURE).astype(np.float32) + threshold
    moved = [((w[0] - x0, w[1] - y0, w[2] - x0, w[3] - y0), logits, iou) for w, logits, iou in believed]
    mask = before.mask.copy()
    mask[y0:y1, x0:x1] = blend(moved, base, share=settings.overlap) > threshold
    return Refined(mask, float(np.mean([iou for _, _, iou in believed])), len(believed))


def _agreement(ask: _Ask, found: BoolMask) -> float:
    """IoU of what was found in the window with the coarse mask there, or with a given box if that is more."""
    x0, y0, x1, y1 = ask.window
    agreement = mask_iou(found, ask.coarse[y0:y1, x0:x1])
    box = mask_to_box(found) if ask.sure_box else None
    if box is None:
        return agreement
    moved = np.array([box]) + (x0, y0, x0, y0)
    return max(agreement, float(box_iou(moved, np.array([ask.box]))[0, 0]))
