"""A constant-velocity Kalman filter over boxes, in real time steps.

The state is ``(cx, cy, w, h, vx, vy, vw, vh)``, pixels and pixels per second, as in DeepSORT (Wojke et al.,
arXiv:1703.07402) with width in place of aspect ratio, as in BoT-SORT (arXiv:2206.14651). Unlike theirs the
time step is in seconds and the process noise that of a white-noise acceleration integrated exactly
(Bar-Shalom, *Estimation with Applications to Tracking and Navigation*, 6.2.2), so one step of 0.2 s equals
two of 0.1 s and variable-rate video needs no care. Noise scales with the size of the box.

The filter is a set of pure functions over a frozen state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import Box

Array = NDArray[np.float64]

GATE_POSITION = 13.816
"""Squared Mahalanobis distance a true centre exceeds once in 1000 (chi-square, 2 degrees of freedom)."""
GATE_BOX = 18.467
"""The same for the whole box (4 degrees of freedom)."""

_OBSERVE = np.eye(4, 8)


@dataclass(frozen=True)
class KalmanSettings:
    """How much a box may be trusted and how freely an object moves.

    Attributes:
        measurement: Standard deviation of a measured centre or side, in box sizes (√(w·h)).
        acceleration: Strength of the random acceleration of the centre, box sizes per second^1.5: after one
            second the velocity has drifted by this many box sizes per second.
        growth: The same for the sides of the box.
        initial_velocity: Standard deviation of the velocity of an object just seen, box sizes per second.
        initial_growth: The same for the sides.
        min_size: Boxes below this many pixels count as this size where noise is scaled.
    """

    measurement: float = 0.06
    acceleration: float = 2.5
    growth: float = 0.4
    initial_velocity: float = 3.0
    initial_growth: float = 0.3
    min_size: float = 6.0


@dataclass(frozen=True, eq=False)
class KalmanState:
    """Belief about one box.

    Attributes:
        mean: float64 (8,), ``(cx, cy, w, h, vx, vy, vw, vh)``, pixels and pixels per second.
        covariance: float64 (8, 8).
    """

    mean: Array
    covariance: Array

    @property
    def box(self) -> Box:
        """The believed box, ``xyxy`` pixels; sides never below one pixel."""
        cx, cy, w, h = (float(v) for v in self.mean[:4])
        w, h = max(w, 1.0), max(h, 1.0)
        return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2

    @property
    def velocity(self) -> tuple[float, float]:
        """Velocity of the centre in pixels per second."""
        return float(self.mean[4]), float(self.mean[5])

    @property
    def size(self) -> float:
        """√(w·h) in pixels."""
        return float(np.sqrt(max(self.mean[2], 1.0) * max(self.mean[3], 1.0)))


def to_measurement(box: Box) -> Array:
    """``xyxy`` to ``(cx, cy, w, h)``.

    Raises:
        InputError: The box has no area or is not finite.
    """
    values = np.asarray(box, dtype=np.float64)
    if (
        values.shape != (4,)
        or not np.isfinite(values).all()
        or values[2] <= values[0]
        or values[3] <= values[1]
    ):
        raise InputError(f"a box to track must be finite xyxy with x1 > x0 and y1 > y0, got {tuple(box)}")
    return np.array(
        [
            (values[0] + values[2]) / 2,
            (values[1] + values[3]) / 2,
            values[2] - values[0],
            values[3] - values[1],
        ]
    )


def initiate(box: Box, settings: KalmanSettings | None = None) -> KalmanState:
    """Belief about an object seen once: at the box, velocity unknown around zero."""
    settings = settings or KalmanSettings()
    z = to_measurement(box)
    size = max(float(np.sqrt(z[2] * z[3])), settings.min_size)
    spread = size * np.array(
        [settings.measurement] * 4 + [settings.initial_velocity] * 2 + [settings.initial_growth] * 2
    )
    return KalmanState(np.concatenate([z, np.zeros(4)]), np.diag(spread**2))


def predict(state: KalmanState, dt: float, settings: KalmanSettings | None = None) -> KalmanState:
    """Carry a belief ``dt`` seconds on, or back when ``dt`` is negative; uncertainty grows either way."""
    settings = settings or KalmanSettings()
    if dt == 0:
        return state
    step, span = float(dt), abs(float(dt))
    transition = np.eye(8)
    transition[:4, 4:] = np.eye(4) * step
    size = max(state.size, settings.min_size)
    strength = (size * np.array([settings.acceleration] * 2 + [settings.growth] * 2)) ** 2
    noise = np.zeros((8, 8))
    noise[:4, :4] = np.diag(strength * span**3 / 3)
    noise[4:, 4:] = np.diag(strength * span)
    noise[:4, 4:] = noise[4:, :4] = np.diag(strength * span * step / 2)
    return KalmanState(transition @ state.mean, transition @ state.covariance @ transition.T + noise)


def update(state: KalmanState, box: Box, settings: KalmanSettings | None = None) -> KalmanState:
    """Correct a belief with a measured box of the same moment."""
    settings = settings or KalmanSettings()
    innovation_cov = _innovation_covariance(state, settings)
    gain = np.linalg.solve(innovation_cov, _OBSERVE @ state.covariance).T
    mean = state.mean + gain @ (to_measurement(box) - state.mean[:4])
    keep = np.eye(8) - gain @ _OBSERVE
    noise = _measurement_noise(state, settings)
    covariance = (
        keep @ state.covariance @ keep.T + gain @ noise @ gain.T
    )  # Joseph form: stays symmetric positive
    return KalmanState(mean, covariance)


def moved(state: KalmanState, step: Array) -> KalmanState:
    """Carry a belief into the next frame's pixels, where the camera moved.

    After BoT-SORT (arXiv:2206.14651): the centre goes along, velocities turn and scale, sides scale.

    Args:
        state: Belief in pixels of the frame before.
        step: (2, 3), takes ``(x, y, 1)`` of that frame to ``(x, y)`` of the next.
    """
    turn = np.asarray(step[:, :2], dtype=np.float64)
    zoom = float(np.sqrt(abs(np.linalg.det(turn))))
    whole = np.eye(8) * zoom
    whole[0:2, 0:2] = whole[4:6, 4:6] = turn
    mean = whole @ state.mean
    mean[:2] += step[:, 2]
    return KalmanState(mean, whole @ state.covariance @ whole.T)


def steady(state: KalmanState, times: Array, boxes: Array, time_s: float) -> KalmanState:
    """A belief whose way and size are those of the boxes seen before, not of the last few.

    A straight line through the centres, and the median of the sides: what a mask that bleeds into a neighbour
    does to the latest boxes does not tell where its object goes.

    Args:
        state: Whose covariance is kept.
        times: float (T,), seconds, at least two apart.
        boxes: float (T, 4), ``xyxy`` pixels.
        time_s: The moment the belief is for.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    middle = times.mean()
    spread = times - middle
    velocity = spread @ (centres - centres.mean(axis=0)) / max(float(spread @ spread), 1e-9)
    place = centres.mean(axis=0) + velocity * (time_s - middle)
    sides = np.median(boxes[:, 2:] - boxes[:, :2], axis=0)
    return KalmanState(np.concatenate([place, sides, velocity, [0.0, 0.0]]), state.covariance)


def gating_distance(
    state: KalmanState, boxes: Array, settings: KalmanSettings | None = None, *, position_only: bool = False
) -> Array:
    """Squared Mahalanobis distance of measured boxes from a belief.

    Args:
        state: Belief at the moment of the boxes.
        boxes: float (M, 4) ``xyxy`` pixels.
        settings: Noise of the measurement.
        position_only: Compare centres only; partial occlusion changes the sides but little the centre.

    Returns:
        (M,) distances, to compare with `GATE_BOX` or, for centres, `GATE_POSITION`.
    """
    settings = settings or KalmanSettings()
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    measured = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
    dims = 2 if position_only else 4
    offset = (measured - state.mean[:4])[:, :dims]
    covariance = _innovation_covariance(state, settings)[:dims, :dims]
    return np.asarray(np.einsum("md,dm->m", offset, np.linalg.solve(covariance, offset.T)))


def _measurement_noise(state: KalmanState, settings: KalmanSettings) -> Array:
    spread = settings.measurement * max(state.size, settings.min_size)
    return np.eye(4) * spread**2


def _innovation_covariance(state: KalmanState, settings: KalmanSettings) -> Array:
    return state.covariance[:4, :4] + _measurement_noise(state, settings)
