"""What competes with a question in photographs: names, and colours only where the question has one."""

import numpy as np
import pytest

from seektrack.encoders import colours_of, embed_contrast, l2_normalise, load_encoder
from seektrack.encoders.colours import COLOURS
from seektrack.retrieval import prepare_query


@pytest.fixture(scope="module")
def pocket():
    return load_encoder("pocket")


def photograph(encoder, names, colour):
    """The embedding of a photograph that is like names, so much each, and all of one colour."""
    known = encoder.experts.photographs
    row = l2_normalise(sum(much * known.rows[known.names[name]] for name, much in names.items()))
    out = np.zeros(known.dim, np.float32)
    n = known.rows.shape[1]
    out[:n] = np.sqrt(1 - known.colour_share) * row
    out[n + 1 + COLOURS.index(colour)] = np.sqrt(known.colour_share)
    return np.concatenate([np.zeros(encoder.experts.own_dim, np.float32), out])[None]


def believed(encoder, text, picture):
    return float(prepare_query(encoder, text).probability(picture)[0])


def photo_part(encoder, rows):
    return rows[:, encoder.experts.own_dim :]


def test_the_colour_of_a_photograph_speaks_for_nobody_who_asks_for_none(pocket):
    orange = photograph(pocket, {"elephant": 1.0, "person": 0.8}, "orange")
    white = photograph(pocket, {"elephant": 1.0, "person": 0.8}, "white")
    assert believed(pocket, "an elephant", orange) > 0.5 > believed(pocket, "a person", orange)
    for name in ("an elephant", "a person", "a dog"):
        assert believed(pocket, name, orange) == pytest.approx(believed(pocket, name, white), abs=1e-3)


def test_a_colour_that_is_asked_for_must_be_there_and_does_not_make_the_name(pocket):
    red, blue = (photograph(pocket, {"dog": 1.0, "cat": 0.3}, colour) for colour in ("red", "blue"))
    assert believed(pocket, "a red dog", red) > 0.9 and believed(pocket, "a red dog", blue) < 0.1
    cat = photograph(pocket, {"dog": 0.6, "cat": 1.0}, "red")
    assert believed(pocket, "a red dog", cat) < 0.1


def test_names_are_weighed_alike_whatever_colours_the_drawn_world_gave_them(pocket):
    assert colours_of(pocket, "ein rotes Auto") == ("red",) and colours_of(pocket, "a car") == ()
    plain = photo_part(pocket, embed_contrast(pocket, ["a red dog", "a blue dog", "an elephant", "nothing"]))
    np.testing.assert_allclose(plain[0], plain[1], atol=1e-6)
    texts = ["a red dog", "a blue dog", "an elephant", "a red elephant", "nothing"]
    red = photo_part(pocket, embed_contrast(pocket, texts, ("red",)))
    assert red[0] @ red[1] < red[0] @ red[0] - 0.1
    n = pocket.experts.photographs.rows.shape[1]
    np.testing.assert_allclose(np.delete(red[2], n), np.delete(red[3], n), atol=1e-5)  # n: unheard words
    at = n + 1 + COLOURS.index("red")
    assert red[4, at] > 0 == plain[3, at]


def test_a_group_that_was_taught_counts_for_itself_in_photographs_and_not_in_drawings(pocket):
    asked = prepare_query(pocket, "an animal")
    assert "animal" in pocket.vocabulary.groups and asked.group
    assert believed(pocket, "an animal", photograph(pocket, {"animal": 1.0}, "white")) > 0.9
    own = pocket.experts.own_dim
    assert np.abs(asked.plain[:own]).max() < 1e-6 < np.abs(asked.vector[:own]).max()


def test_both_runtimes_embed_what_competes_alike(pocket):
    graphs = load_encoder("pocket", runtime="onnx")
    assert (graphs.shares_from, graphs.colours_of("ein rotes Auto")) == (pocket.shares_from, ("red",))
    for colours in ((), ("red",)):
        texts = ["a red dog", "an elephant", "an animal", "nothing"]
        ours, theirs = (embed_contrast(encoder, texts, colours) for encoder in (pocket, graphs))
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_what_may_be_one_of_two_kinds_is_of_their_kind(pocket):
    either = photograph(pocket, {"man": 1.0, "woman": 1.0, "horse": 0.85}, "white")
    assert believed(pocket, "a person", either) > max(
        believed(pocket, t, either) for t in ("a man", "a woman")
    )
