"""Scenes drawn and passed through the frame tower once: features on disk, and what is true of each view."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seektrack.encoders.preprocess import ImageSettings, clip_transform
from seektrack.encoders.temporal_network import FrameTower
from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.files import new_file, write_json
from seektrack.training.temporal.facts import Fact, facts, view
from seektrack.types import Progress
from seektrack.world import Scene, SceneSettings, Split, render, sample_scene, seeds

SHARD = 100
_MOST_TRIES = 400


@dataclass(frozen=True)
class View:
    """Some frames of one drawn clip, in order or backwards.

    Attributes:
        clip: Its number.
        frames: Which of the drawn frames.
        facts: What is true of it.
    """

    clip: int
    frames: tuple[int, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True, eq=False)
class Features:
    """Drawn clips as the network over time sees them.

    Attributes:
        shards: float16 (up to 100, F, G, G, C) each, mapped from disk.
        views: By clip, forwards and backwards in turn: view 2k + 1 is view 2k run backwards.
    """

    shards: list[NDArray[np.float16]]
    views: list[list[View]]

    def __len__(self) -> int:
        return len(self.views)

    def of(self, one: View) -> NDArray[np.float16]:
        """Features of a view, (T, G, G, C)."""
        clip = self.shards[one.clip // SHARD][one.clip % SHARD]
        return np.asarray(clip[list(one.frames)])


def eventful(split: Split, settings: SceneSettings, *, start: int = 0) -> Iterator[Scene]:
    """Scenes of a split in which something happens, without end.

    Of each three, the second has somebody who comes or goes, the third two who do.
    """
    seed = start
    wanted = 0
    while True:
        for _ in range(_MOST_TRIES):
            scene = sample_scene(seeds(split, 1, start=seed)[0], settings)
            seed += 1
            if _comings(scene) >= wanted % 3:
                break
        wanted += 1
        yield scene


def _comings(scene: Scene) -> int:
    """Objects whose centre is outside the picture on some frames and inside on others."""
    outside = [(a.x < 0) | (a.x > scene.settings.width) for a in scene.actors]
    return sum(bool(o.any() and not o.all()) for o in outside)


def windows(drawn: int, frames: int) -> list[tuple[int, ...]]:
    """Frames of the views taken of a clip: all of it, its two ends and its middle, spread evenly."""
    short = max(frames, (drawn * 5) // 6)
    spans = [(0, drawn), (0, short), (drawn - short, drawn), ((drawn - short) // 2, (drawn + short) // 2)]
    picked = [tuple(np.linspace(a, b - 1, frames).round().astype(int).tolist()) for a, b in spans]
    return list(dict.fromkeys(picked))


def prepare(
    folder: Path,
    split: Split,
    tower: FrameTower,
    *,
    sizes: TemporalSizes,
    settings: SceneSettings,
    clips: int,
    progress: Progress | None = None,
) -> Features:
    """Draw clips and store what the frame tower sees of them; shards that are there already are reused.

    Args:
        folder: Where shards go; one folder per tower and settings.
        split: Whose seeds.
        tower: In evaluation mode.
        sizes: Of the network.
        settings: Of the scenes.
        clips: How many.
        progress: Called after every shard.
    """
    note = {"frames": sizes.frames, "settings": _unusual(settings), "tower": _print(tower)}
    folder = folder / f"{split.name.lower()}-{_digest(note)}"
    write_json(folder / "made-of.json", note, indent=1)
    scenes: Iterator[Scene] | None = None
    taken = 0
    shards, views = [], []
    for k in range(0, clips, SHARD):
        count = min(SHARD, clips - k)
        data, told = folder / f"{k:05d}-{count}.npy", folder / f"{k:05d}-{count}.json"
        if not told.exists():
            scenes = scenes or eventful(split, settings)
            while taken < k:
                next(scenes)
                taken += 1
            _write_shard(data, told, [next(scenes) for _ in range(count)], tower, sizes, first=k)
            taken += count
        shards.append(np.load(data, mmap_mode="r"))
        views += [[_read_view(v) for v in clip] for clip in json.loads(told.read_text())]
        if progress:
            progress(k + count, clips, f"drawing {split.name.lower()} scenes")
    return Features(shards, views)


def _write_shard(
    data: Path, told: Path, scenes: list[Scene], tower: FrameTower, sizes: TemporalSizes, *, first: int
) -> None:
    rows, notes = [], []
    settings = ImageSettings.for_size(sizes.image_size)
    for i, scene in enumerate(scenes):
        clip = render(scene)
        pixels = torch.from_numpy(np.stack([clip_transform(f, settings) for f in clip.frames]))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            rows.append(tower(pixels).float().numpy().astype(np.float16))
        views = []
        for frames in windows(len(clip.frames), sizes.frames):
            for order in (frames, frames[::-1]):
                true = facts(view(clip, order))
                views.append([first + i, list(order), [f.to_json() for f in true]])
        notes.append(views)
    with new_file(data) as temporary, temporary.open("wb") as stream:
        np.save(stream, np.stack(rows))
    write_json(told, notes)


def _read_view(value: list[Any]) -> View:
    clip, frames, true = value
    return View(int(clip), tuple(frames), tuple(Fact.from_json(f) for f in true))


def _unusual(settings: SceneSettings) -> dict[str, Any]:
    """Settings that are not the default: new settings of the world leave old shards valid."""
    usual = asdict(SceneSettings())
    return {k: v for k, v in asdict(settings).items() if v != usual[k]}


def _print(tower: FrameTower) -> str:
    """A text that changes with the tower's weights."""
    return _digest([f"{float(p.detach().double().abs().sum()):.5e}" for p in tower.parameters()])


def _digest(value: Any) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
