"""The surface of an object in a rich scene: its pattern, how light models it, how its outline wobbles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.world.drawing import Part, Polygon
from seektrack.world.scene import Actor, Floats
from seektrack.world.textures import Picture, pattern


@dataclass(frozen=True, eq=False)
class Surface:
    """What lies on an object, as pictures (S, S, 3) stretched over the box around its drawing.

    Attributes:
        box: x0, y0, width, height of that box in the drawing's own units.
        pattern: Painted over the fills, or None.
        shade: Multiplied, 128 is one; or None.
        gloss: Added, or None.
    """

    box: tuple[float, float, float, float]
    pattern: Picture | None
    shade: Picture | None
    gloss: Picture | None

    def placed(self, texture: Picture, transform: Floats, offset: Floats, h: int, w: int) -> Picture:
        """``texture`` in a patch (h, w); ``transform`` (2, 2) and ``offset`` (2,) map units to its pixels."""
        x0, y0, width, height = self.box
        side = len(texture)
        forward = transform @ np.diag([width / side, height / side])
        shift = transform @ (x0, y0) + offset
        warp = np.concatenate([forward, shift[:, None]], axis=1)
        return np.asarray(
            cv2.warpAffine(texture, warp, (w, h), borderMode=cv2.BORDER_REFLECT), dtype=np.uint8
        )


def surface(actor: Actor, sun: tuple[float, float]) -> Surface | None:
    """The surface of an actor with a look; None when it is plain."""
    look = actor.look
    if look is None or not (look.paint or look.shading or look.gloss or actor.texture is not None):
        return None
    rng = np.random.default_rng(look.seed)
    side = int(np.clip(2.2 * float(actor.size.max()), 12, 96))
    corners = np.concatenate([polygon for _, polygon in actor.draw(actor.phase)])
    low, high = corners.min(0), corners.max(0)
    box = (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
    painted = None
    if look.paint:
        period = side * float(rng.uniform(0.12, 0.9))
        painted = pattern(rng, side, side, period=period, saturation=float(rng.uniform(0.2, 1.3)))
    shade = np.ones((side, side), np.float32)
    if actor.texture is not None:
        shade *= cv2.resize(actor.texture, (side, side), interpolation=cv2.INTER_AREA)
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32) / side * 2 - 1
    lit_x, lit_y = -0.45 * math.copysign(1, sun[0]) * actor.facing, -0.5
    if look.shading:
        away = (xs - lit_x) ** 2 + (ys - lit_y) ** 2
        shade *= 1 + np.float32(look.shading) * (0.25 - 0.3 * away)
    gloss = None
    if look.gloss:
        spot = np.exp(
            -((xs - lit_x * 0.8) ** 2 + (ys - lit_y * 0.8) ** 2) / np.float32(rng.uniform(0.01, 0.08))
        )
        gloss = _three(spot * np.float32(look.gloss * 170))
    return Surface(
        box, painted, _three(shade * 128) if look.shading or actor.texture is not None else None, gloss
    )


def _three(values: NDArray[np.float32]) -> Picture:
    return np.repeat(np.clip(values, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _dense(polygon: Polygon, step: float) -> Polygon:
    """The same outline with no edge longer than ``step``."""
    following = np.roll(polygon, -1, axis=0)
    pieces = []
    for a, b in zip(polygon, following, strict=True):
        n = max(1, math.ceil(float(np.hypot(*(b - a))) / step))
        pieces.append(a + (b - a) * (np.arange(n) / n)[:, None])
    return np.concatenate(pieces)


def wobble(parts: list[Part], amplitude: float, phase: float, seed: int) -> list[Part]:
    """Bend a drawing smoothly, differently at every phase."""
    kx, ky, a, b = np.random.default_rng(seed).uniform(1.2, 3.2, 4)
    bent = []
    for role, polygon in parts:
        p = _dense(polygon, 0.35)
        x = p[:, 0] + amplitude * np.sin(ky * p[:, 1] + phase + a)
        y = p[:, 1] + 0.7 * amplitude * np.sin(kx * p[:, 0] + 1.3 * phase + b)
        bent.append((role, np.stack([x, y], axis=1)))
    return bent
