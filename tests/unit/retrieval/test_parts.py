"""Enumerations: taken apart, and every thing has to show somewhere on the frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from seektrack.encoders import Encoder
from seektrack.library import LibraryStore
from seektrack.query import read
from seektrack.retrieval import find_moments
from seektrack.retrieval.parts import joint_probability

MakeLibrary = Callable[[Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]], LibraryStore]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a red car", ("a red car",)),
        ("a red car and a blue dog", ("a red car", "a blue dog")),
        ("a red car, a bus and an orange ball", ("a red car", "a bus", "an orange ball")),
        ("a red car, a bus, and the dog", ("a red car", "a bus", "the dog")),
        ("a cup with a ball", ("a cup", "a ball")),
        ("ein rotes Auto und ein blauer Hund", ("ein rotes Auto", "ein blauer Hund")),
        ("une voiture rouge et un chien bleu", ("une voiture rouge", "un chien bleu")),
        ("un coche rojo y un perro azul", ("un coche rojo", "un perro azul")),
        ("a black and white dog", ("a black and white dog",)),
        ("cars and dogs", ("cars", "dogs")),
        ("a man and dog", ("a man and dog",)),
    ],
)
def test_an_enumeration_is_split_only_between_things(text: str, parts: tuple[str, ...]) -> None:
    assert tuple(thing for concept in read(text).concepts for thing in concept.things) == parts


def test_a_frame_without_one_of_the_things_is_believed_less_than_one_with_all() -> None:
    parts = np.array([[0.9, 0.1, 0.9, 0.2], [0.1, 0.8, 0.2, 0.01]])
    joint = joint_probability(parts, np.array([5, 5, 9, 9]))
    assert joint[0] == pytest.approx(np.sqrt(0.9 * 0.8))  # both regions of frame 5 show one thing best
    assert joint[1] == pytest.approx(joint[0])
    assert joint[2] == pytest.approx(np.sqrt(0.9 * 0.2))
    assert joint[3] < joint[2] < joint[0]


def test_joint_probability_of_nothing_is_nothing() -> None:
    assert joint_probability(np.zeros((2, 0)), np.zeros(0, np.int64)).shape == (0,)


def test_the_video_with_both_things_comes_first_though_each_is_seen_in_a_region(
    make_library: MakeLibrary, sums: Encoder
) -> None:
    store = make_library(
        {
            "both.mp4": {"a red car": [(4, 12)], "a blue dog": [(8, 18)]},
            "apart.mp4": {"a red car": [(0, 5)], "a blue dog": [(10, 15)]},
            "one.mp4": {"a red car": [(0, 20)], "a green dog": [(0, 20)]},
        }
    )
    moments = find_moments(store, sums, "a red car and a blue dog")
    assert [Path(m.video).name for m in moments] == ["both.mp4"]
    assert moments[0].start_s == pytest.approx(8, abs=1) and moments[0].end_s == pytest.approx(12, abs=1)
