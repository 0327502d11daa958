"""Ways of the world's objects as boxes, and samples of them as a tracker would have seen them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.tracking.predict_network import features
from seektrack.world import Actor, Scene, SceneSettings, sample_scene

Floats = NDArray[np.float64]
_MOST_GROWTH = 2.0
_SEEN = 0.3
"""An object counts as seen where at least this much of its box lies in the picture."""


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Ways of objects.

    Attributes:
        boxes: float64 (A, T, 4), ``xyxy`` pixels, also where outside of the picture.
        seen: bool (A, T), whether the object is in the picture.
        hw: float64 (A, 2), height and width of the picture.
        known: bool (A, T), whether the truth is known; everywhere when None.
    """

    boxes: Floats
    seen: NDArray[np.bool_]
    hw: Floats
    known: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, eq=False)
class Sample:
    """Pasts and what came of them.

    Attributes:
        steps: float32 (B, P, 9), what the network sees.
        target: float32 (B, K, 4), centres to come relative to the last one seen, in sizes, and the
            logarithm of the sides over those last seen.
        counts: float32 (B, K), 1 where the truth is known.
    """

    steps: NDArray[np.float32]
    target: NDArray[np.float32]
    counts: NDArray[np.float32]


def trajectories(scenes: range, settings: SceneSettings) -> Trajectories:
    """Ways of all objects of some scenes; nothing is drawn.

    Args:
        scenes: Seeds.
        settings: Of the scenes.
    """
    boxes: list[Floats] = []
    for seed in scenes:
        scene = sample_scene(seed, settings)
        boxes += [way(actor, scene) for actor in scene.actors]
    every = np.stack(boxes)
    hw = np.tile((float(settings.height), float(settings.width)), (len(every), 1))
    inside = clip(every, hw)
    area = np.prod(every[..., 2:] - every[..., :2], -1)
    share = np.prod(np.maximum(inside[..., 2:] - inside[..., :2], 0), -1) / np.maximum(area, 1e-9)
    return Trajectories(every, share >= _SEEN, hw)


def way(actor: Actor, scene: Scene) -> Floats:
    """Boxes (T, 4) around an actor's drawing, in pixels of the picture, its covered and outer parts too."""
    s = scene.settings
    out = np.empty((s.n_frames, 4))
    for t in range(s.n_frames):
        zoom, turn = float(scene.zoom[t]), float(actor.angle[t]) * actor.facing
        middle = np.array([s.width, s.height]) / 2
        centre = (np.array([actor.x[t], actor.y[t]]) - scene.camera[t] - middle) * zoom + middle
        rotate = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        transform = rotate @ np.diag([actor.facing * actor.stretch, 1.0]) * float(actor.size[t]) * zoom
        parts = actor.draw(actor.phase + actor.phase_step * t)
        corners = np.concatenate([polygon for _, polygon in parts]) @ transform.T + centre
        out[t] = *corners.min(0), *corners.max(0)
    return out


def clip(boxes: Floats, hw: Floats) -> Floats:
    """Boxes (A, ..., 4) cut at the borders of pictures of sizes (A, 2)."""
    h, w = (hw[:, i].reshape(-1, *[1] * (boxes.ndim - 1)) for i in (0, 1))
    limit = np.concatenate([w, h, w, h], axis=-1)
    return np.clip(boxes, 0, limit)


def starts(data: Trajectories, *, past: int, future: int) -> NDArray[np.int64]:
    """Every (object, frame) from which a past and a future can be cut, int (S, 2).

    The frame is the last one seen; at least two frames of the past are seen, and one to come is known.
    """
    found = []
    for frame in range(past - 1, data.boxes.shape[1] - future):
        before = data.seen[:, frame - past + 1 : frame + 1]
        usable = before[:, -1] & (before.sum(1) >= 2)
        if data.known is not None:
            usable &= data.known[:, frame + 1 : frame + 1 + future].any(1)
        rows = np.flatnonzero(usable)
        found.append(np.stack([rows, np.full(len(rows), frame)], axis=1))
    return np.concatenate(found) if found else np.zeros((0, 2), np.int64)


def sample(
    data: Trajectories,
    picked: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    past: int,
    future: int,
    gap: float,
    noise: float,
) -> Sample:
    """Cut pasts and futures; the past is what a tracker measured, the future the truth.

    Args:
        data: Ways.
        picked: (B, 2), rows of :func:`starts`.
        rng: Draws noise and gaps.
        past, future: Steps.
        gap: Chance that one to five steps of the past, not the last, were hidden.
        noise: Largest standard deviation of a measured edge, in sizes.
    """
    rows, frames = picked[:, 0, None], picked[:, 1, None]
    before = frames + np.arange(-past + 1, 1)
    hw = data.hw[picked[:, 0]]
    measured = measure(
        clip(data.boxes[rows, before], hw), rng, noise=rng.uniform(0, noise, (len(picked), 1, 1))
    )
    known = data.seen[rows, before].copy()
    hide = rng.random(len(picked)) < gap
    begin, length = rng.integers(0, past - 1, len(picked)), rng.integers(1, 6, len(picked))
    step = np.arange(past)
    hidden = hide[:, None] & (step >= begin[:, None]) & (step < (begin + length)[:, None]) & (step < past - 1)
    known &= ~hidden
    steps, size = features(measured, known, hw)
    after = frames + np.arange(1, future + 1)
    truth = data.boxes[rows, after]
    centre, sides = (truth[..., :2] + truth[..., 2:]) / 2, truth[..., 2:] - truth[..., :2]
    last = measured[:, -1]
    off = (centre - (last[:, None, :2] + last[:, None, 2:]) / 2) / size[:, None, None]
    grown = np.log(np.maximum(sides, 1.0) / np.maximum(last[:, None, 2:] - last[:, None, :2], 1.0))
    target = np.concatenate([off, np.clip(grown, -_MOST_GROWTH, _MOST_GROWTH)], axis=-1)
    counts = np.ones(target.shape[:2]) if data.known is None else data.known[rows, after]
    return Sample(steps, target.astype(np.float32), counts.astype(np.float32))


def measure(boxes: Floats, rng: np.random.Generator, *, noise: Floats | float) -> Floats:
    """Boxes (..., 4) with every edge off by ``noise`` sizes, never inside out."""
    size = np.sqrt(np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 1.0), -1))[..., None]
    moved = boxes + rng.normal(0, 1, boxes.shape) * size * noise
    low, high = np.minimum(moved[..., :2], moved[..., 2:] - 1), np.maximum(moved[..., 2:], moved[..., :2] + 1)
    return np.concatenate([low, high], axis=-1)
