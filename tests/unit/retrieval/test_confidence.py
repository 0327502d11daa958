from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seektrack.retrieval.confidence import (
    ConfidenceSettings,
    competitors,
    content_words,
    frame_best,
    query_probability,
    shift_rows,
    supporters,
    temporal_evidence,
)


def unit(rng: np.random.Generator, n: int, d: int = 32) -> np.ndarray:
    x = rng.normal(size=(n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_probability_is_the_softmax_of_torch(rng: np.random.Generator) -> None:
    import torch

    pictures, texts = unit(rng, 50), unit(rng, 9)
    logits = torch.from_numpy(pictures @ texts.T) * 20
    expected = logits.softmax(1)[:, 0].numpy()
    got = query_probability(pictures, texts[0], texts[1:], logit_scale=20)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    half = query_probability(pictures.astype(np.float16), texts[0], texts[1:], logit_scale=20)
    np.testing.assert_allclose(half, expected, atol=0.02)
    supported = query_probability(pictures, texts[0], texts[3:], logit_scale=20, support=texts[1:3])
    own, rest = logits[:, :3].max(1).values, logits[:, 3:].exp().sum(1)
    np.testing.assert_allclose(supported, (own.exp() / (own.exp() + rest)).numpy(), atol=1e-6)
    some = query_probability(
        pictures, texts[0], texts[3:], logit_scale=20, support=texts[1:3], shares_from=16
    )
    summed = (pictures[:, 16:] ** 2).sum(1) > 0.5
    wanted = np.where(summed, logits.softmax(1)[:, :3].sum(1).numpy(), supported)
    assert 0 < summed.sum() < len(summed)
    np.testing.assert_allclose(some, wanted, atol=1e-6)


def test_a_query_that_matches_beats_the_contrast_and_one_that_does_not_loses(
    rng: np.random.Generator,
) -> None:
    texts = unit(rng, 40, 128)
    noisy = texts[[0] * 20] + 0.05 * rng.normal(size=(20, 128))
    pictures = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
    assert query_probability(pictures, texts[0], texts[1:], logit_scale=30).min() > 0.9
    assert query_probability(pictures, texts[1], np.delete(texts, 1, 0), logit_scale=30).max() < 0.01
    assert query_probability(pictures, texts[0], texts[:0], logit_scale=30).min() == 1
    assert query_probability(pictures[:0], texts[0], texts[1:], logit_scale=30).shape == (0,)


@pytest.mark.parametrize(
    ("query", "competing"),
    [
        ("a red car", {"a blue car", "a red dog", "an empty street"}),
        ("red cars", {"a blue car", "a red dog", "an empty street"}),
        ("a car", {"a red dog", "an empty street"}),
        ("something red", {"a blue car", "an empty street"}),
        ("a red car on an empty street", {"a blue car", "a red dog"}),
        ("a person", {"a red car", "a blue car", "a red dog", "an empty street"}),
    ],
)
def test_what_agrees_with_the_query_does_not_compete(
    query: str, competing: set[str], rng: np.random.Generator
) -> None:
    texts = ["a red car", "a blue car", "a red dog", "an empty street"]
    vectors = unit(rng, 5)
    keep = competitors(query, vectors[4], texts, vectors[:4])
    assert {t for t, k in zip(texts, keep, strict=True) if k} == competing


def test_what_the_encoder_takes_for_the_same_does_not_compete(rng: np.random.Generator) -> None:
    vectors = unit(rng, 3)
    keep = competitors("an automobile", vectors[0] + 1e-3, ["a car", "a dog", "a cat"], vectors)
    assert keep.tolist() == [False, True, True]


def test_supporters_are_kinds_of_the_query() -> None:
    labels = ["a red car", "a blue car", "a red dog"]
    assert supporters("cars", labels).tolist() == [True, True, False]
    assert supporters("something red", labels).tolist() == [True, False, True]
    assert supporters("a red car", labels).tolist() == [False] * 3
    assert supporters("a zebra", labels).tolist() == [False] * 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A photo of the red buses", ("red", "bus")),
        ("two people", ("person",)),
        ("glass boxes", ("glass", "box")),
        ("an object", ("object",)),
        ("a red object", ("red",)),
        ("puppies", ("puppy",)),
    ],
)
def test_content_words(text: str, words: tuple[str, ...]) -> None:
    assert content_words(text) == words


def brute_force(p: np.ndarray, times: np.ndarray, s: ConfidenceSettings) -> np.ndarray:
    """Sum over all 2^T histories; own evidence at full weight, that of the others at ``weight``."""
    n, base = len(p), np.array([1 - s.prior, s.prior])
    clipped = np.clip(p, s.floor, 1 - s.floor)
    shared = (clipped / (1 - clipped) / (s.prior / (1 - s.prior))) ** s.weight
    own = p / (1 - p) / (s.prior / (1 - s.prior))
    out = np.empty(n)
    for t in range(n):
        mass = np.zeros(2)
        for history in itertools.product((0, 1), repeat=n):
            likelihood = base[history[0]]
            for i, (a, b) in enumerate(itertools.pairwise(history)):
                decay = np.exp(-(times[i + 1] - times[i]) / s.dwell_s)
                likelihood *= base[b] * (1 - decay) + (decay if a == b else 0)
            for i, state in enumerate(history):
                likelihood *= (own[i] if i == t else shared[i]) if state else 1.0
            mass[history[t]] += likelihood
        out[t] = mass[1] / mass.sum()
    return out


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0.001, 0.999), st.floats(0.01, 5)), min_size=1, max_size=6),
    st.floats(0.05, 0.6),
    st.floats(0.1, 1),
)
def test_temporal_evidence_is_the_sum_over_all_histories(
    frames: list[tuple[float, float]], prior: float, weight: float
) -> None:
    p, times = np.array([f[0] for f in frames]), np.cumsum([f[1] for f in frames])
    s = ConfidenceSettings(prior=prior, weight=weight)
    np.testing.assert_allclose(temporal_evidence(p, times, s), brute_force(p, times, s), atol=1e-9)


def test_repeated_sightings_are_believed_and_a_flash_is_not() -> None:
    times, settings = np.arange(12) / 3, ConfidenceSettings(weight=0.3)
    flash, seen = np.full(12, 0.01), np.full(12, 0.01)
    flash[5] = 0.6
    seen[3:9] = 0.6
    assert temporal_evidence(flash, times, settings)[5] < 0.4
    believed = temporal_evidence(seen, times, settings)
    assert believed[5] > 0.65
    assert believed[[0, 11]].max() < 0.1
    lone = temporal_evidence(flash, times * 1000, settings)
    np.testing.assert_allclose(lone, flash, atol=1e-6)
    assert temporal_evidence(np.zeros(0), np.zeros(0)).shape == (0,)
    sure = temporal_evidence(np.array([0.0, 1.0, 1.0]), np.array([0.0, 0.5, 1.0]))
    assert np.isfinite(sure).all()


def test_rows_follow_their_frame() -> None:
    of_row, firsts = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 2, 5])
    best = frame_best(of_row, firsts, np.array([0.2, 0.9, 0.3, 0.6, 0.6, 0.1]))
    assert best.tolist() == [1, 3, 5]
    assert frame_best(of_row[:0], firsts[:0], np.zeros(0)).tolist() == []
    moved = shift_rows(np.array([0.9, 0.5]), np.array([0.9, 0.9]), np.array([0.5, 0.5]))
    assert moved[0] == pytest.approx(0.5)
    assert moved[1] == pytest.approx(1 / 10)
