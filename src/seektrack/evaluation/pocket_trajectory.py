"""How far off predictors of hidden objects are: on ways of the world's objects, or on tracks of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.evaluation.footage import FPS
from seektrack.geometry import Box, box_iou
from seektrack.tracking import kalman
from seektrack.tracking.kalman import KalmanState
from seektrack.tracking.predict import PREDICTORS, History, Predictor
from seektrack.tracking.predictors import load_predictor
from seektrack.training.trajectory import Trajectories, trajectories, ways_of
from seektrack.training.trajectory.data import clip, measure
from seektrack.training.trajectory.own import frame_seconds
from seektrack.types import Tracks
from seektrack.world import SceneSettings, Split, seeds

HORIZONS = (1, 5, 15)
PAST, FUTURE, FRAMES = 12, 15, 42
NOISE, GAP = 0.03, 4
_INSIDE = 9.21
"""Squared distance in standard deviations that 99 of 100 centres stay within (chi-square, 2 dimensions)."""


def evaluate_trajectory(
    predictors: Sequence[str] = PREDICTORS, *, scenes: int = 80, start: int = 0
) -> dict[str, float]:
    """Compare predictors on held-out ways.

    Each sees the same measured boxes (edges off by 3 % of the size, cut at the borders of the picture) up to
    a frame, half of the time with four frames of the past hidden too, and says where the centre is 1 to 15
    frames later, at 8 frames a second.

    Args:
        predictors: Names or folders, see :func:`seektrack.tracking.predictors.load_predictor`.
        scenes: Benchmark scenes.
        start: Where in the benchmark seeds they begin.

    Returns:
        For each predictor ``<name>_fde_<h>``, mean distance of the centre after ``h`` frames in sizes
        (√(w·h)) of the object; ``<name>_ade_<h>``, the mean over frames 1 to ``h``; ``<name>_within99``,
        share of truths inside what the predictor says holds 99 of 100; and ``n``, ways asked for.

    Raises:
        InputError: No scenes.
        ModelError: There is no such predictor.
    """
    if scenes < 1:
        raise InputError(f"cannot measure on {scenes} scenes", hint="ask for at least 1")
    data = trajectories(
        seeds(Split.BENCHMARK, scenes, start=start), SceneSettings(n_frames=FRAMES, things=(0, 2))
    )
    cases = _cases(data)
    figures: dict[str, float] = {}
    for name in predictors:
        found = _distances(load_predictor(name), data, cases, float(1 / FPS))
        figures |= _summary(name, found)
    return figures | {"n": len(cases)}


def compare_predictors(
    tracks: Sequence[Tracks],
    predictors: Sequence[str | Path] = PREDICTORS,
    *,
    every: int = 5,
    most: int = 200,
) -> dict[str, float]:
    """Compare predictors on tracks of one's own, at the frames of their videos.

    As :func:`evaluate_trajectory`, with the last frame seen moved along each track; an object has to be seen
    on 12 frames before and, for the truth, on some of the 15 after.

    Args:
        tracks: Such as :func:`seektrack.training.datasets.read_tracks` gives.
        predictors: Names or folders.
        every: Frames between two cases of a track.
        most: Cases asked for at most, evenly spread.

    Returns:
        As :func:`evaluate_trajectory` but for the means over frames, and ``<name>_iou_<h>``, mean overlap of
        the believed box and the true one.

    Raises:
        InputError: No track is long enough.
        ModelError: There is no such predictor.
    """
    loaded = {str(name): load_predictor(name) for name in predictors}
    found: list[tuple[Trajectories, float, tuple[int, int, list[int]]]] = []
    for one in tracks:
        step = frame_seconds([one])
        if step:
            data = ways_of([one], step_s=step, past=PAST, future=FUTURE, phases=1)
            found += [(data, step, case) for case in _own_cases(data, every)]
    if not found:
        raise InputError(
            f"no track has {PAST} frames seen and one of the {FUTURE} after", hint="give longer tracks"
        )
    chosen = sorted({int(i) for i in np.linspace(0, len(found) - 1, most)})
    out = {
        name: [
            _distances(predictor, data, [case], step, horizons=HORIZONS)
            for data, step, case in (found[i] for i in chosen)
        ]
        for name, predictor in loaded.items()
    }
    figures: dict[str, float] = {}
    for name, parts in out.items():
        figures |= _summary(name, _Off.joined(parts), boxes=True)
    return figures | {"n": len(chosen)}


@dataclass(frozen=True, eq=False)
class _Off:
    """What one predictor said.

    Attributes:
        far: float64 (N, 15), distances of centres in sizes; NaN where the truth is not known.
        inside: bool (N, 15), whether the truth lies where 99 of 100 should.
        iou: float64 (N, 15), overlap of boxes; NaN where the truth is not known.
    """

    far: NDArray[np.float64]
    inside: NDArray[np.bool_]
    iou: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[_Off]) -> _Off:
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("far", "inside", "iou")))


def _summary(name: str, off: _Off, *, boxes: bool = False) -> dict[str, float]:
    def mean(values: NDArray[np.float64]) -> float:
        known = values[np.isfinite(values)]
        return round(float(known.mean()), 4) if known.size else float("nan")

    figures = {f"{name}_fde_{h}": mean(off.far[:, h - 1]) for h in HORIZONS}
    if not boxes:
        figures |= {f"{name}_ade_{h}": mean(off.far[:, :h]) for h in HORIZONS}
    figures[f"{name}_within99"] = mean(np.where(np.isfinite(off.far), off.inside, np.nan))
    if boxes:
        figures |= {f"{name}_iou_{h}": mean(off.iou[:, h - 1]) for h in HORIZONS}
    return figures


def _own_cases(data: Trajectories, every: int) -> list[tuple[int, int, list[int]]]:
    """As :func:`_cases`, along whole tracks."""
    rng = np.random.default_rng(0)
    known = data.seen if data.known is None else data.known
    cases = []
    for row in range(len(data)):
        for frame in range(2 * PAST - 2, data.boxes.shape[1] - FUTURE, every):
            before = data.seen[row, frame - PAST + 1 : frame + 1]
            if not before.all() or not known[row, frame + 1 : frame + 1 + FUTURE].any():
                continue
            past = [t for t in range(max(0, frame - 60), frame + 1) if data.seen[row, t]]
            if rng.random() < 0.5:
                past = [t for t in past if not frame - 1 - GAP < t < frame - 1]
            cases.append((row, frame, past))
    return cases


def _cases(data: Trajectories) -> list[tuple[int, int, list[int]]]:
    """Object, last frame seen, and the frames of its past that are seen."""
    rng = np.random.default_rng(0)
    cases = []
    for row in range(len(data)):
        frame = int(rng.integers(PAST, FRAMES - FUTURE))
        past = [t for t in range(frame + 1) if data.seen[row, t]]
        if rng.random() < 0.5:
            past = [t for t in past if not frame - 1 - GAP < t < frame - 1]
        if data.seen[row, frame] and len(past) >= 3:
            cases.append((row, frame, past))
    return cases


def _distances(
    predictor: Predictor,
    data: Trajectories,
    cases: list[tuple[int, int, list[int]]],
    step: float,
    *,
    horizons: Sequence[int] = range(1, FUTURE + 1),
) -> _Off:
    """What a predictor says of each case, ``step`` seconds being from frame to frame."""
    off, overlap = np.full((len(cases), FUTURE), np.nan), np.full((len(cases), FUTURE), np.nan)
    inside = np.zeros((len(cases), FUTURE), bool)
    for i, (row, frame, past) in enumerate(cases):
        rng = np.random.default_rng((row, frame))
        hw = data.hw[row : row + 1]
        measured = measure(clip(data.boxes[row : row + 1, past], hw)[0], rng, noise=NOISE)
        sightings = [(t * step, _box(values)) for t, values in zip(past, measured, strict=True)]
        state = _filtered(sightings)
        size = float(np.sqrt(np.prod(data.boxes[row, frame, 2:] - data.boxes[row, frame, :2])))
        for h in range(1, FUTURE + 1):
            state = kalman.predict(state, step)
            if h not in horizons or (data.known is not None and not data.known[row, frame + h]):
                continue
            history = History([sightings], (frame + h) * step, (int(hw[0, 0]), int(hw[0, 1])))
            believed = predictor.believe(history, [state])[0]
            truth = data.boxes[row, frame + h]
            miss = believed.mean[:2] - (truth[:2] + truth[2:]) / 2
            off[i, h - 1] = np.linalg.norm(miss) / size
            inside[i, h - 1] = miss @ np.linalg.solve(believed.covariance[:2, :2], miss) <= _INSIDE
            overlap[i, h - 1] = box_iou(np.array([believed.box]), truth[None])[0, 0]
    return _Off(off, inside, overlap)


def _filtered(sightings: Sequence[tuple[float, Box]]) -> KalmanState:
    """The filter's belief at the last sighting, from all of them."""
    (last, box), *rest = sightings
    state = kalman.initiate(box)
    for now, box in rest:
        state = kalman.update(kalman.predict(state, now - last), box)
        last = now
    return state


def _box(values: NDArray[np.float64]) -> Box:
    x0, y0, x1, y1 = (float(v) for v in values)
    return x0, y0, x1, y1
