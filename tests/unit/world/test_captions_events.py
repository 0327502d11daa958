"""Events, motions and places of objects as data, against pictures and paths whose truth the test made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seektrack.world import (
    Actor,
    Clip,
    Scene,
    SceneSettings,
    Split,
    frame_caption,
    render,
    sample_scene,
    seeds,
)
from seektrack.world.captions import actor_caption
from seektrack.world.events import Event, Relation, events, motions, ordered_pairs, relations
from seektrack.world.telling import clip_texts, named, picture_texts

T = 24
BARE = SceneSettings(height=64, width=64, n_frames=T, actors=(0, 0), cast=(("car", "red"), ("dog", "blue")))
SEEN = {"appears", "returns", "reappears"}
GONE = {"leaves", "is hidden"}


def standing(scene: Scene) -> Scene:
    still = {"x": np.full(T, 30.0), "y": np.full(T, 30.0), "size": np.full(T, 10.0), "angle": np.zeros(T)}
    return replace(scene, actors=tuple(replace(a, **still) for a in scene.actors))


SCENE = standing(sample_scene(3, BARE))
CAR, DOG = SCENE.actors


def drawn(*states: str) -> tuple[np.ndarray, np.ndarray]:
    """Ids and full areas of actors; a letter a frame: s seen, h hidden, o outside."""
    ids = np.zeros((T, 64, 64), np.uint8)
    full = np.zeros((T, 2), np.int64)
    for n, letters in enumerate(states):
        for t, letter in enumerate(letters):
            full[t, n] = 64 if letter in "sh" else 0
            if letter == "s":
                ids[t, 8:16, 10 + 20 * n : 18 + 20 * n] = n + 1
    return ids, full


def told(*states: str) -> list[tuple[int, int, str]]:
    return [(e.frame_index, e.obj_id, e.kind) for e in events(SCENE, *drawn(*states))]


def test_comings_and_goings() -> None:
    car = "ooooo" + "sssss" + "hhhh" + "ssss" + "ooo" + "sss"
    dog = "ssssssss" + "hhhh" + "oooo" + "ssssssss"
    assert told(car, dog) == [
        (5, 1, "appears"),
        (8, 2, "is hidden"),
        (10, 1, "is hidden"),
        (14, 1, "reappears"),
        (16, 2, "returns"),
        (18, 1, "leaves"),
        (21, 1, "returns"),
    ]


def test_nothing_happens_to_who_stays_away_or_flickers_once() -> None:
    assert told("s" * T, "o" * T) == []
    assert told("s" * 10 + "h" + "s" * 13, "o" * 9 + "s" + "o" * 14) == []
    assert told("h" * 6 + "s" * 18, "h" * T) == [(6, 1, "appears")]


@given(st.lists(st.tuples(st.sampled_from("sho"), st.integers(2, 6)), min_size=1, max_size=8))
def test_who_is_seen_follows_from_the_events(runs: list[tuple[str, int]]) -> None:
    states = "".join(letter * n for letter, n in runs)[:T]
    states = states.ljust(T, states[-1])
    if T > 1 and states[-1] != states[-2]:
        states = states[:-1] + states[-2]
    changes = {t: kind for t, obj_id, kind in told(states, "o" * T) if obj_id == 1}
    assert set(changes.values()) <= SEEN | GONE
    seen = states[0] == "s"
    for t, letter in enumerate(states):
        seen = changes[t] in SEEN if t in changes else seen
        assert seen == (letter == "s"), (states, changes)
    firsts = [t for t, kind in changes.items() if kind == "appears"]
    assert len(firsts) <= 1 and (not firsts or "s" not in states[: firsts[0]])


def test_stopping_and_starting() -> None:
    go = np.concatenate([np.arange(8) * 2.0, np.full(8, 14.0), 14.0 + 2.0 * np.arange(1, 9)])
    scene = replace(SCENE, actors=(replace(CAR, x=10 + go), DOG))
    seen = drawn("s" * T, "s" * T)
    assert events(scene, *seen) == [Event(7, 1, "stops"), Event(15, 1, "starts")]
    unseen = events(scene, *drawn("s" * 4 + "h" * 9 + "s" * 11, "s" * T))
    assert [e.kind for e in unseen] == ["is hidden", "reappears", "starts"]


def test_pairs_in_order_lie_apart() -> None:
    a, b, c = Event(2, 1, "appears"), Event(3, 2, "leaves"), Event(8, 1, "leaves")
    assert ordered_pairs([c, a, b]) == [(a, c), (b, c)]
    assert ordered_pairs([c, a, b], apart=1) == [(a, b), (a, c), (b, c)]


LINE = np.linspace(0, 1, T)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ("still",)),
        ({"x": 40 - 30 * LINE}, ("left",)),
        ({"x": 10 + 30 * LINE, "y": 40 - 25 * LINE}, ("right", "up")),
        ({"y": 10 + 30 * LINE}, ("down",)),
        ({"x": 10 + 30 * LINE, "y": 30 + 6 * LINE}, ("right",)),
        ({"x": 30 + 20 * np.sin(6.28 * LINE)}, ()),
        ({"angle": -4 * LINE}, ("turning",)),
        ({"size": 10 + 5 * LINE}, ("approaching",)),
        ({"size": 15 - 5 * LINE, "x": 10 + 30 * LINE}, ("right", "receding")),
        ({"x": 30 + 3 * LINE}, ()),
    ],
)
def test_motions_are_told_when_they_are_clear(change: dict[str, np.ndarray], told: tuple[str, ...]) -> None:
    assert motions(replace(CAR, **change)) == told


def test_only_the_frames_an_object_is_seen_on_count() -> None:
    back = replace(CAR, x=np.concatenate([np.linspace(30, 60, 12), np.linspace(60, 10, 12)]))
    seen = np.arange(T) < 12
    assert (motions(back), motions(back, seen), motions(back, ~seen)) == ((), ("right",), ("left",))
    assert motions(back, np.arange(T) == 3) == ()


def placed(**boxes: tuple[int, int, int, int]) -> np.ndarray:
    ids = np.zeros((64, 64), np.uint8)
    for name, (x0, y0, x1, y1) in boxes.items():
        ids[y0:y1, x0:x1] = {"car": 1, "dog": 2}[name]
    return ids


@pytest.mark.parametrize(
    ("car", "dog", "kind", "reverse"),
    [
        ((2, 20, 12, 30), (30, 25, 40, 35), "left of", "right of"),
        ((30, 2, 40, 12), (20, 30, 40, 50), "above", "below"),
        ((2, 2, 12, 12), (20, 40, 30, 50), "above", "below"),
        ((10, 10, 30, 30), (20, 20, 40, 40), "behind", "in front of"),
    ],
)
def test_where_objects_are_from_each_other(
    car: tuple[int, int, int, int], dog: tuple[int, int, int, int], kind: str, reverse: str
) -> None:
    actors = [replace(CAR, depth=1.0), replace(DOG, depth=2.0)]
    found = relations(actors, placed(car=car, dog=dog))
    assert found == [Relation(1, kind, 2), Relation(2, reverse, 1)]


def test_what_is_not_seen_or_not_clear_has_no_place() -> None:
    actors = [replace(CAR, depth=1.0), replace(DOG, depth=2.0)]
    assert relations(actors, placed(car=(2, 2, 6, 5), dog=(30, 2, 40, 12))) == []
    corner = placed(car=(10, 10, 30, 30), dog=(29, 29, 49, 49))
    assert relations(actors, corner) == []


def clips() -> list[Clip]:
    settings = SceneSettings(height=64, width=80, n_frames=10, actors=(2, 3), things=(1, 1))
    return [render(sample_scene(seed, settings)) for seed in seeds(Split.TEST, 4, start=700)]


def test_texts_of_pictures_and_clips_name_only_who_is_seen() -> None:
    for clip in clips():
        counts = np.bincount(clip.ids[5].ravel(), minlength=8)
        there: list[Actor] = [a for a in clip.scene.actors if a.category and counts[a.obj_id] >= 20]
        assert named(clip, 5) == there
        texts = picture_texts(clip, 5)
        assert texts[0] == frame_caption(there)
        assert {actor_caption(a) for a in there} <= set(texts)
        assert len(set(texts)) == len(texts)
        several = clip_texts(clip, languages=("en", "de", "fr", "es"))
        assert several[: len(clip_texts(clip))] == clip_texts(clip)
        assert len(several) >= 3 * len(clip_texts(clip))
        assert all(" object" not in text for text in (*texts, *several))
