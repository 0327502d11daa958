"""Frames kept in a file against the source they came from."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from seektrack.errors import InputError, VideoError
from seektrack.types import Frame
from seektrack.video import VideoSource, open_video
from seektrack.video.cache import CachedSource


@pytest.fixture
def source(rng: np.random.Generator) -> VideoSource:
    small = rng.integers(0, 255, (12, 6, 8, 3))
    return open_video(np.kron(small, np.ones((1, 8, 8, 1))).astype(np.uint8), fps=Fraction(30000, 1001))


def test_raw_frames_are_exact_in_any_order_and_decoded_once(
    source: VideoSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = list(source)
    decoded: list[int] = []
    original = type(source).frames

    def counted(self: VideoSource, **interval: float) -> object:
        decoded.append(id(self))
        return original(self, **interval)

    monkeypatch.setattr(type(source), "frames", counted)
    kept = CachedSource(source)
    for i in (11, 0, 5, 5, 3):
        frame = kept.frame_at(i)
        assert (frame.index, frame.timestamp) == (i, wanted[i].timestamp)
        assert np.array_equal(frame.image, wanted[i].image)
    assert [f.index for f in kept.frames_reversed()] == list(range(11, -1, -1))
    assert kept.times() == [f.timestamp for f in wanted]
    assert decoded == [id(source)]
    assert kept.n_bytes == 12 * 48 * 64 * 3
    kept.close()
    assert kept.n_bytes == 0
    assert np.array_equal(kept.frame_at(7).image, wanted[7].image)


def test_jpeg_frames_are_near_and_small(source: VideoSource) -> None:
    kept = CachedSource(source, jpeg_quality=95)
    for frame, near in zip(source, kept, strict=True):
        assert near.image.shape == frame.image.shape
        assert np.abs(near.image.astype(int) - frame.image).mean() < 12
    assert kept.n_bytes < 12 * 48 * 64 * 3 / 2


def test_an_interval_keeps_index_and_time(source: VideoSource) -> None:
    kept: list[Frame] = list(CachedSource(source, start_s=0.1, end_s=0.3))
    assert [f.index for f in kept] == [f.index for f in source.frames(start_s=0.1, end_s=0.3)]


def test_what_cannot_be_kept_is_said(source: VideoSource) -> None:
    with pytest.raises(InputError, match="jpeg_quality"):
        CachedSource(source, jpeg_quality=0)
    with pytest.raises(VideoError, match="cannot keep the frames"):
        CachedSource(source, folder="/no/such/folder").frame_at(0)
