"""The part of an object that something hides, estimated: its last full shape, moved to where it must be.

The whole of an object, hidden parts included, is called its amodal mask (Zhu et al., CVPR 2017). Nothing is
learnt here. A frame shows an object in full while its mask keeps the size it had; where the mask shrinks
faster than an object grows or turns away, something covers it, and the nearest full shapes before and after
say what is missing. Works on any tracks with masks, without the pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.types import Mask, Observation, Track, Tracks

_Crop = NDArray[np.float32]


@dataclass(frozen=True)
class HiddenPartSettings:
    """When an object counts as covered, and how far its full shape is trusted.

    Attributes:
        full_area: Least share of the usual area that a mask in full has.
        cut_area, full_side: Below this share of the usual area, a mask in full has at least this share of
            the usual width and height: what is cut off at one side is shorter, what swings its legs is not
            smaller.
        usual: Full masks of which the median is the usual one.
        change: Share of its sides by which an object may grow or shrink by itself in a second.
        max_gap_s: Seconds a full shape is carried at most.
        reach: Farthest that a shape is moved to fit what shows, in sides of the object.
        least: Least share of the whole that must be hidden to be told.
    """

    full_area: float = 0.85
    cut_area: float = 0.95
    full_side: float = 0.88
    usual: int = 8
    change: float = 0.35
    max_gap_s: float = 3.0
    reach: float = 0.5
    least: float = 0.05


def add_hidden_parts(tracks: Tracks, settings: HiddenPartSettings | None = None) -> Tracks:
    """Give every observation of a covered object its whole mask, the hidden part estimated.

    Args:
        tracks: With masks; those without are left as they are.
        settings: See `HiddenPartSettings`.

    Returns:
        The same tracks; ``amodal`` of an observation is set where part or all of the object is hidden, and
        None where it shows in full or nothing is known of its shape.
    """
    settings = settings or HiddenPartSettings()
    hw = tracks.video.hw
    return replace(tracks, tracks=tuple(_track(track, hw, settings) for track in tracks))


def _track(track: Track, hw: tuple[int, int], settings: HiddenPartSettings) -> Track:
    seen = track.observations
    sizes = [_size(o) for o in seen]
    full = _full(seen, sizes, hw, settings)
    known = [k for k, is_full in enumerate(full) if is_full]
    if not known:
        return track
    out = []
    for k, o in enumerate(seen):
        amodal = None if full[k] or _at_border(o, hw) else _whole(seen, k, known, hw, settings)
        out.append(replace(o, amodal=amodal))
    return replace(track, observations=tuple(out))


def _size(o: Observation) -> tuple[float, float, float]:
    """Area, width and height of what shows; zeros without a mask."""
    if not o.visible or o.mask is None or o.mask.box is None:
        return 0.0, 0.0, 0.0
    x0, y0, x1, y1 = o.mask.box
    return float(o.mask.area), x1 - x0, y1 - y0


def _at_border(o: Observation, hw: tuple[int, int]) -> bool:
    """Whether a mask touches the picture's edge: what is beyond it cannot be drawn."""
    box = o.mask.box if o.mask is not None else None
    return box is not None and (box[0] < 1 or box[1] < 1 or box[2] > hw[1] - 1 or box[3] > hw[0] - 1)


def _full(
    seen: Sequence[Observation],
    sizes: Sequence[tuple[float, float, float]],
    hw: tuple[int, int],
    settings: HiddenPartSettings,
) -> list[bool]:
    """Which frames show the object in full: of its usual size coming from either side in time."""
    usable = [size[0] > 0 and not _at_border(o, hw) for o, size in zip(seen, sizes, strict=True)]
    times = [o.time_s for o in seen]
    forth = _keeps_size(sizes, times, usable, range(len(seen)), settings)
    back = _keeps_size(sizes, times, usable, range(len(seen) - 1, -1, -1), settings)
    return [a and b for a, b in zip(forth, back, strict=True)]


def _keeps_size(
    sizes: Sequence[tuple[float, float, float]],
    times: Sequence[float],
    usable: Sequence[bool],
    order: range,
    settings: HiddenPartSettings,
) -> list[bool]:
    """Which masks are about as large as the full ones before them in an order of frames."""
    latest: list[int] = []
    out = [False] * len(sizes)
    for k in order:
        if not usable[k]:
            continue
        if latest:
            usual = np.median([sizes[f] for f in latest[-settings.usual :]], axis=0)
            since = float(np.median([abs(times[k] - times[f]) for f in latest[-settings.usual :]]))
            shrunk = np.exp(-settings.change * since * np.array([2.0, 1.0, 1.0]))
            area, *sides = np.array(sizes[k]) / (shrunk * usual)
            if area < settings.full_area or (min(sides) < settings.full_side and area < settings.cut_area):
                continue
        latest.append(k)
        out[k] = True
    return out


def _whole(
    seen: Sequence[Observation],
    k: int,
    known: Sequence[int],
    hw: tuple[int, int],
    settings: HiddenPartSettings,
) -> Mask | None:
    """The whole of the object on one frame, from the nearest frames that show it in full."""
    o = seen[k]
    near = [
        max((f for f in known if f < k), default=None),
        min((f for f in known if f > k), default=None),
    ]
    around = [f for f in near if f is not None and abs(seen[f].time_s - o.time_s) <= settings.max_gap_s]
    if not around:
        return None
    around.sort(key=lambda f: abs(seen[f].time_s - o.time_s))
    centre, side = _expected(seen, k, around)
    shape = _shape(seen[around[0]], side)
    if shape is None:
        return None
    visible = o.mask.to_array() if o.visible and o.mask is not None else None
    if visible is not None:
        centre = _fitted(shape, visible, centre, side * settings.reach)
    whole = _placed(shape, centre, hw)
    shown = 0
    if visible is not None:
        whole |= visible
        shown = int(visible.sum())
    area = int(whole.sum())
    return Mask.from_array(whole) if area and 1 - shown / area >= settings.least else None


def _expected(
    seen: Sequence[Observation], k: int, around: Sequence[int]
) -> tuple[tuple[float, float], float]:
    """Centre and side (√area of the box) on a frame, between the full sights or as the track says."""
    o = seen[k]
    sides = [_side(seen[f]) for f in around]
    if len(around) == 2:
        a, b = sorted(around)
        span = seen[b].time_s - seen[a].time_s
        share = (o.time_s - seen[a].time_s) / span if span > 0 else 0.5
        side = _side(seen[a]) * (1 - share) + _side(seen[b]) * share
    else:
        share, side = 0.0, sides[0]
    if not o.visible:
        return o.centre, side
    if len(around) == 2:
        (ax, ay), (bx, by) = seen[a].centre, seen[b].centre
        return (ax * (1 - share) + bx * share, ay * (1 - share) + by * share), side
    return o.centre, side


def _side(o: Observation) -> float:
    x0, y0, x1, y1 = o.box
    return math.sqrt(max((x1 - x0) * (y1 - y0), 1.0))


def _shape(full: Observation, side: float) -> _Crop | None:
    """The pixels of a full sight's box, scaled to a side."""
    if full.mask is None or full.mask.box is None:
        return None
    x0, y0, x1, y1 = (int(v) for v in full.mask.box)
    crop = full.mask.to_array()[y0:y1, x0:x1].astype(np.float32)
    scale = side / _side(full)
    size = (max(round(crop.shape[1] * scale), 1), max(round(crop.shape[0] * scale), 1))
    return np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _fitted(
    shape: _Crop, visible: NDArray[np.bool_], centre: tuple[float, float], reach: float
) -> tuple[float, float]:
    """Centre near the expected one where the shape covers most of what shows; the nearest of equals."""
    h, w = shape.shape
    pad = int(np.ceil(reach)) + 1
    left, top = round(centre[0] - w / 2) - pad, round(centre[1] - h / 2) - pad
    field = _window(visible, left, top, w + 2 * pad, h + 2 * pad)
    shown = float(field.sum())
    if not shown:
        return centre
    covered = cv2.matchTemplate(field, shape, cv2.TM_CCORR) / shown
    dy, dx = np.mgrid[-pad : pad + 1, -pad : pad + 1]
    gain = covered - 0.1 * np.hypot(dx, dy) / max(pad, 1)
    row, column = np.unravel_index(int(np.argmax(gain)), gain.shape)
    return left + int(column) + w / 2, top + int(row) + h / 2


def _window(mask: NDArray[np.bool_], left: int, top: int, width: int, height: int) -> _Crop:
    """A window of a picture, zeros beyond its edges."""
    out = np.zeros((height, width), dtype=np.float32)
    y0, y1 = max(top, 0), min(top + height, mask.shape[0])
    x0, x1 = max(left, 0), min(left + width, mask.shape[1])
    if y0 < y1 and x0 < x1:
        out[y0 - top : y1 - top, x0 - left : x1 - left] = mask[y0:y1, x0:x1]
    return out


def _placed(shape: _Crop, centre: tuple[float, float], hw: tuple[int, int]) -> NDArray[np.bool_]:
    """The shape around a centre, as a mask of the picture."""
    h, w = shape.shape
    left, top = round(centre[0] - w / 2), round(centre[1] - h / 2)
    out = np.zeros(hw, dtype=bool)
    y0, y1, x0, x1 = max(top, 0), min(top + h, hw[0]), max(left, 0), min(left + w, hw[1])
    if y0 < y1 and x0 < x1:
        out[y0:y1, x0:x1] = shape[y0 - top : y1 - top, x0 - left : x1 - left] >= 0.5
    return out
