"""What knows photographs looks at a picture more than once."""

import cv2
import numpy as np
import pytest

from seektrack.encoders import load_encoder
from seektrack.encoders.photographs import Photographs
from seektrack.encoders.preprocess import averaged
from seektrack.grounding import embed_objects
from seektrack.types import Mask
from seektrack.world import render, sample_scene

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


def cartoon(seed):
    """A flat bird with dark outlines before a fading sky with clouds, uint8 (720, 1280, 3)."""
    rng = np.random.default_rng(seed)
    h, w = 720, 1280
    sky = np.linspace((30, 120, 230), (150, 215, 255), h)
    image = np.ascontiguousarray(np.repeat(sky[:, None], w, 1).astype(np.uint8))
    for _ in range(14):
        x, y, size = int(rng.integers(0, w)), int(rng.integers(0, h)), int(rng.integers(30, 120))
        for _ in range(7):
            puff = x + int(rng.normal(0, size)), y + int(rng.normal(0, size / 3))
            cv2.circle(image, puff, int(size * rng.uniform(0.3, 0.7)), (245, 250, 255), -1, cv2.LINE_AA)
    at = np.array([w // 2 + int(rng.integers(-90, 90)), h // 2])
    parts = {
        (140, 142, 165): cv2.ellipse2Poly((0, 0), (230, 80), 0, 0, 360, 6),
        (120, 122, 150): [(-60, -20), (60, -220), (140, -190), (120, 0)],
        (30, 110, 90): [(200, -20), (330, -60), (320, 20), (210, 40)],
        (245, 120, 30): [(-220, -10), (-330, 10), (-225, 30)],
    }
    for colour, outline in parts.items():
        points = (np.array(outline, np.int32) + at).astype(np.int32)
        cv2.fillPoly(image, [points], colour, cv2.LINE_AA)
        cv2.polylines(image, [points], True, (35, 35, 55), 4, cv2.LINE_AA)
    return image


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_anothers_cartoon_is_no_drawing_of_the_world(runtime):
    encoder = load_encoder("pocket", runtime=runtime)
    cartoons = [cartoon(seed) for seed in range(6)]
    scenes = [render(sample_scene(seed=seed)).frames[0] for seed in range(6)]
    own = encoder.experts.own_dim
    drawn = (encoder.embed_images([*cartoons, *scenes])[:, :own] ** 2).sum(1)
    assert drawn[:6].max() < 0.3, "four of the six were taken for drawings by their middles alone"
    assert drawn[6:].min() > 0.9


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_an_object_of_a_photograph_is_seen_close_by_and_from_afar(runtime):
    encoder = load_encoder("pocket", runtime=runtime)
    scene, strange = render(sample_scene(seed=1)).frames[0], cartoon(1)
    for image, close, wide in ((scene, 0.45, 0.45), (strange, 0.0, 0.8)):
        h, w = image.shape[:2]
        pixels = np.zeros((h, w), bool)
        pixels[h // 3 : h // 2, w // 3 : w // 2] = True
        box, mask = (w / 3, h / 3, w / 2, h / 2), Mask.from_array(pixels)

        def seen(crop, margin=None, image=image, box=box, mask=mask):
            return embed_objects(encoder, image, [box], [mask], crop=crop, margin=margin)[0]

        plain, masked = seen("plain", close), seen("masked", wide)
        assert np.abs(seen("plain") - plain).max() < 1e-6 and np.abs(seen("masked") - masked).max() < 1e-6
        both = (plain + masked) / np.linalg.norm(plain + masked)
        assert np.abs(seen("both") - both).max() < 1e-3
        if image is strange:
            assert np.abs(seen("plain", 0.45) - plain).max() > 0.01
