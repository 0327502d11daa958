from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from seektrack.training.temporal.batches import ask, match_matrix
from seektrack.training.temporal.data import View, eventful, windows
from seektrack.training.temporal.facts import Fact, facts, view
from seektrack.training.temporal.texts import say, say_otherwise, vary
from seektrack.training.temporal.validate import objects_alone, retrieval, told_apart, words_apart
from seektrack.world import SceneSettings, Split, render, sample_scene

CAR, DOG = ("car", "red"), ("dog", "blue")
SETTINGS = SceneSettings(
    height=96, width=96, n_frames=12, cast=(CAR, DOG), actors=(0, 0), occluders=0, rough=0.0, look_alikes=0.0
)


def staged(car_x, dog_x):
    """A clip in which the two objects are where they are told to be, in widths of the picture."""
    scene = sample_scene(3, SETTINGS)
    n = SETTINGS.n_frames

    def put(actor, x, y):
        return dataclasses.replace(
            actor,
            x=np.interp(np.arange(n), np.linspace(0, n - 1, len(x)), x) * 96,
            y=np.full(n, y * 96.0),
            size=np.full(n, 12.0),
            angle=np.zeros(n),
        )

    car, dog = scene.actors
    return render(dataclasses.replace(scene, actors=(put(car, car_x, 0.3), put(dog, dog_x, 0.7))))


def told(clip):
    return {(f.who, f.what) for f in facts(clip) if f.then is None and f.who[1]}


def test_motion_is_told_and_turns_round_when_time_does():
    clip = staged([0.2, 0.8], [0.5, 0.5])
    assert told(clip) == {(CAR, ""), (CAR, "right"), (DOG, ""), (DOG, "still")}
    back = view(clip, range(11, -1, -1))
    assert told(back) == {(CAR, ""), (CAR, "left"), (DOG, ""), (DOG, "still")}
    assert (back.frames == clip.frames[::-1]).all()


def test_comings_and_goings_and_their_order_turn_round_with_time():
    clip = staged([-0.6, -0.6, 0.4, 0.5], [0.4, 0.5, 0.5, 0.5, 1.6, 1.6])
    orders = [f for f in facts(clip) if f.then is not None]
    assert {(CAR, "appears"), (DOG, "leaves")} <= told(clip)
    order, reverse = Fact(CAR, "appears", Fact(DOG, "leaves")), Fact(DOG, "appears", Fact(CAR, "leaves"))
    assert order in orders and order.opposite() not in orders and reverse not in orders
    back = view(clip, range(11, -1, -1))
    assert {(CAR, "leaves"), (DOG, "appears")} <= told(back)
    assert reverse in facts(back) and order not in facts(back)


def test_a_category_alone_is_told_too_but_not_in_orders():
    clip = staged([-0.6, -0.6, 0.4, 0.5], [0.4, 0.5, 0.5, 0.5, 1.6, 1.6])
    assert Fact(("car", None), "appears") in facts(clip)
    assert all(f.who[1] and f.then.who[1] for f in facts(clip) if f.then)


def test_facts_survive_being_written():
    for fact in (Fact(CAR), Fact(("car", None), "left"), Fact(CAR, "appears", Fact(DOG, "leaves"))):
        assert Fact.from_json(fact.to_json()) == fact


def test_opposites():
    assert Fact(CAR, "left").opposite() == Fact(CAR, "right")
    assert Fact(CAR, "appears").opposite() == Fact(CAR, "leaves")
    order = Fact(CAR, "appears", Fact(DOG, "leaves"))
    assert order.opposite() == Fact(DOG, "leaves", Fact(CAR, "appears"))
    assert order.opposite().opposite() == order and Fact(CAR).opposite() is None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "a red car appears, then a blue dog leaves"),
        ("de", "ein rotes Auto erscheint, dann verlässt ein blauer Hund das Bild"),
        ("fr", "une voiture rouge apparaît, puis un chien bleu quitte l'image"),
        ("es", "un coche rojo aparece, luego un perro azul sale de la imagen"),
    ],
)
def test_an_order_in_four_languages(language, text):
    assert say(Fact(CAR, "appears", Fact(DOG, "leaves")), language=language) == text


def test_other_words_keep_who_and_never_name_the_opposite():
    rng = np.random.default_rng(0)
    for _ in range(60):
        text = say_otherwise(Fact(CAR, "left"), rng)
        assert text.startswith("a red car ") and "left" in text and "right" not in text
    orders = {say_otherwise(Fact(CAR, "appears", Fact(CAR, "leaves")), rng) for _ in range(60)}
    assert len(orders) > 10 and all("car" in o for o in orders)


def test_words_are_varied_as_asked():
    rng = np.random.default_rng(0)
    fact = Fact(DOG, "right")
    assert vary(fact, rng, translated=0, paraphrased=0) == "a blue dog moving right"
    assert vary(fact, rng, translated=1, paraphrased=0) != "a blue dog moving right"


def test_windows_lie_inside_the_clip_and_start_with_all_of_it():
    found = windows(12, 8)
    assert found[0][0] == 0 and found[0][-1] == 11 and len(set(found)) == len(found) == 4
    assert all(len(w) == 8 and min(w) >= 0 and max(w) <= 11 and list(w) == sorted(w) for w in found)
    assert windows(8, 8) == [tuple(range(8))]


def test_two_scenes_of_three_have_somebody_who_comes_or_goes():
    scenes = eventful(Split.TEST, SceneSettings(height=96, width=96, n_frames=12, actors=(1, 3)))
    for i in range(9):
        outside = [(a.x < 0) | (a.x > 96) for a in next(scenes).actors]
        assert sum(bool(o.any() and not o.all()) for o in outside) >= i % 3


VIEWS = [
    View(0, (0,), (Fact(CAR), Fact(CAR, "left"), Fact(CAR, "appears"))),
    View(1, (0,), (Fact(CAR), Fact(CAR, "right"))),
    View(2, (0,), (Fact(CAR), Fact(DOG), Fact(DOG, "left"))),
]


def test_nobody_can_tell_where_the_truth_has_no_word():
    asked = [Fact(CAR, "left"), Fact(CAR, "appears"), Fact(DOG, "left")]
    assert match_matrix(VIEWS, asked).tolist() == [[1, 1, 0], [0, 0, 0], [-1, 0, 1]]


def test_orders_are_always_asked_with_their_reverse():
    order = Fact(CAR, "appears", Fact(DOG, "leaves"))
    asked = ask([View(0, (0,), (order,))], 3, np.random.default_rng(0))
    assert asked == [order, order.opposite()]


def one_hot(*columns):
    return np.eye(4, dtype=np.float32)[list(columns)]


def test_retrieval_counts_every_clip_a_text_is_true_of():
    axis = {"a red car": 1, "a red car moving left": 0, "a red car moving right": 0, "a red car appears": 0}

    def embed(texts):
        return one_hot(*(axis.get(t, 2) for t in texts))

    figures = retrieval(VIEWS, one_hot(0, 1, 2), embed)
    # "left" finds clip 0 and is right, "right" finds clip 0 too and is wrong; the dog's finds clip 2.
    assert figures["motion_r1"] == pytest.approx(2 / 3, abs=1e-4) and figures["motion_n"] == 3
    assert figures["event_r1"] == 1 and figures["object_r1"] == 1
    assert figures["object_chance"] == pytest.approx((1 + 1 / 3) / 2, abs=1e-4)


def test_naming_objects_alone_is_right_as_often_as_their_clips_do_what_is_asked():
    figures = objects_alone(VIEWS)
    # Each way of the car is one of two clips that tell its motion, the dog is in one; the car appears in one
    # of the three that show it.
    assert figures["motion_r1_objects"] == pytest.approx((0.5 + 0.5 + 1) / 3, abs=1e-4)
    assert figures["event_r1_objects"] == pytest.approx(1 / 3, abs=1e-4)
    assert figures["object_r1_objects"] == 1


def test_direction_is_half_right_by_chance_and_whole_by_merit():
    pair = [(VIEWS[0], VIEWS[1])]

    def embed(texts):
        return one_hot(*(0 for _ in texts))

    assert told_apart(pair, one_hot(0), one_hot(0), embed) == {
        "motion_direction": 0.5,
        "event_direction": 0.5,
    }
    assert told_apart(pair, one_hot(0), one_hot(1), embed)["motion_direction"] == 1
    assert words_apart(VIEWS[:1], one_hot(0), embed)["motion_words"] == 0.5
    by_side = words_apart(VIEWS[:1], one_hot(0), lambda ts: one_hot(*(0 if "left" in t else 1 for t in ts)))
    assert by_side["motion_words"] == 1
