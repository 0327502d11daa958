from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from seektrack.encoders import (
    TEMPLATES,
    Vocabulary,
    check_language,
    embed_queries,
    embed_query,
    is_noun_query,
)
from seektrack.encoders.prompts import expand
from seektrack.errors import QueryError
from seektrack.query import read


class Recorder:
    """Embeds each text as a random direction of its own and remembers what it was asked."""

    name, dim, fingerprint, logit_scale, image_size = "recorder", 8, "r", 10.0, 8
    vocabulary: Vocabulary | None = None

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        self.seen += texts
        rows = np.stack([np.random.default_rng(list(t.encode())).normal(size=8) for t in texts])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def embed_images(self, images: Sequence[np.ndarray], *, batch_size: int = 32) -> np.ndarray:
        raise AssertionError


@pytest.mark.parametrize("text", ["a red car", "dog", "cars", "the old stone building", "wedding ring"])
def test_noun_phrases(text: str) -> None:
    assert is_noun_query(text)


@pytest.mark.parametrize(
    "text",
    [
        "a dog runs",
        "a car moving left",
        "a red car and a blue dog",
        "a man on a horse",
        "what is this?",
        "ein rotes Müllauto",
        "红色汽车",
        "a very long list of many words here",
        "",
        "a",
    ],
)
def test_sentences_and_others(text: str) -> None:
    assert not is_noun_query(text)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  a red\tcar ", "a red car"),
        ("Find a red car", "a red car"),
        ("show me the dogs!", "the dogs"),
        ("where is my bicycle?", "my bicycle"),
        ("find", "find"),
        ("findings", "findings"),
        ("红色汽车", "红色汽车"),
    ],
)
def test_what_is_embedded_is_what_was_read(text: str, cleaned: str) -> None:
    encoder = Recorder()
    embed_query(encoder, text, templates="none")
    assert encoder.seen == [cleaned]


@pytest.mark.parametrize("text", ["", "   ", "?!", "\n", "..."])
def test_no_words_is_an_error(text: str) -> None:
    with pytest.raises(QueryError, match="no words"):
        embed_query(Recorder(), text)


def test_articles() -> None:
    assert expand("red car", ["a photo of {}"]) == ["a photo of a red car"]
    assert expand("orange car", ["{}"]) == ["an orange car"]
    assert expand("the car", ["{}"]) == ["the car"]
    assert expand("cars", ["{}"]) == ["cars"]


def test_a_noun_is_the_mean_of_its_wordings() -> None:
    encoder = Recorder()
    got = embed_query(encoder, "red car")
    assert encoder.seen == [t.format("a red car") for t in TEMPLATES["enriched"]]
    assert len(encoder.seen) == 7
    mean = Recorder().embed_texts(encoder.seen).mean(axis=0)
    np.testing.assert_allclose(got, mean / np.linalg.norm(mean), atol=1e-6)


def test_a_sentence_is_taken_as_it_is() -> None:
    encoder = Recorder()
    embed_query(encoder, "a dog runs after a ball")
    assert encoder.seen == ["a dog runs after a ball"]


def test_a_small_world_model_keeps_to_its_own_wordings() -> None:
    encoder = Recorder()
    encoder.vocabulary = Vocabulary(("a red car",), ())
    embed_query(encoder, "a red car")
    encoder.vocabulary = Vocabulary(("a red car",), (), ("{}", "find {}"))
    embed_query(encoder, "a red car")
    assert encoder.seen == ["a red car", "a red car", "find a red car"]


def test_many_at_once_equal_one_by_one() -> None:
    texts = ["red car", "a dog runs", "the sky"]
    together = embed_queries(Recorder(), texts)
    np.testing.assert_allclose(together, [embed_query(Recorder(), t) for t in texts], atol=1e-6)


def test_wordings_of_ones_own() -> None:
    encoder = Recorder()
    got = embed_query(encoder, "red car", templates=["a scan of {}", "{} under the microscope"])
    assert encoder.seen == ["a scan of a red car", "a red car under the microscope"]
    mean = Recorder().embed_texts(encoder.seen).mean(axis=0)
    np.testing.assert_allclose(got, mean / np.linalg.norm(mean), atol=1e-6)
    embed_query(encoder, "red car", templates="an x-ray of {}")
    assert encoder.seen[-1] == "an x-ray of a red car"


@pytest.mark.parametrize(
    ("templates", "message"),
    [("fancy", "unknown templates"), (["a scan"], "hold {} once, got 'a scan'"), ([], "there is no template"),
     (["{} and {}"], "hold {} once"), (["{0.__class__} {}"], "hold {} once"), ([7], "hold {} once")],
)  # fmt: skip
def test_templates_that_cannot_be_used(templates, message: str) -> None:
    with pytest.raises(QueryError, match=message) as raised:
        embed_query(Recorder(), "a dog", templates=templates)
    assert raised.value.hint


def test_a_language_the_encoder_was_not_taught_is_said() -> None:
    class English(Recorder):
        languages = ("en",)

    assert check_language(Recorder(), read("赤い車")) == ()
    assert check_language(English(), read("a red car")) == ()
    (known,) = check_language(English(), read("ein rotes Auto"))
    assert "does not read German; searched as 'a red car'" in known
    (strange,) = check_language(English(), read("una macchina rossa"))
    assert "was not taught Italian" in strange and "--translate" in strange
    with pytest.raises(QueryError, match="does not read Japanese") as raised:
        check_language(English(), read("赤い車"))
    assert "--translate" in str(raised.value.hint) and "--model multilingual" in str(raised.value.hint)
