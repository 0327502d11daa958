"""Draws rich and scan scenes: layers that move with their distance, shadows, surfaces, blur."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.world.drawing import Part
from seektrack.world.lens import Lens, add, blend, grey3, multiply
from seektrack.world.places import backdrop
from seektrack.world.scene import Actor, Floats, Look, Occluder, Scene, Scenery
from seektrack.world.surfaces import Surface, surface, wobble
from seektrack.world.textures import Picture

_BITS = 4


def _points(polygon: Floats) -> list[NDArray[np.int32]]:
    return [np.round(polygon * (1 << _BITS)).astype(np.int32)]


@dataclass(frozen=True, eq=False)
class _Pose:
    """An actor at a frame: its parts in picture pixels, and the map (2, 2), (2,) from its own units."""

    parts: list[Part]
    transform: Floats
    centre: Floats
    low: Floats
    high: Floats


def _line(dx: float, dy: float) -> NDArray[np.float32]:
    """A kernel that smears along (dx, dy) pixels."""
    side = int(max(abs(dx), abs(dy))) // 2 * 2 + 3
    kernel = np.zeros((side, side), np.float32)
    middle = side * 8
    start, end = (int(middle - dx * 8), int(middle - dy * 8)), (int(middle + dx * 8), int(middle + dy * 8))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_8, 4)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _smeared(canvas: Picture, mask: Picture, behind: Picture, kernel: NDArray[np.float32]) -> Picture:
    """What ``mask`` (0 or 255) cuts out of ``canvas``, blurred, over what is ``behind``."""
    cut = cv2.bitwise_and(canvas, canvas, mask=mask)
    own = np.asarray(cv2.filter2D(cut, -1, kernel, borderType=cv2.BORDER_REPLICATE), dtype=np.uint8)
    cover = cv2.filter2D(mask, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    rest = grey3(np.asarray(cv2.bitwise_not(cover), dtype=np.uint8))
    return add(own, np.asarray(cv2.multiply(behind, rest, scale=1 / 255), dtype=np.uint8))


class RichPainter:
    """Draws one frame after another of a scene with scenery."""

    def __init__(self, scene: Scene, around: Scenery) -> None:
        s = scene.settings
        self.scene, self.around, self.h, self.w = scene, around, s.height, s.width
        self.margin = scene.margin
        rng = np.random.default_rng((scene.seed, 1))
        h, w = self.h + 2 * self.margin, self.w + 2 * self.margin
        self.backdrop = backdrop(rng, around, h, w, margin=self.margin, scale=s.scale)
        self.fog = rng.uniform((150, 155, 160), (215, 220, 228))
        if around.haze:
            self._veil_backdrop(h)
        self.lens = Lens(scene, around, rng)
        self.surfaces: dict[int, Surface | None] = {a.obj_id: surface(a, around.sun) for a in scene.actors}
        layers: list[Actor | Occluder] = [*scene.actors, *scene.occluders]
        self.layers = sorted(layers, key=lambda layer: layer.depth)

    def _veil_backdrop(self, h: int) -> None:
        split = self.backdrop.split
        distance = np.full(h, 1.0)
        distance[split:] = np.linspace(1, 0.15, h - split)
        veil = (distance * self.around.haze)[:, None, None]
        for layer in (self.backdrop.far, self.backdrop.ground):
            if layer is not None:
                layer[:] = layer * (1 - veil) + self.fog * veil

    def nearness(self, depth: float) -> float:
        """How far a thing at ``depth`` moves in the picture for each pixel of the camera's pan."""
        return 1 + self.around.parallax * (float(np.clip(depth / self.h, 0, 1.3)) - 0.6)

    def _to_picture(self, x: float, y: float, t: int, move: float) -> tuple[float, float]:
        zoom, (cam_x, cam_y) = float(self.scene.zoom[t]), self.scene.camera[t] * move
        return (x - cam_x - self.w / 2) * zoom + self.w / 2, (y - cam_y - self.h / 2) * zoom + self.h / 2

    def frame(self, t: int) -> tuple[Picture, Picture, NDArray[np.int64]]:
        """Picture (H, W, 3), ids (H, W) and full areas (N,) of frame ``t``; frames must come in order."""
        picture = self._background(t)
        ids = np.zeros((self.h, self.w), np.uint8)
        full = np.zeros(len(self.scene.actors), np.int64)
        for layer in self.layers:
            if isinstance(layer, Occluder):
                self._cover(picture, ids, layer, t)
            else:
                full[layer.obj_id - 1] = self._act(picture, ids, layer, t)
        if self.lens.seen is not None:
            ids[~self.lens.seen] = 0
        return self.lens.develop(picture, t), ids, full

    def _background(self, t: int) -> Picture:
        parallax, ground = self.around.parallax, self.backdrop.ground
        near = 1 - 0.2 * parallax
        picture, _ = self._layer(self.backdrop.far, t, near if ground is None else 1 - 0.8 * parallax)
        if ground is not None:
            moved, first = self._layer(ground, t, near)
            picture[first:] = moved[first:]
        dx, dy = (float(v) * self.around.shutter for v in self._pan(t))
        if math.hypot(dx, dy) >= 1.5:
            picture = np.asarray(cv2.filter2D(picture, -1, _line(dx, dy)), dtype=np.uint8)
        return picture

    def _layer(self, layer: Picture, t: int, move: float) -> tuple[Picture, int]:
        """A layer as the camera sees it, and the row where the ground begins in it."""
        zoom = float(self.scene.zoom[t])
        left, up = self._to_picture(-self.margin, -self.margin, t, move)
        warp = np.array([[zoom, 0, left], [0, zoom, up]], dtype=np.float32)
        moved = cv2.warpAffine(layer, warp, (self.w, self.h), borderMode=cv2.BORDER_REFLECT)
        first = int(np.clip(math.ceil(zoom * self.backdrop.split + up), 0, self.h))
        return np.asarray(moved, dtype=np.uint8), first

    def _pair(self, t: int) -> tuple[int, int]:
        """Two neighbouring frames that tell how fast things move at ``t``."""
        return (t - 1, t) if t else (0, min(1, self.scene.settings.n_frames - 1))

    def _pan(self, t: int) -> Floats:
        """How far the camera moves in the time of a frame, pixels (2,)."""
        one, two = self._pair(t)
        return np.asarray(self.scene.camera[two] - self.scene.camera[one], dtype=np.float64)

    def _cover(self, picture: Picture, ids: Picture, o: Occluder, t: int) -> None:
        zoom, move = float(self.scene.zoom[t]), self.nearness(o.depth)
        x, y = self._to_picture(o.x, o.top, t, move)
        half = o.width * zoom / 2
        below = self.h + 5
        shapes: list[tuple[Floats, Floats]] = []
        if o.bars > 1:
            thick = half / o.bars * 0.5
            for bar in np.linspace(x - half, x + half, o.bars):
                shapes.append((o.rgb, _box(bar - thick, y, bar + thick, below)))
            for rail in (y + 4 * thick, y + 14 * thick):
                shapes.append((o.rgb * 0.8, _box(x - half, rail, x + half, rail + 2 * thick)))
        else:
            shapes.append((o.rgb, _box(x - half, y, x + half, below)))
        if o.leaves is not None:
            angle = np.linspace(0, 2 * np.pi, 16)
            circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            for lx, ly, radius in o.leaves:
                spot = np.array(self._to_picture(lx, ly, t, move)) + circle * radius * zoom
                shapes.append((o.leaf_rgb, spot))
        canvas = picture.copy() if o.alpha < 1 else picture
        for rgb, polygon in shapes:
            fill = self._veiled(tuple(float(v) for v in rgb), o.depth)
            cv2.fillPoly(canvas, _points(polygon), fill, cv2.LINE_AA, _BITS)
            if o.alpha == 1:
                cv2.fillPoly(ids, _points(polygon), 0, cv2.LINE_8, _BITS)
        if o.alpha < 1:
            picture[:] = blend(canvas, o.alpha, picture)

    def _veiled(self, rgb: tuple[float, ...], depth: float) -> tuple[float, ...]:
        """A colour seen through the fog at ``depth``."""
        if not self.around.haze:
            return rgb
        veil = self.around.haze * float(np.clip(1.1 - depth / self.h, 0.1, 0.9))
        return tuple(float(c * (1 - veil) + f * veil) for c, f in zip(rgb, self.fog, strict=True))

    def _pose(self, a: Actor, look: Look, t: int) -> _Pose | None:
        centre = np.array(self._to_picture(float(a.x[t]), float(a.y[t]), t, self.nearness(a.depth)))
        size = float(a.size[t]) * float(self.scene.zoom[t])
        reach = 3.2 * size * max(a.stretch, 1.0)
        if not (-reach < centre[0] < self.w + reach and -reach < centre[1] < self.h + reach):
            return None
        turn = float(a.angle[t]) * a.facing
        cos, sin = math.cos(turn), math.sin(turn)
        transform = np.array([[cos, -sin], [sin, cos]]) @ np.diag([a.facing * a.stretch, 1.0]) * size
        drawing = a.draw(a.phase + a.phase_step * t)
        if look.warp:
            drawing = wobble(drawing, look.warp, look.warp_step * t + a.phase, look.seed)
        parts = [(role, polygon @ transform.T + centre) for role, polygon in drawing]
        corners = np.concatenate([polygon for _, polygon in parts])
        return _Pose(parts, transform, centre, corners.min(0), corners.max(0))

    def _act(self, picture: Picture, ids: Picture, a: Actor, t: int) -> int:
        look = a.look
        if look is None or (pose := self._pose(a, look, t)) is None:
            return 0
        if self.around.shadows:
            self._shade_ground(picture, pose)
        kernel = self._smear(a, t)
        pad = 2 if kernel is None else 2 + len(kernel) // 2
        x0, y0 = np.maximum(np.floor(pose.low).astype(int) - pad, 0)
        x1, y1 = np.minimum(np.ceil(pose.high).astype(int) + 1 + pad, (self.w, self.h))
        if x0 >= x1 or y0 >= y1:
            return 0
        region, owners = picture[y0:y1, x0:x1], ids[y0:y1, x0:x1]
        canvas, mask = region.copy(), np.zeros(owners.shape, np.uint8)
        for role, polygon in pose.parts:
            points = _points(polygon - (x0, y0))
            fill = self._veiled(look.fills[role], a.depth)
            cv2.fillPoly(canvas, points, fill, cv2.LINE_AA, _BITS)
            cv2.fillPoly(mask, points, 255, cv2.LINE_8, _BITS)
        self._dress(canvas, mask, a, look, pose, np.array((x0, y0)))
        if kernel is not None:
            canvas = _smeared(canvas, mask, region, kernel)
        region[:] = canvas if look.alpha == 1 else blend(canvas, look.alpha, region)
        owned = mask > 0
        owners[owned] = a.obj_id
        if self.lens.seen is not None:
            owned &= self.lens.seen[y0:y1, x0:x1]
        return int(owned.sum())

    def _smear(self, a: Actor, t: int) -> NDArray[np.float32] | None:
        """The kernel of an actor's motion blur, or of a probe's softness; None when it is sharp."""
        if self.lens.scan:
            line = cv2.getGaussianKernel(5, 1.1)
            return np.asarray(line @ line.T, dtype=np.float32)
        if not self.around.shutter:
            return None
        one, two = self._pair(t)
        camera = self._pan(t) * self.nearness(a.depth)
        open_for = float(self.scene.zoom[t]) * self.around.shutter
        dx = (float(a.x[two] - a.x[one]) - camera[0]) * open_for
        dy = (float(a.y[two] - a.y[one]) - camera[1]) * open_for
        longest = 20 * self.scene.settings.scale
        shorten = min(1.0, longest / max(math.hypot(dx, dy), 1e-6))
        return _line(dx * shorten, dy * shorten) if math.hypot(dx, dy) >= 1.5 else None

    def _dress(
        self, canvas: Picture, mask: Picture, a: Actor, look: Look, pose: _Pose, origin: Floats
    ) -> None:
        """Pattern, light and lines on what has been filled; only inside ``mask``."""
        on = self.surfaces[a.obj_id]
        h, w = mask.shape
        dressed = canvas
        if on is not None:
            where = (pose.transform, pose.centre - origin, h, w)
            if on.pattern is not None:
                dressed = blend(on.placed(on.pattern, *where), look.paint, dressed)
            if on.shade is not None:
                dressed = multiply(dressed, on.placed(on.shade, *where))
            if on.gloss is not None:
                dressed = add(dressed, on.placed(on.gloss, *where))
        if look.rim and min(h, w) > 12:
            dx, dy = (2 if self.around.sun[0] > 0 else -2), 1
            shifted = cv2.warpAffine(mask, np.array([[1, 0, dx], [0, 1, dy]], np.float32), (w, h))
            edge = cv2.bitwise_and(mask, cv2.bitwise_not(shifted))
            dressed = np.where(edge[..., None] > 0, add(dressed, np.full_like(dressed, 70)), dressed)
        if dressed is not canvas:
            cv2.copyTo(dressed, mask, canvas)
        if look.outline and min(h, w) > 14:
            lines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(canvas, lines, -1, (20.0, 20.0, 24.0), 1)

    def _shade_ground(self, picture: Picture, pose: _Pose) -> None:
        """A soft spot under an object, or its silhouette laid on the ground."""
        (left, top), (right, bottom) = pose.low, pose.high
        tall = float(bottom - top)
        if self.around.cast_shadows:
            sx, sy = self.around.sun
            laid = [
                np.stack([p[:, 0] + sx * (bottom - p[:, 1]), bottom + sy * (bottom - p[:, 1])], axis=1)
                for _, p in pose.parts
            ]
        else:
            angle = np.linspace(0, 2 * np.pi, 20)
            round_ = np.stack([np.cos(angle) * (right - left) * 0.52, np.sin(angle) * tall * 0.1], axis=1)
            laid = [round_ + ((left + right) / 2, bottom)]
        corners = np.concatenate(laid)
        soft = max(0.6, 0.025 * tall if self.around.cast_shadows else 0.05 * tall)
        pad = int(3 * soft) + 1
        x0, y0 = np.maximum(np.floor(corners.min(0)).astype(int) - pad, 0)
        x1, y1 = np.minimum(np.ceil(corners.max(0)).astype(int) + pad, (self.w, self.h))
        if x0 >= x1 or y0 >= y1:
            return
        dark = np.full((y1 - y0, x1 - x0), 255, np.uint8)
        for polygon in laid:
            cv2.fillPoly(
                dark, _points(polygon - (x0, y0)), 255 * (1 - self.around.shadows), cv2.LINE_AA, _BITS
            )
        dark = np.asarray(cv2.GaussianBlur(dark, (0, 0), soft), dtype=np.uint8)
        region = picture[y0:y1, x0:x1]
        region[:] = cv2.multiply(region, grey3(dark), scale=1 / 255)


def _box(x0: float, y0: float, x1: float, y1: float) -> Floats:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float64)
