"""Photographs cut into regions by people: masks from boxes and clicks, and what is proposed unasked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.evaluation.real.films import innermost
from seektrack.evaluation.real.results import Measured, RealSettings, mean
from seektrack.geometry import mask_to_box
from seektrack.metrics.masks import iou
from seektrack.segmentation import ImagePredictor, load_sam2, propose
from seektrack.training.datasets import RegionPicture, region_pictures

SMALLEST = 0.01
"""Regions below this share of the picture are not asked for."""
AGREED = 0.7
"""Two people drew the same region where theirs overlap so much."""
FOUND = 0.5
_AT_ONCE = 32
BoolMask = NDArray[np.bool_]


def measure_regions(folder: Path, settings: RealSettings) -> Measured:
    """Ask for every region by its box and by a click, and see which ones are proposed unasked.

    Regions of at least 1 % of the picture count. ``J_box`` and ``J_click`` are means over the regions of all
    people, of the answer that following an object from such a prompt begins with; ``proposal_recall`` is the
    share of the regions that at least two people drew (overlap 0.7) that a proposal covers at IoU 0.5.

    Raises:
        InputError: The folder is malformed, or no region is large enough.
    """
    pictures = region_pictures(folder)
    sam2 = load_sam2(settings.segmenter, device=settings.device)
    kinds = [kind for kind in ("box", "click") if kind in settings.prompts]
    count = len(pictures) if settings.limit is None else min(settings.limit, len(pictures))
    kept: dict[str, list[float]] = defaultdict(list)
    found: list[bool] = []
    proposed = 0
    for number in range(count):
        settings.tell(number, count, "regions")
        picture = pictures[number]
        regions = regions_of(picture)
        predictor, features = ImagePredictor(sam2), sam2.encode(picture.image)
        predictor.set_image(picture.image)
        sizes = sam2.made(features).network.sizes
        for kind in kinds:
            several = sizes.multimask(2 if kind == "box" else 1, afresh=True)
            every = [mask for person in regions for mask in person]
            kept[f"J_{kind}"] += _scores(predictor, kind, every, several=several)
        masks = [proposal.mask.to_array() for proposal in propose(sam2, features)]
        proposed += len(masks)
        found += covered(agreed(regions), masks)
    settings.tell(count, count, "regions")
    if not found and not any(kept.values()):
        raise InputError(f"no picture in {folder} has a region of 1 % of it", hint="look at its maps")
    figures: dict[str, float | int] = {name: mean(values) for name, values in kept.items()}
    if found:
        figures["proposal_recall"] = mean(found)
    figures["pictures"] = count
    figures |= {"regions": max((len(v) for v in kept.values()), default=0), "agreed_regions": len(found)}
    return Measured("regions", {**figures, "proposals": proposed})


def regions_of(picture: RegionPicture, *, smallest: float = SMALLEST) -> list[list[BoolMask]]:
    """The regions each person drew, those of at least a share of the picture, bool (H, W)."""
    out = []
    for labels in picture.maps:
        counts = np.bincount(labels.ravel())
        out.append([labels == n for n in range(1, len(counts)) if counts[n] >= smallest * labels.size])
    return out


def agreed(regions: Sequence[Sequence[BoolMask]], *, overlap: float = AGREED) -> list[BoolMask]:
    """Regions that at least two people drew, each once, as the first of them drew it."""
    kept: list[BoolMask] = []
    for person, masks in enumerate(regions):
        others = [mask for other, theirs in enumerate(regions) if other != person for mask in theirs]
        for mask in masks:
            again = any(iou(mask, one) >= overlap for one in kept)
            if not again and any(iou(mask, other) >= overlap for other in others):
                kept.append(mask)
    return kept


def covered(wanted: Sequence[BoolMask], masks: Sequence[BoolMask], *, overlap: float = FOUND) -> list[bool]:
    """Which of the wanted masks one of the others overlaps enough."""
    return [any(iou(one, mask) >= overlap for mask in masks) for one in wanted]


def _scores(
    predictor: ImagePredictor, kind: str, regions: Sequence[BoolMask], *, several: bool
) -> list[float]:
    """IoU of each region with the answer to its prompt, of several with the one that is surest."""
    out: list[float] = []
    for first in range(0, len(regions), _AT_ONCE):
        some = regions[first : first + _AT_ONCE]
        if kind == "box":
            boxes = np.array([mask_to_box(mask) for mask in some])
            masks, overlaps, _ = predictor.predict(box=boxes, multimask_output=several)
        else:
            points = np.stack([innermost(mask) for mask in some])[:, None]
            masks, overlaps, _ = predictor.predict(points, np.ones((len(some), 1)), multimask_output=several)
        answers = masks.reshape(len(some), -1, *masks.shape[-2:])  # of one prompt there is no axis of prompts
        best = overlaps.reshape(len(some), -1).argmax(1)
        out += [iou(mask, three[k]) for mask, three, k in zip(some, answers, best, strict=True)]
    return out
