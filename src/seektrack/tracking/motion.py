"""How the camera and the tracks move, and whether a track moves as was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.grounding import Motion
from seektrack.types import Observation

Offset = tuple[float, float]


class CameraMotion:
    """Where the picture has gone since the first frame, by phase correlation of small grey copies.

    A translation only: pans and shakes, not zooms or turns. What most of the picture does is the camera's.

    Args:
        side: Length in pixels of the longer side of the copies.
        min_response: Peak of the correlation below which two frames share no content (a cut): no motion.
    """

    def __init__(self, *, side: int = 160, min_response: float = 0.05) -> None:
        self.side = side
        self.min_response = min_response
        self.offsets: dict[int, Offset] = {}
        self._previous: NDArray[np.float32] | None = None
        self._window: NDArray[np.float32] | None = None
        self._total = np.zeros(2)

    def update(self, frame_index: int, image: NDArray[np.uint8]) -> Offset:
        """Take in the next frame.

        Args:
            frame_index: Its index.
            image: uint8 (H, W, 3).

        Returns:
            ``(x, y)`` in source pixels: how far still things have moved in the picture since the first frame.
        """
        h, w = image.shape[:2]
        scale = self.side / max(h, w)
        size = max(round(w * scale), 8), max(round(h * scale), 8)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if self._window is None:
            self._window = np.asarray(cv2.createHanningWindow(size, cv2.CV_32F), dtype=np.float32)
        if self._previous is not None and self._previous.shape == grey.shape:
            shift, response = cv2.phaseCorrelate(self._previous, grey, self._window)
            if response >= self.min_response:
                self._total = self._total + np.array(shift) * (w / size[0], h / size[1])
        self._previous = np.asarray(grey, dtype=np.float32)
        offset = (float(self._total[0]), float(self._total[1]))
        self.offsets[frame_index] = offset
        return offset


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
    still_slack: float = 2.0
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


def travel(observations: Sequence[Observation], camera: Mapping[int, Offset] | None = None) -> Travel | None:
    """Measure a track's movement from what was seen of it; None with fewer than two sightings."""
    seen = [o for o in observations if o.visible]
    if len(seen) < 2:
        return None
    camera = camera or {}
    shift = np.array([camera.get(o.frame_index, (0.0, 0.0)) for o in seen])
    centres = np.array([o.centre for o in seen]) - shift
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
    camera: Mapping[int, Offset] | None = None,
    settings: MotionSettings | None = None,
) -> bool:
    """Whether a track moves as was asked for.

    Args:
        motion: What was asked for.
        observations: Of the track, in order of time.
        width: Of the picture in pixels.
        camera: By frame, how far still things have moved in the picture (`CameraMotion`).
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
