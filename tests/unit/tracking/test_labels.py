"""Several things asked for in one text: one pass, one identity layer, and each object under its own label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seektrack.query import Concept, read
from seektrack.tracking import FollowSettings
from seektrack.tracking.follow import follow_with
from seektrack.tracking.judge import judged, merge_duplicates, surest
from seektrack.tracking.record import Look, Record
from seektrack.types import Mask, Observation

SETTINGS = FollowSettings(ground_every_s=0.5, look_every_s=0.3)


def put(record: Record, obj_id: int, claims: tuple[float, ...], x: int, *, size: int = 10) -> None:
    for i in range(4):
        pixels = np.zeros((40, 60), dtype=bool)
        pixels[5 : 5 + size, x : x + size] = True
        seen = Observation(i, i / 8, (x, 5, x + size, 5 + size), Mask.from_array(pixels), 0.9)
        record.put(obj_id, seen)
        record.frame_times[i] = i / 8
        record.looks.setdefault(obj_id, []).append(Look(i, max(claims), size * size, claims))


def labels(record: Record, *texts: str) -> list[str]:
    concepts: list[Concept] = [c for text in texts for c in read(text).concepts]
    merge_duplicates(record, concepts, SETTINGS)
    tracks = (t for k in range(len(concepts)) for t in judged(record, concepts, k, SETTINGS))
    return [t.label for t in surest(tracks)]


def test_what_two_texts_name_is_one_object_under_the_surer_label():
    record = Record()
    put(record, 1, (0.8, 0.9), 5)
    put(record, 2, (0.6, 0.7), 6)
    assert labels(record, "a car", "a red car") == ["a red car"]


def test_different_objects_and_parts_keep_their_labels():
    record = Record()
    put(record, 1, (0.8, 0.1), 5)
    put(record, 2, (0.2, 0.9), 30)
    assert labels(record, "a car", "a dog") == ["a dog", "a car"]
    record = Record()
    put(record, 1, (0.9, 0.1), 5, size=30)
    put(record, 2, (0.2, 0.8), 5, size=8)
    assert labels(record, "a person", "a hat") == ["a person", "a hat"]


def test_a_part_of_the_same_thing_is_none_of_its_own():
    record = Record()
    put(record, 1, (0.9, 0.1), 5, size=30)
    put(record, 2, (0.8, 0.2), 5, size=8)
    assert labels(record, "a person", "a hat") == ["a person"]


def test_several_things_are_followed_in_one_pass(make_world, make_thing, encoder, truth_of):
    """Each frame goes through the engine once a direction, and each object gets its own label."""
    n = 20
    world = make_world([make_thing("red", 20, 30, 3, n), make_thing("blue", 140, 70, -3, n)])
    texts = ["a red box", "a blue box", "a green box"]
    tracks = follow_with(world, encoder, world.source, texts, settings=SETTINGS)
    assert {t.label for t in tracks} == {"a red box", "a blue box"}
    for track in tracks:
        thing = 0 if "red" in track.label else 1
        assert set(truth_of(world, track).values()) == {thing}
    assert sorted(t.obj_id for t in tracks) == [1, 2]
    (why,) = tracks.missed
    assert why.label == "a green box"
    forward_only = replace(SETTINGS, both_ways=False)
    world.steps.clear()
    follow_with(world, encoder, world.source, ["a red box", "a blue box"], settings=forward_only)
    assert sorted(set(world.steps)) == list(range(n))
    assert all(world.steps.count(i) <= 2 for i in range(n))  # a second step only tells it of prompts


def test_a_motion_that_does_not_hold_leaves_the_object_to_the_other_concept(make_world, make_thing, encoder):
    world = make_world([make_thing("red", 20, 30, 3, 20)])
    texts = ["a red box moving left", "a red box"]
    (track,) = follow_with(world, encoder, world.source, texts, settings=SETTINGS)
    assert track.label == "a red box"


@pytest.mark.parametrize("text", ["a red box -blue", "a red box that is not blue"])
def test_what_an_object_must_not_be_is_judged_on_the_object(text, make_world, make_thing, encoder, truth_of):
    world = make_world([make_thing("red", 20, 30, 3, 20), make_thing("blue", 140, 70, -3, 20)])
    tracks = follow_with(world, encoder, world.source, [text, "a green box"], settings=SETTINGS)
    assert [set(truth_of(world, t).values()) for t in tracks] == [{0}]
