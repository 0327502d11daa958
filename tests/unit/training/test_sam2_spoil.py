"""Wrong memories: what they change, where and when; the training answers for the truth all the same."""

import numpy as np
import pytest
import torch

from seektrack.segmentation import load_sam2
from seektrack.training.sam2 import LossWeights
from seektrack.training.sam2.data import WorldClips, make_batch
from seektrack.training.sam2.prompts import BOX
from seektrack.training.sam2.recipe import Stage
from seektrack.training.sam2.sides import set_side
from seektrack.training.sam2.spoil import CUT, FADED, KINDS, LEAK, PATCHES, Spoiler
from seektrack.training.sam2.unroll import unroll

SIDE = 32


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def _answers(count, *, left=8):
    """A square object of 12 x 12 on maps of 32 x 32, and a neighbour at its right on pictures of 128."""
    logits = torch.full((count, SIDE, SIDE), -5.0)
    logits[:, 10:22, left : left + 12] = 5.0
    others = torch.zeros(count, 4 * SIDE, 4 * SIDE)
    others[:, 40:88, 4 * (left + 12) : 4 * (left + 16)] = 1.0
    return logits, others


def _spoiler(*, chance=1.0, objects=64, frames=12, lead=0, seed=0):
    return Spoiler(np.random.default_rng(seed), objects=objects, frames=frames, lead=lead, chance=chance)


def test_no_chance_draws_nothing_and_changes_nothing():
    rng = np.random.default_rng(0)
    spoiler = Spoiler(rng, objects=8, frames=12, lead=0, chance=0.0)
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state
    logits, others = _answers(8)
    assert all(spoiler(t, logits, others) is logits for t in range(12))


@pytest.mark.parametrize("lead", [0, 20])
def test_faults_are_of_every_kind_and_never_on_the_prompted_frame(lead):
    spoiler = _spoiler(objects=200, frames=lead + 8, lead=lead)
    faults = spoiler.faults.values()
    assert {f.kind for f in faults} == set(KINDS)
    assert min(f.first for f in faults) >= max(1, lead - 6)
    assert max(f.first for f in faults) < lead + 7
    shown = {t for t in range(lead + 8) for f in faults if f.first <= t <= f.last}
    assert shown >= set(range(max(1, lead - 6), lead + 7))


def test_about_as_many_objects_have_faults_as_were_asked_for():
    assert len(_spoiler(objects=400, chance=0.3).faults) == pytest.approx(120, abs=30)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_wrong_in_its_way(kind):
    spoiler = _spoiler(objects=200)
    logits, others = _answers(200)
    there = logits[0] > 0
    seen = 0
    for t in range(1, 12):
        told = spoiler(t, logits, others)
        for number, fault in spoiler.faults.items():
            changed = told[number] != logits[number]
            if not fault.first <= t <= fault.last:
                assert not changed.any()
            elif fault.kind == kind:
                seen += 1
                if kind == FADED:
                    torch.testing.assert_close(told[number], logits[number] - fault.depth)
                elif kind == LEAK:
                    assert changed.any() and not (changed & there).any()
                    assert (changed == (told[number] > 0) & ~there).all()
                    assert set(changed.nonzero()[:, 1].tolist()) <= set(range(20, 24)), "into its neighbour"
                else:
                    assert kind in (PATCHES, CUT)
                    assert not (changed & ~there).any() and (told[number][changed] < 0).all()
    assert seen


def test_what_is_missing_moves_with_the_object():
    spoiler = _spoiler(objects=60)
    (here, others), (there, _) = _answers(60), _answers(60, left=13)
    for number, fault in spoiler.faults.items():
        if fault.kind in (PATCHES, CUT):
            a, b = (spoiler(fault.first, logits, others)[number] for logits in (here, there))
            torch.testing.assert_close(a[:, 8:20], b[:, 13:25])


def test_an_object_that_is_not_found_stays_so():
    logits = torch.full((64, SIDE, SIDE), -3.0)
    spoiler = _spoiler()
    assert all(torch.equal(spoiler(t, logits, torch.ones(64, 128, 128)), logits) for t in range(12))


def test_a_training_learns_from_wrong_memories_and_the_prompted_frame_stays():
    model = set_side(load_sam2("pocket", device="cpu").model, 128).requires_grad_(True)
    stage = Stage(name="clip", steps=1, resolution=128, clips=1, frames=6)
    batch = make_batch(None, WorldClips(stage).group(1), per_clip=3, min_area=40)
    assert batch is not None

    def follow(spoil):
        rng = np.random.default_rng(1)
        return unroll(model, batch, kind=BOX, rng=rng, weights=LossWeights(), spoil=spoil)

    with torch.no_grad():
        right = follow(0.0)
    wrong = follow(1.0)
    assert torch.equal(right.logits[:, 0], wrong.logits[:, 0])
    assert not torch.equal(right.logits, wrong.logits)
    wrong.loss.backward()
    grad = model.memory_attention.layers[0].linear1.weight.grad
    assert grad.isfinite().all() and grad.abs().sum() > 0
