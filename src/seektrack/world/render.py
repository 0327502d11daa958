"""Draw a scene: the pictures, who each pixel belongs to, and how much of each object could be seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.world.backgrounds import background
from seektrack.world.drawing import Polygon
from seektrack.world.painter import RichPainter
from seektrack.world.palette import tones
from seektrack.world.scene import Actor, Occluder, Scene

Image = NDArray[np.uint8]
_SUBPIXEL_BITS = 4


@dataclass(frozen=True, eq=False)
class Clip:
    """A rendered scene with its ground truth.

    Attributes:
        scene: What it shows.
        frames: uint8 (T, H, W, 3), RGB.
        ids: uint8 (T, H, W); 0 background, ``obj_id`` of the visible object elsewhere.
        full_area: int (T, N); pixels of each actor inside the picture if nothing covered it.
    """

    scene: Scene
    frames: Image
    ids: Image
    full_area: NDArray[np.int64]

    @property
    def area(self) -> NDArray[np.int64]:
        """Visible pixels of each actor, int (T, N)."""
        n = len(self.scene.actors)
        counts = [np.bincount(picture.ravel(), minlength=n + 1)[1 : n + 1] for picture in self.ids]
        return np.stack(counts).astype(np.int64).reshape(len(self.ids), n)

    @property
    def visibility(self) -> NDArray[np.float64]:
        """Visible over full area, (T, N); 0 where the actor is outside the picture."""
        return np.where(self.full_area > 0, self.area / np.maximum(self.full_area, 1), 0.0)


def _fixed_point(polygon: Polygon) -> list[NDArray[np.int32]]:
    return [np.round(polygon * (1 << _SUBPIXEL_BITS)).astype(np.int32)]


class _Painter:
    """Draws one frame after another of a scene."""

    def __init__(self, scene: Scene) -> None:
        s = scene.settings
        self.scene, self.h, self.w = scene, s.height, s.width
        self.margin = scene.margin
        self.rng = np.random.default_rng((scene.seed, 1))
        self.backdrop = background(
            self.rng,
            self.h + 2 * self.margin,
            self.w + 2 * self.margin,
            scale=s.scale,
            street_only=s.street_only,
        )
        grain = self.rng.normal(0, scene.noise, (self.h + 32, self.w + 32, 1))
        self.grain = np.round(np.repeat(grain, 3, axis=2)).astype(np.int16)
        layers: list[Actor | Occluder] = [*scene.actors, *scene.occluders]
        self.layers = sorted(layers, key=lambda layer: layer.depth)

    def _to_picture(self, x: float, y: float, t: int) -> tuple[float, float]:
        zoom, (cam_x, cam_y) = float(self.scene.zoom[t]), self.scene.camera[t]
        return (x - cam_x - self.w / 2) * zoom + self.w / 2, (y - cam_y - self.h / 2) * zoom + self.h / 2

    def frame(self, t: int) -> tuple[Image, Image, NDArray[np.int64]]:
        """Picture (H, W, 3), ids (H, W) and full areas (N,) of frame ``t``."""
        scene, zoom = self.scene, float(self.scene.zoom[t])
        shift_x = self.w / 2 - zoom * (self.w / 2 + self.margin + scene.camera[t, 0])
        shift_y = self.h / 2 - zoom * (self.h / 2 + self.margin + scene.camera[t, 1])
        warp = np.array([[zoom, 0, shift_x], [0, zoom, shift_y]], dtype=np.float32)
        moved = cv2.warpAffine(self.backdrop, warp, (self.w, self.h), borderMode=cv2.BORDER_REFLECT)
        picture = np.asarray(moved, dtype=np.uint8)
        ids = np.zeros((self.h, self.w), np.uint8)
        full = np.zeros(len(scene.actors), np.int64)
        for layer in self.layers:
            if isinstance(layer, Occluder):
                self._occlude(picture, ids, layer, t)
            else:
                full[layer.obj_id - 1] = self._act(picture, ids, layer, t)
        return self._develop(picture), ids, full

    def _occlude(self, picture: Image, ids: Image, o: Occluder, t: int) -> None:
        zoom = float(self.scene.zoom[t])
        x, y = self._to_picture(o.x, o.top, t)
        half = o.width * zoom / 2
        post = np.array([[x - half, y], [x + half, y], [x + half, self.h + 5], [x - half, self.h + 5]])
        shapes = [(o.rgb, post)]
        if o.leaves is not None:
            angle = np.linspace(0, 2 * np.pi, 16)
            circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            for lx, ly, radius in o.leaves:
                shapes.append((o.leaf_rgb, np.array(self._to_picture(lx, ly, t)) + circle * radius * zoom))
        for rgb, polygon in shapes:
            points = _fixed_point(polygon)
            cv2.fillPoly(picture, points, [float(v) for v in rgb], cv2.LINE_AA, _SUBPIXEL_BITS)
            cv2.fillPoly(ids, points, 0, cv2.LINE_8, _SUBPIXEL_BITS)

    def _act(self, picture: Image, ids: Image, a: Actor, t: int) -> int:
        cx, cy = self._to_picture(float(a.x[t]), float(a.y[t]), t)
        size = float(a.size[t]) * float(self.scene.zoom[t])
        reach = 3.2 * size * max(a.stretch, 1.0)
        if not (-reach < cx < self.w + reach and -reach < cy < self.h + reach):
            return 0
        turn = float(a.angle[t]) * a.facing
        cos, sin = math.cos(turn), math.sin(turn)
        spread = np.diag([a.facing * a.stretch, 1.0])
        transform = np.array([[cos, -sin], [sin, cos]]) @ spread * size
        fill = tones(a.rgb)
        parts = [
            (role, polygon @ transform.T + (cx, cy)) for role, polygon in a.draw(a.phase + a.phase_step * t)
        ]
        for role, polygon in parts:
            points = _fixed_point(polygon)
            cv2.fillPoly(picture, points, fill[role], cv2.LINE_AA, _SUBPIXEL_BITS)
            cv2.fillPoly(ids, points, a.obj_id, cv2.LINE_8, _SUBPIXEL_BITS)
        corners = np.concatenate([polygon for _, polygon in parts])
        x0, y0 = np.maximum(np.floor(corners.min(0)).astype(int), 0)
        x1, y1 = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, (self.w, self.h))
        if x0 >= x1 or y0 >= y1:
            return 0
        own = ids[y0:y1, x0:x1] == a.obj_id
        if a.texture is not None:
            region = picture[y0:y1, x0:x1]
            pattern = cv2.resize(a.texture, (x1 - x0, y1 - y0))[..., None]
            textured = np.clip(region * pattern, 0, 255).astype(np.uint8)
            region[own] = textured[own]
        return int(own.sum())

    def _develop(self, picture: Image) -> Image:
        """Exposure, blur and sensor noise."""
        scene = self.scene
        if scene.gain != 1.0:
            picture = np.asarray(cv2.convertScaleAbs(picture, alpha=scene.gain), dtype=np.uint8)
        if scene.blur:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), scene.blur), dtype=np.uint8)
        dy, dx = (int(v) for v in self.rng.integers(0, 32, 2))
        grain = self.grain[dy : dy + self.h, dx : dx + self.w]
        return np.asarray(cv2.add(picture, grain, dtype=cv2.CV_8U), dtype=np.uint8)


def frames(scene: Scene) -> Iterator[tuple[Image, Image, NDArray[np.int64]]]:
    """Draw a scene frame by frame: picture, ids, full areas (see :class:`Clip`)."""
    painter = _Painter(scene) if scene.scenery is None else RichPainter(scene, scene.scenery)
    for t in range(scene.settings.n_frames):
        yield painter.frame(t)


def render(scene: Scene) -> Clip:
    """Draw a whole scene into memory."""
    pictures, ids, full = zip(*frames(scene), strict=True)
    return Clip(scene=scene, frames=np.stack(pictures), ids=np.stack(ids), full_area=np.stack(full))
