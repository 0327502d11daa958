import numpy as np
import pytest
import torch
from scipy import ndimage

from seektrack.errors import InputError
from seektrack.metrics.masks import boundary_f, iou
from seektrack.segmentation.network import Decoded
from seektrack.training.sam2.losses import (
    LossWeights,
    boundary_loss,
    change_loss,
    mask_loss,
    soft_iou_loss,
    target_loss,
)


def disc(radius: float, *, x: float = 32, side: int = 64) -> np.ndarray:
    ys, xs = np.mgrid[:side, :side]
    return (xs - x) ** 2 + (ys - 32) ** 2 <= radius**2


def cost(answer: np.ndarray, truth: np.ndarray, **options: int) -> float:
    return float(boundary_loss(torch.from_numpy(answer).float(), torch.from_numpy(truth).float(), **options))


def test_boundary_loss_orders_answers_as_the_boundary_f_of_davis_does():
    truth = disc(16)
    answers = [truth, disc(17), disc(16, x=36), disc(20), disc(26), disc(6)]
    losses = [cost(a, truth, tolerance=5) for a in answers]
    measured = [1 - boundary_f(truth, a, bound_th=2.0) for a in answers]
    assert losses[0] < 1e-3
    ordered = np.argsort(measured, kind="stable")
    assert np.all(np.diff(np.array(losses)[ordered]) >= -0.02)
    assert max(losses) > 0.9


def test_boundary_loss_tells_a_ragged_outline_where_the_overlap_hardly_changes():
    truth = disc(20)
    noise = np.random.default_rng(0).random((64, 64)) < 0.4
    ragged = truth ^ (noise & (ndimage.binary_dilation(truth, iterations=4) & ~truth))
    assert cost(ragged, truth, tolerance=3) > cost(disc(21), truth, tolerance=3) + 0.1


def test_boundary_loss_has_a_gradient_towards_the_truth():
    truth = torch.from_numpy(disc(16)).float()
    logits = (
        torch.from_numpy(ndimage.gaussian_filter(disc(20).astype(float), 2)).float() * 8 - 4
    ).requires_grad_()
    before = boundary_loss(logits.sigmoid(), truth)
    for _ in range(60):
        (gradient,) = torch.autograd.grad(boundary_loss(logits.sigmoid(), truth), logits)
        with torch.no_grad():
            logits -= 0.3 * gradient / gradient.abs().max()
    assert boundary_loss(logits.sigmoid(), truth) < 0.6 * before


def test_an_empty_truth_costs_by_the_outline_drawn_anyway():
    empty = np.zeros((64, 64), bool)
    assert cost(empty, empty) == 0
    assert cost(disc(16), empty) > 0


def test_change_loss_is_nothing_for_an_answer_that_moves_as_the_truth_does():
    truth = torch.from_numpy(np.stack([disc(12, x=20), disc(12, x=24), disc(12, x=28)])).float()[None]
    seen = torch.ones(1, 3, dtype=torch.bool)
    exact = truth * 40 - 20
    assert float(change_loss(exact, truth, seen)) < 1e-6
    flickering = exact.clone()
    flickering[:, 1] = -20
    still = exact[:, :1].expand(-1, 3, -1, -1)
    assert float(change_loss(flickering, truth, seen)) > float(change_loss(still, truth, seen)) > 0.1
    # A constant error does not change from frame to frame, and is the other losses' business.
    larger = torch.from_numpy(np.stack([disc(12, x=20) | disc(4, x=50)] * 3)).float()[None]
    same = torch.from_numpy(np.stack([disc(12, x=20)] * 3)).float()[None]
    assert float(change_loss(larger * 40 - 20, same, seen)) < 1e-6


def test_change_loss_leaves_out_frames_without_the_object():
    truth = torch.from_numpy(np.stack([disc(12), disc(12), np.zeros((64, 64), bool)])).float()[None]
    answer = torch.from_numpy(np.stack([disc(12), disc(12), disc(25)])).float()[None] * 40 - 20
    assert float(change_loss(answer, truth, torch.tensor([[True, True, False]]))) < 1e-6


def decoded(mask: np.ndarray) -> Decoded:
    small = torch.nn.functional.interpolate(
        torch.from_numpy(mask).float()[None, None], size=(16, 16), mode="area"
    )
    return Decoded(
        (small * 20 - 10).expand(1, 4, -1, -1),
        torch.ones(1, 4),
        torch.zeros(1, 4, 8),
        torch.full((1, 1), 9.0),
    )


def test_every_term_can_be_switched_off_and_on():
    answer, truth = decoded(disc(20)), torch.from_numpy(disc(14)).float()[None]
    off = dict.fromkeys(("focal", "dice", "balanced", "iou", "score", "boundary"), 0.0)

    def loss(**on: float) -> float:
        weights = LossWeights(**(off | on))
        return float(mask_loss(answer, truth, torch.zeros_like(truth), torch.tensor([True]), weights)[0])

    assert loss() == 0
    for name in off:
        assert loss(**{name: 1.0}) > 0, name
        assert loss(**{name: 2.0}) == pytest.approx(2 * loss(**{name: 1.0}))


def test_pixels_nobody_knows_count_nowhere():
    truth = torch.from_numpy(disc(14)).float()[None]
    wrong = decoded(disc(14) | disc(8, x=56))
    known = torch.ones(1, 64, 64)
    known[:, :, 46:] = 0
    nothing = torch.zeros_like(truth)
    weights, there = LossWeights(boundary=1.0), torch.tensor([True])
    open_loss, open_overlap = mask_loss(wrong, truth, nothing, there, weights)
    loss, overlap = mask_loss(wrong, truth, nothing, there, weights, known=known)
    right, best = mask_loss(decoded(disc(14)), truth, nothing, there, weights, known=known)
    assert float(open_loss) > float(loss) and float(overlap) > float(open_overlap)
    assert float(loss) == pytest.approx(float(right), abs=0.02) and float(overlap) == float(best)
    # What is not seen may lie there: that it is gone is not taught.
    gone = [mask_loss(wrong, truth * 0, nothing, ~there, weights, known=k)[0] for k in (known, known * 0 + 1)]
    assert float(gone[0]) == 0 < float(gone[1])


def test_a_negative_weight_is_refused():
    with pytest.raises(InputError, match="boundary"):
        LossWeights(boundary=-1)


def test_soft_iou_of_sure_answers_is_the_measured_iou():
    truth = disc(16)
    for answer in (truth, disc(20), disc(16, x=44), disc(5)):
        p, goal = (torch.from_numpy(m).float() for m in (answer, truth))
        assert float(soft_iou_loss(p, goal)) == pytest.approx(1 - iou(truth, answer), abs=2e-3)
    half = torch.full((64, 64), 0.5, requires_grad=True)
    soft_iou_loss(half, torch.from_numpy(truth).float()).backward()
    assert (half.grad[30:34, 30:34] < 0).all() and (half.grad[:4, :4] > 0).all()


def test_of_several_targets_each_pixel_has_one():
    first, second = disc(10, x=20), disc(10, x=44)
    target = torch.from_numpy(np.stack([first, second])).float()
    owner = torch.tensor([0, 0])

    def logits(*masks):
        return torch.stack([torch.from_numpy(m).float() * 16 - 8 for m in masks])

    right, both, swapped = logits(first, second), logits(first | second, second), logits(second, first)
    losses = [float(target_loss(x, target, owner)) for x in (right, both, swapped)]
    assert losses[0] < 0.01 < losses[1] < losses[2]
    assert float(target_loss(swapped, target, torch.tensor([0, 1]))) == 0, "each alone in its clip"
    small = target_loss(logits(first, np.zeros_like(second)), target, owner)
    assert float(small) > 2, "a target that is missed costs its share, however small"


def test_a_pixel_is_inside_from_the_probability_that_is_asked():
    """Ten answers that cannot be told apart, four of them right: the best logits say so from 0.38 on."""
    truth = torch.zeros(10, 64, 64)
    truth[:4, 16:48, 16:48] = 1
    nothing, there = torch.zeros_like(truth), torch.ones(10, dtype=torch.bool)
    said = {}
    for inside in (0.5, 0.38):
        weights = LossWeights(focal=0, dice=0, balanced=1, iou=0, score=0, alternatives=0, inside=inside)
        level = torch.zeros(1, requires_grad=True)
        optimiser = torch.optim.Adam([level], lr=0.05)
        for _ in range(150):
            logits = torch.full((10, 4, 16, 16), -9.0)
            logits[:, :, 4:12, 4:12] = level
            answer = Decoded(logits, torch.zeros(10, 4), torch.zeros(10, 4, 8), torch.zeros(10, 1))
            optimiser.zero_grad()
            mask_loss(answer, truth, nothing, there, weights)[0].backward()
            optimiser.step()
        said[inside] = float(level.detach())
    assert said[0.38] - said[0.5] == pytest.approx(LossWeights(inside=0.38).lower, abs=0.05)
    with pytest.raises(InputError, match="inside from"):
        LossWeights(inside=1.0)
