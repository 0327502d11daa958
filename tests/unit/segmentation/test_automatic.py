"""Every parameter of the automatic mask generator, against pycocotools, scipy and plain loops."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from scipy import ndimage

from seektrack.errors import InputError
from seektrack.geometry import box_iou
from seektrack.segmentation import AutomaticMaskGenerator, Sam2, load_sam2
from seektrack.segmentation.crops import crop_layers, cut_edges, layer_grids

HW = (150, 200)
ALL = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}


@pytest.fixture(scope="module")
def sam2() -> Sam2:
    return load_sam2("pocket", device="cpu", resolution=128)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Discs of all sizes, so that there is something for a trained network to find."""
    rng = np.random.default_rng(5)
    picture = rng.integers(90, 120, (*HW, 3), dtype=np.uint8)
    for _ in range(14):
        centre = (int(rng.integers(0, HW[1])), int(rng.integers(0, HW[0])))
        cv2.circle(picture, centre, int(rng.integers(6, 26)), rng.integers(0, 255, 3).tolist(), -1)
    return picture


def generate(sam2: Sam2, image: np.ndarray, **settings: Any) -> list[dict[str, Any]]:
    return AutomaticMaskGenerator(sam2, **{**ALL, **settings}).generate(image)


def corners(found: list[dict[str, Any]]) -> np.ndarray:
    xywh = np.array([f["bbox"] for f in found], dtype=float).reshape(-1, 4)
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


def test_the_three_forms_of_a_mask_are_one(sam2: Sam2, image: np.ndarray) -> None:
    plain = generate(sam2, image)
    packed = generate(sam2, image, output_mode="coco_rle")
    loose = generate(sam2, image, output_mode="uncompressed_rle")
    assert len(plain) == len(packed) == len(loose) > 2
    for a, b, c in zip(plain, packed, loose, strict=True):
        np.testing.assert_array_equal(coco_mask.decode(b["segmentation"]), a["segmentation"])
        again = coco_mask.frPyObjects(c["segmentation"], *HW)
        np.testing.assert_array_equal(coco_mask.decode(again), a["segmentation"])
        assert sum(c["segmentation"]["counts"]) == HW[0] * HW[1]
        assert a["area"] == a["segmentation"].sum() == int(coco_mask.area(b["segmentation"]))


def test_layers_of_crops_cover_the_picture_with_the_overlap_asked_for() -> None:
    layers = crop_layers((300, 400), 2, 0.2)
    assert [layer for layer, _ in layers] == [0] + [1] * 4 + [2] * 16
    assert layers[0][1] == (0, 0, 400, 300)
    assert [window for layer, window in layers if layer == 1] == [
        (0, 0, 230, 180), (0, 120, 230, 300), (170, 0, 400, 180), (170, 120, 400, 300),
    ]  # fmt: skip
    for wanted in (1, 2):
        seen = np.zeros((300, 400), dtype=int)
        for layer, (x0, y0, x1, y1) in layers:
            seen[y0:y1, x0:x1] += layer == wanted
        assert seen.min() == 1 and seen.max() == 4


def test_grids_thin_out_from_layer_to_layer() -> None:
    assert [len(g) for g in layer_grids(8, 2, 2)] == [64, 16, 4]
    assert [len(g) for g in layer_grids(2, 2, 4)] == [4, 1, 1]


def test_crops_find_more_and_leave_what_they_cut_to_others(sam2: Sam2, image: np.ndarray) -> None:
    settings = {"crop_n_layers": 1, "crop_overlap_ratio": 0.3, "crop_nms_thresh": 0.6}
    found = generate(sam2, image, **settings)
    boxes = corners(found)
    crops = [f["crop_box"] for f in found]
    allowed = [[x0, y0, x1 - x0, y1 - y0] for _, (x0, y0, x1, y1) in crop_layers(HW, 1, 0.3)]
    assert all(crop in allowed for crop in crops) and any(crop != allowed[0] for crop in crops)
    sizes = [w * h for _, _, w, h in crops]
    assert sizes == sorted(sizes), "smaller crops win"
    for (x0, y0, w, h), box, one in zip(crops, boxes, found, strict=True):
        outside = one["segmentation"].copy()
        outside[y0 : y0 + h, x0 : x0 + w] = False
        assert not outside.any()
        (x, y) = one["point_coords"][0]
        assert x0 <= x <= x0 + w and y0 <= y <= y0 + h
        cell = max(w, h) / 32
        for value, edge, side in (
            (box[0], x0, 0),
            (box[1], y0, 0),
            (box[2], x0 + w, HW[1]),
            (box[3], y0 + h, HW[0]),
        ):
            assert abs(edge - side) <= 20 or abs(value - edge) > 20 - cell
    overlaps = box_iou(boxes, boxes) - np.eye(len(boxes))
    assert overlaps.max() <= 0.6 + 1e-6


def test_which_edges_are_cut() -> None:
    assert cut_edges((0, 0, 230, 180), (300, 400), tolerance=20) == (False, False, True, True)
    assert cut_edges((15, 120, 390, 300), (300, 400), tolerance=20) == (False, True, False, False)


def test_boxes_that_overlap_are_suppressed_as_a_plain_loop_would(sam2: Sam2, image: np.ndarray) -> None:
    everything = generate(sam2, image, box_nms_thresh=1.0)
    scores, overlap = [f["predicted_iou"] for f in everything], box_iou(*[corners(everything)] * 2)
    assert scores == sorted(scores, reverse=True)
    for threshold in (0.3, 0.7):
        kept: list[int] = []
        for i in range(len(everything)):
            if all(overlap[i, j] <= threshold for j in kept):
                kept.append(i)
        found = generate(sam2, image, box_nms_thresh=threshold)
        boxes = corners(found)
        assert (box_iou(boxes, boxes) - np.eye(len(found))).max() <= threshold + 1e-6
        assert 0.8 * len(kept) <= len(found) <= len(kept) + 2 < len(everything)


def test_small_holes_and_pieces_are_cleaned_up(sam2: Sam2, image: np.ndarray) -> None:
    before = generate(sam2, image)
    after = generate(sam2, image, min_mask_region_area=40)
    assert len(after) <= len(before)

    def smallest(mask: np.ndarray) -> float:
        pieces, n = ndimage.label(mask, np.ones((3, 3)))
        areas = list(ndimage.sum_labels(mask, pieces, range(1, n + 1))) if n > 1 else []
        holes, m = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
        return min([*areas, *ndimage.sum_labels(holes > 0, holes, range(1, m + 1)), np.inf])

    assert min(smallest(f["segmentation"]) for f in before) < 40
    for one in after:
        assert smallest(one["segmentation"]) >= 40
        assert one["area"] == one["segmentation"].sum()


def test_thresholds_hold(sam2: Sam2, image: np.ndarray) -> None:
    everything = generate(sam2, image, box_nms_thresh=1.0)
    middle = float(np.median([f["predicted_iou"] for f in everything]))
    sure = generate(sam2, image, box_nms_thresh=1.0, pred_iou_thresh=middle)
    assert 0 < len(sure) < len(everything) and min(f["predicted_iou"] for f in sure) >= middle
    middle = float(np.median([f["stability_score"] for f in everything]))
    stable = generate(sam2, image, box_nms_thresh=1.0, stability_score_thresh=middle)
    assert 0 < len(stable) < len(everything) and min(f["stability_score"] for f in stable) >= middle
    far = generate(sam2, image, box_nms_thresh=1.0, stability_score_offset=4.0)
    assert np.mean([f["stability_score"] for f in far]) < np.mean([f["stability_score"] for f in everything])
    tight = generate(sam2, image, box_nms_thresh=1.0, mask_threshold=1.0)
    assert np.mean([f["area"] for f in tight]) < np.mean([f["area"] for f in everything])


def test_one_answer_a_point_or_three_and_batches_do_not_matter(sam2: Sam2, image: np.ndarray) -> None:
    three = generate(sam2, image, box_nms_thresh=1.0)
    one = generate(sam2, image, box_nms_thresh=1.0, multimask_output=False)
    assert len(one) <= 16 < len(three) <= 48
    small = generate(sam2, image, box_nms_thresh=1.0, points_per_batch=2)
    np.testing.assert_allclose(corners(small), corners(three))


def test_a_second_look_changes_the_masks(sam2: Sam2, image: np.ndarray) -> None:
    once = generate(sam2, image, box_nms_thresh=1.0)
    twice = generate(sam2, image, box_nms_thresh=1.0, use_m2m=True)
    small = generate(sam2, image, box_nms_thresh=1.0, use_m2m=True, points_per_batch=2)
    assert [f["predicted_iou"] for f in once] != [f["predicted_iou"] for f in twice]
    np.testing.assert_allclose(corners(twice), corners(small))


def test_grids_of_ones_own(sam2: Sam2, image: np.ndarray) -> None:
    grids = layer_grids(4, 1, 1)
    own = generate(sam2, image, points_per_side=None, point_grids=grids, crop_n_layers=1)
    usual = generate(sam2, image, crop_n_layers=1)
    np.testing.assert_allclose(corners(own), corners(usual))
    single = generate(sam2, image, points_per_side=None, point_grids=[np.array([[0.25, 0.5]])])
    assert {tuple(f["point_coords"][0]) for f in single} == {(50.0, 75.0)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"output_mode": "polygons"},
        {"points_per_side": None},
        {"point_grids": [np.zeros((1, 2))]},
        {"points_per_side": None, "point_grids": [np.zeros((1, 2))], "crop_n_layers": 1},
        {"crop_n_layers": -1},
        {"crop_overlap_ratio": 1.0},
        {"crop_n_points_downscale_factor": 0},
    ],
)
def test_parameters_that_cannot_be(sam2: Sam2, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        AutomaticMaskGenerator(sam2, **{**ALL, **wrong})


def test_a_picture_that_is_none(sam2: Sam2) -> None:
    with pytest.raises(InputError, match="a picture must be"):
        generate(sam2, np.zeros((20, 30), dtype=np.uint8))
