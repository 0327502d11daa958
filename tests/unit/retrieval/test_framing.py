from __future__ import annotations

import pytest

from seektrack.retrieval import search
from seektrack.retrieval.framing import unframed


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("show me a red car", "a red car"),
        ("Could you please find a dog, thanks!", "a dog"),
        ("a video of a bus", "a bus"),
        ("I'm looking for the part of the video with a red car in the picture", "a red car"),
        ("where is the blue dog?", "the blue dog?"),
        ("find me a car -dog", "a car -dog"),
        ("the part of my video when a dog leaves", "a dog leaves"),
        ("zeig mir ein rotes Auto bitte", "ein rotes Auto"),
        ("je cherche une voiture rouge s'il vous plaît", "une voiture rouge"),
        ("muéstrame un coche rojo por favor", "un coche rojo"),
    ],
)
def test_what_is_said_around_a_thing_is_left_out(text: str, asked: str):
    assert unframed(text) == asked


@pytest.mark.parametrize(
    "text",
    [
        "a red car",
        "a photo of a red car",
        "a watch on a table",
        "watch dogs",
        "see-through glass",
        "a scene from a movie",
        "a place where people eat",
        "a clip on a tie",
        "a car where there is snow",
        "show",
        "please",
        "find me -dog",
        "when the dog leaves",
    ],
)
def test_what_belongs_to_the_thing_stays(text: str):
    assert unframed(text) == text


def test_a_polite_search_finds_the_same(sums, make_library):
    library = make_library({"one.mp4": {"a red car": [(5, 8)]}})
    plain = search(library, sums, "a red car")
    assert plain and search(library, sums, "could you show me a red car please") == plain
