"""Frames kept in a file against the source they came from."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack.errors import InputError, VideoError
from seektrack.types import Frame
from seektrack.video import VideoSource, VideoWriter, open_video
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
    part = open_video(np.stack([f.image for f in source]), fps=source.info.fps, start_s=0.1, end_s=0.3)
    kept: list[Frame] = list(CachedSource(part))
    assert [f.index for f in kept] == [f.index for f in source.frames(start_s=0.1, end_s=0.3)]
    assert CachedSource(part).frame_at(kept[0].index).timestamp == kept[0].timestamp


@pytest.mark.parametrize("cache", ["raw", "jpeg"])
def test_a_file_is_opened_with_its_frames_kept(cache: str, source: VideoSource, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", width=64, height=48, fps=25) as writer:
        for frame in source:
            writer.write(frame.image)
    kept = open_video(tmp_path / "a.mp4", cache=cache)
    assert [f.timestamp for f in kept] == open_video(tmp_path / "a.mp4").times()
    difference = np.abs(kept.frame_at(9).image.astype(int) - open_video(tmp_path / "a.mp4").frame_at(9).image)
    assert difference.max() == 0 if cache == "raw" else 0 < difference.mean() < 12
    with pytest.raises(InputError, match="cannot keep frames as 'png'"):
        open_video(tmp_path / "a.mp4", cache="png")


def test_what_cannot_be_kept_is_said(source: VideoSource) -> None:
    with pytest.raises(InputError, match="jpeg_quality"):
        CachedSource(source, jpeg_quality=0)
    with pytest.raises(VideoError, match="cannot keep the frames"):
        CachedSource(source, folder="/no/such/folder").frame_at(0)
