"""What knows photographs looks at a picture more than once."""

import numpy as np
import pytest

from seektrack.encoders.photographs import GREY, Photographs, coarse_colours

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
    assert np.abs(looked(PICTURES, coarse=0.0) - looked(mirrored, coarse=0.0)).max() < 1e-5
    assert np.abs(looked(PICTURES) - looked(mirrored)).max() > 0.1


def test_the_look_at_coarse_colours_counts_by_its_weight():
    plain, both, more = (looked(PICTURES, coarse=share) for share in (0.0, 0.5, 1e4))
    alone = tower(coarse_colours(_views()))
    assert np.abs(more - alone).max() < 1e-2
    assert (np.abs(both - alone).max(axis=1) < np.abs(plain - alone).max(axis=1)).all()


def test_coarse_colours_keep_brightness_and_lose_what_is_fine():
    view = np.zeros((1, 3, 32, 32), np.float32)
    view[:, 0, :, ::2], view[:, 2, :, 1::2] = 1 / GREY[0], 1 / GREY[2]  # stripes of equal brightness
    got = coarse_colours(view)
    grey = np.tensordot(np.array(GREY), got, (0, 1))
    assert grey == pytest.approx(np.ones((1, 32, 32)), abs=1e-4)
    assert got[0, :, 8:24, 8:24].std(axis=(1, 2)).max() < 0.05 * view[0, 0].std()
    flat = np.full((1, 3, 8, 8), 0.3, np.float32) * np.array([1, 2, 3], np.float32).reshape(1, 3, 1, 1)
    assert np.abs(coarse_colours(flat) - flat).max() < 1e-5


def _views():
    from seektrack.encoders.preprocess import resampled

    return resampled(PICTURES, 32)
