"""Where on a picture an object that is out of sight could be: where motion says, and where its colours are.

Colours are projected back onto the picture (Swain & Ballard, "Color indexing", IJCV 1991) as ratios to the
picture's own, so that what the background has much of tells little. What the places hold is for the
segmentation network to say, and whether it is the object for `seektrack.tracking.likeness`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box, clip_box
from seektrack.tracking.contest import usual_side
from seektrack.tracking.cues import COLOUR_BINS, COLOUR_LIMITS, blurred
from seektrack.tracking.memory import Detection, TrackMemory

Floats = NDArray[np.float64]
Answers = Callable[[Sequence[Box]], Sequence[Detection | None]]
"""What each box of a picture holds, or None."""

_SIDE = 160
"""Pixels of the longer side of the picture colours are looked for on."""
_RARE = 0.02
"""Share of the picture up to which what has the object's colours counts in full."""
_CHANGED = 0.35
"""How much, as a logarithm, an area must have changed for two sizes to be looked for."""
_LEAST = 0.2
"""Share of a window that must look like the object."""


@dataclass
class Glance:
    """One picture, to be asked about objects that the engine does not show on it.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        answers: What boxes hold.
        anywhere: What on the whole picture may be an object; None where others look over all of it.
    """

    image: NDArray[np.uint8]
    answers: Answers
    anywhere: Callable[[TrackMemory], Sequence[Detection]] | None = None
    _lab: NDArray[np.uint8] | None = field(default=None, repr=False)
    _own: Floats | None = field(default=None, repr=False)

    def places(self, memory: TrackMemory, *, most: int = 3) -> list[Box]:
        """Boxes an object could be in: where its motion takes it, but for a cut, and where its colours are.

        Args:
            memory: What is remembered of it.
            most: Boxes found by colour.
        """
        height, width = self.image.shape[:2]
        found: list[Box] = []
        if not memory.elsewhere:
            x0, y0, x1, y1 = memory.kalman.box
            cx, cy, (w, h) = (x0 + x1) / 2, (y0 + y1) / 2, memory.usual_sides
            found.append((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2))
        if memory.sighted_at is not None:
            found.append(memory.sighted_at)
            most -= 1
        sizes = _sizes(memory)
        for sides in sizes:
            found += self._by_colour(memory, sides, most if len(sizes) == 1 else max(most - 1, 1))
        inside = (clip_box(box, (height, width)) for box in found)
        return [b for b in inside if b[2] - b[0] >= 3 and b[3] - b[1] >= 3]

    def _by_colour(self, memory: TrackMemory, sides: Floats, most: int) -> list[Box]:
        gallery = memory.cues.get("colour")
        known = None if gallery is None else gallery.mean
        if known is None:
            return []
        likely, scale = self._projected(np.asarray(known, dtype=np.float64) ** 2)
        window = tuple(int(max(round(v * scale), 3)) for v in sides)
        held = cv2.blur(likely, window)
        out: list[Box] = []
        for _ in range(most):
            _, share, _, (x, y) = cv2.minMaxLoc(held)
            if share < _LEAST:
                break
            cx, cy, (w, h) = (x + 0.5) / scale, (y + 0.5) / scale, sides
            out.append((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2))
            x0, y0 = max(x - window[0] // 2, 0), max(y - window[1] // 2, 0)
            held[y0 : y + window[1] // 2 + 1, x0 : x + window[0] // 2 + 1] = 0
        return out

    def _projected(self, counts: Floats) -> tuple[NDArray[np.float32], float]:
        """How much each pixel's colour is the object's, in [0, 1], and the scale of that picture."""
        scale = min(_SIDE / max(self.image.shape[:2]), 1.0)
        if self._lab is None or self._own is None:
            small = self.image
            if scale < 1:
                small = np.asarray(
                    cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
                )
            self._lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.uint8)
            own = cv2.calcHist([self._lab], [0, 1, 2], None, list(COLOUR_BINS), COLOUR_LIMITS)
            self._own = blurred(own).ravel() / max(float(own.sum()), 1.0)
        ratio = counts * _RARE / np.maximum(self._own, 1e-6)
        index = np.zeros(self._lab.shape[:2], np.intp)
        for channel, bins in enumerate(COLOUR_BINS):
            index = index * bins + self._lab[..., channel].astype(np.intp) * bins // 256
        return np.minimum(ratio, 1.0).astype(np.float32)[index], scale


def _sizes(memory: TrackMemory) -> list[Floats]:
    """Widths and heights an object may have: as usual, and as last seen where it grew or shrank since."""
    usual = np.array(memory.usual_sides)
    if memory.elsewhere:
        return [usual * zoom for zoom in (0.7, 1.0, 1.5)]
    late = _late_sides(memory)
    changed = late is not None and abs(float(np.log(late.prod() / max(usual.prod(), 1.0)))) > _CHANGED
    return [usual] if late is None or not changed else [usual, late]


def _late_sides(memory: TrackMemory) -> Floats | None:
    """Width and height an object had on the last frames it was seen on, or None."""
    if not memory.boxes:
        return None
    boxes = np.array(memory.boxes)
    return np.asarray(np.maximum(np.median(boxes[:, 2:] - boxes[:, :2], axis=0), 1.0), np.float64)


def is_due(memory: TrackMemory, frames: int) -> bool:
    """Whether to look for an object hidden for so many frames: every one at first, then every fourth."""
    return frames <= 6 or frames % 4 == 0 or memory.sighted > 0


def is_of_size(memory: TrackMemory, box: Box) -> bool:
    """Whether a box has about the size an object usually has; after a cut it may be nearer or farther."""
    side = float(np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1.0)))
    if memory.elsewhere:
        return 0.35 <= side / max(usual_side(memory), 1.0) <= 2.8
    return any(0.65 <= side / max(float(np.sqrt(known.prod())), 1.0) <= 1.5 for known in _sizes(memory))
