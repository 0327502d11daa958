"""Scenes staged for what trackers find hard, each checked on its own truth to be what it says.

A plain scene is sampled, then its main object is given a path, a wall, a double or a second shot. A staging
that the drawn truth does not bear out is drawn again from the next seed, so every clip of a condition shows
it: an occluded object is hidden, one that returns was gone, two alike do cross.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.types import Observation, Track, Tracks
from seektrack.world.seeds import Split, seeds
from seektrack.world.sights import Image, Sights, Staged, runs, staged_frames
from seektrack.world.stagings import HOLDS, STAGES
from seektrack.world.truth import TruthRecorder

__all__ = ["CONDITIONS", "Sights", "Staged", "StagedTruth", "runs", "stage", "staged_frames"]

CONDITIONS = tuple(STAGES)
"""What a clip can be staged to show."""
FIRST_SEED = 40_000_000
"""Of the benchmark split's seeds; nothing else is drawn from here on."""
FEWEST_FRAMES = 48
_SEEDS_A_CLIP = 64
_SEEDS_A_CONDITION = 1_000_000


class StagedTruth:
    """Collects the truth of a clip while it is drawn: one track an object, through all its shots.

    Args:
        staged: What is drawn.
        fps: Frames per second.
        path: Where the video lies.
    """

    def __init__(self, staged: Staged, *, fps: Fraction, path: str) -> None:
        self.staged, self.fps = staged, fps
        self._parts = [TruthRecorder(scene, fps=fps, path=path) for scene in staged.shots]
        self._drawn = [0] * len(staged.shots)

    def add(self, shot: int, ids: Image, full_area: NDArray[np.int64]) -> None:
        """Record the next frame of a shot, as :func:`staged_frames` gives it."""
        self._parts[shot].add(self._drawn[shot], ids, full_area)
        self._drawn[shot] += 1

    def tracks(self) -> Tracks:
        """Every named object; an observation's ``score`` is its visibility in [0, 1]."""
        seen: dict[int, list[Observation]] = {}
        labels: dict[int, str] = {}
        times: dict[int, float] = {}
        first = 0
        for part, numbers, drawn in zip(self._parts, self.staged.numbers, self._drawn, strict=True):
            for track in part.tracks():
                number = numbers[track.obj_id - 1]
                labels[number] = track.label
                seen.setdefault(number, []).extend(
                    replace(
                        o,
                        frame_index=o.frame_index + first,
                        time_s=float((o.frame_index + first) / self.fps),
                    )
                    for o in track.observations
                )
            times |= {first + t: float((first + t) / self.fps) for t in range(drawn)}
            first += drawn
        info = replace(self._parts[0].info, n_frames=len(times), duration_s=float(len(times) / self.fps))
        tracks = tuple(Track(i, labels[i], 1.0, tuple(seen[i])) for i in sorted(seen))
        return Tracks(info, "", tracks, times)


def stage(condition: str, number: int, *, n_frames: int = 96, side: int = 256) -> Staged:
    """The ``number``-th clip of a condition; the same one whenever asked.

    Args:
        condition: One of :data:`CONDITIONS`.
        number: From 0.
        n_frames: Frames of the clip, at least :data:`FEWEST_FRAMES`.
        side: Height and width in pixels.

    Raises:
        InputError: An unknown condition, or too few frames to show it.
    """
    if condition not in CONDITIONS:
        raise InputError(f"no condition {condition!r}", hint=f"conditions: {', '.join(CONDITIONS)}")
    if n_frames < FEWEST_FRAMES:
        raise InputError(
            f"{n_frames} frames are too few to stage {condition}", hint=f"take at least {FEWEST_FRAMES}"
        )
    start = FIRST_SEED + list(CONDITIONS).index(condition) * _SEEDS_A_CONDITION + number * _SEEDS_A_CLIP
    for seed in seeds(Split.BENCHMARK, _SEEDS_A_CLIP, start=start):
        staged = STAGES[condition](np.random.default_rng((seed, 7)), seed, n_frames, side)
        if staged is not None and HOLDS[condition](staged, Sights.of(staged)):
            return staged
    raise InputError(
        f"no seed of {_SEEDS_A_CLIP} stages {condition} in {n_frames} frames of {side} pixels",
        hint="take more frames or a larger picture",
    )
