"""Ways of objects in footage of one's own: tracks as a training of predictors sees them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.training.trajectory.data import Trajectories, clip
from seektrack.types import Track, Tracks

Floats = NDArray[np.float64]
_SEEN = 0.3
"""An object counts as seen where at least this much of it shows."""
_FEWEST = 3
"""Sightings below which a track teaches nothing."""


def ways_of(
    tracks: Sequence[Tracks],
    *,
    step_s: float,
    past: int,
    future: int,
    left_out: LeftOuts | None = None,
    phases: int = 2,
) -> Trajectories:
    """Tracks on even grids of time, padded so that every sighting may be the last one seen.

    Args:
        tracks: Of one video each; an observation's ``score`` is how much of the object shows.
        step_s: Seconds of a step.
        past, future: Steps.
        left_out: Takes note of what cannot be used.
        phases: Grids of time laid over each track, their beginnings evenly spread over a step.

    Raises:
        InputError: No track can be used.
    """
    noted = LeftOuts() if left_out is None else left_out
    rows: list[tuple[Floats, NDArray[np.bool_], NDArray[np.bool_], tuple[int, int]]] = []
    for one in tracks:
        for track in one.tracks:
            times, boxes, shown = _sightings(track, one, noted)
            if len(times) < _FEWEST or times[-1] - times[0] < 2 * step_s:
                noted.add(one.video.path, f"object {track.obj_id}", "a track too short to learn from")
                continue
            # Further apart than this, nothing is known of what lies between.
            widest = 2.5 * max(step_s, float(np.median(np.diff(times))))
            for phase in range(phases):
                grid = np.arange(times[0] + phase * step_s / phases, times[-1] + 1e-9, step_s)
                rows.append((*_resampled(grid, times, boxes, shown, widest), one.video.hw))
    if not rows:
        raise InputError("no track is long enough to learn from", hint=str(next(iter(noted), "")))
    length = max(len(row[0]) for row in rows) + past - 1 + future
    every = np.zeros((len(rows), length, 4))
    seen, known = np.zeros((len(rows), length), bool), np.zeros((len(rows), length), bool)
    for i, (way, seen_there, known_there, _) in enumerate(rows):
        begin, end = past - 1, past - 1 + len(way)
        every[i], every[i, :begin] = way[-1], way[0]
        every[i, begin:end], seen[i, begin:end], known[i, begin:end] = way, seen_there, known_there
    hw = np.array([row[3] for row in rows], np.float64)
    inside = clip(every, hw)
    area = np.prod(every[..., 2:] - every[..., :2], -1)
    share = np.prod(np.maximum(inside[..., 2:] - inside[..., :2], 0), -1) / np.maximum(area, 1e-9)
    return Trajectories(every, seen & (share >= _SEEN), hw, known)


def _sightings(track: Track, tracks: Tracks, left_out: LeftOuts) -> tuple[Floats, Floats, Floats]:
    """Times (T,), boxes (T, 4) and how much shows (T,) of an object where it is on the picture."""
    height, width = tracks.video.hw
    rows = []
    for o in track.observations:
        x0, y0, x1, y1 = o.box
        where = f"frame {o.frame_index}, object {track.obj_id}"
        if x1 <= x0 or y1 <= y0:
            left_out.add(tracks.video.path, where, "a box without area")
        elif x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            left_out.add(tracks.video.path, where, "a box outside of the picture")
        elif o.visible:
            rows.append((o.time_s, *o.box, o.score))
    found = np.array(rows, np.float64).reshape(-1, 6)
    return found[:, 0], found[:, 1:5], found[:, 5]


def _resampled(
    grid: Floats, times: Floats, boxes: Floats, shown: Floats, widest: float
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Boxes (T, 4) at the times of a grid, whether the object shows there, and whether that is known."""
    at = np.stack([np.interp(grid, times, boxes[:, c]) for c in range(4)], axis=1)
    after = np.minimum(np.searchsorted(times, grid - 1e-9), len(times) - 1)
    before = np.maximum(after - 1, 0)
    before = np.where(np.abs(times[after] - grid) < 1e-9, after, before)
    known = times[after] - times[before] <= widest
    much = np.minimum(shown[after], shown[before])
    return at, known & (much >= _SEEN), known


def parted(tracks: Sequence[Tracks], share: float, seed: int) -> tuple[list[Tracks], list[Tracks]]:
    """Tracks to learn from and tracks held out: whole videos, or of a single one its later part.

    Raises:
        InputError: Nothing is left on one side.
    """
    if not share:
        return list(tracks), []
    if len(tracks) > 1:
        order = np.random.default_rng((seed, 4)).permutation(len(tracks))
        kept = min(len(tracks) - 1, max(1, round(share * len(tracks))))
        return [tracks[int(i)] for i in sorted(order[kept:])], [tracks[int(i)] for i in sorted(order[:kept])]
    (only,) = tracks
    times = sorted({o.time_s for t in only.tracks for o in t.observations})
    if len(times) < 2 * _FEWEST:
        raise InputError("one video with few frames cannot be parted", hint="give more, or hold out nothing")
    border = times[round((1 - share) * (len(times) - 1))]
    return [_between(only, times[0], border)], [_between(only, border, times[-1] + 1)]


def _between(tracks: Tracks, start: float, end: float) -> Tracks:
    """The part of some tracks that lies in an interval of time."""
    cut = []
    for track in tracks.tracks:
        kept = tuple(o for o in track.observations if start <= o.time_s < end)
        if kept:
            cut.append(Track(track.obj_id, track.label, track.score, kept))
    frames = {i: t for i, t in tracks.frame_times.items() if start <= t < end}
    return Tracks(tracks.video, tracks.query, tuple(cut), frames)


def digest(tracks: Sequence[Tracks]) -> str:
    """A short hash of tracks, to tell one set of data from another."""
    found = hashlib.sha256()
    for one in tracks:
        for track in one.tracks:
            boxes = np.array([o.box for o in track.observations], np.float64)
            found.update(f"{one.video.hw}{track.obj_id}{len(boxes)}".encode() + boxes.sum(0).tobytes())
    return found.hexdigest()[:16]


def frame_seconds(tracks: Sequence[Tracks]) -> float:
    """Median distance of two frames, seconds."""
    gaps = [b - a for one in tracks for a, b in pairwise(sorted(one.frame_times.values())) if b > a]
    return float(np.median(gaps)) if gaps else 0.0
