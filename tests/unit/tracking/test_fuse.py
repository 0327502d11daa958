"""Masks fused over time, against the truth of a drawn scene."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from seektrack.geometry import mask_to_box
from seektrack.tracking import FuseSettings, fuse_masks
from seektrack.types import Frame, Mask, Tracks
from seektrack.world.render import render
from seektrack.world.staged import stage
from seektrack.world.truth import truth

DROPPED = (9, 10, 20)


def iou(a: Mask, b: Mask) -> float:
    one, other = a.to_array(), b.to_array()
    return float((one & other).sum() / (one | other).sum())


@pytest.fixture(scope="module")
def drawn() -> tuple[Tracks, list[Frame]]:
    (scene,) = stage("plain", 100, n_frames=48).shots
    clip = render(scene)
    frames = [Frame(i, Fraction(i, 24), picture) for i, picture in enumerate(clip.frames)]
    return truth(scene, clip.ids, clip.full_area, fps=Fraction(24)), frames


def spoiled(exact: Tracks) -> Tracks:
    """Outlines that grow and shrink from frame to frame, and frames that are missing."""
    rng, out = np.random.default_rng(3), []
    for track in exact:
        observations = []
        for o in track.observations:
            if o.mask is None or o.frame_index in DROPPED:
                continue
            work = (cv2.dilate, cv2.erode, lambda m, _: m)[int(rng.integers(3))]
            brush = np.ones((int(rng.integers(2, 6)),) * 2, np.uint8)
            mask = work(o.mask.to_array().astype(np.uint8), brush) > 0
            box = mask_to_box(mask)
            if box is not None:
                observations.append(replace(o, mask=Mask.from_array(mask), box=box))
        out.append(replace(track, observations=tuple(observations)))
    return replace(exact, tracks=tuple(out))


def test_masks_come_nearer_to_the_truth_and_gaps_are_filled(drawn):
    exact, frames = drawn
    noisy = spoiled(exact)
    fused = fuse_masks(noisy, iter(frames))
    before, after, filled = [], [], []
    for true, was, now in zip(exact, noisy, fused, strict=True):
        for o in true.observations:
            old, new = was.at(o.frame_index), now.at(o.frame_index)
            if old is not None and new is not None:
                before.append(iou(o.mask, old.mask))
                after.append(iou(o.mask, new.mask))
                assert new.box == new.mask.box
            elif new is not None:
                filled.append(iou(o.mask, new.mask))
    assert np.mean(after) > np.mean(before) + 0.02
    assert len(filled) >= len(DROPPED) and np.mean(filled) > 0.75


def test_only_what_is_asked_for_is_done(drawn):
    exact, frames = drawn
    noisy = spoiled(exact)
    assert [t.observations for t in fuse_masks(noisy, frames, FuseSettings(around=0, max_gap=0))] == [
        t.observations for t in noisy
    ]
    gaps_only = fuse_masks(noisy, frames, FuseSettings(around=0, max_gap=5))
    for was, now in zip(noisy, gaps_only, strict=True):
        assert all(now.at(o.frame_index) == o for o in was.observations)


def test_a_gap_across_a_jump_stays_a_gap(drawn):
    exact, frames = drawn
    track = max(exact, key=lambda t: len(t.observations))
    far = [
        replace(o, mask=Mask.from_array(np.roll(o.mask.to_array(), 60, axis=1))) if o.frame_index > 20 else o
        for o in track.observations
        if o.frame_index not in (18, 19, 20)
    ]
    jumped = replace(exact, tracks=(replace(track, observations=tuple(far)),))
    (left,) = fuse_masks(jumped, frames)
    assert all(left.at(f) is None for f in (18, 19, 20))
