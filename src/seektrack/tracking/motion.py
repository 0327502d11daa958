"""How the camera and the tracks move, and whether a track moves as was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box
from seektrack.query import Motion
from seektrack.types import Observation

Affine = NDArray[np.float64]
"""(2, 3): takes ``(x, y, 1)`` of one frame to ``(x, y)`` of another."""

_MIN_POINTS = 8


class CameraMotion:
    """Where still things have gone in the picture since the first frame: pan, zoom and roll.

    Corners followed by pyramidal Lucas-Kanade, forth and back, and a similarity fitted by RANSAC: what most
    of the picture does counts as the camera's doing. A frame with too little to follow, as after a cut, adds
    none.

    Args:
        side: Longer side in pixels of the grey copies compared; larger pictures are reduced.
        corners: Most corners followed.

    Attributes:
        to_first: By frame index, the map from its pixels to those of the first frame.
        apart_from: Boxes of the latest frame that hold what moves by itself; set by who follows it.
        step: The map from the pixels of the frame before to those of the latest; None where the two share too
            little.
    """

    def __init__(self, *, side: int = 320, corners: int = 200) -> None:
        self.side = side
        self.corners = corners
        self.to_first: dict[int, Affine] = {}
        self._from_first: Affine = np.eye(3)
        self.step: Affine | None = None
        self.apart_from: list[Box] = []
        self._previous: NDArray[np.uint8] | None = None

    def update(self, frame_index: int, image: NDArray[np.uint8]) -> Affine:
        """Take in the next frame, uint8 (H, W, 3), and map its pixels to those of the first: (2, 3).

        A frame that was taken in already changes nothing, so that several may share one.
        """
        if frame_index in self.to_first:
            return self.to_first[frame_index]
        scale = min(self.side / max(image.shape[:2]), 1.0)
        picture = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if scale < 1:
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        grey: NDArray[np.uint8] = np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.2), dtype=np.uint8)
        moving = [[v * scale for v in box] for box in self.apart_from]
        step = None if self._previous is None else self._step(self._previous, grey, moving)
        if step is not None:
            step[:, 2] /= scale
            whole = np.vstack([step, [0.0, 0.0, 1.0]]) @ self._from_first
            self._from_first = np.asarray(whole, dtype=np.float64)
        self._previous, self.step = grey, step
        inverse: Affine = np.asarray(np.linalg.inv(self._from_first)[:2], dtype=np.float64)
        self.to_first[frame_index] = inverse
        return inverse

    def _step(
        self, before: NDArray[np.uint8], after: NDArray[np.uint8], moving: Sequence[Sequence[float]]
    ) -> Affine | None:
        """Map from one grey picture to the next, or None when they share too little."""
        if before.shape != after.shape:
            return None
        still = np.full(before.shape, 255, np.uint8)
        for x0, y0, x1, y1 in moving:
            still[max(int(y0) - 3, 0) : max(int(y1) + 4, 0), max(int(x0) - 3, 0) : max(int(x1) + 4, 0)] = 0
        corners = cv2.goodFeaturesToTrack(before, self.corners, 0.005, 7, mask=still)
        if corners is None or len(corners) < _MIN_POINTS:
            return None
        moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, None)  # type: ignore[call-overload]
        back, refound, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, None)  # type: ignore[call-overload]
        returned = np.linalg.norm((back - corners).reshape(-1, 2), axis=1) < 1
        sure = (found.ravel() == 1) & (refound.ravel() == 1) & returned
        if sure.sum() < _MIN_POINTS:
            return None
        step, inliers = cv2.estimateAffinePartial2D(
            corners[sure], moved[sure], method=cv2.RANSAC, ransacReprojThreshold=1.0
        )
        if step is None or int(inliers.sum()) < max(_MIN_POINTS, sure.sum() / 2):
            return None
        return np.asarray(step, dtype=np.float64)


@dataclass(frozen=True)
class MotionSettings:
    """When a track counts as moving, fast or coming closer.

    Attributes:
        min_travel: Least way in object sizes (√area of the box) of what moves.
        min_travel_picture: Least way as a fraction of the picture's width, of what moves.
        still_slack: What stands still may travel this many times those.
        min_straightness: Least share of the travel that lies in the asked direction.
        fast: Speed in picture widths per second from which something is fast.
        growth: Ratio of sides, last over first, from which something comes closer; its inverse, goes away.
    """

    min_travel: float = 0.25
    min_travel_picture: float = 0.02
    still_slack: float = 1.2
    min_straightness: float = 0.5
    fast: float = 0.15
    growth: float = 1.15


@dataclass(frozen=True)
class Travel:
    """Movement of one track over the ground, as far as the camera's own motion is known.

    Attributes:
        dx: Net way to the right, pixels.
        dy: Net way down, pixels.
        extent: Longest side of what the centre ranged over, pixels.
        size: Median √(w·h) of the box, pixels.
        growth: √(w·h) at the end over that at the start.
        seconds: Between first and last sight.
    """

    dx: float
    dy: float
    extent: float
    size: float
    growth: float
    seconds: float


def travel(observations: Sequence[Observation], camera: Mapping[int, Affine] | None = None) -> Travel | None:
    """Measure a track's movement from what was seen of it; None with fewer than two sightings."""
    seen = [o for o in observations if o.visible]
    if len(seen) < 2:
        return None
    camera = camera or {}
    still = np.eye(3)[:2]
    centres = np.array([camera.get(o.frame_index, still) @ (*o.centre, 1.0) for o in seen])
    sizes = np.sqrt([max(o.box[2] - o.box[0], 1.0) * max(o.box[3] - o.box[1], 1.0) for o in seen])
    n = max(1, min(len(seen) // 5, 5))
    way = np.median(centres[-n:], axis=0) - np.median(centres[:n], axis=0)
    low, high = np.percentile(centres, 5, axis=0), np.percentile(centres, 95, axis=0)
    return Travel(
        dx=float(way[0]),
        dy=float(way[1]),
        extent=float((high - low).max()),
        size=float(np.median(sizes)),
        growth=float(np.median(sizes[-n:]) / np.median(sizes[:n])),
        seconds=abs(seen[-1].time_s - seen[0].time_s),
    )


def agrees(
    motion: Motion,
    observations: Sequence[Observation],
    *,
    width: int,
    camera: Mapping[int, Affine] | None = None,
    settings: MotionSettings | None = None,
) -> bool:
    """Whether a track moves as was asked for.

    Args:
        motion: What was asked for.
        observations: Of the track, in order of time.
        width: Of the picture in pixels.
        camera: By frame, the map to pixels of the first (`CameraMotion.to_first`).
        settings: See `MotionSettings`.

    Returns:
        False where the track contradicts the words; a track too short to tell moves neither way, and agrees
        only with standing still.
    """
    settings = settings or MotionSettings()
    moved = travel(observations, camera)
    if moved is None:
        return not motion.moving
    least = max(settings.min_travel * moved.size, settings.min_travel_picture * width)
    if not motion.moving:
        return moved.extent < settings.still_slack * least
    if motion.approach:
        return moved.growth**motion.approach >= settings.growth
    if moved.extent < least:
        return False
    if motion.direction is not None:
        way = np.array([moved.dx, moved.dy])
        towards = np.array(motion.direction, dtype=np.float64)
        along = float(way @ towards / np.linalg.norm(towards))
        if along <= 0 or along < settings.min_straightness * float(np.linalg.norm(way)):
            return False
    speed = float(np.hypot(moved.dx, moved.dy)) / max(moved.seconds, 1e-9) / width
    if motion.rate == "fast":
        return speed >= settings.fast
    return speed < settings.fast if motion.rate == "slow" else True
