"""A learnt predictor in the tracker: from steps of a network to beliefs about hidden objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.tracking.kalman import KalmanState
from seektrack.tracking.predict import History
from seektrack.tracking.trajectory import Steps

_LEAST_SPREAD = 0.03
"""Least standard deviation of a predicted centre, in sizes."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Where objects are believed to be at one time.

    Attributes:
        centre: float64 (N, 2), pixels.
        velocity: float64 (N, 2), pixels per second.
        spread: float64 (N, 2), standard deviation of the centre in pixels.
        sides, growth, sides_spread: float64 (N, 2), width and height in pixels, pixels per second, and their
            standard deviation; None where only the centre is predicted.
    """

    centre: NDArray[np.float64]
    velocity: NDArray[np.float64]
    spread: NDArray[np.float64]
    sides: NDArray[np.float64] | None = None
    growth: NDArray[np.float64] | None = None
    sides_spread: NDArray[np.float64] | None = None


class Continues(Protocol):
    """A network that continues trajectories, by torch or as a graph."""

    def predict(self, history: History) -> Steps:
        """The next K steps of objects, in pixels."""
        ...


@dataclass(frozen=True)
class LearnedPredictor:
    """A network trained on trajectories; one that predicts the centre alone leaves the sides to the filter.

    Attributes:
        model: The network.
    """

    model: Continues

    def believe(self, history: History, states: Sequence[KalmanState]) -> list[KalmanState]:
        """Beliefs whose centre or box, its velocity and uncertainty are the network's."""
        if not states:
            return []
        found = predict_at(self.model, history)
        return [self._believe(state, found, row) for row, state in enumerate(states)]

    def _believe(self, state: KalmanState, found: Predicted, row: int) -> KalmanState:
        mean, covariance = state.mean.copy(), state.covariance.copy()
        mean[:2], mean[4:6] = found.centre[row], found.velocity[row]
        spread = np.maximum(found.spread[row], _LEAST_SPREAD * state.size)
        covariance[:2], covariance[:, :2] = 0.0, 0.0
        covariance[:2, :2] = np.diag(spread**2)
        if found.sides is not None and found.growth is not None and found.sides_spread is not None:
            mean[2:4], mean[6:8] = np.maximum(found.sides[row], 1.0), found.growth[row]
            wide = np.maximum(found.sides_spread[row], _LEAST_SPREAD * state.size)
            covariance[2:4], covariance[:, 2:4] = 0.0, 0.0
            covariance[2:4, 2:4] = np.diag(wide**2)
        return replace(state, mean=mean, covariance=covariance)


def predict_at(model: Continues, history: History) -> Predicted:
    """Centres at the time asked for, read off the steps the network predicts.

    Between two steps the way is straight; beyond the last it goes on as between the last two, and its
    uncertainty grows with the root of time.
    """
    steps = model.predict(history)
    n, count = steps.centre.shape[:2]
    rows = np.arange(n)
    ahead = np.clip(np.asarray(history.ahead_s) / steps.step_s, 1e-6, None)
    low = np.minimum(np.floor(ahead).astype(int), count - 1)
    part = (ahead - low)[:, None]
    beyond = np.sqrt(np.maximum(ahead / count, 1.0))[:, None]
    direction = np.asarray(history.direction)[:, None] / steps.step_s[:, None]

    def read(knots: NDArray[np.float64], spreads: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Value, change a second and standard deviation at the time asked for."""
        widths = np.concatenate([np.zeros((n, 1, 2)), spreads], axis=1)
        slope = knots[rows, low + 1] - knots[rows, low]
        inside = np.minimum(part, 1.0)
        wide = widths[rows, low] * (1 - inside) + widths[rows, low + 1] * inside
        return knots[rows, low] + part * slope, direction * slope, wide * beyond

    centre, velocity, spread = read(
        np.concatenate([steps.start[:, None], steps.centre], axis=1), steps.spread
    )
    if steps.sides is None or steps.sides_spread is None:
        return Predicted(centre, velocity, spread)
    return Predicted(centre, velocity, spread, *read(steps.sides, steps.sides_spread))
