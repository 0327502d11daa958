"""What holds much prints in a few lines."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from seektrack.pipeline import Library
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo


def track(obj_id: int, frames: int, label: str = "a red car") -> Track:
    mask = Mask.from_array(np.eye(200, dtype=bool))
    seen = tuple(Observation(i, i / 25, (0, 0, 9, 9), mask, 0.9, i % 2 == 0) for i in range(frames))
    return Track(obj_id, label, 0.971, seen)


def tracks(count: int, frames: int, query: str = "a red car") -> Tracks:
    video = VideoInfo("/films/street.mp4", 640, 480, Fraction(25))
    held = tuple(track(i, frames, query) for i in range(count))
    return Tracks(video, query, held, {i: i / 25 for i in range(frames)})


def test_a_track_is_one_line():
    assert repr(track(7, 100)) == (
        "Track(obj_id=7, label='a red car', score=0.97, observations=100, visible=50, 0.00–3.96 s)"
    )
    assert "observations=0" in repr(track(7, 0))


def test_tracks_are_a_few_lines_whatever_they_hold():
    assert repr(tracks(0, 0)).startswith("Tracks(video='street', query='a red car', frames=0, tracks=0)")
    printed = repr(tracks(40, 300, query="a red car " * 1000))
    assert len(printed.splitlines()) == 7 and len(printed) < 1500
    assert printed.splitlines()[-1] == "  … and 35 more"


def test_a_library_says_where_it_is_and_what_made_it(tmp_path):
    with Library(tmp_path / "lib") as library:
        assert repr(library) == f"Library({str(tmp_path / 'lib')!r}, model='pocket', nothing indexed yet)"
    assert not (tmp_path / "lib").exists()
