"""Carrying masks from a frame the network saw to the frames after it, along the optical flow.

The picture is looked at as the network looks at it, squeezed to a square, and small: a flow field of 128 by
128 costs about two milliseconds. Fields are composed frame by frame into one map back to the frame the
network saw, so that masks are resampled once, however far they are carried, and all objects share the map.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.segmentation.flow import Field, Flow, Picture

Floats = NDArray[np.float32]

OUTSIDE = -32.0
"""Logit of what comes from beyond the picture's edge."""

CHANGE = 24
"""Grey levels by which a pixel may differ from the one it came from."""


class Carrier:
    """Keeps track of where each pixel of the present frame lay on the anchor frame.

    Args:
        flow: The optical flow method.
        side: Of the square the flow is computed on, in pixels.
        colour: Give the flow method RGB instead of grey.
        two_way: Trust a pixel while flow there and back agree (Sundaram et al., ECCV 2010), at twice the
            cost. Otherwise it is trusted while it looks like the pixel it came from.
    """

    def __init__(self, flow: Flow, *, side: int = 128, colour: bool = False, two_way: bool = False) -> None:
        self.flow = flow
        self.side = side
        self.colour = colour
        self.two_way = two_way
        ticks = np.arange(side, dtype=np.float32)
        self._grid: Field = np.stack(np.meshgrid(ticks, ticks), axis=-1)
        self._previous: Picture | None = None
        self._map = self._grid
        self._trust: Floats = np.ones((side, side), np.float32)
        self.residual = 0.0

    def anchor(self, image: Picture) -> None:
        """Begin at a frame, uint8 (H, W, 3) RGB."""
        self._previous = self._small(image)
        self._map = self._grid
        self._trust = np.ones((self.side, self.side), np.float32)
        self.residual = 0.0

    def advance(self, image: Picture) -> None:
        """Go on to the next frame, in either direction of time."""
        picture = self._small(image)
        previous = picture if self._previous is None else self._previous
        back = self.flow(picture, previous)
        source = self._grid + back
        change = cv2.absdiff(picture, _sample(previous, source))
        change = change if change.ndim == 2 else change.max(axis=2)
        if self.two_way:
            forth = _sample(self.flow(previous, picture), source)
            size = (back**2).sum(-1) + (forth**2).sum(-1)
            agrees = ((back + forth) ** 2).sum(-1) < 0.01 * size + 0.5
        else:
            agrees = change < CHANGE
        self._map = _sample(self._map, source)
        self._trust = _sample(self._trust, source, fill=0.0) * agrees
        self._previous = picture
        self.residual = float(change.mean())

    def carry(self, logits: Floats) -> Floats:
        """Logits (N, h, h) on the anchor frame as they lie on the present one."""
        if not len(logits):
            return logits
        ratio = logits.shape[-1] / self.side
        where = (cv2.resize(self._map, logits.shape[1:]) + 0.5) * ratio - 0.5
        return np.stack([_sample(one, where, fill=OUTSIDE) for one in logits])

    def trust(self, side: int) -> Floats:
        """How far what is carried is trusted, in [0, 1], float (side, side)."""
        return cast(Floats, cv2.resize(self._trust, (side, side), interpolation=cv2.INTER_AREA))

    def state(self) -> dict[str, NDArray[Any]]:
        """Where it stands, for ``restore``: the map and trust, and the picture last looked at if any."""
        held: dict[str, NDArray[Any]] = {"map": self._map, "trust": self._trust}
        return held if self._previous is None else {**held, "previous": self._previous}

    def restore(self, held: Mapping[str, NDArray[Any]], *, residual: float) -> None:
        """Go on from where another of the same settings stood."""
        self._map, self._trust, self._previous = held["map"], held["trust"], held.get("previous")
        self.residual = residual

    def _small(self, image: Picture) -> Picture:
        small = cv2.resize(image, (self.side, self.side), interpolation=cv2.INTER_AREA)
        return cast(Picture, small if self.colour else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))


def _sample(values: NDArray[Any], where: Field, *, fill: float | None = None) -> NDArray[Any]:
    """Bilinear values (h, w, ...) at positions (h, w, 2); beyond the edge the edge's, or ``fill``."""
    border = cv2.BORDER_REPLICATE if fill is None else cv2.BORDER_CONSTANT
    out = cv2.remap(values, where, None, cv2.INTER_LINEAR, borderMode=border, borderValue=fill or 0.0)  # type: ignore[call-overload]
    return cast(NDArray[Any], out)
