"""What is done to a query's words before they are embedded, and to embeddings after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from seektrack.encoders import Vocabulary, embed_query, l2_normalise, load_encoder
from seektrack.encoders.spelling import Speller, speller_for
from seektrack.encoders.translation import load_translator, register_translator
from seektrack.encoders.whitening import Whitening
from seektrack.errors import InputError, ModelError
from seektrack.evaluation.pocket_words import foreign_labels


class Directions:
    """Each word has a direction of its own."""

    name, dim, fingerprint, logit_scale, image_size = "d", 32, "d", 20.0, 8
    vocabulary = Vocabulary(("a black dog", "a white cat"), ("grass",))

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        return l2_normalise(np.stack([sum(self.word(w) for w in t.split()) for t in texts]))

    def embed_images(self, images: Sequence[np.ndarray], *, batch_size: int = 32) -> np.ndarray:
        raise AssertionError

    @staticmethod
    def word(word: str) -> np.ndarray:
        return np.random.default_rng(list(word.encode())).normal(size=32)


def test_a_weight_moves_the_query_towards_or_away_from_the_words():
    encoder = Directions()
    black = l2_normalise(encoder.word("black"))

    def pull(text: str) -> float:
        return float(embed_query(encoder, text) @ black)

    plain = float(encoder.embed_texts(["a black dog"])[0] @ black)
    assert pull("a (black:1) dog") == pytest.approx(plain, abs=1e-6)
    assert pull("a (black:0.5) dog") < plain < pull("a (black:1.5) dog") < pull("a (black:3) dog")
    without = encoder.embed_texts(["a dog"])[0]
    np.testing.assert_allclose(embed_query(encoder, "a (black:0) dog"), without, atol=1e-6)
    np.testing.assert_allclose(
        embed_query(encoder, "(black:3)"), encoder.embed_texts(["black"])[0], atol=1e-6
    )


@pytest.fixture(scope="module")
def pocket():
    return load_encoder("pocket", device="cpu")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("blu cra", "blue car"),
        ("a rde truk", "a red truck"),
        ("a Purpel robto", "a Purple robot"),
        ("a balck dgo on the road", "a black dog on the road"),
        ("orang bal", "orange ball"),
    ],
)
def test_slips_of_the_pen_are_put_right(typed: str, meant: str, pocket):
    fixed = speller_for(pocket).correct(typed)
    assert fixed.text == meant
    assert fixed
    assert all(a != b for a, b in fixed.changes)


@pytest.mark.parametrize(
    "text",
    ["a red car", "two boats", "a camel", "a white umbrella", "a turtle on a pillow", "x", "moving left"],
)
def test_words_that_are_right_or_simply_unknown_are_left(text: str, pocket):
    fixed = speller_for(pocket).correct(text)
    assert (fixed.text, fixed.changes, bool(fixed)) == (text, (), False)


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_no_label_in_another_language_the_model_knows_is_touched(runtime: str):
    if runtime == "onnx":
        pytest.importorskip("onnxruntime")
    speller = speller_for(load_encoder("pocket", device="cpu", runtime=runtime))
    labels = [text for texts in foreign_labels().values() for text in texts]
    assert [text for text in (*labels, *ASKED) if speller.correct(text)] == []
    assert speller.correct("a yelow dogg, un perro").text == "a yellow dog, un perro"


ASKED = (
    "un coche rojo sin perros",
    "primero un perro y luego un gato",
    "ein Roboter, aber nicht rosa; zuerst ein Hund, dann eine Katze",
    "un robot qui n'est pas rose",
    "d'abord des chiens, puis trois chats",
    "kleine Hunde ohne Ball",
)


def test_what_the_encoder_was_taught_is_never_a_slip(pocket):
    speller = speller_for(pocket)
    assert len(pocket.words) > 1000
    assert [word for word in sorted(pocket.words) if speller.correct(word)] == []


def test_a_letter_for_another_is_another_word():
    speller = Speller(["boat", "street", "castle", "elephant", "dog"])
    assert not any(speller.correct(text) for text in ("a goat", "a screen", "a doe"))
    assert speller.correct("an elephont").text == "an elephant"
    assert speller.correct("an elefant").text == "an elephant" and speller.correct("a boot").text == "a boot"


def test_words_seen_in_a_library_may_be_meant_too():
    assert Speller(["zeppelin"]).correct("a zepelin").text == "a zeppelin"
    assert speller_for(Directions(), seen=["a zeppelin"]).correct("zeppelni").text == "zeppelin"
    assert Speller(["word"], is_known=lambda w: w == "wrod").correct("wrod").text == "wrod"


def test_whitening_makes_every_direction_count_the_same(rng):
    skewed = l2_normalise(rng.normal(size=(4000, 6)) * [5, 3, 2, 1, 0.6, 0.3] + 4)
    fitted = Whitening.fit(skewed)
    mapped = (skewed - fitted.image_mean) @ fitted.matrix
    np.testing.assert_allclose(np.cov(mapped, rowvar=False), np.eye(fitted.matrix.shape[1]), atol=1e-2)
    np.testing.assert_allclose(np.linalg.norm(fitted.images(skewed), axis=1), 1, atol=1e-5)
    fewer = Whitening.fit(skewed, dim=2, power=0.0)
    assert fewer.images(skewed[:3]).shape == (3, 2)
    centred = skewed - skewed.mean(axis=0)
    left = centred @ fewer.matrix
    best = np.linalg.svd(centred, full_matrices=False)[1][:2] ** 2
    np.testing.assert_allclose(np.sort((left**2).sum(axis=0))[::-1], best, rtol=1e-3)


def test_centring_closes_the_gap_between_pictures_and_texts(rng):
    things = l2_normalise(rng.normal(size=(50, 16)))
    images = l2_normalise(things + 3 * np.eye(16)[0])
    texts = l2_normalise(things + 3 * np.eye(16)[1])
    assert float((images @ texts.T).diagonal().mean()) < 0.3
    fitted = Whitening.fit(images, texts, power=0.0)
    matched = fitted.images(images) @ fitted.texts(texts).T
    assert float(matched.diagonal().mean()) > 0.9
    assert (matched.argmax(axis=1) == np.arange(50)).mean() > 0.9
    np.testing.assert_allclose(fitted.texts(texts[3]), fitted.texts(texts)[3], atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "options"),
    [(1, {}), (9, {"power": 2.0}), (9, {"dim": 0}), (9, {"dim": 9})],
)
def test_whitening_refuses_what_it_cannot_be_fitted_to(rows: int, options: dict[str, float], rng):
    with pytest.raises(InputError):
        Whitening.fit(rng.normal(size=(rows, 16)), **options)


@pytest.fixture(scope="module")
def marian(tmp_path_factory) -> Path:
    """A Marian checkpoint of the smallest size, random weights, words as tokens."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("marian")
    words = ["<pad>", "</s>", "<unk>", "ein", "rotes", "auto", "a", "red", "car"]
    tokenizer = Tokenizer(WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=9,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=80,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        bad_words_ids=None,
    )
    MarianMTModel(config).save_pretrained(folder)
    return folder


def test_a_marian_checkpoint_translates_as_transformers_does(marian: Path):
    from transformers import MarianMTModel, PreTrainedTokenizerFast

    texts = ["ein rotes auto", "auto"]
    ours = load_translator(marian)(texts)
    network = MarianMTModel.from_pretrained(marian).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(marian)
    for text, found in zip(texts, ours, strict=True):  # one by one: no padding, no batch
        inputs = tokenizer(text, return_tensors="pt")
        out = network.generate(inputs["input_ids"], max_new_tokens=64, num_beams=4, do_sample=False)
        assert found == tokenizer.decode(out[0], skip_special_tokens=True).strip()
    assert load_translator(marian)([]) == []


def test_a_translator_may_be_any_function_with_a_name(tmp_path: Path):
    @register_translator("shouting")
    def shout(texts: Sequence[str]) -> list[str]:
        return [t.upper() for t in texts]

    assert load_translator("shouting")(["a dog"]) == ["A DOG"]
    with pytest.raises(ModelError, match=r"without a config\.json"):
        load_translator(tmp_path)


class Listener(Directions):
    """Remembers what it was given to embed."""

    vocabulary = None

    def __init__(self) -> None:
        self.heard: list[str] = []

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        self.heard += texts
        return super().embed_texts(texts)


@pytest.mark.parametrize(
    ("templates", "text", "among"),
    [
        ("adaptive", "old woman", "an old woman in the street"),
        ("adaptive", "dogs", "a group of dogs"),
        ("adaptive", "a sandy beach", "a view of a sandy beach"),
        ("adaptive", "red car", "there is a red car in the scene"),
        ("multilingual", "ein rotes Auto", "ein Foto von ein rotes Auto"),
        ("multilingual", "une voiture rouge", "une photo de une voiture rouge"),
        ("multilingual", "los coches rojos", "una foto de los coches rojos"),
        ("multilingual", "a red car", "a photo of a red car"),
    ],
)
def test_wordings_suit_the_phrase(templates: str, text: str, among: str):
    encoder = Listener()
    vector = embed_query(encoder, text, templates=templates)
    assert among in encoder.heard
    assert len(encoder.heard) == len(set(encoder.heard)) > 2
    mean = l2_normalise(encoder.embed_texts(list(encoder.heard)).mean(axis=0))
    np.testing.assert_allclose(vector, mean, atol=1e-6)


def test_a_sentence_is_never_put_into_wordings_by_itself():
    encoder = Listener()
    embed_query(encoder, "a dog runs across the street", templates="adaptive")
    assert encoder.heard == ["a dog runs across the street"]
