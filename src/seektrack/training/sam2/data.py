"""Clips of the world as training batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from seektrack.training.sam2.augment import Augment, RawClip, augment_clips
from seektrack.training.sam2.recipe import Stage
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds

_MEAN = np.array([0.485, 0.456, 0.406], np.float32) * 255
_STD = np.array([0.229, 0.224, 0.225], np.float32) * 255

VOID = 255
"""The id of pixels of which nobody knows what they show."""


def world_settings(resolution: int, n_frames: int, *, style: str = "plain") -> SceneSettings:
    """Scenes harder than the demo's: nameless things, many textures, and, in short clips, time-lapse speed.

    A clip of few frames must contain what a long one does: exits, full occlusion and returns. From 20 frames
    on it runs at the world's own pace.
    """
    faster = min(2.5, max(1.0, 20 / n_frames)) if n_frames > 1 else 1.0
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


class Source(Protocol):
    """Makes the clips of a step from the number of the group; the same ones whenever asked."""

    def group(self, number: int) -> list[RawClip]:
        """The clips of group ``number``."""
        ...


class Groups(IterableDataset[tuple[int, list[RawClip]]]):
    """Endless groups of clips with their numbers, in order.

    Args:
        source: Makes them.
        start: Groups to pass over, to resume.
        rank, world: Of a training in several processes: this one takes every ``world``-th, from ``rank`` on.
    """

    def __init__(self, source: Source, *, start: int = 0, rank: int = 0, world: int = 1) -> None:
        self.source, self.first, self.world = source, start + rank, world

    def __iter__(self) -> Iterator[tuple[int, list[RawClip]]]:
        worker = get_worker_info()
        workers, which = (worker.num_workers, worker.id) if worker else (1, 0)
        for number in itertools.count(self.first + which * self.world, workers * self.world):
            yield number, self.source.group(number)

    def stream(self, workers: int) -> Iterator[tuple[int, list[RawClip]]]:
        """The groups, made by so many processes ahead of time; 0 makes them in this one."""
        loader = DataLoader(
            self, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None
        )
        for number, clips in loader:
            yield int(number), [(np.asarray(frames), np.asarray(ids)) for frames, ids in clips]


@dataclass(frozen=True)
class GroupShape:
    """What a group of clips is to be: how many, of how many frames, how large."""

    clips: int
    frames: int
    side: int


def group_shape(stage: Stage, rng: np.random.Generator) -> GroupShape:
    """Draw the shape of a stage's group: fewer clips where pictures are larger, for equal cost.

    They are of one frame where the stage wants a step on single pictures, and longer by one of its leads
    elsewhere.
    """
    side = int(rng.choice(stage.resolutions)) if stage.resolutions else stage.resolution
    count, n_frames = stage.clips, stage.frames
    if stage.image_clips and rng.random() < stage.image_share:
        count, n_frames = stage.image_clips, 1
    elif stage.leads != (0,):
        n_frames += int(rng.choice(stage.leads))
    kept = max(1, min(count, round(count * (stage.resolution / side) ** 2)))
    return GroupShape(kept, n_frames, side)


class WorldClips:
    """Clips of the world, every one of a training seed of its own, in order of seeds.

    The side of a group's pictures and the style of each clip are drawn from the seed, so a group is the same
    however often it is made.

    Args:
        stage: Says how many clips, of how many frames, how large, in which style.
        start: Seeds to skip, to keep stages apart.
    """

    def __init__(self, stage: Stage, *, start: int = 0) -> None:
        self.stage, self.numbers = stage, seeds(Split.TRAIN, 50_000_000, start=start)

    def group(self, number: int) -> list[RawClip]:
        """Clips for a step, see :func:`group_shape`."""
        stage = self.stage
        numbers = self.numbers[number * stage.group : (number + 1) * stage.group]
        drawn = np.random.default_rng((numbers[0], 1))
        shape = group_shape(stage, drawn)
        out: list[RawClip] = []
        for seed in numbers[: shape.clips]:
            style = stage.style if drawn.random() < stage.style_share else "plain"
            clip = render(sample_scene(seed, world_settings(shape.side, shape.frames, style=style)))
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
        known: float (B, T, S, S), 0 on pixels of which nobody knows what they show; None where all is known.
    """

    pixels: Tensor
    owner: Tensor
    masks: Tensor
    others: Tensor
    ids: NDArray[np.uint8]
    known: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on another device; ``ids`` stays."""
        if self.pixels.device == device:
            return self
        return replace(
            self,
            pixels=self.pixels.to(device),
            owner=self.owner.to(device),
            masks=self.masks.to(device),
            others=self.others.to(device),
            known=None if self.known is None else self.known.to(device),
        )

    def known_at(self, t: int) -> Tensor | None:
        """``known`` of frame ``t``, (B, S, S)."""
        return None if self.known is None else self.known[:, t]


def normalise(frames: NDArray[np.uint8] | NDArray[np.float32]) -> Tensor:
    """uint8 (..., S, S, 3) to float (..., 3, S, S) with ImageNet's mean and deviation."""
    values = (np.asarray(frames, np.float32) - _MEAN) / _STD
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, -1, -3)))


def make_batch(
    rng: np.random.Generator | None,
    clips: Sequence[RawClip],
    *,
    per_clip: int,
    min_area: int,
    augment: Augment | None = None,
) -> Batch | None:
    """Augment clips and pick up to ``per_clip`` objects of each that show ``min_area`` pixels at first.

    Without ``rng`` nothing is augmented and the first objects are taken. None when no clip has such an
    object.
    """
    shown = [(frames.astype(np.float32), ids) for frames, ids in clips]
    if rng is not None:
        shown = augment_clips(rng, clips, augment or Augment())
    pixels: list[Tensor] = []
    owner: list[int] = []
    masks: list[NDArray[np.bool_]] = []
    others: list[NDArray[np.bool_]] = []
    known: list[NDArray[np.bool_]] = []
    all_ids: list[NDArray[np.uint8]] = []
    for picture, ids in shown:
        counts = np.bincount(ids[0].ravel())
        found = [i for i in range(1, len(counts)) if counts[i] >= min_area and i != VOID]
        if not found:
            continue
        for i in (rng.permutation(found) if rng else found)[:per_clip]:
            owner.append(len(pixels))
            masks.append(ids == i)
            others.append((ids > 0) & (ids != i) & (ids != VOID))
            known.append(ids != VOID)
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
        known=None if all(k.all() for k in known) else torch.from_numpy(np.stack(known)).float(),
    )
