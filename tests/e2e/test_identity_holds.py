"""Identities through a crossing, a cut, a late newcomer and a return, with the networks that ship."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seektrack import Prompt, Tracks, track_objects
from seektrack.evaluation.footage import write_staged
from seektrack.evaluation.kept import kept_identities
from seektrack.metrics import frame_matches
from seektrack.pipeline.models import Models
from seektrack.world.staged import stage

FRAMES = 48


@pytest.fixture(scope="module")
def models():
    torch.set_num_threads(1)
    return Models("pocket")


@pytest.fixture
def staged(tmp_path):
    def make(condition: str, number: int):
        clip = stage(condition, number, n_frames=FRAMES)
        path = tmp_path / f"{condition}.mp4"
        truth = write_staged(clip, path)
        return clip, path, replace(truth, tracks=tuple(t for t in truth if t.label == clip.label))

    return make


def pointed_at(truth: Tracks) -> list[Prompt]:
    first = [(t, t.at(0)) for t in truth]
    return [Prompt(t.obj_id, 0, mask=o.mask) for t, o in first if o is not None and o.mask is not None]


def kept(clip, wanted: Tracks, found: Tracks):
    return kept_identities(clip, wanted, frame_matches(wanted, found, by="mask"))


def test_two_alike_that_cross_keep_their_ids(models, staged):
    clip, path, truth = staged("look-alikes", 101)
    found = track_objects(path, prompts=pointed_at(truth), model=models)
    result = kept(clip, truth, found)
    assert (result.crossings, result.uncrossed) == (1, 1)


def test_after_a_cut_no_stranger_takes_the_id_and_the_object_gets_it_back(models, staged):
    clip, path, truth = staged("cuts", 100)
    found = track_objects(path, prompts=pointed_at(truth), model=models)
    result = kept(clip, truth, found)
    assert (result.returns, result.returned, result.strangers) == (1, 1, 0)
    first, second = clip.cuts
    assert not any(first <= o.frame_index < second for t in found for o in t.observations)


def test_an_object_that_left_comes_back_under_its_id(models, staged):
    clip, path, truth = staged("returning", 101)
    found = track_objects(path, prompts=pointed_at(truth), model=models)
    result = kept(clip, truth, found)
    assert (result.returns, result.returned) == (1, 1)
