"""Parts of one thing become one track, two things side by side do not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from seektrack.encoders import load_encoder
from seektrack.grounding import TextScorer
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.halves import HalvesSettings, TouchingLooks, join_halves
from seektrack.tracking.record import Look, Record
from seektrack.types import Frame, Mask, Observation
from seektrack.world import SceneSettings, Split, frames, sample_scene, seeds

HW = (40, 60)


def seen(frame: int, *rows: slice, left: int = 10) -> Observation:
    pixels = np.zeros(HW, dtype=bool)
    for row in rows:
        pixels[row, left : left + 8] = True
    mask = Mask.from_array(pixels)
    assert mask.box is not None
    return Observation(frame, frame / 10, mask.box, mask, 0.9)


def halves(*, apart_from: int = 99, together: tuple[float, float, float] = (0.9, 0.8, 0.5)) -> Record:
    record = Record()
    for f in range(10):
        record.put(1, seen(f, slice(5, 15), left=10 + f))
        record.put(2, seen(f, slice(15, 25), left=10 + f + (20 if f >= apart_from else 0)))
        record.frame_times[f] = f / 10
    record.looks = {1: [Look(0, 0.8, 80)], 2: [Look(0, 0.5, 80)]}
    record.touching[1, 2] = 4, 4 * np.array(together)
    return record


def test_halves_that_look_like_more_together_become_the_surer_one_whole() -> None:
    record = halves()
    assert join_halves(record, HalvesSettings()) == [(2, 1)]
    assert set(record.observations) == {1}
    for f, o in record.observations[1].items():
        assert o.mask is not None
        assert o.mask.area == 160
        assert o.box == (10 + f, 5, 18 + f, 25)
    assert [look.confidence for look in record.looks[1]] == [0.8]


@pytest.mark.parametrize(
    "record",
    [
        halves(apart_from=5),  # they part
        halves(together=(0.9, 0.89, 0.1)),  # one of them is all that was asked for
        halves(together=(0.6, 0.9, 0.9)),  # two, which together are less
    ],
)
def test_two_objects_stay_two(record: Record) -> None:
    assert join_halves(record, HalvesSettings()) == []
    assert set(record.observations) == {1, 2}


def test_nothing_is_joined_on_few_looks_or_where_it_is_not_wanted() -> None:
    record = halves()
    assert join_halves(record, HalvesSettings(gain=0)) == []
    assert join_halves(record, HalvesSettings(looks=5)) == []


def test_the_pocket_encoder_tells_a_halved_object_from_the_whole() -> None:
    settings = SceneSettings(n_frames=1, cast=(("dog", "black"),), actors=(1, 1))
    image, ids, _ = next(iter(frames(sample_scene(seeds(Split.TEST, 1, start=7600)[0], settings))))
    whole = ids == 1
    middle = int(np.median(np.nonzero(whole)[0]))
    upper = whole.copy()
    upper[middle:] = False
    parts = [Mask.from_array(part) for part in (upper, whole & ~upper)]
    eyes = Eyes((TextScorer(load_encoder("pocket"), "a black dog"),))
    record, looks = Record(), TouchingLooks(eyes, 0.5)
    for f, time in enumerate((Fraction(0), Fraction(1, 10), Fraction(6, 10))):
        given = {
            i: Observation(f, float(time), p.box or (0, 0, 1, 1), p, 1.0) for i, p in enumerate(parts, 1)
        }
        looks.look(record, Frame(f, time, image), given)
    (count, total) = record.touching[1, 2]
    assert count == 2
    assert total[0] > 1.05 * max(total[1:])
