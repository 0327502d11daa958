"""Where something moves that nobody has looked at yet: told from each frame in a few milliseconds.

Against a still camera a background model says what moves (MOG2, Zivkovic 2004); while the camera moves, the
frame of a moment ago, moved as the camera did, is taken away. What moves is followed as blobs, so that each
is looked at once and not on every frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.geometry import Box
from seektrack.tracking.motion import CameraMotion

Image = NDArray[np.uint8]
Grey = NDArray[np.uint8]

_LAG_S = 0.15
"""How long ago the frame is that a frame under a moving camera is held against."""
_STILL = 0.35
"""Pixels of the small picture a still camera may seem to move from frame to frame."""
_CHANGED = 22
"""Grey levels that make a pixel another one."""
_FORGET_S = 0.5
"""Seconds after which a blob that does not move any more is forgotten."""
_QUIET_S = 3.0
"""Seconds a place stays known where a look at what moves found nothing."""
_MOMENT_S = 0.4
"""... where a glance at it showed nothing, as where a blob breaks up and comes together again."""
_EVERYTHING = 0.6
"""Share of the picture that changes at once where the light does, or the shot."""
_SURE = 0.3
"""Share of the places that still differ without the camera's motion, up to which that is believed."""
_PLACES = 16
"""Places along a side, to tell a change in one place from one all over."""
_GROWN = 1.6
"""Times its area at the last look from which on a blob is worth another one."""


@dataclass
class Blob:
    """Something that moves.

    Attributes:
        box: ``xyxy`` pixels of the source.
        since_s, seen_s: When it was first and last seen.
        sights: Frames it was seen on.
        looked_area: Area of its box at the last look at it; 0 when there was none.
    """

    box: Box
    since_s: float
    seen_s: float
    sights: int = 1
    looked_area: float = 0.0

    def looked(self) -> None:
        """Note that it was looked at as it is now."""
        self.looked_area = max(self.looked_area, _area(self.box))


class Newcomers:
    """Watches a video for what moves and was not looked at.

    Args:
        side: Longer side of the small pictures compared, pixels.
        min_height: Least height of what counts, in pixels of the source.
        camera: Shared with who else needs it; it is updated here.

    Attributes:
        moving: Whether anything moves on the last frame, however small, followed or not.
    """

    def __init__(
        self, *, side: int = 480, min_height: float = 24.0, camera: CameraMotion | None = None
    ) -> None:
        self.side, self.min_height = side, min_height
        self.camera = camera or CameraMotion()
        self._mog = self._fresh()
        self._past: deque[tuple[float, int, Grey]] = deque()
        self._blobs: list[Blob] = []
        self._quiet: list[tuple[float, Box]] = []
        self._before: int | None = None
        self.moving = False

    @staticmethod
    def _fresh() -> cv2.BackgroundSubtractorMOG2:
        return cv2.createBackgroundSubtractorMOG2(history=120, varThreshold=24, detectShadows=False)

    def update(self, frame_index: int, time_s: float, image: Image) -> None:
        """Take the next frame, uint8 (H, W, 3), RGB."""
        self.camera.update(frame_index, image)
        scale = min(self.side / max(image.shape[:2]), 1.0)
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if scale < 1:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small: Grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.0), dtype=np.uint8)
        masks = self._foreground(frame_index, small, scale)
        self._before = frame_index
        self.moving = any(mask.any() for mask in masks)
        self._past.append((time_s, frame_index, small))
        while len(self._past) > 1 and self._past[1][0] <= time_s - _LAG_S:
            self._past.popleft()
        self._follow([box for mask in masks for box in self._boxes(mask, scale)], time_s)

    def unseen(self, time_s: float, known: Sequence[Box], *, min_age_s: float) -> list[Blob]:
        """What has moved for a while, and is neither followed nor was looked at.

        Args:
            time_s: Now.
            known: Boxes of the objects that are followed.
            min_age_s: Least seconds it has moved; what is seen on two frames in a row that lie farther apart
                has.
        """
        return [
            b
            for b in self._blobs
            if b.seen_s == time_s
            and b.sights > 1
            and b.since_s <= time_s - min_age_s + 1e-6
            and _area(b.box) > _GROWN * b.looked_area
            and not _covered(b.box, known)
            and not any(_same(b.box, box) for until, box in self._quiet if time_s <= until)
        ]

    def ruled_out(self, blob: Blob) -> None:
        """Tell that a glance at a blob showed nothing; its place is left alone for a moment."""
        blob.looked()
        self._quiet.append((blob.seen_s + _MOMENT_S, blob.box))

    def looked(self, time_s: float, found: Sequence[Box]) -> None:
        """Tell that this whole frame was looked at, and what was found on it."""
        for blob in self._blobs:
            blob.looked()
            if blob.seen_s == time_s and not _covered(blob.box, found):
                self._quiet.append((time_s + _QUIET_S, blob.box))

    def _foreground(self, frame_index: int, small: Grey, scale: float) -> list[Grey]:
        """255 where something moves in the small picture, by each belief about the camera's motion."""
        if self._before is None or not self._past or self._past[-1][2].shape != small.shape:
            self._mog, self._past = self._fresh(), deque()
            self._mog.apply(small, learningRate=1.0)
            return []
        step, before = self._between(frame_index, self._before, scale), self._past[-1][2]
        # Where one thing has most of the corners, its motion passes for the camera's. Only where taking the
        # camera's motion away leaves little of the change is it beyond doubt.
        share = 1.0
        if not _is_still(step, small.shape):
            share = _spread(_moved(small, before, step)) / max(_spread(_apart(small, before)), 1)
        masks: list[Grey] = []
        if share > _SURE:
            masks.append(np.asarray(self._mog.apply(small), dtype=np.uint8))
        else:
            self._mog.apply(small, learningRate=1.0)
        if share < 1:
            _, index, old = self._past[0]
            masks.append(_moved(small, old, self._between(frame_index, index, scale)))
        if any(mask.mean() > 255 * _EVERYTHING for mask in masks):
            self._mog.apply(small, learningRate=1.0)
            return [np.full_like(small, 255)]
        cleaned = (cv2.medianBlur(mask, 3) for mask in masks)
        return [np.asarray(cv2.dilate(m, np.ones((5, 5), np.uint8)), dtype=np.uint8) for m in cleaned]

    def _between(self, frame_index: int, other: int, scale: float) -> NDArray[np.float64]:
        """Map (2, 3) of the small picture from pixels of one frame to those of another."""
        whole = [np.vstack([self.camera.to_first[i], [0.0, 0.0, 1.0]]) for i in (frame_index, other)]
        step = np.linalg.inv(whole[1]) @ whole[0]
        step[:2, 2] *= scale
        return np.asarray(step[:2], dtype=np.float64)

    def _boxes(self, moving: Grey, scale: float) -> list[Box]:
        _, _, stats, _ = cv2.connectedComponentsWithStats(moving, connectivity=8)
        least = self.min_height * scale
        found = [(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:] if h >= least and w >= least / 4]
        return [(x0 / scale, y0 / scale, x1 / scale, y1 / scale) for x0, y0, x1, y1 in found]

    def _follow(self, boxes: Sequence[Box], time_s: float) -> None:
        """Carry the blobs on to this frame's boxes, and begin one for each box that is none of them."""
        free = list(self._blobs)
        for box in sorted(boxes, key=_area, reverse=True):
            near = max(free, key=lambda b: _overlap(b.box, box), default=None)
            if near is not None and _overlap(near.box, box) > 0:
                near.box, near.seen_s, near.sights = box, time_s, near.sights + 1
                free.remove(near)
            else:
                # What a blob breaks into is known as the blob was.
                whole = [b for b in self._blobs if b.looked_area and _overlap(b.box, box) >= 0.5]
                self._blobs.append(Blob(box, time_s, time_s, looked_area=_area(box) if whole else 0.0))
        self._blobs = [b for b in self._blobs if time_s - b.seen_s <= _FORGET_S]
        self._quiet = [(until, box) for until, box in self._quiet if time_s <= until][-64:]


def _apart(small: Grey, other: Grey) -> Grey:
    """255 where two small pictures differ."""
    return np.where(cv2.absdiff(small, other) > _CHANGED, 255, 0).astype(np.uint8)


def _moved(small: Grey, other: Grey, back: NDArray[np.float64]) -> Grey:
    """255 where a small picture differs from another, ``back`` being the map (2, 3) to the pixels of that."""
    height, width = small.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    was = cv2.warpAffine(other, back, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.full_like(other, 255), back, (width, height), flags=flags)
    return np.where(inside == 255, _apart(small, np.asarray(was, dtype=np.uint8)), 0).astype(np.uint8)


def _spread(mask: Grey) -> int:
    """In how many places of a picture there is something."""
    places = cv2.resize(mask, (_PLACES, _PLACES), interpolation=cv2.INTER_AREA)
    return int(np.count_nonzero(places))


def _is_still(step: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Whether a map moves no corner of a picture (H, W) by more than a still camera may seem to move."""
    height, width = shape[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], dtype=np.float64)
    return bool(np.abs(corners @ step.T - corners[:, :2]).max() <= _STILL)


def _area(box: Box) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def _shared(a: Box, b: Box) -> float:
    return _area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def _overlap(a: Box, b: Box) -> float:
    return _shared(a, b) / max(min(_area(a), _area(b)), 1e-9)


def _same(a: Box, b: Box) -> bool:
    return float(geometry.box_iou(np.array([a]), np.array([b]))[0, 0]) >= 0.5


def _covered(box: Box, known: Sequence[Box]) -> bool:
    """Whether most of a box lies in one that is known, grown by a fifth for what has moved since."""
    for x0, y0, x1, y1 in known:
        dx, dy = (x1 - x0) / 5, (y1 - y0) / 5
        if _shared(box, (x0 - dx, y0 - dy, x1 + dx, y1 + dy)) >= 0.6 * _area(box):
            return True
    return False
