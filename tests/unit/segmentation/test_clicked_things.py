"""Clicks through the pocket network: another thing that is held with the object, and a small object."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from seektrack.pipeline import Models
from seektrack.segmentation.click_answers import Clicks, Expected
from seektrack.segmentation.clicks import mask_of_clicks


@pytest.fixture(scope="module")
def pocket():
    return Models("pocket").sam2


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def striped(image, box, colour):
    """A thing whose stripes no surface joins."""
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = colour
    for y in range(y0 + 6, y1 - 3, 14):
        image[y : y + 1, x0:x1] = np.array(colour) // 2


def test_a_click_that_is_not_the_object_takes_the_whole_other_thing_away(pocket):
    image = np.full((240, 320, 3), (120, 130, 120), np.uint8)
    own, other = (60, 70, 130, 190), (180, 60, 250, 180)
    held = np.zeros((240, 320), bool)
    mine = held.copy()
    for box in (own, other):
        striped(image, box, (210, 40, 40))
        held[box[1] : box[3], box[0] : box[2]] = True
    mine[own[1] : own[3], own[0] : own[2]] = True
    held[120:124, 130:180] = True  # a bridge: it is one piece
    got = mask_of_clicks(
        pocket,
        pocket.encode(image),
        image,
        Clicks(negative=((215.0, 113.0),)),
        Expected(held, float(mine.sum())),
    )
    assert iou(got, mine) > 0.8


def test_a_small_thing_is_found_under_a_click_where_it_is_known_to_be_small(pocket):
    """A ball in front of a figure, of which the network sees a few pixels in the whole picture."""
    image = np.full((720, 1280, 3), (70, 120, 60), np.uint8)
    cv2.rectangle(image, (560, 250), (720, 640), (40, 40, 70), -1)
    cv2.circle(image, (640, 190), 60, (150, 110, 90), -1)
    ball = np.zeros((720, 1280), np.uint8)
    cv2.circle(ball, (640, 480), 14, 1, -1)
    image[ball > 0] = (230, 230, 225)
    elsewhere = np.zeros((720, 1280), bool)
    elsewhere[40:80, 40:80] = True
    got = mask_of_clicks(
        pocket,
        pocket.encode(image),
        image,
        Clicks(positive=((640.5, 480.5),)),
        Expected(elsewhere, float(ball.sum())),
    )
    assert iou(got, ball > 0) > 0.8
