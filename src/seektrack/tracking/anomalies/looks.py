"""What the pictures say of tracks: colours inside and around each mask, and what is there after a loss.

Cuts and the camera's motion besides. A few hundred bytes a sight, however large the picture is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.shots import CutFinder
from seektrack.geometry import BoolMask, Box
from seektrack.tracking.motion import Affine, CameraMotion
from seektrack.types import Frame, Mask, Observation, Tracks

Signature = NDArray[np.float16]
_Held = TypeVar("_Held")
_LIGHT, _HUES = 12, 10
_HUE_REACH = 60.0
"""Distance of a and b in CIELAB (8 bits) from grey that the histogram reaches; beyond, the last bin."""
_GHOST_FRAMES = 6
"""Frames after an object vanished on which its place is looked at."""
_AROUND = (
    (1.0, 0.0, 0.0), (1.0, 0.25, 0.0), (1.0, -0.25, 0.0), (1.0, 0.0, 0.25), (1.0, 0.0, -0.25),
    (0.5, 0.0, 0.0), (1.5, 0.0, 0.0), (0.0, 0.0, 0.0),
)  # fmt: skip
"""Where: so much of its way on, and so many sizes beside that."""


@dataclass(frozen=True)
class Sight:
    """One observation as the picture shows it.

    Attributes:
        signature: Unit vector (D,): what colours lie inside.
        contrast: 1 − likeness of inside and a band around it, in [0, 1].
    """

    signature: Signature
    contrast: float


@dataclass
class TrackLooks:
    """What the pictures say of tracks.

    Attributes:
        sights: By id, by frame.
        still_there: By id, by frame on which it was not seen, how like it its expected place looks.
        cuts: Frames that begin another shot.
        steps: By frame, the map from the pixels of the frame before; missing where none was found.
    """

    sights: dict[int, dict[int, Sight]] = field(default_factory=dict)
    still_there: dict[int, dict[int, float]] = field(default_factory=dict)
    cuts: set[int] = field(default_factory=set)
    steps: dict[int, Affine] = field(default_factory=dict)

    def forget_before(self, frame_index: int) -> None:
        """Drop what lies before a frame, as on a stream without an end."""
        self.sights = {i: kept for i, held in self.sights.items() if (kept := _since(held, frame_index))}
        there = {i: _since(held, frame_index) for i, held in self.still_there.items()}
        self.still_there = {i: held for i, held in there.items() if held}
        self.steps = _since(self.steps, frame_index)
        self.cuts = {f for f in self.cuts if f >= frame_index}


def _since(held: dict[int, _Held], frame_index: int) -> dict[int, _Held]:
    return {f: one for f, one in held.items() if f >= frame_index}


@dataclass
class _Past:
    """What is known of a track up to now: its mean looks, its last sights."""

    total: NDArray[np.float64]
    boxes: list[tuple[int, Box]]
    mask: Mask | None
    gone: int = 0


class Onlooker:
    """Takes frames in order, with what is observed on each.

    Attributes:
        looks: What was taken so far.
    """

    def __init__(self) -> None:
        self.looks = TrackLooks()
        self._begins_shot = CutFinder()
        self._camera = CameraMotion()
        self._past: dict[int, _Past] = {}

    def look(self, frame: Frame, observations: Sequence[tuple[int, Observation]]) -> None:
        """Take in a frame.

        Args:
            frame: The next one.
            observations: Ids and what is observed of them; predicted ones count as not seen.
        """
        if self._begins_shot(frame.image):
            self.looks.cuts.add(frame.index)
            self._past.clear()
        seen = [(i, o) for i, o in observations if o.visible]
        self._camera.apart_from = [o.box for _, o in seen]
        self._camera.update(frame.index, frame.image)
        self._camera.to_first.clear()
        if self._camera.step is not None:
            self.looks.steps[frame.index] = self._camera.step
        for past in self._past.values():
            if self._camera.step is not None:
                past.boxes = [(f, _carried(b, self._camera.step)) for f, b in past.boxes]
        masks = {i: _mask_of(o, frame.hw) for i, o in seen}
        for obj_id, o in seen:
            self._see(frame, obj_id, o, masks)
        ids = masks.keys()
        for obj_id in [i for i in self._past if i not in ids]:
            self._look_after(frame, obj_id, masks)

    def _see(self, frame: Frame, obj_id: int, o: Observation, masks: dict[int, BoolMask]) -> None:
        found = _sight(frame.image, masks[obj_id], o.box)
        if found is None:
            return
        self.looks.sights.setdefault(obj_id, {})[frame.index] = found
        past = self._past.get(obj_id)
        if past is None:
            past = self._past[obj_id] = _Past(np.zeros(len(found.signature)), [], None)
        past.total = 0.9 * past.total + found.signature
        past.boxes = [*past.boxes[-3:], (frame.index, o.box)]
        past.mask, past.gone = o.mask, 0

    def _look_after(self, frame: Frame, obj_id: int, masks: dict[int, BoolMask]) -> None:
        """How like a vanished object its expected place looks, if no other object lies there."""
        past = self._past[obj_id]
        past.gone += 1
        if past.gone > _GHOST_FRAMES or len(past.boxes) < 2:
            del self._past[obj_id]
            return
        (f0, first), (f1, last) = past.boxes[0], past.boxes[-1]
        ahead = (frame.index - f1) / max(f1 - f0, 1)
        dx, dy = ((last[k] + last[k + 2] - first[k] - first[k + 2]) / 2 * ahead for k in (0, 1))
        usual = past.total / max(float(np.linalg.norm(past.total)), 1e-9)
        size = max(np.sqrt((last[2] - last[0]) * (last[3] - last[1])), 1.0)
        best = 0.0
        for share, sx, sy in _AROUND:
            there = _moved(past.mask, last, share * dx + sx * size, share * dy + sy * size, frame.hw)
            if there is None or any((there & m).sum() > 0.2 * there.sum() for m in masks.values()):
                continue
            ys, xs = np.nonzero(there)
            box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
            found = _sight(frame.image, there, box)
            if found is not None:
                best = max(best, float(usual @ found.signature))
        if best > 0:
            self.looks.still_there.setdefault(obj_id, {})[frame.index] = best


def look_at(frames: Iterable[Frame], tracks: Tracks) -> TrackLooks:
    """What the pictures of a video say of its tracks.

    Args:
        frames: In order, of the same numbers as the tracks' frames.
        tracks: From anywhere; without masks, the middle of each box stands for it.
    """
    onlooker = Onlooker()
    last = max((o.frame_index for t in tracks for o in t.observations), default=-1) + _GHOST_FRAMES
    for frame in frames:
        if frame.index > max(last, max(tracks.frame_times, default=-1)):
            break
        onlooker.look(frame, [(t.obj_id, o) for t, o in tracks.at(frame.index)])
    return onlooker.looks


def _sight(image: NDArray[np.uint8], mask: BoolMask, box: Box) -> Sight | None:
    h, w = mask.shape
    size = max(np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1.0)), 1.0)
    reach = max(3, round(0.2 * size))
    x0, y0 = max(int(box[0]) - reach, 0), max(int(box[1]) - reach, 0)
    x1, y1 = min(int(box[2]) + reach + 1, w), min(int(box[3]) + reach + 1, h)
    part = np.ascontiguousarray(mask[y0:y1, x0:x1], dtype=np.uint8)
    if part.sum() < 4:
        return None
    lab = cv2.cvtColor(np.ascontiguousarray(image[y0:y1, x0:x1]), cv2.COLOR_RGB2LAB).astype(np.float32)
    inner = cv2.erode(np.pad(part, 1), np.ones((3, 3), np.uint8))[1:-1, 1:-1]
    inside = inner if inner.sum() >= max(12, part.sum() // 4) else part
    wide = cv2.dilate(part, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    ring = (wide > 0) & (cv2.dilate(part, np.ones((3, 3), np.uint8)) == 0)
    signature = _signature(lab[inside > 0])
    around = _signature(lab[ring]) if ring.sum() >= 8 else None
    contrast = 1.0 if around is None else 1.0 - float(signature @ around)
    return Sight(signature.astype(np.float16), max(contrast, 0.0))


def _signature(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lightness and hues of CIELAB pixels (P, 3) as roots of two soft histograms: a unit vector (D,)."""
    light = np.clip(pixels[:, 0] / 256 * _LIGHT - 0.5, 0, _LIGHT - 1.001)
    hues = np.clip((pixels[:, 1:] - 128 + _HUE_REACH) / (2 * _HUE_REACH) * _HUES - 0.5, 0, _HUES - 1.001)
    low, share = light.astype(int), light % 1
    lightness = np.bincount(low, 1 - share, _LIGHT) + np.bincount(low + 1, share, _LIGHT)
    at, rest = hues.astype(int), hues % 1
    both = np.zeros(_HUES * _HUES)
    for da in (0, 1):
        for db in (0, 1):
            weight = (rest[:, 0] if da else 1 - rest[:, 0]) * (rest[:, 1] if db else 1 - rest[:, 1])
            both += np.bincount((at[:, 0] + da) * _HUES + at[:, 1] + db, weight, _HUES * _HUES)
    halves = [np.sqrt(h / max(h.sum(), 1e-9) / 2) for h in (lightness, both)]
    return np.concatenate(halves).astype(np.float32)


def _mask_of(o: Observation, hw: tuple[int, int]) -> BoolMask:
    """The mask of an observation, or an ellipse in the middle of its box."""
    if o.mask is not None and o.mask.size == hw:
        return o.mask.to_array()
    out = np.zeros(hw, np.uint8)
    centre = round((o.box[0] + o.box[2]) / 2), round((o.box[1] + o.box[3]) / 2)
    axes = max(round((o.box[2] - o.box[0]) * 0.35), 1), max(round((o.box[3] - o.box[1]) * 0.35), 1)
    cv2.ellipse(out, centre, axes, 0, 0, 360, 1, -1)
    return out.astype(np.bool_)


def _moved(mask: Mask | None, box: Box, dx: float, dy: float, hw: tuple[int, int]) -> BoolMask | None:
    """The last shape elsewhere; None where a fifth of it would lie outside the picture."""
    if mask is None or mask.size != hw:
        shifted = (box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy)
        shape = _mask_of(Observation(0, 0.0, shifted, None, 1.0), hw)
        return shape if shape.any() else None
    ys, xs = np.nonzero(mask.to_array())
    total = len(ys)
    ys, xs = ys + round(dy), xs + round(dx)
    kept = (ys >= 0) & (ys < hw[0]) & (xs >= 0) & (xs < hw[1])
    if kept.sum() < max(0.8 * total, 4):
        return None
    out = np.zeros(hw, dtype=np.bool_)
    out[ys[kept], xs[kept]] = True
    return out


def _carried(box: Box, step: Affine) -> Box:
    x, y = step @ np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 1.0])
    half_w, half_h = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    return float(x - half_w), float(y - half_h), float(x + half_w), float(y + half_h)
