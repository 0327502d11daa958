"""How far off predictors of hidden objects are, on ways of the world's objects they were not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.evaluation.footage import FPS
from seektrack.geometry import Box
from seektrack.tracking import kalman
from seektrack.tracking.kalman import KalmanState
from seektrack.tracking.predict import PREDICTORS, History, Predictor
from seektrack.tracking.predictors import load_predictor
from seektrack.training.trajectory import Trajectories, trajectories
from seektrack.training.trajectory.data import clip, measure
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
        off, inside = _distances(load_predictor(name), data, cases)
        figures |= {f"{name}_fde_{h}": round(float(off[:, h - 1].mean()), 4) for h in HORIZONS}
        figures |= {f"{name}_ade_{h}": round(float(off[:, :h].mean()), 4) for h in HORIZONS}
        figures[f"{name}_within99"] = round(float(inside.mean()), 4)
    return figures | {"n": len(cases)}


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
    predictor: Predictor, data: Trajectories, cases: list[tuple[int, int, list[int]]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Distances in sizes (N, 15), and whether the truth lies where 99 of 100 should, (N, 15)."""
    off = np.zeros((len(cases), FUTURE))
    inside = np.zeros((len(cases), FUTURE), bool)
    for i, (row, frame, past) in enumerate(cases):
        rng = np.random.default_rng((row, frame))
        hw = data.hw[row : row + 1]
        measured = measure(clip(data.boxes[row : row + 1, past], hw)[0], rng, noise=NOISE)
        sightings = [(float(t / FPS), _box(values)) for t, values in zip(past, measured, strict=True)]
        state = _filtered(sightings)
        size = float(np.sqrt(np.prod(data.boxes[row, frame, 2:] - data.boxes[row, frame, :2])))
        for h in range(1, FUTURE + 1):
            now = float((frame + h) / FPS)
            state = kalman.predict(state, float(1 / FPS))
            history = History([sightings], now, (int(hw[0, 0]), int(hw[0, 1])))
            believed = predictor.believe(history, [state])[0]
            truth = data.boxes[row, frame + h]
            miss = believed.mean[:2] - (truth[:2] + truth[2:]) / 2
            off[i, h - 1] = np.linalg.norm(miss) / size
            inside[i, h - 1] = miss @ np.linalg.solve(believed.covariance[:2, :2], miss) <= _INSIDE
    return off, inside


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
