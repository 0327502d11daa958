from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seektrack.errors import InputError
from seektrack.tracking import kalman
from seektrack.tracking.kalman import KalmanSettings


def box_at(cx: float, cy: float, w: float = 20.0, h: float = 10.0) -> tuple[float, float, float, float]:
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


def batch_estimate(boxes: list, times: list[float], cfg: KalmanSettings) -> tuple[np.ndarray, np.ndarray]:
    """The same belief by one generalised least-squares fit over the whole history of one coordinate (cx).

    Unknowns are position and velocity at every time; prior, process noise and measurements are one stacked
    Gaussian. Shares no code with the filter.
    """
    n = len(times)
    size = np.sqrt(200.0)
    rows, values, weights = [], [], []

    def add(row: np.ndarray, value: np.ndarray, covariance: np.ndarray) -> None:
        rows.append(row)
        values.append(value)
        weights.append(np.linalg.inv(covariance))

    first = np.zeros((2, 2 * n))
    first[:, :2] = np.eye(2)
    prior = np.diag([cfg.measurement * size, cfg.initial_velocity * size]) ** 2
    add(first, np.array([(boxes[0][0] + boxes[0][2]) / 2, 0.0]), prior)
    for k in range(1, n):
        dt = times[k] - times[k - 1]
        step = np.zeros((2, 2 * n))
        step[:, 2 * k : 2 * k + 2] = np.eye(2)
        step[:, 2 * k - 2 : 2 * k] = -np.array([[1, dt], [0, 1]])
        q = (cfg.acceleration * size) ** 2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
        add(step, np.zeros(2), q)
        seen = np.zeros((1, 2 * n))
        seen[0, 2 * k] = 1
        centre = (boxes[k][0] + boxes[k][2]) / 2
        add(seen, np.array([centre]), np.array([[(cfg.measurement * size) ** 2]]))
    information = sum(r.T @ w @ r for r, w in zip(rows, weights, strict=True))
    moment = sum(r.T @ w @ v for r, w, v in zip(rows, weights, values, strict=True))
    covariance = np.linalg.inv(information)
    return (covariance @ moment)[-2:], covariance[-2:, -2:]


def test_filter_equals_batch_least_squares_on_irregular_times():
    cfg = KalmanSettings()
    rng = np.random.default_rng(0)
    times = np.cumsum([0.0, 0.1, 0.04, 0.31, 0.02, 0.15]).tolist()
    boxes = [box_at(50 + 30 * t + rng.normal(0, 1), 40) for t in times]
    state = kalman.initiate(boxes[0], cfg)
    for k in range(1, len(times)):
        state = kalman.update(kalman.predict(state, times[k] - times[k - 1], cfg), boxes[k], cfg)
    mean, covariance = batch_estimate(boxes, times, cfg)
    assert state.mean[[0, 4]] == pytest.approx(mean, rel=1e-6)
    assert state.covariance[np.ix_([0, 4], [0, 4])] == pytest.approx(covariance, rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(a=st.floats(0.01, 2.0), b=st.floats(0.01, 2.0))
def test_two_steps_equal_one(a, b):
    start = kalman.update(kalman.predict(kalman.initiate(box_at(50, 50)), 0.1), box_at(53, 51))
    start = kalman.KalmanState(np.concatenate([start.mean[:6], [0, 0]]), start.covariance)
    once = kalman.predict(start, a + b)
    twice = kalman.predict(kalman.predict(start, a), b)
    assert twice.mean == pytest.approx(once.mean)
    assert twice.covariance == pytest.approx(once.covariance, rel=1e-9, abs=1e-9)


def test_steady_motion_is_learnt_and_predicted():
    state = kalman.initiate(box_at(20, 30))
    for k in range(1, 15):
        state = kalman.update(kalman.predict(state, 0.1), box_at(20 + 6 * k, 30 - 2 * k))
    assert state.velocity == pytest.approx((60, -20), abs=2)
    assert kalman.predict(state, 0.5).box == pytest.approx(box_at(20 + 84 + 30, 30 - 28 - 10), abs=3)


def test_backward_steps_predict_backward():
    state = kalman.initiate(box_at(200, 30))
    for k in range(1, 15):
        state = kalman.update(kalman.predict(state, -0.1), box_at(200 - 6 * k, 30))
    assert state.velocity == pytest.approx((60, 0), abs=2)
    assert kalman.predict(state, -0.5).mean[0] == pytest.approx(200 - 84 - 30, abs=3)
    assert np.linalg.eigvalsh(state.covariance).min() > 0


def test_uncertainty_grows_while_hidden_and_gate_opens():
    state = kalman.initiate(box_at(50, 50))
    for _ in range(10):
        state = kalman.update(kalman.predict(state, 0.1), box_at(50, 50))
    away = np.array([box_at(90, 50)])
    soon = kalman.gating_distance(kalman.predict(state, 0.1), away, position_only=True)[0]
    late = kalman.gating_distance(kalman.predict(state, 3.0), away, position_only=True)[0]
    assert soon > kalman.GATE_POSITION > late


def test_gate_holds_what_it_promises():
    """Draw true boxes from the belief: 1 in 1000 centres may fall outside the gate."""
    rng = np.random.default_rng(1)
    cfg = KalmanSettings()
    state = kalman.predict(kalman.initiate(box_at(500, 500, 40, 40)), 0.3)
    noise = np.eye(4) * (cfg.measurement * state.size) ** 2
    draws = rng.multivariate_normal(state.mean[:4], state.covariance[:4, :4] + noise, 20000)
    boxes = np.concatenate([draws[:, :2] - draws[:, 2:] / 2, draws[:, :2] + draws[:, 2:] / 2], axis=1)
    outside = (kalman.gating_distance(state, boxes, position_only=True) > kalman.GATE_POSITION).mean()
    assert 0.0003 < outside < 0.002
    outside = (kalman.gating_distance(state, boxes) > kalman.GATE_BOX).mean()
    assert 0.0003 < outside < 0.002


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (0, 0, float("nan"), 4), (9, 0, 3, 4)])
def test_boxes_without_area_are_refused(box):
    with pytest.raises(InputError, match="finite xyxy"):
        kalman.initiate(box)
