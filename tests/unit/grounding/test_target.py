from __future__ import annotations

import pytest

from seektrack.errors import QueryError
from seektrack.grounding import counter_texts, one_concept
from seektrack.query import Motion, read


@pytest.mark.parametrize(
    ("text", "clip_text", "category", "colour", "size", "motion"),
    [
        ("a red car", "a red car", "car", "red", None, None),
        ("the small red car moving left", "a red car", "car", "red", "small", Motion(True, (-1, 0))),
        ("find all the blue buses driving right", "a blue bus", "bus", "blue", None, Motion(True, (1, 0))),
        ("two people walking to the right", "a person walking", "person", None, None, Motion(True, (1, 0))),
        (
            "a plane moving from left to right fast",
            "a plane",
            "plane",
            None,
            None,
            Motion(True, (1, 0), rate="fast"),
        ),
        ("a car that is moving left", "a car", "car", None, None, Motion(True, (-1, 0))),
        ("a parked white truck", "a white truck", "truck", "white", None, Motion(False)),
        ("orange ball standing still", "an orange ball", "ball", "orange", None, Motion(False)),
        ("a moving car", "a car", "car", None, None, Motion(True)),
        ("bird flying up", "a bird flying", "bird", None, None, Motion(True, (0, -1))),
        ("a ball coming towards the camera", "a ball", "ball", None, None, Motion(True, approach=1)),
        ("a person walking away", "a person walking", "person", None, None, Motion(True, approach=-1)),
        ("a person driving a car", "a person driving a car", "person", None, None, None),
        ("a person in a red shirt", "a person in a red shirt", "person", None, None, None),
        ("the car on the left", "a car on the left", "car", None, None, None),
        ("a dog looking to the left", "a dog looking to the left", "dog", None, None, None),
        ("fire truck", "a fire truck", "fire truck", None, None, None),
        ("an orange", "an orange", "orange", None, None, None),
        ("a red", "a red object", "object", "red", None, None),
        ("A RED CAR!", "a red car", "car", "red", None, None),
        ("赤い車", "赤い車", "赤い車", None, None, None),
        ("un coche rojo", "un coche rojo", "coche", "red", None, None),
    ],
)
def test_queries_are_taken_apart(text, clip_text, category, colour, size, motion):
    target = one_concept(read(text))
    assert (target.instance, target.category) == (clip_text, category)
    assert (target.colour, target.size, target.motion) == (colour, size, motion)


@pytest.mark.parametrize("text", ["", "   ", "?!", "the", "all"])
def test_queries_without_a_thing_are_refused(text):
    with pytest.raises(QueryError):
        one_concept(read(text))


def test_a_colour_is_held_against_the_others_but_not_its_own_family():
    rivals = counter_texts(one_concept(read("a violet ball moving left")))
    assert "a red ball" in rivals and "an orange ball" in rivals
    assert not {"a violet ball", "a purple ball"} & set(rivals)
    assert counter_texts(one_concept(read("a ball"))) == []
