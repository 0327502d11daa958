from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seektrack.errors import InputError
from seektrack.tracking import association
from seektrack.tracking.association import CueWeights, assign, cosine_matrix, fuse_costs, mask_iou_matrix
from seektrack.types import Mask


def brute_force(cost: np.ndarray, max_cost: float, allowed: np.ndarray) -> float:
    """Least sum of (cost - max_cost) over every one-to-one partial assignment."""
    n, m = cost.shape
    best = 0.0
    for columns in permutations(list(range(m)) + [-1] * n, n):
        total = sum(
            cost[i, j] - max_cost
            for i, j in enumerate(columns)
            if j >= 0 and allowed[i, j] and np.isfinite(cost[i, j]) and cost[i, j] < max_cost
        )
        best = min(best, total)
    return best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 4))
def test_assignment_is_the_best_of_all(seed, n, m):
    rng = np.random.default_rng(seed)
    cost = rng.random((n, m))
    cost[rng.random((n, m)) < 0.2] = np.inf
    cost[rng.random((n, m)) < 0.1] = np.nan
    allowed = rng.random((n, m)) < 0.8
    result = assign(cost, max_cost=0.6, allowed=allowed)
    total = sum(c - 0.6 for _, _, c in result.pairs)
    assert total == pytest.approx(brute_force(cost, 0.6, allowed))
    assert all(allowed[r, c] and cost[r, c] < 0.6 for r, c, _ in result.pairs)
    assert sorted([*(r for r, _, _ in result.pairs), *result.unmatched_rows]) == list(range(n))
    assert sorted([*(c for _, c, _ in result.pairs), *result.unmatched_columns]) == list(range(m))


def test_a_gate_is_not_crossed_to_match_more():
    result = assign(np.array([[0.1, 0.9], [0.2, 0.95]]), max_cost=0.5)
    assert result.pairs == ((0, 0, 0.1),)
    assert result.unmatched_rows == (1,)
    assert result.unmatched_columns == (1,)


def test_nothing_to_match():
    assert assign(np.zeros((0, 3)), max_cost=1).unmatched_columns == (0, 1, 2)
    assert assign(np.zeros((2, 0)), max_cost=1).unmatched_rows == (0, 1)


def test_costs_average_the_cues_that_are_known():
    nan = np.nan
    cost = fuse_costs(
        mask_iou=np.array([[0.8, nan, nan]]),
        box_iou=np.array([[0.5, 0.5, nan]]),
        appearance=np.array([[0.7, nan, nan]]),
        weights=CueWeights(mask=2, box=1, appearance=1),
        appearance_range=(0.4, 0.9),
    )
    assert cost[0, 0] == pytest.approx(1 - (2 * 0.8 + 0.5 + 0.6) / 4)
    assert cost[0, 1] == pytest.approx(0.5)
    assert np.isinf(cost[0, 2])


def test_cues_of_different_shapes_are_refused():
    with pytest.raises(InputError, match=r"\(1, 2\)"):
        fuse_costs(mask_iou=np.zeros((1, 2)), box_iou=np.zeros((2, 1)))
    with pytest.raises(InputError):
        fuse_costs()


def test_gallery_counts_with_its_best_member():
    gallery = np.array([[1.0, 0.0], [0.0, 2.0]])
    out = cosine_matrix([gallery, None], [np.array([0.0, 3.0]), None])
    assert out[0, 0] == pytest.approx(1.0)
    assert np.isnan(out[1, 0]) and np.isnan(out[0, 1])


def test_mask_overlaps_against_pixels():
    rng = np.random.default_rng(0)
    pixels = rng.random((4, 9, 7)) < 0.5
    masks = [Mask.from_array(p) for p in pixels]
    out = mask_iou_matrix([*masks[:2], None], masks[2:])
    for i in range(2):
        for j in range(2):
            union = (pixels[i] | pixels[j + 2]).sum()
            assert out[i, j] == pytest.approx((pixels[i] & pixels[j + 2]).sum() / union)
    assert np.isnan(out[2]).all()
    assert association.mask_iou_matrix([], masks).shape == (0, 4)
