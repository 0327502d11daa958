"""Weights, exclusions, translation, labels, rankings and comparisons, on a library of known pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seektrack.encoders import l2_normalise
from seektrack.errors import InputError, QueryError
from seektrack.library import Where
from seektrack.query import read
from seektrack.retrieval import QueryBank, compare_prompts, find_moments, label_images, search, stored_bank

VIDEOS = {
    "car.mp4": {"a red car": [(2, 5)], "a blue car": [(8, 11)]},
    "both.mp4": {"a red car": [(2, 5)], "a green dog": [(4, 5)]},
    "night.mp4": {"a red car": [(2, 5)], "frame:a dark night": [(3, 20)]},
}


@pytest.fixture
def store(make_library):
    return make_library(VIDEOS)


def spans(store, sums, text: str, **options: object) -> set[tuple[str, float, float]]:
    found = find_moments(store, sums, text, **options)
    return {(Path(m.video).stem, m.start_s, m.end_s) for m in found}


def test_a_thing_that_must_not_show_empties_the_frames_it_shows_in(store, sums):
    seen = {(Path(h.video).stem, h.time_s) for h in search(store, sums, "a red car -dog", k=99)}
    assert ("both", 2.0) in seen and ("both", 2.5) in seen
    assert not any(video == "both" and t >= 3 for video, t in seen), (
        "a second before it is seen it was only missed"
    )
    assert {t for video, t in seen if video == "car"} == {2.0, 2.5, 3.0, 3.5, 4.0, 4.5}


def test_a_quality_that_must_not_show_is_one_of_the_thing_itself_or_of_the_whole_frame(store, sums):
    cars = {(Path(h.video).stem, h.time_s) for h in search(store, sums, "a car -red", k=99)}
    assert cars == {("car", 8 + t / 2) for t in range(6)}, "the red dog beside would not matter"
    day = {(Path(h.video).stem, h.time_s) for h in search(store, sums, 'a red car -"a dark night"', k=99)}
    assert {t for video, t in day if video == "night"} == {2.0, 2.5}
    assert {t for video, t in day if video == "car"} == {2.0, 2.5, 3.0, 3.5, 4.0, 4.5}


def test_a_half_weight_disfavours_without_excluding(store, sums):
    plain = {(h.video, h.time_s): h.confidence for h in search(store, sums, "a red car", k=99)}
    half = search(store, sums, "a red car -(dog:0.4)", k=99, where=Where(min_confidence=0.05))
    beside = [h for h in half if Path(h.video).stem == "both" and h.time_s >= 4]
    assert beside
    assert all(0.05 < h.confidence < plain[h.video, h.time_s] - 0.1 for h in beside)


def test_moments_end_where_an_excluded_thing_comes_in(store, sums):
    assert spans(store, sums, "a red car") == {
        ("car", 1.75, 4.75),
        ("both", 1.75, 4.75),
        ("night", 1.75, 4.75),
    }
    assert ("both", 1.75, 2.75) in spans(store, sums, "a red car -dog")


def test_a_query_in_another_language_is_translated_first(store, sums):
    asked: list[str] = []

    def translator(texts: Sequence[str]) -> list[str]:
        asked.extend(texts)
        return [{"ein rotes Auto": "a red car.", "Hund": "dog"}[t] for t in texts]

    expected = search(store, sums, "a red car -dog", k=99)
    hits = search(store, sums, read("ein rotes Auto -Hund", translate=translator), k=99)
    assert [replace(h, query="a red car -dog") for h in hits] == expected
    assert asked == ["ein rotes Auto", "Hund"]
    with pytest.raises(QueryError, match="the translator made"):
        read("ein rotes Auto", translate=lambda texts: [""])


def test_only_some_kinds_of_pictures_or_those_that_also_show_a_label(store, sums):
    assert search(store, sums, "a red car", where=Where(kinds=("frame",), min_confidence=0.3)) == []
    assert {h.box is None for h in search(store, sums, "a dark night", where=Where(kinds=("frame",)))} == {
        True
    }
    cars = search(store, sums, "a car", k=99)
    blue = search(store, sums, "a car", k=99, where=Where(label="a blue car"))
    assert {h.time_s for h in blue} == {8 + t / 2 for t in range(6)}
    assert {h.time_s for h in blue} < {h.time_s for h in cars}
    assert all(h.score >= 0.9 for h in search(store, sums, "a red car", where=Where(min_score=0.9)))
    assert search(store, sums, "a red car", where=Where(min_score=0.9999)) == []


@pytest.mark.parametrize("rank_by", ["confidence", "cosine", "centred", "whitened", "qb-norm"])
def test_every_way_of_ranking_puts_what_was_asked_first(rank_by: str, store, sums):
    hits = search(store, sums, "a blue car", k=6, where=Where(min_confidence=0), rank_by=rank_by)
    assert [h.time_s for h in sorted(hits, key=lambda h: h.time_s)] == [8 + t / 2 for t in range(6)]
    with pytest.raises(InputError, match="cannot rank by 'luck'"):
        search(store, sums, "a car", rank_by="luck")


def test_qb_norm_equals_its_formula_and_leaves_other_queries_alone():
    """Written out from the paper's equations, one picture at a time."""
    rng = np.random.default_rng(3)
    pictures = l2_normalise(rng.normal(size=(30, 8)))
    hub = l2_normalise(rng.normal(size=8))
    bank = l2_normalise(hub + 0.9 * rng.normal(size=(12, 8)))
    pictures[7] = hub
    queries = l2_normalise(
        np.concatenate([hub + 0.5 * rng.normal(size=(6, 8)), -hub + 0.3 * rng.normal(size=(3, 8))])
    )
    cosine = queries @ pictures.T
    found = QueryBank(bank, beta=20.0).normalise(pictures, cosine)
    activated = {int(np.argmax(pictures @ b)) for b in bank}
    assert 7 in activated
    changed = 0
    for row, ours in zip(cosine, found, strict=True):
        if int(row.argmax()) not in activated:
            np.testing.assert_allclose(ours, row)
            continue
        changed += 1
        inverted = [
            np.exp(20 * s) / sum(np.exp(20 * float(b @ p)) for b in bank)
            for s, p in zip(row, pictures, strict=True)
        ]
        np.testing.assert_array_equal(np.argsort(-ours), np.argsort(-np.array(inverted)))
        np.testing.assert_allclose(np.exp(20 * ours), inverted, rtol=1e-4)
    assert 0 < changed < len(cosine)
    assert (found.argmax(axis=1) == 7).sum() < (cosine.argmax(axis=1) == 7).sum(), "the hub loses its pull"


def test_the_query_bank_is_embedded_once_and_kept_beside_the_library(store, sums, monkeypatch):
    first = stored_bank(store, sums)
    monkeypatch.setattr(sums.__class__, "embed_texts", None)
    np.testing.assert_array_equal(stored_bank(store, sums).vectors, first.vectors)


def test_wordings_are_compared_on_the_same_frames(store, sums):
    result = compare_prompts(store, sums, ["a red car", "the red car", "a blue car", "a purple cow"], k=6)
    assert [w.text for w in result.wordings] == ["a red car", "the red car", "a blue car", "a purple cow"]
    red, same, blue, nothing = result.wordings
    assert {(Path(h.video).stem, h.time_s) for h in blue.frames} == {("car", 8 + t / 2) for t in range(6)}
    assert (red.found, blue.found, nothing.found) == (18, 6, 0)
    assert nothing.best < 0.5 < red.best
    assert red.frames == same.frames
    np.testing.assert_allclose(result.overlap, result.overlap.T)
    assert result.overlap[0].tolist()[:3] == [1.0, 1.0, 0.0]
    assert result.correlation[0, 1] == pytest.approx(1.0)
    assert result.correlation[0, 2] < 0.9
    with pytest.raises(InputError, match="holds no video"):
        compare_prompts(store, sums, ["a red car"], where=Where(video="nowhere.mp4"))
    with pytest.raises(QueryError, match="nothing to compare"):
        compare_prompts(store, sums, [])


def test_a_picture_is_named_from_a_list(sums):
    picture = np.full((4, 4, 3), 4, dtype=np.uint8)  # "a blue dog"
    (named,) = label_images(sums, [picture], ["a red car", "a blue dog", "a blue dog ", "a green bird"])
    assert named[0].label == "a blue dog"
    assert len(named) == 3
    assert sum(n.probability for n in named) == pytest.approx(1.0)
    assert [n.score for n in named] == sorted((n.score for n in named), reverse=True)
    assert named[0].score == pytest.approx(1.0, abs=1e-5)
    assert label_images(sums, [picture], k=2)[0][0].label == "a blue dog"
    assert label_images(sums, [], ["a"]) == []
    with pytest.raises(QueryError, match="empty"):
        label_images(sums, [picture], [])
    with pytest.raises(QueryError, match="no words"):
        label_images(sums, [picture], ["a", "--"])
