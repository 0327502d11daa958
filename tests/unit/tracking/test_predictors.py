from __future__ import annotations

import json

import numpy as np
import pytest

from seektrack.errors import ModelError
from seektrack.tracking import Detection, IdentitySettings, IdentityTracker, kalman, load_predictor
from seektrack.tracking.predict import History
from seektrack.tracking.predict_learned import predict_at
from seektrack.tracking.predict_network import TrajectoryModel, TrajectorySizes, resample, save_trajectory

HW = (240, 320)
KINDS = ("lstm", "transformer")


def box_at(cx, cy, w=20.0, h=20.0):
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


def straight(n=8, dt=0.125, vx=40.0, vy=-16.0, start=0.0, sign=1):
    times = [start + sign * dt * i for i in range(n)]
    return [(t, box_at(100 + vx * (t - start), 120 + vy * (t - start))) for t in times]


def fresh(kind="lstm", **sizes):
    """Untrained, it goes straight on: what it learns is added to that."""
    return TrajectoryModel(TrajectorySizes(kind=kind, width=16, layers=1, heads=2, **sizes)).eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ahead", [0.125, 0.3, 1.5, 2.5])
def test_untrained_networks_go_straight_on(kind, ahead):
    way = straight()
    found = predict_at(fresh(kind), History([way], way[-1][0] + ahead, HW))
    whole = way[-1][0] + ahead
    assert found.centre[0] == pytest.approx([100 + 40 * whole, 120 - 16 * whole], abs=1e-3)
    assert found.velocity[0] == pytest.approx([40, -16], abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_time_run_backwards_is_as_good(kind):
    way = straight(sign=-1, start=5.0)
    found = predict_at(fresh(kind), History([way], way[-1][0] - 0.5, HW))
    assert found.centre[0] == pytest.approx(
        [100 + 40 * (way[-1][0] - 0.5 - 5), 120 - 16 * (way[-1][0] - 0.5 - 5)]
    )
    assert found.velocity[0] == pytest.approx([40, -16], abs=1e-3)


def test_an_object_seen_once_stays():
    found = predict_at(fresh(), History([[(1.0, box_at(50, 60))]], 1.4, HW))
    assert found.centre[0] == pytest.approx([50, 60]) and found.velocity[0] == pytest.approx([0, 0])


def test_uncertainty_grows_with_time():
    way = straight()
    spreads = [
        predict_at(fresh(), History([way], way[-1][0] + a, HW)).spread[0, 0] for a in (0.1, 0.5, 1.5, 4)
    ]
    assert spreads == sorted(spreads) and spreads[0] > 0


def test_objects_are_asked_together_as_alone():
    ways = [straight(), straight(5, vx=-20), straight(3, dt=0.3, vy=50)]
    model = fresh("transformer")
    together = predict_at(model, History(ways, 3.0, HW))
    alone = [predict_at(model, History([w], 3.0, HW)).centre[0] for w in ways]
    assert together.centre == pytest.approx(np.array(alone), abs=1e-3)


def test_resampling_reads_between_frames_and_knows_what_it_does_not_know():
    dense = straight(25, dt=1 / 24)
    boxes, known, step = resample(dense, past=10, step_s=0.125)
    assert step == 0.125 and known.sum() == 9 and not known[0]
    wanted = dense[-1][0] - 0.125 * np.arange(8, -1, -1)
    assert (boxes[1:, 0] + boxes[1:, 2]) / 2 == pytest.approx(100 + 40 * wanted)
    assert resample(straight(4, dt=0.5), past=10, step_s=0.125)[2] == 0.5
    broken = straight(4) + [(t + 1.0, b) for t, b in straight(2, start=0.375)]
    _, known, _ = resample(broken, past=10, step_s=0.125)
    assert known.tolist() == [True, *[False] * 7, True, True]


def tracked(settings, hidden=4):
    tracker = IdentityTracker(HW, settings=settings)
    for i in range(8):
        tracker.update(i, i * 0.125, [Detection(box_at(60 + 5 * i, 100), obj_id=1)])
    return [tracker.update(8 + i, (8 + i) * 0.125, []).observations[1] for i in range(hidden)]


def test_the_tracker_takes_hidden_positions_from_the_predictor(tmp_path):
    save_trajectory(fresh(), tmp_path / "p")
    found = tracked(IdentitySettings(predictor=str(tmp_path / "p")))
    assert [o.centre[0] for o in found] == pytest.approx([100 + 5 * i for i in range(4)], abs=1e-2)
    assert all(not o.visible and o.box[2] - o.box[0] == pytest.approx(20, abs=1) for o in found)


def test_the_kalman_filter_believes_what_it_did_and_the_transformer_is_the_default():
    state = kalman.initiate(box_at(1, 2))
    asked = History([[(0.0, box_at(1, 2))]], 1.0, HW)
    assert load_predictor("kalman").believe(asked, [state]) == [state]
    default, named = (tracked(s) for s in (IdentitySettings(), IdentitySettings(predictor="transformer")))
    assert default == named != tracked(IdentitySettings(predictor="kalman"))


def test_beliefs_stay_positive_definite(tmp_path):
    save_trajectory(fresh(), tmp_path / "p")
    way = straight()
    state = kalman.predict(kalman.update(kalman.initiate(way[0][1]), way[1][1]), 1.0)
    believed = load_predictor(tmp_path / "p").believe(History([way], way[-1][0] + 0.5, HW), [state])[0]
    assert np.linalg.eigvalsh(believed.covariance).min() > 0
    assert believed.mean[2:4] == pytest.approx(state.mean[2:4])


def test_folders_come_back_as_they_were_and_others_are_refused(tmp_path):
    save_trajectory(fresh("transformer"), tmp_path / "p")
    assert load_predictor(tmp_path / "p").model.sizes.kind == "transformer"
    with pytest.raises(ModelError, match="no predictor 'oracle'"):
        load_predictor("oracle")
    config = json.loads((tmp_path / "p" / "config.json").read_text())
    for damage in ({"model_type": "clip"}, {"width": 0}, {"kind": "rnn"}, {"width": 32}):
        (tmp_path / "p" / "config.json").write_text(json.dumps(config | damage))
        with pytest.raises(ModelError):
            load_predictor(tmp_path / "p")
