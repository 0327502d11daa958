"""Frames made easier to read: less noise, more contrast, more frames a second."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.types import Frame
from seektrack.video.source import describe

Image = NDArray[np.uint8]
Filter = Callable[[Image], Image]

FILTERS = ("gaussian", "bilateral", "nlm", "clahe")
_ALLOWED = "gaussian=1.5 (sigma in pixels), bilateral=25 (grey levels), nlm=6 (grey levels), clahe=2 (limit)"
STRONGEST = 255.0
"""Grey levels there are, and more pixels than any blur that leaves something to see."""
_USUAL = {"gaussian": 1.0, "bilateral": 25.0, "nlm": 6.0, "clahe": 2.0}


def denoise_gaussian(image: Image, *, sigma: float = 1.0) -> Image:
    """Blur an RGB uint8 (H, W, 3) picture; ``sigma`` in pixels. Quickest, softens edges too."""
    _check(image, sigma=sigma)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)


def denoise_bilateral(image: Image, *, levels: float = 25.0, reach: int = 5) -> Image:
    """Average neighbours that differ by few grey ``levels`` within ``reach`` pixels, so that edges stay.

    C. Tomasi and R. Manduchi, Bilateral filtering for gray and color images, ICCV 1998.
    """
    _check(image, levels=levels, reach=reach)
    return np.asarray(cv2.bilateralFilter(image, 2 * reach + 1, levels, reach), dtype=np.uint8)


def denoise_nlm(image: Image, *, strength: float = 6.0) -> Image:
    """Average patches that look alike wherever they are nearby; slowest, keeps texture best.

    A. Buades, B. Coll and J.-M. Morel, A non-local algorithm for image denoising, CVPR 2005.
    """
    _check(image, strength=strength)
    done = cv2.fastNlMeansDenoisingColored(image, None, strength, strength, 7, 15)
    return np.asarray(done, dtype=np.uint8)


def clahe(image: Image, *, limit: float = 2.0, tiles: int = 8) -> Image:
    """Raise local contrast of an RGB picture's lightness, colours kept; for haze, glass and dusk.

    K. Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV, 1994.

    Args:
        image: uint8 (H, W, 3).
        limit: How much contrast may grow, above 1.
        tiles: The picture is equalised in so many tiles a side.
    """
    _check(image, limit=limit, tiles=tiles)
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(limit, (tiles, tiles)).apply(np.ascontiguousarray(lab[..., 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), dtype=np.uint8)


@dataclass(frozen=True)
class Filters:
    """Filters by name, one after another; a `Filter` itself. Made by `parse_filter`.

    Attributes:
        steps: Name and strength of each.
    """

    steps: tuple[tuple[str, float], ...]

    def __call__(self, image: Image) -> Image:
        """The picture, uint8 (H, W, 3), after all of them."""
        for name, strength in self.steps:
            image = _apply(name, image, strength)
        return image

    def __str__(self) -> str:
        """The form `parse_filter` reads."""
        return ",".join(f"{name}={strength:g}" for name, strength in self.steps)


def parse_filter(text: str) -> Filters:
    """Read filters as words, ``"nlm=6, clahe"``, applied in that order, each with its strength or the usual.

    Raises:
        InputError: Another word, or a number out of range.
    """
    steps: list[tuple[str, float]] = []
    for part in text.split(","):
        name, given, value = (p.strip().lower() for p in part.partition("="))
        try:
            usual = _USUAL[name]
            strength = float(value) if given else usual
        except (KeyError, ValueError) as error:
            raise InputError(f"unknown filter {part.strip()!r}", hint=f"allowed: {_ALLOWED}") from error
        if not (math.isfinite(strength) and 0 < strength <= STRONGEST):
            raise InputError(
                f"a filter's strength must be a number > 0 and ≤ {STRONGEST:g}, got {part.strip()!r}",
                hint=f"such as {_ALLOWED}",
            )
        steps.append((name, strength))
    return Filters(tuple(steps))


def _apply(name: str, image: Image, strength: float) -> Image:
    if name == "gaussian":
        return denoise_gaussian(image, sigma=strength)
    if name == "bilateral":
        return denoise_bilateral(image, levels=strength)
    return denoise_nlm(image, strength=strength) if name == "nlm" else clahe(image, limit=strength)


def interpolated(frames: Iterable[Frame], *, factor: int) -> Iterator[Frame]:
    """Frames between the frames, moved along the optical flow, for footage of a low rate.

    Each gap gets ``factor - 1`` pictures at even times. Pixels are fetched from both sides along the flow
    (DIS; T. Kroeger et al., ECCV 2016) and blended by time. ``index`` counts the frames that come out.

    Raises:
        InputError: ``factor`` is below 1.
    """
    if factor < 1:
        raise InputError(f"factor must be a whole number ≥ 1, got {factor}")
    return _interpolated(frames, factor)


def _interpolated(frames: Iterable[Frame], factor: int) -> Iterator[Frame]:
    before: Frame | None = None
    index = 0
    for after in frames:
        if before is not None:
            step = (after.timestamp - before.timestamp) / factor
            pictures = between(before.image, after.image, [i / factor for i in range(1, factor)])
            for i, picture in enumerate(pictures, 1):
                yield Frame(index=index, timestamp=before.timestamp + Fraction(i) * step, image=picture)
                index += 1
        yield Frame(index=index, timestamp=after.timestamp, image=after.image)
        index += 1
        before = after


def between(first: Image, second: Image, at: list[float]) -> list[Image]:
    """Pictures at times ``at``, each in (0, 1), between two RGB uint8 (H, W, 3) pictures of one size.

    Raises:
        InputError: The pictures differ in size or type.
    """
    _check(first)
    if second.shape != first.shape or second.dtype != first.dtype:
        raise InputError(f"pictures of one size are needed, got {describe(first)} and {describe(second)}")
    if not at:
        return []
    if min(first.shape[:2]) < 12 or np.array_equal(first, second):
        return [_blend(first, second, t) for t in at]
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    blank = np.zeros((*first.shape[:2], 2), np.float32)
    forth = np.asarray(dis.calc(greys[0], greys[1], blank.copy()), np.float32)
    back = np.asarray(dis.calc(greys[1], greys[0], blank.copy()), np.float32)
    return [_blend(_fetched(first, back, t), _fetched(second, forth, 1 - t), t) for t in at]


def _fetched(image: Image, towards: NDArray[np.float32], share: float) -> Image:
    """The picture moved against a flow that ends in it, by a share of the flow."""
    h, w = image.shape[:2]
    y, x = np.mgrid[:h, :w].astype(np.float32)
    moved = cv2.remap(
        image,
        x + share * towards[..., 0],
        y + share * towards[..., 1],
        cv2.INTER_LINEAR,
        None,
        cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, dtype=np.uint8)


def _blend(first: Image, second: Image, t: float) -> Image:
    return np.asarray(cv2.addWeighted(first, 1 - t, second, t, 0), dtype=np.uint8)


def _check(image: Image, **positive: float) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"a picture must be uint8 (H, W, 3), got {describe(image)}")
    for name, value in positive.items():
        if not value > 0:
            raise InputError(f"{name} must be > 0, got {value}")
