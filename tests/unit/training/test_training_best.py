import torch

from seektrack.training.best import Best


def weights(value):
    return lambda: {"w": torch.full((2,), value)}


def judged(*figures, patience=0):
    best = Best("J", patience=patience)
    for step, figure in enumerate(figures):
        best.judge({"J": figure, "other": -figure}, step, weights(figure))
    return best


def test_the_best_measurement_is_kept_with_its_weights_and_step():
    best = judged(0.5, 0.75, 0.25, 0.75)
    assert best.summary() == {"J_before": 0.5, "J": 0.75, "other": -0.75, "best_step": 1}
    assert best.weights["w"].tolist() == [0.75, 0.75]


def test_nothing_measured_says_nothing():
    assert Best("J", patience=3).summary() == {} and not Best("J", patience=3).enough


def test_patience_counts_measurements_since_the_best():
    assert not judged(0.5, 0.4, 0.3, patience=3).enough
    assert judged(0.5, 0.4, 0.3, 0.2, patience=3).enough
    assert not judged(0.5, 0.4, 0.3, 0.6, patience=3).enough
    assert not judged(0.5, *[0.1] * 50, patience=0).enough


def test_a_checkpoint_carries_it_on():
    begun, fresh = judged(0.5, 0.75, 0.25, patience=2), Best("J", patience=2)
    fresh.load_state_dict(begun.state_dict())
    assert fresh.summary() == begun.summary() and not fresh.enough
    fresh.judge({"J": 0.1, "other": 0.0}, 3, weights(0.1))
    assert fresh.enough and fresh.weights["w"].tolist() == [0.75, 0.75]


def test_another_figure_decides_between_equals():
    best = Best("J", patience=0, tie="margin")
    for step, (figure, margin) in enumerate([(0.5, 0.9), (1.0, 0.1), (1.0, 0.3), (1.0, 0.2), (0.9, 0.8)]):
        best.judge({"J": figure, "margin": margin}, step, weights(margin))
    assert best.figures["best_step"] == 2 and best.worse == 2
    assert best.figures == {"J": 1.0, "margin": 0.3, "best_step": 2}
