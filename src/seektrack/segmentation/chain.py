"""Chains of post-processing steps, composed from functions or parsed from text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import BoolMask
from seektrack.segmentation.postprocess import (
    closing,
    contour,
    fill_holes,
    grab_cut,
    largest,
    opening,
    remove_specks,
    smooth,
    snap,
    spline,
)

Step = Callable[[BoolMask, "NDArray[np.uint8] | None"], BoolMask]
"""From a mask and the picture it lies on, uint8 (H, W, 3) RGB or None, to a mask."""


_FARTHEST = 256
"""Pixels beyond which a step that works around each pixel takes longer than anybody waits for."""


@dataclass(frozen=True)
class _Named:
    """A step as it is called in text, the type of its number, and the largest there may be."""

    function: Callable[..., BoolMask]
    argument: str
    kind: type
    needs_image: bool = False
    most: float = 1e9


STEPS: dict[str, _Named] = {
    "close": _Named(closing, "radius", int, most=_FARTHEST),
    "open": _Named(opening, "radius", int, most=_FARTHEST),
    "smooth": _Named(smooth, "sigma", float, most=_FARTHEST),
    "fill": _Named(fill_holes, "max_area", int),
    "specks": _Named(remove_specks, "min_area", int),
    "largest": _Named(largest, "", int),
    "contour": _Named(contour, "tolerance", float),
    "spline": _Named(spline, "smoothness", float),
    "grabcut": _Named(grab_cut, "band", int, needs_image=True, most=_FARTHEST),
    "snap": _Named(snap, "band", int, needs_image=True, most=_FARTHEST),
}
"""Steps by the names they have in ``parse_steps``."""


@dataclass(frozen=True)
class PostProcess:
    """Steps one after another; callable like one of them.

    Attributes:
        steps: In the order they are taken.
        text: What it was parsed from; empty when composed from functions.
    """

    steps: tuple[Step, ...] = ()
    text: str = ""

    def __call__(self, mask: BoolMask, image: NDArray[np.uint8] | None = None) -> BoolMask:
        """The mask after all steps; an empty one stays empty.

        Raises:
            InputError: The array is not a bool mask, or a step needs the picture and none is given.
        """
        if mask.ndim != 2 or mask.dtype != np.bool_:
            raise InputError(f"a mask must be a bool array (H, W), got {mask.dtype} {mask.shape}")
        for step in self.steps:
            if not mask.any():
                break
            mask = step(mask, image)
        return mask


def compose(*functions: Callable[[BoolMask], BoolMask]) -> PostProcess:
    """Chain functions from mask to mask, first to last."""
    return PostProcess(tuple(_without_image(f) for f in functions))


def parse_steps(text: str) -> PostProcess:
    """Steps from text such as ``close:3,fill:64,smooth``: names of ``STEPS``, each with or without a number.

    Raises:
        InputError: A name is unknown or a number unusable.
    """
    steps = []
    for item in (part.strip() for part in text.split(",")):
        name, colon, number = item.partition(":")
        known = STEPS.get(name)
        if known is None:
            raise InputError(
                f"there is no post-processing step {name!r}",
                hint=f"take from {', '.join(STEPS)}, as close:3,fill:64",
            )
        settings: dict[str, Any] = {}
        if colon:
            settings = {known.argument: _number(item, number, known)}
        steps.append(_step(known, settings))
    return PostProcess(tuple(steps), text)


def _number(item: str, number: str, known: _Named) -> float:
    try:
        value = known.kind(number)
    except ValueError:
        value = -1
    if not known.argument or not 0 < value <= known.most:
        kind = "whole number" if known.kind is int else "number"
        wanted = f"a {kind} above 0 and up to {known.most:g}" if known.argument else "no number"
        raise InputError(f"{item!r} is not a post-processing step", hint=f"it takes {wanted}")
    return cast(float, value)


def _step(known: _Named, settings: dict[str, Any]) -> Step:
    if not known.needs_image:
        return _without_image(partial(known.function, **settings))

    def step(mask: BoolMask, image: NDArray[np.uint8] | None) -> BoolMask:
        if image is None:
            raise InputError("this post-processing needs the picture", hint="pass it beside the mask")
        return known.function(mask, image, **settings)

    return step


def _without_image(function: Callable[[BoolMask], BoolMask]) -> Step:
    return lambda mask, image: function(mask)
