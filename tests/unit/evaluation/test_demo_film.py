"""The demo's film shows what it is there for: crossing, hiding, leaving and coming back, inside it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from seektrack.evaluation.demo_film import FPS, FRAMES, LABELS, write_film
from seektrack.video import open_video


def test_a_minute_in_which_a_car_crosses_hides_leaves_and_comes_back(tmp_path: Path):
    film = write_film(tmp_path / "film.mp4")
    with open_video(film.path) as source:
        assert sum(1 for _ in source) == 5 * FRAMES
        assert 5 * FRAMES / FPS == 60
    (main,), (other,) = (film.showing(label) for label in LABELS)
    seen = [one.frame_index for one in main.observations if one.visible]
    there = [one.frame_index for one in other.observations if one.visible]
    assert seen[0] >= 2 * FRAMES
    assert (min(there) // FRAMES, max(there) // FRAMES) == (1, 2)

    middles = {o.frame_index: (o.box[0] + o.box[2]) / 2 for o in main.observations}
    beside = [o for o in other.observations if o.frame_index in middles]
    apart = [middles[o.frame_index] - (o.box[0] + o.box[2]) / 2 for o in beside]
    assert (np.sign(apart[0]), np.sign(apart[-1])) in ((1, -1), (-1, 1))

    gone = [(a // FRAMES, b - a - 1) for a, b in pairwise(seen) if b - a > 1]
    assert [shot for shot, _ in gone][-2:] == [3, 4]  # behind the wall, and outside
    assert all(length >= 5 for _, length in gone[-2:])
    assert {track.label for track in film.truth} >= {"a blue robot", "a yellow dog"}


def test_it_is_drawn_once(tmp_path: Path):
    first = write_film(tmp_path / "film.mp4")
    at = first.path.stat().st_mtime_ns
    again = write_film(tmp_path / "film.mp4")
    assert first.path.stat().st_mtime_ns == at
    assert again.truth == first.truth
