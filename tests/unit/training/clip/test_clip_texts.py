from __future__ import annotations

import numpy as np
import pytest

from seektrack.evaluation.pocket_words import UNKNOWN_WORDS
from seektrack.training.clip.languages import translate
from seektrack.training.clip.names import ANY
from seektrack.training.clip.texts import bank, canonical, phrase, query, unknown
from seektrack.training.clip.words import SHADES, SYNONYMS, TEMPLATES, UNKNOWN_NOUNS
from seektrack.world import CATEGORIES, COLOURS, vocabulary

CAR, RED = list(CATEGORIES).index("car"), list(COLOURS).index("red")


def test_canonical_names_are_those_of_the_world() -> None:
    names = [canonical((c, k)) for c in range(len(CATEGORIES)) for k in range(len(COLOURS))]
    assert names == vocabulary()["labels"]
    assert canonical((CAR, ANY)) == "a car"
    assert canonical((ANY, RED)) == "a red object"
    assert canonical((ANY, ANY)) == "an object"


def test_the_bank_is_the_vocabulary_in_its_order_in_half_of_the_draws() -> None:
    words = vocabulary()
    plain = [*words["labels"], *words["background"]]
    drawn = [bank(np.random.default_rng(i)) for i in range(60)]
    assert {len(texts) for texts in drawn} == {108 + len(words["background"]) + 12 + 9}
    assert 0.3 < np.mean([texts[: len(plain)] == plain for texts in drawn]) < 0.7


def test_a_phrase_keeps_its_meaning() -> None:
    rng = np.random.default_rng(0)
    hues = ("red", *SHADES["red"])
    nouns = ("car", *SYNONYMS["car"])
    others = [n for c, s in SYNONYMS.items() if c != "car" for n in (c, *s) if n not in ("man", "machine")]
    texts = {phrase((CAR, RED), rng) for _ in range(300)}
    assert len(texts) > 40
    for text in texts:
        words = text.replace(",", " ").split()
        assert any(h in words for h in hues), text
        assert any(n in text for n in nouns), text
        assert not any(n in words for n in others), text


def test_synonyms_and_unknown_words_do_not_meet() -> None:
    known = {n for c, s in SYNONYMS.items() for n in (c, *s)} | {
        n for c, s in SHADES.items() for n in (c, *s)
    }
    synonyms = [n for s in SYNONYMS.values() for n in s]
    assert len(synonyms) == len(set(synonyms))
    assert known.isdisjoint(UNKNOWN_NOUNS)
    assert known.isdisjoint(UNKNOWN_WORDS)
    assert set(UNKNOWN_NOUNS).isdisjoint(UNKNOWN_WORDS)


def test_unknown_texts_name_nothing_of_the_world() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        assert set(unknown(rng).split()).isdisjoint(CATEGORIES)


def test_queries_name_every_item_and_templates_have_one_place() -> None:
    rng = np.random.default_rng(2)
    assert all(t.count("{}") == 1 for t in TEMPLATES)
    items = [(CAR, RED), (list(CATEGORIES).index("dog"), ANY)]
    joined = [query(items, rng) for _ in range(40)]
    assert all(any(word in text for word in (" and ", " und ", " et ", " y ")) for text in joined)
    assert any("a red car and a dog" in text for text in joined)


@pytest.mark.parametrize(
    ("category", "colour", "language", "text"),
    [
        ("car", "red", "de", "ein rotes Auto"),
        ("cup", "green", "de", "eine grüne Tasse"),
        ("dog", "black", "de", "ein schwarzer Hund"),
        ("ball", "pink", "de", "ein rosa Ball"),
        ("car", "green", "fr", "une voiture verte"),
        ("bird", "white", "fr", "un oiseau blanc"),
        ("ball", "red", "es", "una pelota roja"),
        ("bus", "blue", "es", "un autobús azul"),
        ("robot", None, "es", "un robot"),
    ],
)
def test_adjectives_agree(category: str, colour: str | None, language: str, text: str) -> None:
    assert translate(category, colour, language) == text
