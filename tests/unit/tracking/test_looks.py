"""Cosines of looks are those of the encoder that looks, not of the one the defaults were found with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from seektrack.encoders import Calibration
from seektrack.tracking import FollowSettings
from seektrack.tracking.looks import seen_by
from seektrack.tracking.settings import IdentitySettings
from seektrack.video import open_video

SIDE, STEP = 12, 16


@dataclass
class Alike:
    """An encoder to which every crop is much like every other, by as much as it is told."""

    cosine: float
    image_size: int = 8
    calibration: Calibration | None = None

    def embed_images(self, images, *, batch_size=32):
        own = np.eye(40, dtype=np.float32)[: len(images)] * np.sqrt(1 - self.cosine)
        return np.concatenate([own, np.full((len(images), 1), np.sqrt(self.cosine), np.float32)], axis=1)


class Proposes:
    def __init__(self, count):
        self.boxes = [(STEP * i, 2.0, STEP * i + SIDE, 14.0) for i in range(count)]

    def encode(self, image):
        return image

    def propose(self, features, settings):
        return [SimpleNamespace(box=box, score=0.9, mask=None) for box in self.boxes]


@pytest.fixture
def source():
    return open_video(np.full((2, 20, 200, 3), 90, np.uint8), fps=10)


def test_an_encoder_brings_its_range(source):
    usual = FollowSettings()
    eyes = Alike(0.9, calibration=Calibration(different=0.7, same=1.0))
    identity = seen_by(usual, Proposes(12), eyes, source).identity
    assert identity.appearance_range == (0.7, 1.0)
    assert identity.revive_similarity == pytest.approx(0.9)  # 0.8 lies two thirds of the way from 0.4 to 1
    assert identity.drift_similarity == pytest.approx(0.75)
    as_before = seen_by(usual, Proposes(12), Alike(0.9, calibration=Calibration()), source).identity
    assert as_before.revive_similarity == pytest.approx(usual.identity.revive_similarity)


@pytest.mark.parametrize("cosine", [0.2, 0.85])
def test_the_range_of_one_that_brings_none_is_measured_on_what_is_proposed(cosine, source):
    identity = seen_by(FollowSettings(), Proposes(12), Alike(cosine), source).identity
    assert identity.appearance_range == pytest.approx((cosine, 1.0), abs=1e-5)


def test_too_few_things_tell_nothing_and_what_somebody_set_stays(source):
    assert seen_by(FollowSettings(), Proposes(4), Alike(0.9), source) == FollowSettings()
    assert seen_by(FollowSettings(), Proposes(0), Alike(0.9), source) == FollowSettings()
    own = replace(FollowSettings(), identity=IdentitySettings(appearance_range=(0.1, 0.9)))
    assert seen_by(own, Proposes(12), Alike(0.9), source) is own
