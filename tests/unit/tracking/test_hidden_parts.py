"""The hidden part of an object, against what the world would have shown of it uncovered."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from seektrack.outputs import draw_overlay, load_tracks, save_tracks
from seektrack.tracking import add_hidden_parts
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo
from seektrack.world.render import render
from seektrack.world.staged import stage
from seektrack.world.truth import truth


def iou(a, b) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.fixture(scope="module")
def behind_a_wall():
    """Truth of what passes behind something, and by frame all its pixels, hidden ones too."""
    (scene,) = stage("occluded", 100).shots
    clip = render(scene)
    exact = truth(scene, clip.ids, clip.full_area, fps=Fraction(24))
    (main,) = (a for a in scene.actors if a.obj_id == 1)
    alone = render(replace(scene, actors=(main,), occluders=())).ids == 1
    return replace(exact, tracks=tuple(t for t in exact if t.obj_id == 1)), alone


def test_the_whole_is_nearer_than_what_shows(behind_a_wall):
    exact, alone = behind_a_wall
    (track,) = add_hidden_parts(exact)
    shown, whole = [], []
    for o in track.observations:
        full, visible = alone[o.frame_index], o.mask.to_array()
        hidden = 1 - visible.sum() / full.sum()
        if hidden < 0.02:
            assert o.amodal is None
        if hidden > 0.3:
            assert o.amodal is not None, o.frame_index
            shown.append(iou(visible, full))
            whole.append(iou(o.amodal.to_array(), full))
    assert len(shown) >= 5
    assert np.mean(whole) > np.mean(shown) + 0.2


def track_of(*observations: Observation) -> Tracks:
    info = VideoInfo("film.mp4", 96, 64, Fraction(24))
    times = {o.frame_index: o.time_s for o in observations}
    return Tracks(info, "", (Track(1, "a box", 0.9, observations),), times)


def box_at(frame: int, x: int, *, cut: int = 0, visible: bool = True) -> Observation:
    """A square of 20 pixels, its right ``cut`` columns covered."""
    mask = np.zeros((64, 96), dtype=bool)
    mask[20:40, x : x + 20 - cut] = True
    held = Mask.from_array(mask) if visible else None
    return Observation(frame, frame / 24, (x, 20, x + 20 - cut, 40), held, 0.9, visible)


def test_what_is_cut_off_and_what_is_gone_is_drawn_whole(tmp_path):
    seen = [box_at(k, 10 + k) for k in range(8)]
    seen += [box_at(8, 18, cut=8), box_at(9, 19, cut=14), box_at(10, 20, visible=False)]
    seen += [box_at(k, 10 + k) for k in range(11, 16)]
    found = add_hidden_parts(track_of(*seen))
    (track,) = found
    assert [o.frame_index for o in track.observations if o.amodal is not None] == [8, 9, 10]
    for k in (8, 9, 10):
        true = box_at(k, 10 + k).mask.to_array()
        assert iou(track.at(k).amodal.to_array(), true) > 0.85
    path = save_tracks(found, tmp_path / "tracks.json", "json")
    assert "amodal" not in json.loads(path.read_text())["tracks"][0]["observations"][0]
    again = load_tracks(path)
    assert [o.amodal for o in again.tracks[0].observations] == [o.amodal for o in track.observations]
    picture = np.zeros((64, 96, 3), np.uint8)
    plain = [(track, replace(track.at(9), amodal=None))]
    assert (draw_overlay(picture, found.at(9)) != draw_overlay(picture, plain)).any()


def test_at_the_border_and_without_masks_nothing_is_claimed():
    leaving = [box_at(k, 60 + 4 * k) for k in range(5)]
    out = [replace(box_at(5, 78), box=(78, 20, 96, 40), mask=box_at(5, 78, cut=2).mask)]
    edge = np.zeros((64, 96), dtype=bool)
    edge[20:40, 84:96] = True
    out += [Observation(6, 6 / 24, (84, 20, 96, 40), Mask.from_array(edge), 0.9)]
    (track,) = add_hidden_parts(track_of(*leaving, *out))
    assert track.at(6).amodal is None
    bare = track_of(*(replace(o, mask=None) for o in leaving))
    assert add_hidden_parts(bare) == bare
