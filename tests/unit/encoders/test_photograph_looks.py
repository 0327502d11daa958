"""What knows photographs looks at a picture more than once."""

import cv2
import numpy as np
import pytest

from seektrack.encoders.photographs import Photographs
from seektrack.encoders.preprocess import averaged

RNG = np.random.default_rng(3)
WEIGHTS = RNG.normal(size=(3 * 32 * 32, 6)).astype(np.float32)
PICTURES = RNG.normal(size=(4, 3, 112, 112)).astype(np.float32)


def tower(view):
    rows = view.reshape(len(view), -1) @ WEIGHTS
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def looked(pictures, **settings):
    settings |= {
        "concepts": ["bee"], "backgrounds": [], "words": {"bee": "bee"}, "colours": {}, "labels": ["a bee"],
        "kinds": {}, "colour_share": 0.25, "scale": 30.0, "sizes": {"grain": 3.5},
    }  # fmt: skip
    known = Photographs(settings, np.eye(1, 6, dtype=np.float32), tower=tower, gate=lambda p: p[:, 0, 0, 0])
    rows = known.embed_images(np.ascontiguousarray(pictures))[:, :6]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_picture_and_its_mirror_image_are_alike():
    mirrored = PICTURES[..., ::-1]
    assert np.abs(looked(PICTURES, mirrored=True) - looked(mirrored, mirrored=True)).max() < 1e-5
    assert np.abs(looked(PICTURES) - looked(mirrored)).max() > 0.1


@pytest.mark.parametrize(("size", "side"), [(112, 32), (224, 64), (112, 28), (90, 32)])
def test_pictures_are_averaged_as_opencv_does(size, side):
    pixels = RNG.normal(size=(2, 3, size, size)).astype(np.float32)
    for got, picture in zip(averaged(pixels, side), pixels, strict=True):
        wanted = cv2.resize(picture.transpose(1, 2, 0), (side, side), interpolation=cv2.INTER_AREA)
        assert np.abs(got - wanted.transpose(2, 0, 1)).max() < 1e-4
