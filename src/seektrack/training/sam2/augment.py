"""Augmentation of clips: geometry, colour, what hides and what joins; one draw holds for a whole clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError

RawClip: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Frames (T, S, S, 3) and object ids (T, S, S)."""
Floats: TypeAlias = NDArray[np.float32]
_LAST_ID = 254


@dataclass(frozen=True, kw_only=True)
class Augment:
    """How clips are changed before the network sees them. Every chance is from 0 to 1, and a clip's.

    Attributes:
        reverse, mirror: Chances to turn time and left-right round.
        channels, invert, grey: Chances to permute the colour channels, to make a negative, to drop colour: a
            mask has no colour.
        exposure: Widest change of brightness, in grey levels; contrast goes along.
        affine: Chance of one turn, scale and shift for all frames.
        turn, zoom, shift: Its most degrees, its smallest and largest scale, its most shift in sides.
        drift: How far the same moves on over the clip, as a camera would, in shares of the above.
        colour: Chance of gamma and gains of the channels.
        blur, jpeg: Chances to defocus and to compress.
        freeze: Chance of each frame but the first to stay out, the one before it shown again.
        occlude: Chance of something cut from the picture that moves across it, in front of all.
        copy_paste: Chance that an object of another clip of the step joins (Ghiasi et al., Simple Copy-Paste,
            arXiv:2012.07177).
    """

    reverse: float = 0.5
    mirror: float = 0.5
    channels: float = 0.5
    invert: float = 0.1
    grey: float = 0.1
    exposure: float = 25.0
    affine: float = 0.0
    turn: float = 12.0
    zoom: tuple[float, float] = (0.75, 1.6)
    shift: float = 0.12
    drift: float = 0.15
    colour: float = 0.0
    blur: float = 0.0
    jpeg: float = 0.0
    freeze: float = 0.0
    occlude: float = 0.0
    copy_paste: float = 0.0

    def __post_init__(self) -> None:
        for name in ("reverse", "mirror", "channels", "invert", "grey", "affine", "colour", "blur", "jpeg",
                     "freeze", "occlude", "copy_paste"):  # fmt: skip
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is a chance from 0 to 1, got {getattr(self, name)}")
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise InputError(f"zoom is a smallest and a largest scale, got {self.zoom}")


def none() -> Augment:
    """No change at all."""
    return Augment(reverse=0, mirror=0, channels=0, invert=0, grey=0, exposure=0)


def footage() -> Augment:
    """For recordings of one's own: colours mean something there, and there are few of them."""
    return Augment(
        channels=0.0, invert=0.0, affine=0.7, colour=0.4, blur=0.15, jpeg=0.2, freeze=0.03, occlude=0.25,
        copy_paste=0.25,
    )  # fmt: skip


def augment_clips(
    rng: np.random.Generator, clips: Sequence[RawClip], settings: Augment
) -> list[tuple[Floats, NDArray[np.uint8]]]:
    """Change clips of one step, each by its own draw; frames come back as float32 in [0, 255]."""
    out = []
    for number, (frames, ids) in enumerate(clips):
        if rng.random() < settings.reverse:
            frames, ids = frames[::-1], ids[::-1]
        if rng.random() < settings.mirror:
            frames, ids = frames[:, :, ::-1], ids[:, :, ::-1]
        if settings.copy_paste and len(clips) > 1 and rng.random() < settings.copy_paste:
            donor = clips[int(rng.choice([i for i in range(len(clips)) if i != number]))]
            frames, ids = _paste(rng, frames, ids, donor)
        if settings.affine and rng.random() < settings.affine:
            frames, ids = _warp(rng, frames, ids, settings)
        if settings.occlude and rng.random() < settings.occlude:
            frames, ids = _occlude(rng, frames, ids)
        if settings.freeze and len(frames) > 1:
            shown = np.arange(len(frames))
            for t in range(1, len(shown)):
                if rng.random() < settings.freeze:
                    shown[t] = shown[t - 1]
            frames, ids = frames[shown], ids[shown]
        out.append((_colours(rng, frames, settings), np.ascontiguousarray(ids)))
    return out


def _colours(rng: np.random.Generator, frames: NDArray[np.uint8], settings: Augment) -> Floats:
    if rng.random() < settings.channels:
        frames = frames[..., rng.permutation(3)]
    out = frames.astype(np.float32)
    if rng.random() < settings.invert:
        out = 255 - out
    if rng.random() < settings.grey:
        out = np.repeat(out.mean(-1, keepdims=True), 3, -1)
    if settings.colour and rng.random() < settings.colour:
        gamma, gains = float(np.exp(rng.normal(0, 0.25))), rng.uniform(0.85, 1.15, 3).astype(np.float32)
        out = np.asarray(255 * (np.clip(out, 0, 255) / 255) ** gamma * gains, dtype=np.float32)
    if settings.blur and rng.random() < settings.blur:
        sigma = float(rng.uniform(0.4, 1.6)) * frames.shape[1] / 256
        out = np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in out])
    if settings.jpeg and rng.random() < settings.jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 75))]
        out = np.stack([_compressed(frame, quality) for frame in np.clip(out, 0, 255).astype(np.uint8)])
    if settings.exposure:
        gain = rng.uniform(1 - 0.012 * settings.exposure, 1 + 0.008 * settings.exposure)
        out = out * gain + rng.uniform(-settings.exposure, settings.exposure)
    return np.clip(out, 0, 255).astype(np.float32)


def _compressed(frame: NDArray[np.uint8], quality: list[int]) -> Floats:
    data = cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]), quality)[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.float32)[..., ::-1]


def _warp(
    rng: np.random.Generator, frames: NDArray[np.uint8], ids: NDArray[np.uint8], settings: Augment
) -> RawClip:
    """One turn, scale and shift, drifting on; outside of the picture is its mean colour and no object."""
    count, side = ids.shape[:2]
    fill = tuple(float(v) for v in frames[0].mean((0, 1)))

    def draw(width: float) -> NDArray[np.float64]:
        low, high = np.log(settings.zoom)
        middle, half = (low + high) / 2, (high - low) / 2
        start = 0.0 if width < 1 else middle
        scale = start + width * half * rng.uniform(-1, 1)
        return np.array([width * settings.turn * rng.uniform(-1, 1), scale,
                         *(width * settings.shift * side * rng.uniform(-1, 1, 2))])  # fmt: skip

    first, step = draw(1.0), draw(settings.drift)
    pictures, labels = [], []
    for t in range(count):
        turn, zoom, dx, dy = first + step * (t / max(1, count - 1))
        matrix = cv2.getRotationMatrix2D((side / 2, side / 2), float(turn), float(np.exp(zoom)))
        matrix[:, 2] += (dx, dy)
        pictures.append(
            cv2.warpAffine(frames[t], matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=fill)
        )
        labels.append(cv2.warpAffine(ids[t], matrix, (side, side), flags=cv2.INTER_NEAREST, borderValue=0))
    return np.stack(pictures), np.stack(labels)


def _occlude(rng: np.random.Generator, frames: NDArray[np.uint8], ids: NDArray[np.uint8]) -> RawClip:
    """A patch of the picture itself, of random outline, moves across in front of everything."""
    count, side = ids.shape[:2]
    radius = rng.uniform(0.06, 0.22) * side
    corners = int(rng.integers(4, 10))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    reach = radius * rng.uniform(0.6, 1.3, corners)
    outline = np.stack([np.cos(angles) * reach * rng.uniform(0.5, 1.8), np.sin(angles) * reach], 1)
    start, end = rng.uniform(0, side, 2), rng.uniform(0, side, 2)
    source = frames[int(rng.integers(count))]
    content = np.roll(source[::-1], tuple(rng.integers(side, size=2)), axis=(0, 1))
    frames, ids = frames.copy(), ids.copy()
    for t in range(count):
        centre = start + (end - start) * t / max(1, count - 1)
        cover = np.zeros((side, side), np.uint8)
        cv2.fillPoly(cover, [np.round(outline + centre).astype(np.int32)], 1)
        hidden = cover > 0
        moved = np.roll(content, tuple(int(v) for v in (centre - start)[::-1]), axis=(0, 1))
        frames[t][hidden], ids[t][hidden] = moved[hidden], 0
    return frames, ids


def _paste(
    rng: np.random.Generator, frames: NDArray[np.uint8], ids: NDArray[np.uint8], donor: RawClip
) -> RawClip:
    """An object of another clip joins in front, where it was there or shifted, under a new id."""
    theirs, their_ids = donor
    present = [int(i) for i in np.unique(their_ids) if 0 < i <= _LAST_ID]
    mine = [int(i) for i in np.unique(ids) if i <= _LAST_ID]
    if not present or theirs.shape != frames.shape or max(mine, default=0) >= _LAST_ID:
        return frames, ids
    chosen, side = int(rng.choice(present)), ids.shape[1]
    dy, dx = (int(v) for v in rng.integers(-side // 4, side // 4 + 1, 2))
    shift = (dy, dx)
    mask = _shifted(their_ids == chosen, shift)
    pixels = np.roll(theirs, shift, axis=(1, 2))
    frames, ids = frames.copy(), ids.copy()
    frames[mask], ids[mask] = pixels[mask], max(mine, default=0) + 1
    return frames, ids


def _shifted(masks: NDArray[np.bool_], shift: tuple[int, int]) -> NDArray[np.bool_]:
    """Masks (T, S, S) moved by ``(dy, dx)``; what leaves the picture does not come back on the other side."""
    out = np.roll(masks, shift, axis=(1, 2))
    dy, dx = shift
    if dy > 0:
        out[:, :dy] = False
    elif dy < 0:
        out[:, dy:] = False
    if dx > 0:
        out[:, :, :dx] = False
    elif dx < 0:
        out[:, :, dx:] = False
    return out
