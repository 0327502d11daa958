"""Clips of the world as training batches, and prompts drawn from their masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from seektrack.training.sam2.recipe import Stage
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds

_MEAN = np.array([0.485, 0.456, 0.406], np.float32) * 255
_STD = np.array([0.229, 0.224, 0.225], np.float32) * 255

BOX, POINT, MASK = "box", "point", "mask"

RawClip: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Frames (T, S, S, 3) and object ids (T, S, S)."""


def world_settings(resolution: int, n_frames: int, *, style: str = "plain") -> SceneSettings:
    """Scenes harder than the demo's: nameless things, many textures, and, in clips, time-lapse speed.

    A clip of few frames must contain what a long one does: exits, full occlusion and returns.
    """
    faster = 2.5 if n_frames > 1 else 1.0
    settings = SceneSettings(
        height=resolution,
        width=resolution,
        n_frames=n_frames,
        actors=(1, 6),
        things=(0, 3),
        speed=(0.5 * faster, 5.0 * faster),
        texture=0.4,
    )
    return settings if style == "plain" else replace(settings, style=style)


class WorldClips(IterableDataset[list[RawClip]]):
    """Endless lists of clips for a step each, every clip of one training seed, in order of seeds.

    The side of a step's pictures and the style of each clip are drawn from the seed, so the stream is the
    same however often it is taken up again.

    Args:
        stage: Says how many clips, of how many frames, how large, in which style.
        start: Seeds to skip, a multiple of ``stage.clips``, to resume or to keep stages apart.
    """

    def __init__(self, stage: Stage, *, start: int = 0) -> None:
        self.stage, self.start = stage, start

    def __iter__(self) -> Iterator[list[RawClip]]:
        worker = get_worker_info()
        step, first = (worker.num_workers, worker.id) if worker else (1, 0)
        numbers = seeds(Split.TRAIN, 50_000_000, start=self.start)
        for group in range(first, len(numbers) // self.stage.clips, step):
            yield self.clips(numbers[group * self.stage.clips : (group + 1) * self.stage.clips])

    def clips(self, numbers: Sequence[int]) -> list[RawClip]:
        """The clips of so many seeds: fewer of them where pictures are larger, for equal cost."""
        stage = self.stage
        drawn = np.random.default_rng((numbers[0], 1))
        side = int(drawn.choice(stage.resolutions)) if stage.resolutions else stage.resolution
        kept = numbers[: max(1, round(stage.clips * (stage.resolution / side) ** 2))]
        out: list[RawClip] = []
        for seed in kept:
            style = stage.style if drawn.random() < stage.style_share else "plain"
            clip = render(sample_scene(seed, world_settings(side, stage.frames, style=style)))
            out.append((clip.frames, clip.ids))
        return out


@dataclass(frozen=True, eq=False)
class Batch:
    """Some objects of some clips.

    Attributes:
        pixels: float (C * T, 3, S, S), normalised, frames of a clip in a row.
        owner: long (B,), which clip each object lies in.
        masks: float (B, T, S, S), each object's visible pixels, 0 or 1.
        others: float (B, T, S, S), pixels of every other object.
        ids: uint8 (C, T, S, S).
    """

    pixels: Tensor
    owner: Tensor
    masks: Tensor
    others: Tensor
    ids: NDArray[np.uint8]


def normalise(frames: NDArray[np.uint8] | NDArray[np.float32]) -> Tensor:
    """uint8 (..., S, S, 3) to float (..., 3, S, S) with ImageNet's mean and deviation."""
    values = (np.asarray(frames, np.float32) - _MEAN) / _STD
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, -1, -3)))


def augment(
    rng: np.random.Generator, frames: NDArray[np.uint8], ids: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Flip in space and time, permute and invert channels, change exposure: a mask has no colour."""
    if rng.random() < 0.5:
        frames, ids = frames[::-1], ids[::-1]
    if rng.random() < 0.5:
        frames, ids = frames[:, :, ::-1], ids[:, :, ::-1]
    if rng.random() < 0.5:
        frames = frames[..., rng.permutation(3)]
    out = frames.astype(np.float32)
    if rng.random() < 0.1:
        out = 255 - out
    if rng.random() < 0.1:
        out = np.repeat(out.mean(-1, keepdims=True), 3, -1)
    return np.clip(out * rng.uniform(0.7, 1.2) + rng.uniform(-25, 25), 0, 255).astype(np.float32), ids


def make_batch(
    rng: np.random.Generator | None,
    clips: Sequence[RawClip],
    *,
    per_clip: int,
    min_area: int,
) -> Batch | None:
    """Augment clips and pick up to ``per_clip`` objects of each that show ``min_area`` pixels at first.

    Without ``rng`` nothing is augmented and the first objects are taken. None when no clip has such an
    object.
    """
    pixels: list[Tensor] = []
    owner: list[int] = []
    masks: list[NDArray[np.bool_]] = []
    others: list[NDArray[np.bool_]] = []
    all_ids: list[NDArray[np.uint8]] = []
    for frames, ids in clips:
        picture, ids = augment(rng, frames, ids) if rng else (frames.astype(np.float32), ids)
        counts = np.bincount(ids[0].ravel())
        found = [i for i in range(1, len(counts)) if counts[i] >= min_area]
        if not found:
            continue
        for i in (rng.permutation(found) if rng else found)[:per_clip]:
            owner.append(len(pixels))
            masks.append(ids == i)
            others.append((ids > 0) & (ids != i))
        pixels.append(normalise(picture))
        all_ids.append(ids)
    if not pixels:
        return None
    return Batch(
        pixels=torch.cat(pixels),
        owner=torch.tensor(owner),
        masks=torch.from_numpy(np.stack(masks)).float(),
        others=torch.from_numpy(np.stack(others)).float(),
        ids=np.stack(all_ids),
    )


def sample_prompt(
    rng: np.random.Generator, mask: NDArray[np.bool_], kind: str
) -> tuple[list[list[float]], list[int]]:
    """A click inside, anywhere, or the two corners of a jittered box, in pixels; labels as SAM's."""
    ys, xs = np.nonzero(mask)
    if kind == POINT:
        j = int(rng.integers(len(xs)))
        return [[float(xs[j]) + 0.5, float(ys[j]) + 0.5]], [1]
    x0, y0, x1, y1 = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    jitter = np.clip(rng.normal(0, 0.06, 4), -0.15, 0.15) * (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
    side = mask.shape[0]
    corners = np.clip(np.array([x0, y0, x1, y1]) + jitter, 0, side)
    return [[float(corners[0]), float(corners[1])], [float(corners[2]), float(corners[3])]], [2, 3]


def prompts_for(rng: np.random.Generator, masks: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """Points float (B, K, 2) and labels int (B, K) for masks (B, S, S)."""
    drawn = [sample_prompt(rng, mask.numpy() > 0, kind) for mask in masks]
    points = torch.tensor([p for p, _ in drawn], dtype=torch.float32)
    return points, torch.tensor([labels for _, labels in drawn], dtype=torch.int32)


def background_points(rng: np.random.Generator, ids: NDArray[np.uint8], count: int) -> tuple[Tensor, Tensor]:
    """Clicks where no object is: frame index long (count,) and points float (count, 1, 2); ids (C, S, S)."""
    frames, points = [], []
    for _ in range(count):
        c = int(rng.integers(len(ids)))
        ys, xs = np.nonzero(ids[c] == 0)
        if len(xs) == 0:
            continue
        j = int(rng.integers(len(xs)))
        frames.append(c)
        points.append([[float(xs[j]) + 0.5, float(ys[j]) + 0.5]])
    return torch.tensor(frames, dtype=torch.long), torch.tensor(points, dtype=torch.float32).reshape(-1, 1, 2)
