from __future__ import annotations

import dataclasses
import importlib.metadata
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seektrack.errors import InputError, QueryError
from seektrack.query import (
    Language,
    Query,
    explain,
    in_short,
    language_name,
    language_of,
    languages,
    read,
    register_language,
    singular,
)
from seektrack.world.languages import _NOUNS as WORLD_NOUNS
from seektrack.world.languages import noun_phrase
from seektrack.world.palette import COLOURS

_TABLE = Path(__file__).with_name("questions.tsv").read_text(encoding="utf-8").splitlines()
QUESTIONS = dict(line.split("\t") for line in _TABLE)


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_question_is_read_as_people_mean_it(text: str):
    assert in_short(read(text)) == QUESTIONS[text]


def test_the_table_is_large_enough():
    assert len(QUESTIONS) >= 80


def test_a_concept_says_what_it_is():
    (car,) = read("two small red cars moving left fast, please").concepts
    assert (car.said, car.text) == ("two small red cars moving left fast", "two small red cars")
    assert (car.category, car.colour, car.size, car.plural) == ("car", "red", "small", True)
    assert car.motion is not None
    assert (car.motion.direction, car.motion.rate, car.motion.moving) == ((-1, 0), "fast", True)
    (dog,) = read("a black and white dog in the snow").concepts
    assert (dog.category, dog.colour, dog.attributes) == ("dog", "black", ("white", "in the snow"))


@pytest.mark.parametrize("language", ["de", "fr", "es"])
@pytest.mark.parametrize("colour", COLOURS)
def test_everything_the_world_has_is_known_in_four_languages(language: str, colour: str):
    for category in WORLD_NOUNS[language]:
        query = read(noun_phrase(category, colour, language))
        (one,) = query.concepts
        assert query.language == language
        assert (one.colour, one.english) == (colour, noun_phrase(category, colour, "en"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no words"),
        ("  ?! ", "has no words"),
        ("the", "names no thing"),
        ("approaching the camera", "names no thing"),
        ("driving slowly to the left", "names no thing"),
        ("-night", "only what must not show"),
        ("without cars", "only what must not show"),
        ("not a red car", "only what must not show"),
        ("kein Hund", "only what must not show"),
        ("a (black:) dog", "cannot read the weight"),
        ("a (black:much) dog", "cannot read the weight"),
        ("a (black:9) dog", "from 0 to 5, got 9"),
        ("-> a dog", "is empty"),
        ("a dog -> ", "is empty"),
        ('a -> "" -> b', "is empty"),
        (["a dog -> a cat", "a bus"], "one of several questions"),
        ([], "nothing to look for"),
        (7, "must be a text, got int"),
        (b"a dog", "must be a text, got bytes"),
    ],
)
def test_what_cannot_be_asked_is_explained(text: object, message: str):
    with pytest.raises(QueryError, match=message) as raised:
        read(text)  # type: ignore[arg-type]
    assert raised.value.hint
    assert isinstance(raised.value, InputError)


def test_an_exclusion_alone_says_how_to_put_it():
    with pytest.raises(QueryError) as raised:
        read("not a red car")
    assert '"a car -red"' in str(raised.value.hint)


def test_several_texts_are_one_question():
    query = read(["a red car", "a dog and a cat -night"])
    assert [[c.text for c in group] for group in query.groups] == [["a red car"], ["a dog", "a cat"]]
    assert [t.text for t in query.without] == ["night"]
    assert read(query) is query
    assert [q.text for q in query.alone()] == ["a red car", "a dog and a cat"]
    assert in_short(read("a red car; a dog and a cat -night")) == in_short(query)


def test_what_is_read_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        read("a dog").typed = "a cat"  # type: ignore[misc]
    assert hash(read("a dog")) == hash(read("a dog"))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("a red car", "en"),
        ("zebra", "en"),
        ("ein rotes Auto", "de"),
        ("une voiture rouge", "fr"),
        ("un coche rojo", "es"),
        ("una macchina rossa", "it"),
        ("um carro vermelho", "pt"),
        ("赤い車", "ja"),
        ("红色的车", "zh"),
        ("빨간 차", "ko"),
        ("красная машина", "ru"),
        ("سيارة حمراء", "ar"),
        ("κόκκινο αυτοκίνητο", "el"),
    ],
)
def test_the_language_is_told(text: str, language: str):
    assert language_of(text) == read(text).language == language
    assert language_name(language) != language


def test_a_text_in_an_unknown_language_is_left_whole():
    (car,) = read("una macchina rossa -notte").concepts
    assert (car.text, car.instance, car.category) == ("una macchina rossa",) * 3
    assert [t.text for t in car.without] == ["notte"]


ITALIAN = Language(
    code="it",
    name="Italian",
    articles=frozenset({"un", "una", "il", "la", "i", "le"}),
    singular=lambda word: {"cani": "cane"}.get(word, word),
    colours={"rosso": "red", "rossa": "red"},
    nouns={"macchina": "car", "cane": "dog", "cani": "dog"},
    without=r"senza|ma\s+non",
    then=r"poi",
    and_words="e",
    with_words="con",
    leading=r"mostrami\b",
)


def test_a_stranger_adds_a_language_by_an_entry_point(monkeypatch: pytest.MonkeyPatch):
    class Point:
        @staticmethod
        def load() -> Language:
            return ITALIAN

    found = importlib.metadata.entry_points
    monkeypatch.setattr(
        "seektrack.query.language.entry_points",
        lambda *, group: [Point] if group == "seektrack.languages" else found(group=group),
    )
    languages.cache_clear()
    try:
        query = read("mostrami una macchina rossa senza cani")
        assert query.language == "it"
        (car,) = query.concepts
        assert (car.english, car.colour, car.without[0].english) == ("a red car", "red", "dog")
    finally:
        monkeypatch.undo()
        languages.cache_clear()
    assert "it" not in languages()


def test_a_language_that_cannot_be_read_is_refused():
    with pytest.raises(InputError, match="cannot be read"):
        register_language(dataclasses.replace(ITALIAN, without="("))
    with pytest.raises(InputError, match="no code"):
        register_language(dataclasses.replace(ITALIAN, code="Italiano"))
    assert "it" not in languages()


def test_texts_are_translated_before_they_are_read():
    asked: list[str] = []

    def translate(texts):
        asked.extend(texts)
        return [{"jeden červený vůz": "a red car without dogs.", "noc": "night"}[t] for t in texts]

    query = read("jeden (červený:2) vůz -noc", translate=translate)
    assert asked == ["jeden červený vůz", "noc"]
    assert in_short(query) == "a red car -night -dogs"
    assert query.notices == ("weights are lost in translation, as words move",)
    with pytest.raises(QueryError, match="the translator made"):
        read("vůz", translate=lambda texts: [""])


def test_broken_characters_do_no_harm():
    assert read("a\u200b red\ud800 car\x07").text == "a red car"
    assert read("a cafe\u0301 -“a red car”").concepts[0].without[0].text == "a red car"
    assert read("ein Auto −rot").without[0].english == "red"


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str):
    try:
        query = read(text)
    except QueryError as error:
        assert len(str(error)) < 300
        return
    assert isinstance(query, Query)
    assert query.concepts
    assert all(c.text and c.instance and c.category for c in query.concepts)
    assert explain(query)


LONG = {
    "spaces": " " * 10_000 + "car",
    "commas": "a dog" + ", " * 5_000,
    "dots": "." * 5_000 + "car" + "." * 5_000,
    "please": "please " * 1_400 + "car",
    "and": "and " * 2_500 + "car",
    "enumeration": "a car, " * 1_400 + "a dog",
    "exclusions": "a car " + "-dog " * 2_000,
    "weights": "(a:1)" * 2_000 + " car",
    "brackets": "(" * 10_000 + "car",
    "quotes": 'a -"' * 2_500,
    "arrows": "a->" * 3_000 + "b",
    "not": "a car not " * 1_000 + "red",
    "with": "a car with " * 900,
    "moving": "a car moving " * 750 + "left",
    "film": "show me the video of " * 450 + "a car",
    "accents": "a" + "\u0301" * 10_000 + " car",
    "surrogates": "\ud800" * 10_000 + "car",
}


@pytest.mark.parametrize("kind", LONG)
def test_ten_thousand_characters_take_no_time_and_are_not_repeated(kind: str):
    began = time.process_time()
    try:
        read(LONG[kind])
    except QueryError as error:
        assert len(str(error)) < 300
    assert time.process_time() - began < 1.5


def test_how_it_was_read_can_be_shown():
    lines = explain(read("show me a man with a dog moving left, or (red:2) cars -night; a bus leaves"))
    text = "\n".join(lines)
    for part in ("language: English", "thing: bus", "happens: leaves", "must not show: night", "moves: left"):
        assert part in text, text


@pytest.mark.parametrize(
    ("plural", "one"),
    [("cars", "car"), ("buses", "bus"), ("people", "person"), ("ponies", "pony"), ("boxes", "box"),
     ("bus", "bus"), ("glass", "glass"), ("scissors", "scissors"), ("benches", "bench"), ("dog", "dog"),
     ("women", "woman"), ("mice", "mouse"), ("puppies", "puppy")],
)  # fmt: skip
def test_singular(plural: str, one: str):
    assert singular(plural) == one
