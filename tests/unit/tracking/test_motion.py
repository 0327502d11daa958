from __future__ import annotations

import cv2
import numpy as np
import pytest

from seektrack.query import Motion
from seektrack.tracking import CameraMotion, agrees
from seektrack.types import Observation

WIDTH = 200


def path(xs, ys=None, size=20.0, visible=True) -> list[Observation]:
    ys = np.full(len(xs), 50.0) if ys is None else ys
    sizes = np.broadcast_to(size, len(xs))
    return [
        Observation(i, i * 0.1, (x - s / 2, y - s / 2, x + s / 2, y + s / 2), None, 1.0, visible)
        for i, (x, y, s) in enumerate(zip(xs, ys, sizes, strict=True))
    ]


LEFT = path(np.linspace(150, 60, 20))
RIGHT = path(np.linspace(60, 150, 20))
DOWN = path(np.full(20, 80.0), np.linspace(20, 90, 20))
STILL = path(80 + np.random.default_rng(0).normal(0, 0.7, 20))
NEARER = path(np.full(20, 80.0), size=np.linspace(20, 34, 20))


@pytest.mark.parametrize(
    ("motion", "fits"),
    [
        (Motion(True, (-1, 0)), "LEFT"),
        (Motion(True, (1, 0)), "RIGHT"),
        (Motion(True, (0, 1)), "DOWN"),
        (Motion(True), "LEFT RIGHT DOWN"),
        (Motion(False), "STILL NEARER"),
        (Motion(True, approach=1), "NEARER"),
        (Motion(True, (-1, 0), rate="fast"), "LEFT"),
        (Motion(True, (-1, 0), rate="slow"), ""),
    ],
)
def test_only_tracks_that_move_as_asked_agree(motion, fits):
    tracks = {"LEFT": LEFT, "RIGHT": RIGHT, "DOWN": DOWN, "STILL": STILL, "NEARER": NEARER}
    agreeing = {name for name, track in tracks.items() if agrees(motion, track, width=WIDTH)}
    assert agreeing == set(fits.split())


def test_predicted_positions_do_not_count():
    hidden = path(np.linspace(150, 60, 20), visible=False)
    assert not agrees(Motion(True), [*STILL[:2], *hidden[2:]], width=WIDTH)


def test_a_single_sight_only_stands_still():
    assert agrees(Motion(False), LEFT[:1], width=WIDTH)
    assert not agrees(Motion(True), LEFT[:1], width=WIDTH)


def test_camera_motion_is_measured_and_taken_off():
    """A panned and zoomed picture, with something crossing: what the camera alone moves stands still."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(0, 255, (300, 500, 3), dtype=np.uint8), (0, 0), 3)
    ground = cv2.normalize(ground, None, 0, 255, cv2.NORM_MINMAX)
    camera = CameraMotion()
    pans = np.cumsum(rng.uniform(1.0, 6.0, 20))
    seen = []
    for i, pan in enumerate(pans):
        zoom = 1 + 0.005 * i
        view = np.array([[zoom, 0, -pan * zoom], [0, zoom, -40 * zoom]])
        picture = cv2.warpAffine(ground, view, (320, 200))
        cv2.rectangle(picture, (10 + 9 * i, 60), (60 + 9 * i, 120), (250, 30, 30), -1)
        camera.update(i, picture)
        seen.append(view @ (200.0, 140.0, 1.0))
    in_first = np.array([camera.to_first[i] @ (*seen[i], 1.0) for i in range(20)])
    assert np.abs(in_first - in_first[0]).max() < 2
    fixed = path([p[0] for p in seen], [p[1] for p in seen])
    assert agrees(Motion(False), fixed, width=320, camera=camera.to_first)
    assert agrees(Motion(True, (-1, 0)), fixed, width=320)


def test_a_cut_and_an_empty_picture_are_no_motion():
    rng = np.random.default_rng(0)
    camera = CameraMotion()
    for i in range(4):
        picture = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
        assert camera.update(i, picture) == pytest.approx(np.eye(3)[:2], abs=0.02)
    assert camera.update(4, np.full((120, 160, 3), 90, dtype=np.uint8)) == pytest.approx(
        np.eye(3)[:2], abs=0.02
    )
