"""Between a rich scene and its picture: light, rain and snow, sensor, compression; for scans, the probe."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.world.scene import Scene, Scenery
from seektrack.world.textures import Field, Picture, fbm

_ONE = 128
"""The byte that multiplies by one in a map of light."""


def multiply(picture: Picture, light: Picture) -> Picture:
    """``picture`` times a map of light of the same shape in which 128 is one."""
    return np.asarray(cv2.multiply(picture, light, scale=1 / _ONE), dtype=np.uint8)


def add(one: Picture, other: Picture) -> Picture:
    """The sum, at most 255."""
    return np.asarray(cv2.add(one, other), dtype=np.uint8)


def blend(above: Picture, alpha: float, below: Picture) -> Picture:
    """``alpha`` of the one picture over the other."""
    return np.asarray(cv2.addWeighted(above, alpha, below, 1 - alpha, 0), dtype=np.uint8)


def grey3(picture: Picture) -> Picture:
    """(H, W) as (H, W, 3)."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), dtype=np.uint8)


def illumination(rng: np.random.Generator, scenery: Scenery, h: int, w: int) -> Picture | None:
    """A map of light (h, w, 3) in which 128 is one; None where light changes nothing."""
    light, flat = scenery.setting.light, scenery.uneven == 0
    if light == "day" and flat:
        return None
    ys, xs = np.linspace(-1, 1, h, dtype=np.float32)[:, None], np.linspace(-1, 1, w, dtype=np.float32)[None]
    turn = rng.uniform(0, 2 * math.pi)
    out: Field = 1 + np.float32(scenery.uneven) * (
        xs * np.float32(math.cos(turn)) + ys * np.float32(math.sin(turn))
    )
    if not flat and rng.random() < 0.4:
        out = out * (np.float32(0.75) + np.float32(0.5) * fbm(rng, h, w, 0.5 * min(h, w), octaves=2))
    cast = np.ones(3)
    if light == "dusk":
        cast = np.array(
            ((1.0, 0.74, 0.55), (0.95, 0.68, 0.78), (0.72, 0.7, 0.95))[rng.integers(3)]
        ) * rng.uniform(0.6, 0.9)
    elif light == "night":
        cast = np.array((0.75, 0.86, 1.12)) * rng.uniform(0.38, 0.62)
        out = out * (1 - np.float32(rng.uniform(0, 0.35)) * (xs * xs + ys * ys))
    colour: Field = out[..., None] * cast.astype(np.float32)
    if light == "night":
        for _ in range(int(rng.integers(0, 4))):
            cx, cy, r = rng.uniform(-0.9, 0.9), rng.uniform(-0.9, 0.9), rng.uniform(0.15, 0.6)
            spot = np.exp(-((xs - cx) ** 2 + (ys - cy) ** 2) / np.float32(r * r))
            lamp = np.array((0.75, 0.62, 0.4)) * rng.uniform(0.4, 1)
            colour = colour + spot[..., None] * lamp.astype(np.float32)
    return np.clip(colour * _ONE, 0, 255).astype(np.uint8)


def _rain(rng: np.random.Generator, h: int, w: int, amount: float, k: float) -> Picture:
    tile = np.zeros((h, w), np.uint8)
    slant, length = rng.uniform(-0.35, 0.35), rng.uniform(7, 22) * k
    for _ in range(int(60 + 340 * amount)):
        x, y, part = rng.uniform(-20, w), rng.uniform(-20, h), rng.uniform(0.5, 1.3)
        end = (int(x + slant * length * part), int(y + length * part))
        cv2.line(tile, (int(x), int(y)), end, float(rng.uniform(25, 110)), 1, cv2.LINE_AA)
    return tile


def _flakes(rng: np.random.Generator, h: int, w: int, amount: float, k: float) -> Picture:
    tile = np.zeros((h, w), np.uint8)
    for _ in range(int(40 + 260 * amount)):
        radius = float(np.exp(rng.uniform(np.log(0.6), np.log(2.6)))) * k
        centre = (int(rng.uniform(0, w) * 16), int(rng.uniform(0, h) * 16))
        cv2.circle(tile, centre, int(radius * 16), float(rng.uniform(90, 230)), -1, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(tile, (0, 0), 0.5 + 0.2 * k), dtype=np.uint8)


def field_of_view(rng: np.random.Generator, h: int, w: int) -> NDArray[np.bool_]:
    """What a probe sees, bool (h, w): a fan or a disc."""
    ys, xs = np.mgrid[0:h, 0:w]
    if rng.random() < 0.4:
        radius = rng.uniform(0.44, 0.56) * min(h, w)
        return np.asarray((xs - w / 2) ** 2 + (ys - h / 2) ** 2 < radius**2, dtype=np.bool_)
    top = -rng.uniform(0.05, 0.3) * h
    angle, distance = np.arctan2(xs - w / 2, ys - top), np.hypot(xs - w / 2, ys - top)
    near, far = rng.uniform(0.02, 0.1) * h - top, rng.uniform(0.9, 1.0) * h - top
    inside = (np.abs(angle) < rng.uniform(0.5, 0.75)) & (distance > near) & (distance < far)
    return np.asarray(inside, dtype=np.bool_)


class Lens:
    """Turns what is there into what the camera records; all chance comes from ``rng``."""

    def __init__(self, scene: Scene, around: Scenery, rng: np.random.Generator) -> None:
        s = scene.settings
        self.scene, self.around, self.rng = scene, around, rng
        h, w, k = s.height, s.width, s.scale
        self.scan = around.setting.place == "scan"
        self.seen = field_of_view(rng, h, w) if self.scan else None
        self.light = illumination(rng, around, h, w)
        self.falling: list[tuple[Picture, float, float]] = []
        if around.setting.weather == "rain":
            self.falling = [(_rain(rng, h, w, around.fall, k), 0.0, 0.0)]
        elif around.setting.weather == "snow":
            for part in (1.0, 0.6):
                tile = _flakes(rng, h, w, around.fall * part, k * part)
                self.falling.append((tile, rng.uniform(-3, 3) * k, rng.uniform(3, 9) * k * part))
        big = (h + 32, w + 32)
        if self.scan:
            grain = cv2.GaussianBlur(rng.rayleigh(0.8, big).astype(np.float32), (0, 0), 0.7 * max(k, 0.5))
            grain = (grain - grain.mean()) * np.float32(1.6) + 1
            self.speckle = np.clip(grain * _ONE, 0, 255).astype(np.uint8)
        else:
            noise = rng.standard_normal((*big, 1), np.float32) * np.float32(scene.noise)
            hue = np.float32(scene.noise * rng.uniform(0, 0.6))
            self.grain = np.round(noise + rng.standard_normal((*big, 3), np.float32) * hue).astype(np.int16)
        self.half_colour = bool(rng.random() < 0.7)

    def develop(self, picture: Picture, t: int) -> Picture:
        """What is recorded of ``picture`` (H, W, 3) at frame ``t``; frames must come in order."""
        return self._scan(picture) if self.scan else self._photograph(picture, t)

    def _crop(self) -> tuple[int, int]:
        dy, dx = (int(v) for v in self.rng.integers(0, 32, 2))
        return dy, dx

    def _photograph(self, picture: Picture, t: int) -> Picture:
        scene, around = self.scene, self.around
        h, w = picture.shape[:2]
        if self.light is not None:
            picture = multiply(picture, self.light)
        for tile, vx, vy in self.falling:
            if vx or vy:
                moved = np.roll(tile, (round(vy * t), round(vx * t)), (0, 1))
            else:
                moved = np.roll(tile, tuple(int(v) for v in self.rng.integers(0, (h, w))), (0, 1))
            picture = add(picture, grey3(moved))
        gain = scene.gain * (1 + around.flicker * float(self.rng.normal()))
        if gain != 1.0:
            picture = np.asarray(cv2.convertScaleAbs(picture, alpha=gain), dtype=np.uint8)
        if scene.blur:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), scene.blur), dtype=np.uint8)
        if around.gamma != 1.0:
            curve = np.round(255 * (np.arange(256) / 255) ** around.gamma).astype(np.uint8)
            picture = np.asarray(cv2.LUT(picture, curve), dtype=np.uint8)
        dy, dx = self._crop()
        picture = np.asarray(
            cv2.add(picture, self.grain[dy : dy + h, dx : dx + w], dtype=cv2.CV_8U), dtype=np.uint8
        )
        return self._compress(picture)

    def _scan(self, picture: Picture) -> Picture:
        h, w = picture.shape[:2]
        dy, dx = self._crop()
        grey = picture[..., 0]
        grey = multiply(grey, self.speckle[dy : dy + h, dx : dx + w])
        grey = blend(grey, self.around.fall, picture[..., 0])
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.7 + self.scene.blur), dtype=np.uint8)
        if self.seen is not None:
            grey = np.where(self.seen, grey, np.uint8(4))
        return self._compress(grey3(grey))

    def _compress(self, picture: Picture) -> Picture:
        if not self.around.jpeg:
            return picture
        factor = (
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if self.half_colour else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
        )
        options = [cv2.IMWRITE_JPEG_QUALITY, self.around.jpeg, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        back = cv2.imdecode(cv2.imencode(".jpg", bgr, options)[1], cv2.IMREAD_COLOR)
        return picture if back is None else np.asarray(cv2.cvtColor(back, cv2.COLOR_BGR2RGB), dtype=np.uint8)
