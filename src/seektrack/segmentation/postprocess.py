"""Cleaning masks up: pure functions over a bool (H, W) mask; `seektrack.segmentation.chain` strings them.

Every function returns a new mask of the same size and leaves its argument alone; an empty mask stays empty.
Lengths are pixels of the mask, areas are pixels. Only the mask's surroundings are worked on, so that a small
object in a large picture costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import BoolMask, mask_iou, mask_to_box


def closing(mask: BoolMask, radius: int = 3) -> BoolMask:
    """Close gaps and notches narrower than twice the radius."""
    return _morphology(mask, radius, cv2.MORPH_CLOSE)


def opening(mask: BoolMask, radius: int = 3) -> BoolMask:
    """Remove whiskers and bridges narrower than twice the radius."""
    return _morphology(mask, radius, cv2.MORPH_OPEN)


def smooth(mask: BoolMask, sigma: float = 2.0) -> BoolMask:
    """Smooth the outline: a Gaussian of the mask, cut at one half."""
    _positive("sigma", sigma)

    def blurred(part: BoolMask) -> BoolMask:
        soft = cv2.GaussianBlur(part.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(soft > 0.5)

    return _around(mask, int(np.ceil(4 * sigma)), blurred)


def fill_holes(mask: BoolMask, max_area: int = 64) -> BoolMask:
    """Fill background wholly surrounded by the mask where it has at most ``max_area`` pixels."""
    _positive("max_area", max_area)

    return _around(mask, 1, lambda part: part | _holes(part, max_area))


def remove_specks(mask: BoolMask, min_area: int = 64) -> BoolMask:
    """Remove separate pieces of less than ``min_area`` pixels; where all are, one of the largest is kept."""
    _positive("min_area", min_area)

    def kept(part: BoolMask) -> BoolMask:
        _, labels, stats, _ = cv2.connectedComponentsWithStats(part.astype(np.uint8), connectivity=8)
        areas = stats[:, cv2.CC_STAT_AREA].copy()
        areas[0] = 0
        keep = areas >= min_area
        if not keep.any():
            keep[areas.argmax()] = True
        keep[0] = False
        return np.asarray(keep[labels])

    return _around(mask, 0, kept)


def largest(mask: BoolMask) -> BoolMask:
    """Keep the largest piece alone."""
    return remove_specks(mask, mask.size + 1)


def contour(mask: BoolMask, tolerance: float = 1.5) -> BoolMask:
    """Rebuild the outline as a polygon that deviates by at most ``tolerance`` pixels; holes stay.

    Source: Douglas & Peucker, as OpenCV's ``approxPolyDP``.
    """
    _positive("tolerance", tolerance)
    return _rebuild(mask, lambda line: cv2.approxPolyDP(line, tolerance, True)[:, 0], int(tolerance) + 2)


def spline(mask: BoolMask, smoothness: float = 0.7) -> BoolMask:
    """Rebuild the outline as a closed cubic spline that deviates by about ``smoothness`` pixels; holes stay.

    Source: Dierckx' smoothing splines, as SciPy's ``splprep``.
    """
    _positive("smoothness", smoothness)

    def curve(line: NDArray[np.int32]) -> NDArray[np.int32]:
        from scipy.interpolate import splev, splprep

        points = line[:, 0].astype(np.float64)
        if len(points) < 8:
            return line[:, 0]
        closed = np.concatenate([points, points[:1]])
        knots, _ = splprep(closed.T, s=smoothness**2 * len(closed), per=True)
        along = np.linspace(0, 1, 2 * len(closed), endpoint=False)
        return np.stack(splev(along, knots), axis=1)

    return _rebuild(mask, curve, int(4 * smoothness) + 3)


def grab_cut(mask: BoolMask, image: NDArray[np.uint8], *, band: int = 6, iterations: int = 3) -> BoolMask:
    """Move the outline to where the colours say it is, within a band on either side of it.

    Args:
        mask: bool (H, W).
        image: uint8 (H, W, 3) RGB.
        band: Half-width of the band in pixels; what lies farther inside or outside stays as it is.
        iterations: Rounds of colour models and cut.

    Returns:
        The mask; as it was where one side of the band is empty.

    Source: Rother, Kolmogorov & Blake, "GrabCut", SIGGRAPH 2004, as in OpenCV.

    Raises:
        InputError: The picture does not fit the mask.
    """
    _positive("band", band)
    _positive("iterations", iterations)
    if image.shape != (*mask.shape, 3):
        raise InputError(
            f"the picture is {image.shape}, the mask {mask.shape}", hint="give the picture the mask lies on"
        )
    window = _window(mask, 3 * band)
    if window is None:
        return mask.copy()
    part = mask[window]
    kernel = _disc(band)
    sure = cv2.erode(part.astype(np.uint8), kernel, borderType=cv2.BORDER_REPLICATE) > 0
    near = cv2.dilate(part.astype(np.uint8), kernel) > 0
    if not sure.any() or near.all():
        return mask.copy()
    trimap = np.where(part, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8, order="C")
    trimap[sure] = cv2.GC_FGD
    trimap[~near] = cv2.GC_BGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(image[window][..., ::-1])
    cv2.setRNGSeed(0)
    cv2.grabCut(bgr, trimap, None, *models, iterations, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    out = mask.copy()
    out[window] = (trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)
    return out


_MOST_SNAPPED = 160 * 160
"""Pixels of the window around an object up to which `snap` moves its outline."""
_LEAST_KEPT = 0.6
"""Overlap with the mask as it was, below which the cut has lost the object and is not believed."""


def snap(mask: BoolMask, image: NDArray[np.uint8], *, band: int = 2) -> BoolMask:
    """`grab_cut` in a narrow band, where it costs little: at most some milliseconds a mask.

    A network answers at a quarter of its resolution; what that leaves of a small object's outline the colours
    know better. A large one, whose outline is right to a few parts in a hundred anyway, stays as it is, and
    so does one of which the cut would leave something else.

    Args:
        mask: bool (H, W).
        image: uint8 (H, W, 3) RGB.
        band: Half-width of the band in pixels.

    Raises:
        InputError: The picture does not fit the mask.
    """
    window = _window(mask, 3 * band)
    if window is None or mask[window].size > _MOST_SNAPPED:
        return mask.copy()
    found = grab_cut(mask, image, band=band, iterations=1)
    part, before = found[window], mask[window]
    return found if mask_iou(part, before) >= _LEAST_KEPT else mask.copy()


def non_overlapping(masks: NDArray[np.bool_], scores: Sequence[float]) -> NDArray[np.bool_]:
    """Give a pixel claimed by several masks (N, H, W) to the one of highest score, the first among equals.

    Raises:
        InputError: There are not as many scores as masks.
    """
    if len(masks) != len(scores):
        raise InputError(f"{len(masks)} masks need as many scores, got {len(scores)}")
    out = np.zeros_like(masks)
    taken = np.zeros(masks.shape[1:], dtype=bool)
    for slot in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable"):
        out[slot] = masks[slot] & ~taken
        taken |= masks[slot]
    return out


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise InputError(f"{name} must be positive, got {value}")


def _disc(radius: int) -> NDArray[np.uint8]:
    side = 2 * radius + 1
    return cast("NDArray[np.uint8]", cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def _window(mask: BoolMask, margin: int) -> tuple[slice, slice] | None:
    """Rows and columns around the mask, inside the picture; None when it is empty."""
    box = mask_to_box(mask)
    if box is None:
        return None
    x0, y0, x1, y1 = (int(v) for v in box)
    return slice(max(y0 - margin, 0), y1 + margin), slice(max(x0 - margin, 0), x1 + margin)


def _around(mask: BoolMask, margin: int, change: Callable[[BoolMask], BoolMask]) -> BoolMask:
    """Change a mask inside the window around it; outside there is nothing to change."""
    window = _window(mask, margin)
    out = mask.copy()
    if window is not None:
        out[window] = change(mask[window])
    return out


def _morphology(mask: BoolMask, radius: int, kind: int) -> BoolMask:
    """Beyond the picture's edge the edge's pixels go on, so that objects cut by it are not eaten there."""
    _positive("radius", radius)

    def changed(part: BoolMask) -> BoolMask:
        pad = 2 * radius + 1
        wide = cv2.copyMakeBorder(part.astype(np.uint8), pad, pad, pad, pad, cv2.BORDER_REPLICATE)
        done = cv2.morphologyEx(wide, kind, _disc(radius))
        return np.asarray(done[pad:-pad, pad:-pad] > 0)

    return _around(mask, 2 * radius + 1, changed)


def _rebuild(mask: BoolMask, curve: Callable[[Any], NDArray[Any]], margin: int) -> BoolMask:
    """Replace every outline, of pieces and of holes, by its curve; the larger are drawn first."""
    bits = 4

    def redrawn(part: BoolMask) -> BoolMask:
        lines = [(line, 1) for line in _outlines(part)] + [(line, 0) for line in _outlines(_holes(part))]
        out = np.zeros(part.shape, np.uint8)
        for line, inside in sorted(lines, key=lambda entry: -cv2.contourArea(entry[0])):
            points = np.round(curve(line) * (1 << bits)).astype(np.int32)
            cv2.fillPoly(out, [points], inside, cv2.LINE_8, bits)
        return np.asarray(out > 0)

    return _around(mask, margin, redrawn)


def _outlines(part: BoolMask) -> list[NDArray[np.int32]]:
    """Outer outlines of all pieces, those within holes of others too, each (P, 1, 2)."""
    lines, tree = cv2.findContours(part.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if tree is None:
        return []
    return [cast("NDArray[np.int32]", line) for line, link in zip(lines, tree[0], strict=True) if link[3] < 0]


def _holes(part: BoolMask, max_area: float = np.inf) -> BoolMask:
    """Background that does not reach the edge of the window, in pieces of at most ``max_area`` pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~part).astype(np.uint8), connectivity=4)
    x, y, w, h = (stats[:, i] for i in range(4))
    inner = (x > 0) & (y > 0) & (x + w < part.shape[1]) & (y + h < part.shape[0])
    small = inner & (stats[:, cv2.CC_STAT_AREA] <= max_area)
    small[0] = False
    return np.asarray(small[labels])
