"""Staged clips show what their condition says, measured on what is drawn."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.world.staged import CONDITIONS, StagedTruth, runs, stage, staged_frames


@pytest.fixture(scope="module")
def drawn():
    kept = {}

    def draw(condition):
        if condition not in kept:
            staged = stage(condition, 0)
            pictures, shots, ids, full = zip(*staged_frames(staged), strict=True)
            truth = StagedTruth(staged, fps=Fraction(8), path="clip.mp4")
            for shot, picture, areas in zip(shots, ids, full, strict=True):
                truth.add(shot, picture, areas)
            kept[condition] = staged, np.stack(pictures), np.stack(ids), full, truth.tracks()
        return kept[condition]

    return draw


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_clip_is_as_long_as_asked_and_its_main_object_is_in_the_truth(condition, drawn):
    staged, pictures, _, _, truth = drawn(condition)
    assert np.array_equal(next(staged_frames(staged))[0], pictures[0])
    assert len(pictures) == staged.n_frames == 96 == len(truth.frame_times)
    assert staged.label in {track.label for track in truth}


def test_a_number_is_a_clip():
    one, again, other = stage("plain", 0), stage("plain", 0), stage("plain", 1)
    assert (one.seed, one.label) == (again.seed, again.label) and other.seed != one.seed


def gaps(track, n_frames):
    seen = np.zeros(n_frames, bool)
    seen[[o.frame_index for o in track.observations]] = True
    return [b - a for a, b in runs(~seen) if a > 0 and b < n_frames]


def main_of(staged, truth):
    return next(track for track in truth if track.obj_id == 1)


def test_an_occluded_object_is_behind_something_and_comes_out_again(drawn):
    staged, _, _, full, truth = drawn("occluded")
    main = main_of(staged, truth)
    assert max(gaps(main, 96)) >= 4
    first, last = main.observations[0].frame_index, main.observations[-1].frame_index
    assert all(areas[0] > 0 for areas in full[first:last]), "hidden, not gone"


def test_one_that_returns_was_out_of_the_picture(drawn):
    staged, _, _, full, truth = drawn("returning")
    assert max(gaps(main_of(staged, truth), 96)) >= 10
    assert sum(areas[0] == 0 for areas in full) >= 10


def test_two_alike_change_places_under_one_name(drawn):
    staged, _, _, _, truth = drawn("look-alikes")
    pair = [track for track in truth if track.label == staged.label]
    assert len(pair) == 2
    (a0, b0), (a1, b1) = ([t.observations[k].centre[0] for t in pair] for k in (0, -1))
    assert (a0 - b0) * (a1 - b1) < 0


def test_after_a_cut_the_place_is_another_and_the_main_object_comes_back_in_the_third_shot(drawn):
    staged, pictures, _, _, truth = drawn("cuts")
    first, second = staged.cuts
    change = np.abs(np.diff(pictures.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert min(change[first - 1], change[second - 1]) > 3 * np.median(change)
    frames = [o.frame_index for o in main_of(staged, truth).observations]
    assert min(frames) < first and max(frames) >= second
    assert not [f for f in frames if first <= f < second]


def test_a_fast_object_moves_a_third_of_its_width_a_frame(drawn):
    staged, _, _, _, truth = drawn("fast")
    seen = main_of(staged, truth).observations
    moved = [
        abs(b.centre[0] - a.centre[0]) / (a.box[2] - a.box[0])
        for a, b in pairwise(seen)
        if b.frame_index == a.frame_index + 1
    ]
    assert np.median(moved) > 1 / 3


def test_a_crowd_is_one_and_a_moving_camera_moves(drawn):
    _, _, ids, _, truth = drawn("crowded")
    assert np.mean([len(set(np.unique(picture)) - {0}) for picture in ids]) >= 7
    assert len(truth) >= 9
    staged, *_ = drawn("moving-camera")
    assert np.ptp(staged.shots[0].camera, axis=0).max() >= 0.25 * 256


def test_what_cannot_be_staged_is_refused():
    with pytest.raises(InputError, match="no condition 'dark'"):
        stage("dark", 0)
    with pytest.raises(InputError, match="10 frames are too few"):
        stage("plain", 0, n_frames=10)
