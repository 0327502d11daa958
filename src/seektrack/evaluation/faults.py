"""Faults planted into tracks that are right, to see whether they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.types import Mask, Observation, Track, Tracks

Pictures = list[NDArray[np.uint8]]
_LEAST_SIGHTS = 8
"""Sights a track must have on either side of what is planted."""
_TRIES = 40


@dataclass(frozen=True)
class Fault:
    """What was planted.

    Attributes:
        kind: Of `FAULTS`.
        obj_ids: Tracks that are wrong.
        first, last: Frames, both included.
    """

    kind: str
    obj_ids: tuple[int, ...]
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Planted:
    """Tracks with one fault, and the pictures they are told of.

    Attributes:
        tracks: With the fault.
        pictures: uint8 (H, W, 3) by frame number; those of the carrier but for a fault of looks.
        fault: What was planted.
    """

    tracks: Tracks
    pictures: Pictures
    fault: Fault


def plant(
    kind: str, tracks: Tracks, pictures: Pictures, truth: Tracks, rng: np.random.Generator
) -> Planted | None:
    """Plant one fault.

    Args:
        kind: Of `FAULTS`.
        tracks: That are right.
        pictures: Of the video, by frame number.
        truth: Of the same video.
        rng: Decides where.

    Returns:
        None where the tracks have no place for it.
    """
    for _ in range(_TRIES):
        made = FAULTS[kind](tracks, pictures, truth, rng)
        if made is not None:
            return made
    return None


def _swap(tracks: Tracks, pictures: Pictures, truth: Tracks, rng: np.random.Generator) -> Planted | None:
    """Two tracks go on with each other's object from one frame on."""
    if len(tracks) < 2:
        return None
    a, b = (tracks.tracks[k] for k in rng.choice(len(tracks), 2, replace=False))
    shared = sorted({o.frame_index for o in _seen(a)} & {o.frame_index for o in _seen(b)})
    middle = [f for f in shared if _room(a, f) and _room(b, f) and f - 1 in shared]
    if not middle:
        return None
    at = int(rng.choice(middle))
    if rng.random() < 0.5:  # where they are nearest, as a tracker would
        at = min(middle, key=lambda f: _apart(a, b, f))

    def joined(one: Track, other: Track) -> Track:
        before = [o for o in one.observations if o.frame_index < at]
        return replace(one, observations=(*before, *(o for o in other.observations if o.frame_index >= at)))

    changed = _with(tracks, joined(a, b), joined(b, a))
    return Planted(changed, pictures, Fault("swap", (a.obj_id, b.obj_id), at, at))


def _drift(tracks: Tracks, pictures: Pictures, truth: Tracks, rng: np.random.Generator) -> Planted | None:
    """A mask slides off its object onto what lies beside it, and stays there to the end."""
    track, at = _place(tracks, rng)
    if track is None or track.at(at) is None:
        return None
    last = max(tracks.frame_times)
    start, size = track.at(at), 0.0
    if start is None or start.mask is None or last - at < 14:
        return None
    size = _size(start)
    angle = rng.uniform(0, 2 * np.pi)
    out: list[Observation] = [o for o in track.observations if o.frame_index < at]
    for f in range(at, last + 1):
        way = min(0.15 * (f - at), 1.7) * size
        mask = _shifted(start.mask, way * np.cos(angle), way * np.sin(angle))
        if mask is None or mask.box is None:
            return None
        if f - at >= 12 and _on_object(mask, truth, f) > 0.15:
            return None
        out.append(Observation(f, tracks.frame_times[f], mask.box, mask, start.score))
    changed = _with(tracks, replace(track, observations=tuple(out)))
    return Planted(changed, pictures, Fault("drift", (track.obj_id,), at, last))


def _false(tracks: Tracks, pictures: Pictures, truth: Tracks, rng: np.random.Generator) -> Planted | None:
    """A track of its own of a piece of the background, standing or sliding, of another object's shape."""
    frames = sorted(tracks.frame_times)
    track = tracks.tracks[int(rng.integers(len(tracks)))]
    seen = [o for o in _seen(track) if o.mask is not None and not _at_border(o, tracks.video.hw)]
    lasts = int(rng.integers(3, 9))
    if not seen or len(frames) < lasts + 6:
        return None
    shape = seen[int(rng.integers(len(seen)))]
    first = int(rng.integers(2, len(frames) - lasts - 2))
    h, w = tracks.video.hw
    half_w, half_h = (shape.box[2] - shape.box[0]) / 2, (shape.box[3] - shape.box[1]) / 2
    if half_w * 2 + 12 >= w or half_h * 2 + 12 >= h or shape.mask is None:
        return None
    x, y = rng.uniform(half_w + 6, w - half_w - 6), rng.uniform(half_h + 6, h - half_h - 6)
    speed = rng.normal(0, 0.03, 2) * _size(shape)
    cx, cy = shape.centre
    out = []
    for k in range(lasts):
        f = frames[first + k]
        mask = _shifted(shape.mask, x - cx + k * speed[0], y - cy + k * speed[1])
        if mask is None or mask.box is None or _on_object(mask, truth, f) > 0.05:
            return None
        out.append(Observation(f, tracks.frame_times[f], mask.box, mask, float(rng.uniform(0.6, 0.95))))
    new = Track(max(t.obj_id for t in tracks) + 1, track.label, 0.8, tuple(out))
    changed = replace(tracks, tracks=(*tracks.tracks, new))
    return Planted(
        changed, pictures, Fault("false detection", (new.obj_id,), out[0].frame_index, out[-1].frame_index)
    )


def _teleport(tracks: Tracks, pictures: Pictures, truth: Tracks, rng: np.random.Generator) -> Planted | None:
    """A track is two to five sizes away for one to five frames."""
    track, at = _place(tracks, rng)
    if track is None:
        return None
    away = rng.uniform(2.0, 5.0) * float(np.median([_size(o) for o in _seen(track)]))
    angle, lasts = rng.uniform(0, 2 * np.pi), int(rng.integers(1, 6))
    out, last = [], at
    for o in track.observations:
        if at <= o.frame_index < at + lasts and o.visible and o.mask is not None:
            mask = _shifted(o.mask, away * np.cos(angle), away * np.sin(angle))
            if mask is None or mask.box is None:
                return None
            o, last = replace(o, mask=mask, box=mask.box), o.frame_index
        out.append(o)
    changed = _with(tracks, replace(track, observations=tuple(out)))
    return Planted(changed, pictures, Fault("teleport", (track.obj_id,), at, last))


def _loss(tracks: Tracks, pictures: Pictures, truth: Tracks, rng: np.random.Generator) -> Planted | None:
    """A track has no sight for a second or to its end, though its object shows."""
    track, at = _place(tracks, rng)
    if track is None:
        return None
    last = max(tracks.frame_times) if rng.random() < 0.5 else at + int(rng.integers(8, 16))
    if not _shows(tracks, track, range(at - 1, at + 6)):
        return None
    out = [o for o in track.observations if not at <= o.frame_index <= last]
    changed = _with(tracks, replace(track, observations=tuple(out)))
    return Planted(changed, pictures, Fault("loss", (track.obj_id,), at, last))


def _appearance(
    tracks: Tracks, pictures: Pictures, truth: Tracks, rng: np.random.Generator
) -> Planted | None:
    """An object has other colours for two to four frames: other hues and lightness in the pictures."""
    track, at = _place(tracks, rng)
    if track is None:
        return None
    lasts = int(rng.integers(2, 5))
    if not _shows(tracks, track, range(at, at + lasts)):
        return None
    turned = list(pictures)
    angle, lighter = rng.uniform(np.pi / 2, 3 * np.pi / 2), rng.choice([-1, 1]) * rng.uniform(30, 60)
    for f in range(at, at + lasts):
        o = track.at(f)
        if o is None or o.mask is None or f >= len(turned):
            return None
        turned[f] = _recoloured(pictures[f], o.mask.to_array(), angle, lighter)
    return Planted(tracks, turned, Fault("appearance", (track.obj_id,), at, at + lasts - 1))


FAULTS: dict[str, Callable[[Tracks, Pictures, Tracks, np.random.Generator], Planted | None]] = {
    "swap": _swap,
    "drift": _drift,
    "false detection": _false,
    "teleport": _teleport,
    "loss": _loss,
    "appearance": _appearance,
}
TOLD_AS: dict[str, tuple[str, ...]] = {
    "swap": ("swap",),
    "drift": ("drift",),
    "false detection": ("false detection",),
    "teleport": ("speed", "acceleration"),
    "loss": ("lost",),
    "appearance": ("appearance",),
}
"""What each is rightly told as."""


def _seen(track: Track) -> list[Observation]:
    return [o for o in track.observations if o.visible and o.mask is not None]


def _room(track: Track, frame: int) -> bool:
    """Whether a track has sights enough on either side of a frame."""
    frames = [o.frame_index for o in _seen(track)]
    return (
        sum(f < frame for f in frames) >= _LEAST_SIGHTS and sum(f >= frame for f in frames) >= _LEAST_SIGHTS
    )


def _place(tracks: Tracks, rng: np.random.Generator) -> tuple[Track | None, int]:
    """A track and a frame in it, seen before and after."""
    fit = [t for t in tracks if any(_room(t, o.frame_index) for o in _seen(t))]
    if not fit:
        return None, 0
    track = fit[int(rng.integers(len(fit)))]
    return track, int(rng.choice([o.frame_index for o in _seen(track) if _room(track, o.frame_index)]))


def _shows(tracks: Tracks, track: Track, frames: Iterable[int]) -> bool:
    """Whether a track's object shows on some frames, whole and inside the picture."""
    usual = float(np.median([o.mask.area for o in _seen(track) if o.mask is not None]))
    for f in frames:
        o = track.at(f)
        if o is None or not o.visible or o.mask is None or o.mask.area < 0.7 * usual:
            return False
        if _at_border(o, tracks.video.hw):
            return False
    return True


def _with(tracks: Tracks, *changed: Track) -> Tracks:
    new = {t.obj_id: t for t in changed}
    return replace(tracks, tracks=tuple(new.get(t.obj_id, t) for t in tracks))


def _size(o: Observation) -> float:
    return float(np.sqrt((o.box[2] - o.box[0]) * (o.box[3] - o.box[1])))


def _apart(a: Track, b: Track, frame: int) -> float:
    one, other = a.at(frame), b.at(frame)
    if one is None or other is None:
        return float("inf")
    return float(np.hypot(one.centre[0] - other.centre[0], one.centre[1] - other.centre[1]))


def _at_border(o: Observation, hw: tuple[int, int], least: float = 4.0) -> bool:
    return min(o.box[0], o.box[1], hw[1] - o.box[2], hw[0] - o.box[3]) < least


def _shifted(mask: Mask, dx: float, dy: float) -> Mask | None:
    """A mask elsewhere; None where part of it would lie outside."""
    pixels = mask.to_array()
    ys, xs = np.nonzero(pixels)
    ys, xs = ys + round(dy), xs + round(dx)
    if (
        not len(ys)
        or ys.min() < 0
        or xs.min() < 0
        or ys.max() >= pixels.shape[0]
        or xs.max() >= pixels.shape[1]
    ):
        return None
    out = np.zeros_like(pixels)
    out[ys, xs] = True
    return Mask.from_array(out)


def _on_object(mask: Mask, truth: Tracks, frame: int) -> float:
    """Largest share of a mask that lies on one true object."""
    pixels = mask.to_array()
    shares = [
        float((pixels & o.mask.to_array()).sum() / max(pixels.sum(), 1))
        for _, o in truth.at(frame)
        if o.mask is not None
    ]
    return max(shares, default=0.0)


def _recoloured(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], angle: float, lighter: float
) -> NDArray[np.uint8]:
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    a, b = lab[..., 1] - 128, lab[..., 2] - 128
    lab[..., 1] = 128 + a * np.cos(angle) - b * np.sin(angle)
    lab[..., 2] = 128 + a * np.sin(angle) + b * np.cos(angle)
    lab[..., 0] += lighter
    turned = cv2.cvtColor(np.clip(lab, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    out = image.copy()
    out[mask] = turned[mask]
    return out


def agrees_with(tracks: Tracks, truth: Tracks, *, least: float = 0.5, share: float = 0.97) -> Tracks:
    """Tracks that are right: each is one true object on nearly every frame.

    Args:
        tracks: A tracker's.
        truth: Of the same video.
        least: IoU with the object from which a sight is right.
        share: Of a track's sights that must be right, and of the object's clear sights that it must have.
    """
    kept = []
    for track in tracks:
        scores = [(t, _right(track, t, least)) for t in truth]
        best, (right, clear) = max(scores, key=lambda s: s[1][0], default=(None, (0.0, 0.0)))
        if best is not None and right >= share and clear >= share:
            kept.append(track)
    return replace(tracks, tracks=tuple(kept))


def _right(track: Track, truth: Track, least: float) -> tuple[float, float]:
    """Share of a track's sights that lie on an object, and of the object's sights that it has."""
    seen = _seen(track)
    hit = {o.frame_index for o in seen if _iou(o, truth.at(o.frame_index)) >= least}
    areas = {o.frame_index: o.mask.area for o in _seen(truth) if o.mask is not None}
    usual = float(np.median([*areas.values()])) if areas else 1.0
    clear = [f for f, area in areas.items() if area >= 0.5 * usual]
    return len(hit) / max(len(seen), 1), len(hit & set(clear)) / max(len(clear), 1)


def _iou(one: Observation, other: Observation | None) -> float:
    if other is None or one.mask is None or other.mask is None:
        return 0.0
    return one.mask.iou(other.mask)
