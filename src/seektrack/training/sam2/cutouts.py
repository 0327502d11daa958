"""Things cut out of photographs, and how they move over a clip: paths, turns, sizes, deformation, light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.training.datasets.regions import RegionPicture

Floats = NDArray[np.float32]
SMALLEST, LARGEST = 0.004, 0.5
"""Regions of these shares of a picture are things; larger ones are what things stand before."""
_CUT = 0.01
_MARGIN = 0.15
_GRID = 4


def regions(labels: NDArray[np.uint8]) -> list[int]:
    """Regions of a map (H, W) that are no specks."""
    counts = np.bincount(labels.ravel())
    return [n for n in range(1, len(counts)) if counts[n] >= SMALLEST * labels.size]


def things(labels: NDArray[np.uint8], *, smallest: float = SMALLEST) -> list[int]:
    """Regions of a map (H, W) that are things: neither specks nor what lies behind everything.

    A region of more than half of the picture is background, and so is one that reaches three of its sides.
    """
    counts = np.bincount(labels.ravel())
    share = counts / labels.size
    sides = [set(np.unique(edge)) for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1])]
    return [
        number
        for number in range(1, len(counts))
        if smallest <= share[number] <= LARGEST and sum(number in side for side in sides) < 3
    ]


@dataclass(frozen=True, eq=False)
class Cutout:
    """A region cut out of a photograph.

    Attributes:
        patch: float32 (h, w, 4), RGB times alpha in [0, 255], and alpha in [0, 1]; a margin around it.
    """

    patch: Floats


def cut(rng: np.random.Generator, picture: RegionPicture, side: float) -> Cutout | None:
    """A thing of a photograph at a size, or None where the person asked drew none.

    Args:
        rng: Draws the person and the region.
        picture: The photograph.
        side: Longer side of what is cut out, in pixels.
    """
    labels = picture.maps[int(rng.integers(len(picture.maps)))]
    found = things(labels, smallest=_CUT)
    if not found:
        return None
    mask = (labels == int(rng.choice(found))).astype(np.uint8)
    x, y, w, h = cv2.boundingRect(mask)
    alpha = mask[y : y + h, x : x + w].astype(np.float32)[..., None]
    rgba = np.concatenate([picture.image[y : y + h, x : x + w] * alpha, alpha], -1).astype(np.float32)
    scale = side / max(w, h)
    size = (max(2, round(w * scale)), max(2, round(h * scale)))
    patch = cv2.resize(rgba, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        patch = patch[:, ::-1]
    margin = max(2, round(_MARGIN * side))
    return Cutout(np.ascontiguousarray(np.pad(patch, ((margin, margin), (margin, margin), (0, 0)))))


class Elastic:
    """A smooth deformation that changes over time; nothing at rest.

    Args:
        rng: Draws it.
        size: (w, h) of what is deformed.
        strength: Largest shift, in shares of the longer side.
    """

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], strength: float) -> None:
        w, h = size
        self.xs, self.ys = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
        fields = rng.normal(0, 0.5, (2, 2, _GRID, _GRID)).astype(np.float32) * strength * max(w, h)
        self.fields = [[cv2.resize(f, size, interpolation=cv2.INTER_CUBIC) for f in pair] for pair in fields]
        self.rate, self.phase = rng.uniform(0.15, 0.7, 2), rng.uniform(0, 2 * np.pi, 2)

    def __call__(self, t: int, picture: Floats) -> Floats:
        """A picture (h, w, 3 or 4) at time ``t``, in frames; with alpha there is nothing beyond it."""
        border = cv2.BORDER_CONSTANT if picture.shape[-1] == 4 else cv2.BORDER_REFLECT_101
        return np.asarray(cv2.remap(picture, *self._at(t), cv2.INTER_LINEAR, borderMode=border), np.float32)

    def labels(self, t: int, ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Ids (h, w) as they are at time ``t``; beyond them is 0."""
        return np.asarray(cv2.remap(ids, *self._at(t), cv2.INTER_NEAREST), np.uint8)

    def _at(self, t: int) -> tuple[Floats, Floats]:
        a, b = (float(v) for v in np.sin(self.rate * t + self.phase))
        (ax, ay), (bx, by) = self.fields
        return self.xs + a * ax + b * bx, self.ys + a * ay + b * by


class Motion:
    """How a cutout moves over a square clip: place, turn, size, shape and light of each frame.

    Args:
        rng: Draws it.
        cutout: What moves.
        side: Of the clip, in pixels.
        count: Frames.
    """

    def __init__(self, rng: np.random.Generator, cutout: Cutout, side: int, count: int) -> None:
        self.patch, self.side, self.count = cutout.patch, side, count
        h, w = self.patch.shape[:2]
        self.start = rng.uniform(0.12, 0.88, 2)
        speed, heading = min(0.07, float(rng.exponential(0.018))), rng.uniform(0, 2 * np.pi)
        self.step = speed * np.array([np.cos(heading), np.sin(heading)])
        self.sway = rng.uniform(0, 0.06, 2) * (rng.random() < 0.6)
        self.sway_rate, self.sway_phase = rng.uniform(0.2, 1.2, 2), rng.uniform(0, 2 * np.pi, 2)
        self.turn, self.spin = rng.uniform(-25, 25), rng.normal(0, 3.0) * (rng.random() < 0.7)
        self.growth, self.pulse = rng.normal(0, 0.025), rng.uniform(0, 0.12)
        self.squash = float(np.exp(rng.normal(0, 0.12)))
        self.light, self.light_rate = rng.uniform(0, 0.2), rng.uniform(0.1, 0.5)
        self.away: tuple[float, float, NDArray[np.float64]] | None = None
        if count > 2 and rng.random() < 0.25:
            angle = rng.uniform(0, 2 * np.pi)
            reach = 1.4 * np.array([np.cos(angle), np.sin(angle)])
            self.away = (float(rng.uniform(0.2, 0.9) * count), float(rng.uniform(0.25, 0.6) * count), reach)
        self.elastic = Elastic(rng, (w, h), float(rng.uniform(0.01, 0.07))) if rng.random() < 0.7 else None

    def place(self, t: int) -> NDArray[np.float64]:
        """Centre (x, y) at a frame, in sides of the picture; it bounces off nothing and may be outside."""
        at = self.start + self.step * t + self.sway * np.sin(self.sway_rate * t + self.sway_phase)
        if self.away is not None:
            middle, width, reach = self.away
            distance = min(1.0, abs(t - middle) / width)
            at = at + reach * float(np.cos(0.5 * np.pi * distance) ** 2) * (t > 0)
        return np.asarray(at, dtype=np.float64)

    def draw(self, t: int, canvas: Floats) -> NDArray[np.bool_]:
        """Paint the thing over a picture float32 (S, S, 3), in place; returns where it is, bool (S, S)."""
        h, w = self.patch.shape[:2]
        scale = float(np.exp(self.growth * t + self.pulse * np.sin(0.6 * t + self.turn)))
        scale = min(max(scale, 0.35), 2.2)
        shape = self.patch if self.elastic is None else self.elastic(t, self.patch)
        matrix = cv2.getRotationMatrix2D((w / 2, h / 2), self.turn + self.spin * t, scale)
        matrix[0] *= self.squash
        matrix[0, 2] -= (self.squash - 1) * w / 2
        matrix[:, 2] += self.place(t) * self.side - (w / 2, h / 2)
        layer = cv2.warpAffine(shape, matrix, (self.side, self.side), flags=cv2.INTER_LINEAR)
        alpha = layer[..., 3:]
        gain = 1 + self.light * float(np.sin(self.light_rate * t + self.turn))
        canvas *= 1 - alpha
        canvas += layer[..., :3] * gain
        return np.asarray(alpha[..., 0] > 0.5)
