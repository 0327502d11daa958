"""What an overlay shows of the objects: drawn on the video, cut out of it, or made unrecognisable in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, QueryError
from seektrack.types import Observation, Track

Image = NDArray[np.uint8]
Render = Literal["auto", "fill", "outline", "cut-out", "matte", "blur", "blur-others"]
RENDERS: tuple[Render, ...] = get_args(Render)
"""``auto`` fills objects, and outlines those asked for by a colour, so that the colour can be seen."""

_CELLS = 24
"""A picture's shorter side in cells of which blurring keeps one colour each: of a face nothing is left."""
_MARGIN_SHARE = 0.008
"""Of the shorter side, how far blurring reaches over an object's edge: masks are off by a pixel or two."""


def check_render(render: str) -> Render:
    """The mode of that name.

    Raises:
        InputError: There is none.
    """
    for known in RENDERS:
        if render == known:
            return known
    raise InputError(f"there is no render mode {render!r}", hint=f"take one of {', '.join(RENDERS)}")


@lru_cache(maxsize=1024)
def names_colour(label: str) -> bool:
    """Whether a label says a colour, in any language that questions are read in."""
    from seektrack.query import read

    try:
        return any(concept.colour for concept in read(label).concepts)
    except QueryError:
        return False


def is_outlined(track: Track, render: Render) -> bool:
    """Whether a mode draws an object's contour alone."""
    return render == "outline" or (render == "auto" and names_colour(track.label))


def cut_out(image: Image, pairs: Sequence[tuple[Track, Observation]]) -> Image:
    """The objects on transparent ground: uint8 (H, W, 4), RGBA; where it is transparent it is black."""
    import cv2

    alpha = covered(image.shape[:2], pairs)
    return cv2.merge([*cv2.split(cv2.copyTo(image, alpha)), alpha]).astype(np.uint8, copy=False)


def matte(image: Image, pairs: Sequence[tuple[Track, Observation]]) -> Image:
    """White where the objects are and black elsewhere: uint8 (H, W, 3)."""
    return np.repeat(covered(image.shape[:2], pairs)[:, :, None], 3, axis=2)


def blur(image: Image, pairs: Sequence[tuple[Track, Observation]], *, others: bool = False) -> Image:
    """The picture with its objects unrecognisable, or with ``others`` everything else.

    Blurred are an object's mask and a little around it, and its box where there is no mask, as while it is
    hidden: better too much than too little.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    import cv2

    h, w = image.shape[:2]
    region = covered((h, w), pairs, boxes=not others)
    if not others and not region.any():
        return image.copy()
    cell = max(2.0, min(h, w) / _CELLS)
    small = cv2.resize(
        image, (max(1, round(w / cell)), max(1, round(h / cell))), interpolation=cv2.INTER_AREA
    )
    soft = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
    if others:
        return cv2.copyTo(image, region, soft).astype(np.uint8, copy=False)
    reach = 2 * max(1, round(min(h, w) * _MARGIN_SHARE)) + 1
    wide = cv2.dilate(region, np.ones((reach, reach), np.uint8))
    return cv2.copyTo(soft, wide, image.copy()).astype(np.uint8, copy=False)


def covered(hw: tuple[int, ...], pairs: Iterable[tuple[Track, Observation]], *, boxes: bool = False) -> Image:
    """Where the objects are: uint8 (H, W), 255 inside; with ``boxes`` also the boxes of those without a mask.

    Raises:
        InputError: A mask is of another size.
    """
    found = np.zeros(hw, np.uint8)
    for _, o in pairs:
        if o.visible and o.mask is not None:
            if o.mask.size != hw:
                raise InputError(f"a mask of size {o.mask.size} (H, W) on a picture of {hw}")
            if o.mask.box is not None:
                x0, y0, x1, y1 = (int(v) for v in o.mask.box)
                found[y0:y1, x0:x1][o.mask.to_array()[y0:y1, x0:x1]] = 255
        elif boxes:
            x0, y0 = (max(0, int(np.floor(v))) for v in o.box[:2])
            x1, y1 = (max(0, int(np.ceil(v))) for v in o.box[2:])
            found[y0:y1, x0:x1] = 255
    return found
