"""Clips made from photographs: things of some moving over others, and whole ones under a moving camera.

Pretraining on stills made to move is how memory networks for video objects begin: Oh et al., Space-Time
Memory Networks, arXiv:1904.00607; Yang et al., AOT, arXiv:2106.02638; Cheng & Schwing, XMem,
arXiv:2207.07115.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.training.datasets.regions import RegionPicture
from seektrack.training.sam2.augment import RawClip
from seektrack.training.sam2.cutouts import Cutout, Elastic, Motion, cut, regions, things
from seektrack.training.sam2.data import VOID, group_shape
from seektrack.training.sam2.recipe import Stage

_TRIES = 4


class Photographs:
    """Pictures and clips made of photographs whose regions are known, for a step each.

    Args:
        pictures: The photographs.
        stage: Says how many, of how many frames, how large.
        seed: Of everything drawn.
    """

    def __init__(self, pictures: Sequence[RegionPicture], stage: Stage, *, seed: int) -> None:
        self.pictures, self.stage, self.seed = pictures, stage, seed

    def group(self, number: int) -> list[RawClip]:
        """The pictures or clips of one step."""
        rng = np.random.default_rng((self.seed, number, 7))
        shape = group_shape(self.stage, rng)
        if shape.frames == 1:
            return [still(rng, self._any(rng), shape.side) for _ in range(shape.clips)]
        return [moving(rng, self._several(rng), shape.side, shape.frames) for _ in range(shape.clips)]

    def _any(self, rng: np.random.Generator) -> RegionPicture:
        return self.pictures[int(rng.integers(len(self.pictures)))]

    def _several(self, rng: np.random.Generator) -> list[RegionPicture]:
        """What lies behind, and one or two to cut things from; sometimes the same one for both."""
        behind = self._any(rng)
        donors = [behind if rng.random() < 0.25 else self._any(rng) for _ in range(int(rng.integers(1, 3)))]
        return [behind, *donors]


def still(rng: np.random.Generator, picture: RegionPicture, side: int) -> RawClip:
    """A photograph, or a part of it, as a clip of one frame; ids are the regions one person drew.

    All of them, sky and meadow too: a person may box or click any, and an answer that takes what lies before
    the meadow for the meadow is wrong.
    """
    ids = _own(picture.maps[int(rng.integers(len(picture.maps)))], all_of_them=True)
    camera = _Camera(rng, picture.image.shape[:2], side, steady=True)
    frame, marks = camera(0, picture.image.astype(np.float32), ids)
    return _finished(rng, [frame]), marks[None]


def moving(rng: np.random.Generator, pictures: Sequence[RegionPicture], side: int, count: int) -> RawClip:
    """A clip: the first photograph seen by a moving camera, and things of the others moving over it.

    Args:
        rng: Draws everything.
        pictures: What lies behind, and what things are cut from; at least two.
        side: Of the frames, in pixels.
        count: Frames.
    """
    behind, *donors = pictures
    actors = _actors(rng, donors, side, count)
    named = not actors or rng.random() < 0.5
    own = _own(behind.maps[int(rng.integers(len(behind.maps)))])
    ids = own if named else np.zeros_like(own)
    camera = _Camera(rng, own.shape, side, steady=rng.random() < 0.2)
    elastic = Elastic(rng, (side, side), float(rng.uniform(0.005, 0.03))) if rng.random() < 0.3 else None
    light, rate = rng.uniform(0, 0.15) * (rng.random() < 0.5), rng.uniform(0.1, 0.6)
    picture, first = behind.image.astype(np.float32), int(own.max()) + 1
    frames, marks = [], []
    for t in range(count):
        frame, labels = camera(t, picture, ids)
        if elastic is not None:
            frame, labels = elastic(t, frame), elastic.labels(t, labels)
        for number, actor in enumerate(actors):
            labels[actor.draw(t, frame)] = first + number
        frames.append(frame * (1 + light * float(np.sin(rate * t))))
        marks.append(labels.astype(np.uint8))
    return _finished(rng, frames), np.stack(marks)


def _actors(rng: np.random.Generator, donors: Sequence[RegionPicture], side: int, count: int) -> list[Motion]:
    """Things that move, the last in front; one in three times two of them look alike."""
    wanted = int(rng.choice(6, p=(0.15, 0.2, 0.25, 0.2, 0.1, 0.1)))
    twins = rng.random() < 0.35
    out: list[Motion] = []
    last: Cutout | None = None
    for _ in range(_TRIES * wanted):
        if len(out) == wanted:
            break
        size = side * float(np.exp(rng.uniform(np.log(0.12), np.log(0.75))))
        donor = donors[int(rng.integers(len(donors)))]
        cutout = last if twins and last is not None and len(out) == 1 else cut(rng, donor, size)
        if cutout is not None:
            out.append(Motion(rng, cutout, side, count))
            last = cutout
    return out


def _own(labels: NDArray[np.uint8], *, all_of_them: bool = False) -> NDArray[np.uint8]:
    """Ids of the things of a map, from 1 on; 0 is all the rest. Or of all its regions that are no specks."""
    table = np.zeros(256, np.uint8)
    found = (regions(labels) if all_of_them else things(labels))[: VOID // 2]
    table[found] = np.arange(1, len(found) + 1)
    return table[labels]


class _Camera:
    """A view of a photograph that pans, zooms, turns and tilts; what lies beyond its border is unknown.

    Args:
        rng: Draws it.
        hw: Of the photograph.
        side: Of the square view, in pixels.
        steady: It does not move.
    """

    def __init__(self, rng: np.random.Generator, hw: tuple[int, int], side: int, *, steady: bool) -> None:
        self.side, (height, width) = side, hw
        share, aspect = rng.uniform(0.5, 1.0), float(np.exp(rng.normal(0, 0.12)))
        self.half = np.array([min(1.0, share * aspect) * width / 2, min(1.0, share / aspect) * height / 2])
        room = np.array([width / 2, height / 2]) - self.half
        self.centre = np.array([width / 2, height / 2]) + rng.uniform(-1, 1, 2) * room
        lively = 0.0 if steady else float(rng.uniform(0.2, 1.0))
        self.pan = lively * rng.normal(0, 0.02, 2) * self.half * 2
        self.shake = lively * rng.uniform(0, 0.02, 2) * self.half * 2 * (rng.random() < 0.5)
        self.zoom = lively * rng.normal(0, 0.015)
        self.turn, self.spin = np.deg2rad(rng.normal(0, 4)), lively * np.deg2rad(rng.normal(0, 0.8))
        self.tilt, self.tilting = rng.normal(0, 0.04, (4, 2)), lively * rng.normal(0, 0.006, (4, 2))
        self.phase = rng.uniform(0, 2 * np.pi, 2)

    def __call__(
        self, t: int, picture: NDArray[np.float32], ids: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The view at a frame: float32 (S, S, 3) and uint8 (S, S)."""
        angle, corners = self.turn + self.spin * t, np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = (corners + self.tilt + self.tilting * t) * self.half * np.exp(self.zoom * t)
        centre = self.centre + self.pan * t + self.shake * np.sin(1.7 * t + self.phase)
        quad = (corners @ turn.T + centre).astype(np.float32)
        square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * self.side
        matrix = cv2.getPerspectiveTransform(quad, square)
        size = (self.side, self.side)
        frame = cv2.warpPerspective(
            picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        marks = cv2.warpPerspective(
            ids, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=VOID
        )
        return np.asarray(frame, np.float32), np.asarray(marks, np.uint8)


def _finished(rng: np.random.Generator, frames: Sequence[NDArray[np.float32]]) -> NDArray[np.uint8]:
    """Frames (S, S, 3) as a camera gives them: smeared by motion, and noisy, at times."""
    out = np.stack(frames)
    if rng.random() < 0.15:
        length, angle = int(rng.integers(3, 10)), float(rng.uniform(0, 180))
        line = np.zeros((length, length), np.float32)
        line[length // 2] = 1
        turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), angle, 1.0)
        kernel = np.asarray(cv2.warpAffine(line, turn, (length, length)), np.float32)
        kernel = kernel / max(float(kernel.sum()), 1e-6)
        out = np.stack([cv2.filter2D(frame, -1, kernel) for frame in out])
    if rng.random() < 0.3:
        out += rng.normal(0, rng.uniform(1, 9), out.shape).astype(np.float32)
    return np.clip(out, 0, 255).astype(np.uint8)
