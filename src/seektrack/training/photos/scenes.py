"""Pictures beside the named tiles: regions of photographs that nobody named, and named things in films."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import Box, crop_square, masked_crop
from seektrack.training.datasets import masks_beside, region_pictures
from seektrack.training.datasets.beside import OBJECT
from seektrack.training.photos.labelled import Thing, things_in
from seektrack.training.photos.names import Concepts
from seektrack.types import Mask

Image = NDArray[np.uint8]
SMALL, LARGE = 0.0004, 0.05
"""Regions of this share of a photograph: parts and surfaces; larger ones may well be a thing with a name."""
_TRIES, _TOUCHED, _SMALL = 12, 0.1, 0.04
"""To find a square that shares at most so much of its area, or of the thing's; a wide one of its own."""
REGIONS = 0.65
"""Share of crops without a name that show a small region, where there are any."""
WIDE = 0.33
"""Share of squares without a name that are as wide as a ground."""
FRAMES = 12
"""Kept of each film, evenly spread."""


@dataclass(frozen=True, eq=False)
class Photographs:
    """Photographs cut into regions by people.

    Attributes:
        pictures: RGB uint8 (H, W, 3) each.
        regions: For each, its small regions: the box in ``xyxy`` pixels, and the pixels.
        things: For each, what was named in it.
    """

    pictures: list[Image]
    regions: list[list[tuple[Box, Mask]]]
    things: list[list[Thing]]


def load_photographs(folders: Sequence[Path], concepts: Concepts) -> Photographs:
    """Read ``ID.jpg`` with ``ID.K.png`` beside it, the regions that person K drew.

    Raises:
        InputError: A folder has no such pictures, or one is malformed.
    """
    pictures, regions, things = [], [], []
    for one in region_pictures(list(folders)):
        named = things_in(one, concepts)
        small = [region for labels in one.maps for region in _small(labels)]
        pictures.append(one.image)
        regions.append([region for region in small if not any(_within(region[0], t.box) for t in named)])
        things.append(named)
    return Photographs(pictures, regions, things)


def _within(part: Box, whole: Box) -> bool:
    """Whether half of a box or more lies in another."""
    return _shared(part, whole) >= 0.5 * (part[2] - part[0]) * (part[3] - part[1])


def _shared(a: Box, b: Box) -> float:
    """Pixels that two boxes share."""
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, across) * max(0.0, down)


def _small(labels: NDArray[np.uint8]) -> list[tuple[Box, Mask]]:
    values, areas = np.unique(labels, return_counts=True)
    chosen = values[(areas > SMALL * labels.size) & (areas < LARGE * labels.size)]
    masks = [Mask.from_array(labels == value) for value in chosen]
    return [(mask.box, mask) for mask in masks if mask.box is not None]


def unnamed_crop(
    photographs: Photographs, side: int, rng: np.random.Generator, *, masked: float = 0.0
) -> Image:
    """A crop of a small region, or of a square anywhere that shows next to nothing of what was named.

    Args:
        photographs: Where it is taken from.
        side: Of the crop in pixels.
        rng: Which.
        masked: Chance that of a region only its own pixels are sharp, as grounding looks at proposals.
    """
    roll, wide = rng.random(), rng.random() < WIDE
    for _ in range(_TRIES):
        which = int(rng.integers(len(photographs.pictures)))
        picture, regions = photographs.pictures[which], photographs.regions[which]
        if regions and roll < REGIONS:
            box, mask = regions[int(rng.integers(len(regions)))]
            margin = float(rng.uniform(0.0, 0.6))
            if masked and rng.random() < masked:
                return masked_crop(picture, mask.to_array(), box, side, margin=margin)
            return crop_square(picture, box, side, margin=margin)
        square = _square(rng, picture.shape[:2], wide=wide)
        if not any(_shows(square, thing.box) for thing in photographs.things[which]):
            break
    return crop_square(picture, square, side)


def _square(rng: np.random.Generator, hw: tuple[int, int], *, wide: bool) -> Box:
    """A square anywhere in a picture, or one as wide as a ground, which may reach out of it."""
    h, w = hw
    half = _half(rng, 70, max(h, w) * 0.6) if wide else _half(rng, 8, min(70, (min(h, w) - 1) / 2))
    edge = 0.0 if wide else half
    x, y = rng.uniform(edge, w - edge), rng.uniform(edge, h - edge)
    return x - half, y - half, x + half, y + half


def _shows(square: Box, thing: Box, most: float = 0.15) -> bool:
    """Whether a square shows more of a thing than can be left aside: by the square's area, or the thing's."""
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (square, thing)]
    return _shared(square, thing) > most * min(areas)


def _half(rng: np.random.Generator, least: float, most: float) -> float:
    """Half the side of a square, as often small as large by ratio."""
    return float(np.exp(rng.uniform(np.log(min(least, most)), np.log(most))))


def away_crop(picture: Image, box: Box, side: int, rng: np.random.Generator) -> Image:
    """A square of a film's frame that shows next to nothing of the thing in ``box``, or it very small.

    A third are as wide as the grounds that a segmenter proposes, and reach out of the picture as those do.
    """
    h, w = picture.shape[:2]
    x0, y0, x1, y1 = box
    wide = rng.random() < WIDE
    for _ in range(_TRIES):
        half = _half(rng, min(h, w) / 3, max(h, w) * 0.7) if wide else _half(rng, 10, min(h, w) / 2.5)
        edge = 0.0 if wide else half
        x, y = rng.uniform(edge, w - edge), rng.uniform(edge, h - edge)
        square = (x - half, y - half, x + half, y + half)
        across, down = min(square[2], x1) - max(square[0], x0), min(square[3], y1) - max(square[1], y0)
        shared = max(0.0, across) * max(0.0, down) / (4 * half * half)
        if shared < (_SMALL if wide else _TOUCHED * min(1.0, (x1 - x0) * (y1 - y0) / (4 * half * half))):
            break
    return crop_square(picture, square, side)


@dataclass(frozen=True, eq=False)
class Films:
    """Frames of films in which one named thing is known.

    Attributes:
        pictures: RGB uint8 (H, W, 3) each.
        boxes: Of the thing, ``xyxy`` pixels.
        masks: Its pixels, where they are known.
        concepts: int (N,), what it is, by number.
    """

    pictures: list[Image]
    boxes: list[Box]
    masks: list[Mask | None]
    concepts: NDArray[np.intp]


def load_films(folder: Path, concepts: Concepts) -> Films:
    """Read films of one thing each, ``NAME/00000.jpg`` and ``.png``; ``names.json`` says what the thing is.

    Films whose text has no known name are left out; of "a person on a horse" the person counts.

    Raises:
        InputError: The folder is malformed, or has no film of a known name.
    """
    pictures: list[Image] = []
    boxes: list[Box] = []
    masks: list[Mask | None] = []
    numbers: list[int] = []
    for clip in masks_beside(folder):
        number = first_concept(clip.categories.get(OBJECT, ""), concepts)
        if number is None:
            continue
        frames = list(clip.frames())
        for frame, known in frames[:: max(1, len(frames) // FRAMES)]:
            mask = None if known is None else known.masks.get(OBJECT)
            if mask is not None and mask.box is not None:
                pictures.append(frame.image)
                boxes.append(mask.box)
                masks.append(mask)
                numbers.append(number)
    if not pictures:
        raise InputError(
            f"{folder} has no film of a known name", hint='names.json says what each shows: {"rex": "a dog"}'
        )
    return Films(pictures, boxes, masks, np.array(numbers, np.intp))


def with_things(films: Films | None, photographs: Photographs | None) -> Films | None:
    """Films, and what was named in photographs as if they were films of one frame."""
    held = Films([], [], [], np.zeros(0, np.intp)) if films is None else films
    if photographs is None:
        return films
    named = [
        (p, t) for p, things in zip(photographs.pictures, photographs.things, strict=True) for t in things
    ]
    out = Films(
        held.pictures + [picture for picture, _ in named],
        held.boxes + [thing.box for _, thing in named],
        held.masks + [thing.mask for _, thing in named],
        np.concatenate([held.concepts, np.array([thing.concept for _, thing in named], np.intp)]),
    )
    return out if out.pictures else None


def first_concept(text: str, concepts: Concepts) -> int | None:
    """Number of the first name in a text such as ``a person on a horse``, or None."""
    words = concepts.words()
    for word in text.lower().split():
        if word in words:
            return concepts.number[words[word]]
    return None
