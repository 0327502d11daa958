"""Automatic masks, and the suppression they rest on, against COCO's overlaps and a plain loop."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from seektrack.errors import InputError
from seektrack.segmentation import Proposal, Sam2, propose
from seektrack.segmentation.propose import point_grid
from seektrack.segmentation.suppression import box_iou_matrix, mask_boxes, mask_iou_matrix, suppress
from seektrack.training.sam2.config import PocketSize, build_pocket


@pytest.fixture(scope="module")
def sam2() -> Sam2:
    torch.manual_seed(0)
    size = PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))
    return Sam2(build_pocket(size).eval(), 64)


@pytest.fixture
def image(rng: np.random.Generator) -> np.ndarray:
    picture = rng.integers(0, 60, (90, 140, 3), dtype=np.uint8)
    picture[20:50, 30:80] = (230, 40, 40)
    return picture


EVERYTHING = {
    "pred_iou_thresh": 0.0,
    "stability_score_thresh": 0.0,
    "max_area_fraction": 1.0,
    "min_area": 1.0,
}


def blobs(rng: np.random.Generator, n: int) -> np.ndarray:
    out = np.zeros((n, 40, 50), dtype=bool)
    for mask in out:
        y, x = rng.integers(0, 30), rng.integers(0, 40)
        mask[y : y + rng.integers(2, 20), x : x + rng.integers(2, 25)] = True
    return out


def test_mask_overlaps_are_cocos(rng: np.random.Generator) -> None:
    masks = blobs(rng, 12)
    codes = [coco_mask.encode(np.asfortranarray(m.astype(np.uint8))) for m in masks]
    wanted = coco_mask.iou(codes, codes, [0] * 12)
    np.testing.assert_allclose(mask_iou_matrix(torch.from_numpy(masks)).numpy(), wanted, atol=1e-6)


def test_boxes_and_their_overlaps_are_cocos(rng: np.random.Generator) -> None:
    masks = blobs(rng, 12)
    codes = [coco_mask.encode(np.asfortranarray(m.astype(np.uint8))) for m in masks]
    xywh = np.stack([coco_mask.toBbox(c) for c in codes])
    boxes = mask_boxes(torch.from_numpy(masks))
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], xywh[:, 2:])
    np.testing.assert_allclose(boxes[:, :2], xywh[:, :2])
    wanted = coco_mask.iou(xywh, xywh, [0] * 12)
    np.testing.assert_allclose(box_iou_matrix(boxes).numpy(), wanted, atol=1e-6)


def test_an_empty_mask_has_an_empty_box() -> None:
    assert mask_boxes(torch.zeros(1, 5, 6, dtype=torch.bool)).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_suppression_is_the_plain_loop(rng: np.random.Generator, threshold: float) -> None:
    overlap = mask_iou_matrix(torch.from_numpy(blobs(rng, 30)))
    scores = torch.from_numpy(rng.random(30))
    kept: list[int] = []
    for i in sorted(range(30), key=lambda i: -scores[i]):
        if all(overlap[i, j] <= threshold for j in kept):
            kept.append(i)
    assert suppress(overlap, scores, threshold).tolist() == kept


def test_suppressing_nothing() -> None:
    assert suppress(torch.zeros(0, 0), torch.zeros(0), 0.5).tolist() == []


def test_the_grid_lies_at_cell_centres() -> None:
    grid = point_grid(2)
    assert grid.tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


def largest_overlap(found: list[Proposal]) -> float:
    return max(a.mask.iou(b.mask) for i, a in enumerate(found) for b in found[:i])


def test_proposals_are_sorted_apart_and_in_source_pixels(sam2: Sam2, image: np.ndarray) -> None:
    found = propose(sam2, image, points_per_side=5, nms_thresh=0.4, **EVERYTHING)
    assert len(found) > 1
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    for p in found:
        assert p.mask.size == (90, 140)
        assert p.mask.box == p.box
        assert 0 <= p.point[0] <= 140 and 0 <= p.point[1] <= 90
    assert largest_overlap(found) < 0.6, "0.4 at low resolution, a little more where edges are drawn finer"
    everything = propose(sam2, image, points_per_side=5, nms_thresh=1.0, **EVERYTHING)
    assert largest_overlap(everything) > 0.9


def test_features_serve_as_well_as_the_picture(sam2: Sam2, image: np.ndarray) -> None:
    settings = {"points_per_side": 3, **EVERYTHING}
    first = propose(sam2, image, **settings)
    second = propose(sam2, sam2.encode(image), **settings)
    assert [p.mask for p in first] == [p.mask for p in second]
    assert first


def test_batches_do_not_matter(sam2: Sam2, image: np.ndarray) -> None:
    settings = {"points_per_side": 4, **EVERYTHING}
    whole = propose(sam2, image, points_per_batch=16, **settings)
    pieces = propose(sam2, image, points_per_batch=3, **settings)
    assert len(whole) == len(pieces) > 0
    for a, b in zip(whole, pieces, strict=True):
        assert a.mask.iou(b.mask) > 0.99


def test_the_surest_are_kept_as_points_come(
    sam2: Sam2, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held stays bounded, and is what a look at everything at once would have chosen."""
    module = sys.modules["seektrack.segmentation.propose"]
    monkeypatch.setattr(module, "MAX_CANDIDATES", 12)
    settings = {"points_per_side": 6, "nms_thresh": 0.9, **EVERYTHING}
    whole = propose(sam2, image, points_per_batch=36, **settings)
    held = []
    surest = module._surest
    monkeypatch.setattr(
        module, "_surest", lambda found: held.append(sum(len(c.score) for c in found)) or surest(found)
    )
    pieces = propose(sam2, image, points_per_batch=2, **settings)
    assert len(held) > 4 and max(held) <= 2 * 12 + 2 * 4
    assert len(whole) > 4
    np.testing.assert_allclose([p.point for p in pieces], [p.point for p in whole])
    assert [p.mask.area for p in pieces] == [p.mask.area for p in whole]


def test_filters_only_take_away(sam2: Sam2, image: np.ndarray) -> None:
    settings = {"points_per_side": 5, "nms_thresh": 1.0, **EVERYTHING}
    everything = propose(sam2, image, **settings)
    middle = float(np.median([p.score for p in everything]))
    sure = propose(sam2, image, **{**settings, "pred_iou_thresh": middle})
    assert 0 < len(sure) < len(everything)
    assert all(p.score >= middle for p in sure)
    typical = float(np.median([p.stability for p in everything]))
    stable = propose(sam2, image, **{**settings, "stability_score_thresh": typical})
    assert 0 < len(stable) < len(everything)
    assert all(p.stability >= typical for p in stable)
    large = propose(sam2, image, **{**settings, "min_area": 3000.0})
    assert len(large) < len(everything)
    assert all(p.mask.area >= 3000 for p in large)
    small = propose(sam2, image, **{**settings, "max_area_fraction": 0.3})
    assert len(small) < len(everything)
    assert all(p.mask.area <= 0.3 * 90 * 140 for p in small)


def test_fewer_answers_fewer_proposals(sam2: Sam2, image: np.ndarray) -> None:
    settings = {"points_per_side": 3, "nms_thresh": 1.0, "require_point": False, **EVERYTHING}
    counts = {a: len(propose(sam2, image, answers=a, **settings)) for a in ("all", "several", "single")}
    assert counts["all"] == counts["several"] + counts["single"]


@pytest.mark.parametrize(
    "settings", [{"points_per_side": 0}, {"points_per_batch": 0}, {"points": np.zeros((0, 2))}]
)
def test_unusable_settings(sam2: Sam2, image: np.ndarray, settings: dict[str, object]) -> None:
    with pytest.raises(InputError):
        propose(sam2, image, **settings)
