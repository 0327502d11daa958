from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from seektrack.errors import InputError
from seektrack.metrics import (
    boundary_f,
    boundary_iou,
    j_and_f,
    mask_scores,
    match_objects,
    sequence_scores,
)

masks = arrays(np.bool_, st.tuples(st.just(9), st.just(11)))


def disk(hw, centre, radius):
    y, x = np.mgrid[: hw[0], : hw[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


@given(masks, masks)
@settings(max_examples=60, deadline=None)
def test_region_scores_equal_counting_pixel_by_pixel(gt, pred):
    tp = fp = fn = 0
    for g, p in zip(gt.ravel().tolist(), pred.ravel().tolist(), strict=True):
        tp, fp, fn = tp + (g and p), fp + (p and not g), fn + (g and not p)
    s = mask_scores(gt, pred)
    if tp + fp + fn == 0:
        assert (s.iou, s.precision, s.recall, s.f1) == (1, 1, 1, 1)
        return
    assert s.iou == pytest.approx(tp / (tp + fp + fn))
    assert s.precision == pytest.approx(tp / (tp + fp) if tp + fp else 0)
    assert s.recall == pytest.approx(tp / (tp + fn) if tp + fn else 0)
    assert s.f1 == pytest.approx(2 * tp / (2 * tp + fp + fn))


def reference_boundary_f(gt, pred, bound_th=0.008):
    """DAVIS' f_measure, written from its definition with scipy instead of OpenCV."""

    def contour(m):
        h, w = m.shape
        out = np.zeros_like(m)
        for y in range(h):
            for x in range(w):
                ys, xs = min(y + 1, h - 1), min(x + 1, w - 1)
                neighbours = [m[y, xs], m[ys, x]] + ([m[ys, xs]] if ys > y and xs > x else [])
                out[y, x] = any(n != m[y, x] for n in neighbours)
        return out

    radius = int(np.ceil(bound_th * np.linalg.norm(gt.shape)))
    d = np.arange(-radius, radius + 1)
    footprint = d[:, None] ** 2 + d[None] ** 2 <= radius**2
    g, p = contour(gt), contour(pred)
    if not g.any() or not p.any():
        return float(g.any() == p.any())
    right = (p & ndimage.binary_dilation(g, footprint)).sum() / p.sum()
    found = (g & ndimage.binary_dilation(p, footprint)).sum() / g.sum()
    return 2 * right * found / (right + found) if right + found else 0.0


@pytest.mark.parametrize("seed", range(12))
def test_boundary_f_equals_the_definition(seed):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.random((2, 40, 57)), (0, 3, 3))
    gt, pred = smooth > np.quantile(smooth, rng.uniform(0.2, 0.95))
    pred = np.roll(gt, 2, 1) if seed % 3 == 0 else pred
    assert boundary_f(gt, pred) == pytest.approx(reference_boundary_f(gt, pred), abs=1e-12)


def test_boundary_f_forgives_exactly_its_tolerance():
    gt = disk((200, 200), (100, 100), 40)
    near, far = disk((200, 200), (100, 100), 42), disk((200, 200), (100, 100), 49)
    assert boundary_f(gt, near, bound_th=3) == 1.0
    assert boundary_f(gt, far, bound_th=3) == 0.0


def test_boundary_iou_is_stricter_than_iou_on_large_objects_and_1_for_equal():
    gt = disk((200, 200), (100, 100), 70)
    shifted = np.roll(gt, 3, 1)
    assert boundary_iou(gt, gt) == 1.0
    assert boundary_iou(gt, shifted) < mask_scores(gt, shifted).iou - 0.2


def test_boundary_iou_equals_bands_by_chessboard_distance():
    rng = np.random.default_rng(3)
    smooth = ndimage.gaussian_filter(rng.random((2, 60, 80)), (0, 4, 4))
    gt, pred = smooth > smooth.mean()
    width = round(0.02 * np.hypot(60, 80))

    def band(m):
        return m & (ndimage.distance_transform_cdt(np.pad(m, 1), "chessboard")[1:-1, 1:-1] <= width)

    expected = (band(gt) & band(pred)).sum() / (band(gt) | band(pred)).sum()
    assert boundary_iou(gt, pred) == pytest.approx(expected)


def test_empty_masks_agree_and_half_empty_pairs_score_nothing():
    empty, full = np.zeros((8, 8), bool), disk((8, 8), (4, 4), 2)
    for measure in (lambda a, b: mask_scores(a, b).iou, boundary_f, boundary_iou):
        assert measure(empty, empty) == 1.0
        assert measure(empty, full) == 0.0
        assert measure(full, empty) == 0.0


def test_sequence_scores_choose_their_frames():
    empty, shape = np.zeros((30, 30), bool), disk((30, 30), (15, 15), 6)
    gt, pred = [empty, empty, shape, shape], [empty, shape, shape, empty]
    assert sequence_scores(gt, pred).j.tolist() == [1, 0, 1, 0]
    assert sequence_scores(gt, pred, frames="inner").frames.tolist() == [1, 2]
    from_first = sequence_scores(gt, pred, frames="from_first")
    assert from_first.frames.tolist() == [2, 3]
    assert from_first.j_mean == 0.5
    assert from_first.j_and_f == 0.5
    assert from_first.j_recall == 0.5 and 0 <= from_first.f_recall <= 1
    assert sequence_scores(gt, pred).j_decay == 1.0


def test_objects_never_predicted_count_zero_and_matching_finds_renamed_ones():
    a, b = disk((30, 30), (8, 8), 5), disk((30, 30), (20, 20), 5)
    gt = {1: [a, a], 2: [b, b]}
    scores = j_and_f(gt, {1: [a, a]})
    assert scores[1].j_and_f == 1.0
    assert scores[2].j_and_f == 0.0
    assert match_objects(gt, {7: [b, b], 9: [a, a]}) == {1: 9, 2: 7}
    assert match_objects(gt, {7: [b, b]}) == {2: 7}


def test_wrong_input_is_refused_in_words():
    good = np.zeros((4, 4), bool)
    with pytest.raises(InputError, match="bool array"):
        mask_scores(good.astype(np.uint8), good)
    with pytest.raises(InputError, match="different size"):
        boundary_f(good, np.zeros((4, 5), bool))
    with pytest.raises(InputError, match="2 true masks but 1"):
        sequence_scores([good, good], [good])
    with pytest.raises(InputError, match="unknown choice"):
        sequence_scores([good], [good], frames="some")
    with pytest.raises(InputError, match="no frame"):
        sequence_scores([good], [good], frames="from_first")
    with pytest.raises(InputError, match="positive"):
        boundary_f(good, good, bound_th=0)
