"""Cleaning masks up, against scipy.ndimage and shapes whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from scipy import ndimage

from seektrack.errors import InputError
from seektrack.geometry import mask_iou
from seektrack.segmentation.chain import STEPS, compose, parse_steps
from seektrack.segmentation.postprocess import (
    closing,
    contour,
    fill_holes,
    grab_cut,
    largest,
    non_overlapping,
    opening,
    remove_specks,
    smooth,
    snap,
    spline,
)

HW = (90, 120)
EIGHT = np.ones((3, 3), dtype=int)


def disc(y: float, x: float, r: float) -> np.ndarray:
    ys, xs = np.mgrid[: HW[0], : HW[1]]
    return (ys - y) ** 2 + (xs - x) ** 2 <= r**2


@pytest.fixture
def ragged(rng: np.random.Generator) -> np.ndarray:
    """Blobs of all sizes, holes of all sizes, some of either at the picture's edge."""
    return ndimage.gaussian_filter(rng.normal(size=HW), 2) > 0.02


@pytest.mark.parametrize("radius", [1, 3])
def test_closing_and_opening_are_scipys(ragged: np.ndarray, radius: int) -> None:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2) > 0
    wide = np.pad(ragged, 4 * radius, mode="edge")
    inside = (slice(4 * radius, -4 * radius),) * 2
    np.testing.assert_array_equal(closing(ragged, radius), ndimage.binary_closing(wide, kernel)[inside])
    np.testing.assert_array_equal(opening(ragged, radius), ndimage.binary_opening(wide, kernel)[inside])


@pytest.mark.parametrize("area", [1, 8, 10_000])
def test_holes_are_those_scipy_finds(ragged: np.ndarray, area: int) -> None:
    holes, count = ndimage.label(ndimage.binary_fill_holes(ragged) & ~ragged)
    wanted = ragged.copy()
    for i in range(1, count + 1):
        if (holes == i).sum() <= area:
            wanted |= holes == i
    assert count > 3
    np.testing.assert_array_equal(fill_holes(ragged, area), wanted)


@pytest.mark.parametrize("area", [2, 30])
def test_specks_are_those_scipy_finds(ragged: np.ndarray, area: int) -> None:
    pieces, count = ndimage.label(ragged, EIGHT)
    sizes = ndimage.sum_labels(ragged, pieces, range(count + 1))
    np.testing.assert_array_equal(remove_specks(ragged, area), ragged & (sizes >= area)[pieces])
    only = largest(ragged)
    np.testing.assert_array_equal(only, pieces == sizes.argmax())


def test_a_mask_that_is_all_specks_keeps_its_largest() -> None:
    mask = disc(20, 20, 2) | disc(60, 60, 3)
    np.testing.assert_array_equal(remove_specks(mask, 1000), disc(60, 60, 3))


def test_smoothing_takes_notches_and_keeps_the_shape(rng: np.random.Generator) -> None:
    true = disc(45, 60, 25)
    edge = ndimage.binary_dilation(true, iterations=2) & ~ndimage.binary_erosion(true, iterations=2)
    rough = np.where(edge, rng.random(HW) < 0.5, true)
    assert mask_iou(smooth(rough, 2), true) > 0.96 > mask_iou(rough, true)
    wall = np.zeros(HW, dtype=bool)
    wall[:, :30] = True
    np.testing.assert_array_equal(smooth(wall, 3), wall)


@pytest.mark.parametrize("rebuild", [contour, spline])
def test_a_rebuilt_outline_is_near_the_old_and_keeps_holes(rebuild: Callable[..., np.ndarray]) -> None:
    ring = disc(45, 60, 30) & ~disc(45, 60, 18) | disc(45, 60, 9)
    ring |= disc(12, 12, 7)
    out = rebuild(ring)
    assert mask_iou(out, ring) > 0.9
    assert ndimage.label(out)[1] == 3 and not out[45, 60 + 13]


def test_a_polygon_has_few_corners_and_a_spline_none() -> None:
    true = disc(45, 60, 30)
    lines, _ = cv2.findContours(contour(true, 4).astype(np.uint8), 0, cv2.CHAIN_APPROX_TC89_L1)
    assert len(cv2.approxPolyDP(lines[0], 1.0, True)) <= 12
    stairs = np.kron(disc(45, 60, 30)[::6, ::6], np.ones((6, 6), dtype=bool))[: HW[0], : HW[1]]
    assert mask_iou(spline(stairs, 1.5), true) > mask_iou(stairs, true)


def test_grab_cut_finds_the_edge_of_the_colour(rng: np.random.Generator) -> None:
    true = disc(45, 60, 25)
    image = np.where(true[..., None], (210, 60, 40), (50, 90, 160)) + rng.normal(0, 8, (*HW, 3))
    image = image.clip(0, 255).astype(np.uint8)
    shifted = np.roll(true, (3, 3), axis=(0, 1))
    found = grab_cut(shifted, image, band=6)
    assert mask_iou(shifted, true) < 0.87
    assert mask_iou(found, true) > 0.97
    np.testing.assert_array_equal(found, grab_cut(shifted, image, band=6))
    whole = np.ones(HW, dtype=bool)
    np.testing.assert_array_equal(grab_cut(whole, image), whole)
    with pytest.raises(InputError, match="the picture is"):
        grab_cut(true, image[:-1])


def test_snap_is_a_narrow_grab_cut_of_small_objects_that_loses_none(rng: np.random.Generator) -> None:
    true = disc(45, 60, 12)
    image = np.where(true[..., None], (210, 60, 40), (50, 90, 160)) + rng.normal(0, 8, (*HW, 3))
    image = image.clip(0, 255).astype(np.uint8)
    coarse = disc(45, 60, 10.5)
    assert mask_iou(snap(coarse, image), true) > 0.97 > mask_iou(coarse, true)
    by_column = np.asfortranarray(coarse)  # as run-length codes give it back
    np.testing.assert_array_equal(snap(by_column, image), snap(coarse, image))
    flat = np.full_like(image, 90)  # nothing tells it from what is around
    assert mask_iou(snap(coarse, flat), coarse) >= 0.6
    large = np.kron(disc(45, 60, 25), np.ones((4, 4), bool)).astype(bool)
    np.testing.assert_array_equal(snap(large, np.zeros((*large.shape, 3), np.uint8)), large)


def test_a_contested_pixel_goes_to_the_surest() -> None:
    masks = np.stack([disc(40, 40, 20), disc(40, 55, 20), disc(40, 70, 20)])
    out = non_overlapping(masks, [0.5, 0.9, 0.5])
    assert (out.sum(axis=0) <= 1).all()
    np.testing.assert_array_equal(out.any(axis=0), masks.any(axis=0))
    np.testing.assert_array_equal(out[1], masks[1])
    np.testing.assert_array_equal(out[0], masks[0] & ~masks[1])
    np.testing.assert_array_equal(out[2], masks[2] & ~masks[1] & ~masks[0])
    with pytest.raises(InputError, match="as many scores"):
        non_overlapping(masks, [0.5])


def test_steps_run_in_the_order_written(ragged: np.ndarray) -> None:
    by_name = parse_steps("close:2, fill:64,specks:30 ,smooth:1.5")(ragged)
    by_hand = smooth(remove_specks(fill_holes(closing(ragged, 2), 64), 30), 1.5)
    np.testing.assert_array_equal(by_name, by_hand)
    composed = compose(lambda m: closing(m, 2), lambda m: fill_holes(m, 64))
    np.testing.assert_array_equal(composed(ragged), fill_holes(closing(ragged, 2), 64))
    np.testing.assert_array_equal(compose()(ragged), ragged)


@pytest.mark.parametrize("name", sorted(STEPS))
def test_every_step_keeps_size_leaves_its_argument_alone_and_takes_nothing(
    name: str, ragged: np.ndarray
) -> None:
    step, image, before = parse_steps(name), np.zeros((*HW, 3), dtype=np.uint8), ragged.copy()
    out = step(ragged, image)
    assert out.shape == HW and out.dtype == bool and out is not ragged
    np.testing.assert_array_equal(ragged, before)
    assert not step(np.zeros(HW, dtype=bool), image).any()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("clean:3", "close, open"),
        ("", "close, open"),
        ("close:x", "a whole number above 0 and up to 256"),
        ("close:0", "a whole number above 0 and up to 256"),
        ("smooth:-1", "a number above 0 and up to 256"),
        ("smooth:nan", "a number above 0 and up to 256"),
        ("open:1001", "a whole number above 0 and up to 256"),
        ("close:1.5", "a whole number above 0 and up to 256"),
        ("largest:3", "no number"),
    ],
)
def test_text_that_is_no_chain(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_steps(text)


def test_what_a_chain_refuses(ragged: np.ndarray) -> None:
    with pytest.raises(InputError, match="needs the picture"):
        parse_steps("grabcut")(ragged)
    with pytest.raises(InputError, match="bool array"):
        parse_steps("close")(ragged.astype(np.uint8))
    with pytest.raises(InputError, match="radius must be positive"):
        closing(ragged, 0)


def test_of_equal_specks_one_is_kept() -> None:
    mask = np.zeros((20, 20), bool)
    mask[3, 3] = mask[15, 15] = True
    assert remove_specks(mask, 40).sum() == 1
