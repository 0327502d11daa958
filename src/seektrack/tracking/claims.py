"""Pixels that two objects claim: to whom each goes, by depth, looks, motion, consistency and confidence.

Each kind of evidence is a log-odds for the first object at every contested pixel; they are added up and
smoothed over the pixels around, for what lies in front is in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import BoolMask
from seektrack.tracking.cues import COLOUR_BINS, COLOUR_LIMITS, blurred

DepthMap = NDArray[np.float32]
"""(H, W), in any unit and direction, as long as what is nearer is always larger, or always smaller."""
Depth = Callable[[], DepthMap | None]
"""The depth of the frame at hand, made when it is asked for; None where there is none."""
Floats = NDArray[np.float64]

_FEWEST = 12
"""Pixels of its own from which an object's depth or colours are taken of this frame."""


@dataclass(frozen=True)
class ClaimWeights:
    """How much each kind of evidence counts, in log-odds.

    Attributes:
        shape: Of a pixel inside the shape one of the two must have, and not the other's.
        place: Of a pixel nearer to one's middle by its own width and height.
        looks: Of colours, times their log-likelihood ratio.
        most_looks: Beyond this colours tell no more.
        depth: Of depth, likewise.
        most_depth: Beyond this depth tells no more.
        confidence: Of the log-ratio of scores.
        around: Pixels around, each way, over which evidence is smoothed.
    """

    shape: float = 1.5
    place: float = 1.0
    looks: float = 1.0
    most_looks: float = 3.0
    depth: float = 1.0
    most_depth: float = 8.0
    confidence: float = 1.0
    around: int = 2


@dataclass(frozen=True)
class Claimant:
    """One of two objects on the frame at hand.

    Attributes:
        mask: Everything it claims, bool (H, W).
        expected: Its last shape where it must be now, bool (H, W).
        middle, sides: Where it must be, ``(x, y)`` pixels, and its width and height.
        score: Belief in its mask, in (0, 1].
        colours: Its colours as remembered, probabilities by bin of `seektrack.tracking.cues`, or None.
        depth: Its depth as remembered, or None.
    """

    mask: BoolMask
    expected: BoolMask
    middle: tuple[float, float]
    sides: tuple[float, float]
    score: float
    colours: Floats | None = None
    depth: float | None = None


def first_has(
    pair: Sequence[Claimant],
    image: NDArray[np.uint8] | None,
    depth: DepthMap | None,
    weights: ClaimWeights | None = None,
) -> BoolMask:
    """Which contested pixels are the first object's, bool (H, W); False where nothing is contested.

    Args:
        pair: The two.
        image: uint8 (H, W, 3) RGB, or None.
        depth: Of the frame, or None.
        weights: See `ClaimWeights`.
    """
    how = weights or ClaimWeights()
    one, other = pair
    contested = one.mask & other.mask
    ys, xs = np.nonzero(contested)
    out = np.zeros_like(contested)
    if not len(ys):
        return out
    odds = how.confidence * np.log(max(one.score, 1e-3) / max(other.score, 1e-3)) * np.ones(len(ys))
    odds += how.shape * (one.expected[ys, xs].astype(float) - other.expected[ys, xs].astype(float))
    odds += how.place * (_off(other, xs, ys) - _off(one, xs, ys))
    if image is not None:
        odds += how.looks * np.clip(_by_looks(pair, image, ys, xs), -how.most_looks, how.most_looks)
    if depth is not None:
        odds += how.depth * np.clip(_by_depth(pair, depth, ys, xs), -how.most_depth, how.most_depth)
    out[ys, xs] = _smoothed(odds, ys, xs, contested, how.around) >= 0
    return out


def depth_of(claimant: Claimant, other: Claimant, depth: DepthMap) -> float | None:
    """Depth of an object: of its own pixels of this frame where there are enough, else as remembered."""
    own = _own(claimant, other)
    if own.sum() >= _FEWEST:
        return float(np.median(depth[own]))
    return claimant.depth


def colours_of(root: NDArray[np.floating] | None) -> Floats | None:
    """Probabilities by bin, of a gallery's mean of root histograms."""
    if root is None:
        return None
    counts = np.asarray(root, dtype=np.float64) ** 2
    return np.asarray(counts / max(float(counts.sum()), 1e-12))


def _own(claimant: Claimant, other: Claimant) -> BoolMask:
    """Pixels it claims alone, away from the other's border, where two mix."""
    wide = cv2.dilate(other.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.asarray(claimant.mask & ~wide, dtype=np.bool_)


def _off(claimant: Claimant, xs: NDArray[np.intp], ys: NDArray[np.intp]) -> Floats:
    (x, y), (w, h) = claimant.middle, claimant.sides
    return np.asarray(np.hypot((xs - x) / max(w, 1.0), (ys - y) / max(h, 1.0)))


def _by_looks(
    pair: Sequence[Claimant], image: NDArray[np.uint8], ys: NDArray[np.intp], xs: NDArray[np.intp]
) -> Floats:
    lab = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2LAB)
    known = []
    for claimant, other in (pair, pair[::-1]):
        own = _own(claimant, other)
        fresh = None
        if own.sum() >= _FEWEST:
            counts = cv2.calcHist([lab], [0, 1, 2], own.astype(np.uint8), list(COLOUR_BINS), COLOUR_LIMITS)
            fresh = blurred(counts).ravel() / max(float(counts.sum()), 1.0)
        both = [p for p in (fresh, claimant.colours) if p is not None]
        if not both:
            return np.zeros(len(ys))
        known.append(np.mean(both, axis=0))
    steps = [256 / bins for bins in COLOUR_BINS]
    bins = [np.minimum(lab[ys, xs, k] // steps[k], COLOUR_BINS[k] - 1).astype(int) for k in range(3)]
    at = (bins[0] * COLOUR_BINS[1] + bins[1]) * COLOUR_BINS[2] + bins[2]
    return np.asarray(np.log((known[0][at] + 1e-3) / (known[1][at] + 1e-3)))


def _by_depth(
    pair: Sequence[Claimant], depth: DepthMap, ys: NDArray[np.intp], xs: NDArray[np.intp]
) -> Floats:
    one, other = depth_of(pair[0], pair[1], depth), depth_of(pair[1], pair[0], depth)
    if one is None or other is None:
        return np.zeros(len(ys))
    spread = max(abs(one - other) / 4, 1e-6 * max(abs(one), abs(other), 1e-6))
    here = depth[ys, xs].astype(np.float64)
    return np.asarray(((here - other) ** 2 - (here - one) ** 2) / (2 * spread**2))


def _smoothed(
    odds: Floats, ys: NDArray[np.intp], xs: NDArray[np.intp], contested: BoolMask, around: int
) -> Floats:
    if around <= 0:
        return odds
    y0, y1, x0, x1 = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
    field = np.zeros((y1 - y0, x1 - x0))
    field[ys - y0, xs - x0] = odds
    there = contested[y0:y1, x0:x1].astype(np.float64)
    size = (2 * around + 1, 2 * around + 1)
    total = cv2.boxFilter(field, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    count = cv2.boxFilter(there, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray((total / np.maximum(count, 1))[ys - y0, xs - x0])
