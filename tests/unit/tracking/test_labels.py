from __future__ import annotations

import numpy as np

from seektrack import Mask, Observation, Track
from seektrack.tracking import FollowSettings
from seektrack.tracking.judge import best_labelled


def track(label: str, score: float, x: int, *, size: int = 10, frames: int = 4) -> Track:
    seen = []
    for i in range(frames):
        pixels = np.zeros((40, 60), dtype=bool)
        pixels[5 : 5 + size, x : x + size] = True
        seen.append(Observation(i, i / 8, (x, 5, x + size, 5 + size), Mask.from_array(pixels), 0.9))
    return Track(0, label, score, tuple(seen))


def labels(*tracks: Track) -> list[str]:
    return [t.label for t in best_labelled(list(tracks), FollowSettings())]


def test_what_two_texts_name_is_one_object_under_the_surer_label():
    assert labels(track("a car", 0.8, 5), track("a red car", 0.9, 5)) == ["a red car"]


def test_different_objects_and_parts_keep_their_labels():
    assert labels(track("a car", 0.8, 5), track("a dog", 0.9, 30)) == ["a dog", "a car"]
    assert labels(track("a person", 0.9, 5, size=30), track("a hat", 0.8, 5, size=8)) == ["a person", "a hat"]


def test_tracks_of_one_text_are_left_as_they_were_judged():
    assert labels(track("a car", 0.8, 5), track("a car", 0.9, 6)) == ["a car", "a car"]
