"""Held-out pictures of the procedural world for measuring a text encoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box, crop_square, mask_to_box
from seektrack.world import (
    CATEGORIES,
    COLOURS,
    Clip,
    SceneSettings,
    Split,
    frame_caption,
    render,
    sample_scene,
    seeds,
)

Image = NDArray[np.uint8]
MIN_AREA, MIN_VISIBILITY = 60, 0.3
MARGIN = 0.45
_MOST_SCENES = 20_000


@dataclass(frozen=True, eq=False)
class PocketSet:
    """Pictures and what they show.

    Attributes:
        crops, shifted: Square crops around the true box, and around one disturbed as proposals are.
        labels: int (N,), category × colour number of each crop.
        sides: float (N,), longer side of the true box in source pixels.
        blanks: Crops holding less than a fifth of every object.
        things: Crops of nameless objects.
        frames: Whole frames, no two with the same caption.
        captions: Every visible named object of each frame.
        shown: Their label numbers.
    """

    crops: list[Image]
    shifted: list[Image]
    labels: NDArray[np.int64]
    sides: NDArray[np.float64]
    blanks: list[Image]
    things: list[Image]
    frames: list[Image]
    captions: list[str]
    shown: list[list[int]]


def label_number(category: str, colour: str) -> int:
    """Position of a label in the vocabulary."""
    return list(CATEGORIES).index(category) * len(COLOURS) + list(COLOURS).index(colour)


def _shift(box: Box, rng: np.random.Generator) -> Box:
    w, h = box[2] - box[0], box[3] - box[1]
    d = rng.normal(0, 0.08, 4)
    return box[0] + d[0] * w, box[1] + d[1] * h, box[2] + d[2] * w, box[3] + d[3] * h


def _blank(clip: Clip, side: int, rng: np.random.Generator) -> Image | None:
    """A crop of the first frame, of proposal size, with less than a fifth of every object in it."""
    ids, area = clip.ids[0], clip.area[0]
    h, w = ids.shape
    for _ in range(8):
        half = float(np.exp(rng.uniform(np.log(7), np.log(60))))
        cx, cy = rng.uniform(0, w), rng.uniform(0, h)
        reach = half * (1 + MARGIN) + 1
        window = ids[max(0, int(cy - reach)) : int(cy + reach), max(0, int(cx - reach)) : int(cx + reach)]
        inside = np.bincount(window.ravel(), minlength=len(area) + 1)[1:]
        if (inside < 0.2 * np.maximum(area, 1)).all() and (window > 0).mean() < 0.12:
            return crop_square(
                clip.frames[0], (cx - half, cy - half, cx + half, cy + half), side, margin=MARGIN
            )
    return None


def collect(side: int, *, crops: int, frames: int, start: int = 0) -> PocketSet:
    """Render validation scenes until there are enough crops and frames.

    Args:
        side: Of the crops in pixels.
        crops: Object crops wanted.
        frames: Frames wanted, each with a caption of its own.
        start: Where in the validation seeds to begin.
    """
    rng = np.random.default_rng(start)
    settings = SceneSettings(n_frames=1, things=(0, 2))
    near: list[Image] = []
    shifted: list[Image] = []
    labels: list[int] = []
    sides: list[float] = []
    blanks: list[Image] = []
    things: list[Image] = []
    pictures: dict[str, tuple[Image, list[int]]] = {}
    for seed in seeds(Split.VALIDATION, _MOST_SCENES, start=start):
        if len(near) >= crops and len(pictures) >= frames:
            break
        clip = render(sample_scene(seed, settings))
        picture, seen = clip.frames[0], []
        for slot, actor in enumerate(clip.scene.actors):
            box = mask_to_box(clip.ids[0] == actor.obj_id)
            if box is None or clip.area[0, slot] < MIN_AREA or clip.visibility[0, slot] < MIN_VISIBILITY:
                continue
            if actor.category is None or actor.colour is None:
                things.append(crop_square(picture, box, side, margin=MARGIN))
                continue
            seen.append(actor)
            if len(near) < crops:
                near.append(crop_square(picture, box, side, margin=MARGIN))
                shifted.append(crop_square(picture, _shift(box, rng), side, margin=MARGIN))
                labels.append(label_number(actor.category, actor.colour))
                sides.append(max(box[2] - box[0], box[3] - box[1]))
        blank = _blank(clip, side, rng)
        if blank is not None:
            blanks.append(blank)
        key = frame_caption(sorted(seen, key=lambda a: (str(a.category), str(a.colour))))
        if seen and key not in pictures and len(pictures) < frames:
            numbers = [label_number(str(a.category), str(a.colour)) for a in seen]
            pictures[key] = picture, numbers
    return PocketSet(
        crops=near,
        shifted=shifted,
        labels=np.array(labels, np.int64),
        sides=np.array(sides),
        blanks=blanks,
        things=things,
        frames=[picture for picture, _ in pictures.values()],
        captions=list(pictures),
        shown=[numbers for _, numbers in pictures.values()],
    )
