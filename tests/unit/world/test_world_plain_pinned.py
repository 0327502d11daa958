"""The plain world is what the published figures and the demo were made with: its pixels never change."""

from __future__ import annotations

import zlib

import pytest

from seektrack.world import SceneSettings, render, sample_scene

PINNED = {
    400000001: (SceneSettings(height=96, width=128, n_frames=4), 3708206278, 2743),
    400000002: (
        SceneSettings(height=96, width=96, n_frames=4, things=(2, 3), texture=1.0, rough=1.0),
        2114705762,
        11834,
    ),
    400000003: (
        SceneSettings(
            height=128, width=96, n_frames=4, street_only=True, cast=(("car", "red"), ("bird", "blue"))
        ),
        3423669166,
        7274,
    ),
    400000004: (
        SceneSettings(height=64, width=64, n_frames=8, rough=0.0, speed=(4.0, 30.0)),
        2184093994,
        2835,
    ),
    400000005: (SceneSettings(n_frames=2, things=(0, 2)), 3378341763, 52666),
}
FRAMES = {
    400000001: 2046853860,
    400000002: 3280381536,
    400000003: 2957389998,
    400000004: 68150076,
    400000005: 3087884247,
}


@pytest.mark.parametrize("seed", PINNED)
def test_plain_pixels_and_ids_are_what_they_always_were(seed):
    settings, ids, area = PINNED[seed]
    clip = render(sample_scene(seed, settings))
    assert clip.scene.setting is None
    assert (zlib.crc32(clip.ids.tobytes()), int(clip.full_area.sum())) == (ids, area)
    assert zlib.crc32(clip.frames.tobytes()) == FRAMES[seed]
