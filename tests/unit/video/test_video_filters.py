"""Filters against pictures whose clean version the test drew."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.types import Frame
from seektrack.video import open_video
from seektrack.video.filtered import FilteredSource
from seektrack.video.filters import (
    between,
    clahe,
    denoise_bilateral,
    denoise_gaussian,
    denoise_nlm,
    interpolated,
    parse_filter,
)


def disc(x: float, y: float = 40.0) -> NDArray[np.uint8]:
    """A textured disc on a textured ground, drawn at any position."""
    v, u = np.mgrid[:80, :120].astype(float)
    ground = 90 + 30 * np.sin(u / 5) * np.cos(v / 6)
    own = 170 + 50 * np.sin((u - x) / 3) * np.cos((v - y) / 4)
    inside = np.clip(15.5 - np.hypot(u - x, v - y), 0, 1)
    grey = ground * (1 - inside) + own * inside
    return np.repeat(grey.round().astype(np.uint8)[..., None], 3, axis=-1)


@pytest.mark.parametrize("how", [denoise_gaussian, denoise_bilateral, denoise_nlm])
def test_denoising_brings_a_picture_nearer_to_the_clean_one(how, rng: np.random.Generator) -> None:
    clean = np.full((60, 80, 3), 60, np.uint8)
    clean[:, 40:] = 190
    noisy = (clean + rng.normal(0, 8, clean.shape)).clip(0, 255).astype(np.uint8)
    done = how(noisy)
    assert done.shape == clean.shape and done.dtype == np.uint8
    away = [np.abs(x[:, 5:35].astype(float) - 60).mean() for x in (noisy, done)]
    assert away[1] < 0.6 * away[0]
    if how is not denoise_gaussian:
        edge = done[:, 38:42].astype(float).mean((0, 2))
        assert edge[1] < 75 and edge[2] > 175, "the edge was softened"


def test_clahe_raises_contrast_where_there_is_little_and_keeps_colours() -> None:
    v, u = np.mgrid[:128, :128]
    waves = 120 + 5 * np.sin(u / 6) * np.sin(v / 7)
    hazy = np.stack([waves + 14, waves, waves], axis=-1).astype(np.uint8)
    done = clahe(hazy, limit=4).astype(float)
    assert done.std(axis=(0, 1)).mean() > 2 * hazy.astype(float).std(axis=(0, 1)).mean()
    assert 7 < (done[..., 0] - done[..., 1]).mean() < 21, "still as red"


def test_frames_between_lie_where_the_thing_was(rng: np.random.Generator) -> None:
    truth = disc(52.0)
    [moved] = between(disc(50.0), disc(54.0), [0.5])
    mixed = ((disc(50.0).astype(int) + disc(54.0)) // 2).astype(np.uint8)
    around = np.s_[20:60, 30:75]
    errors = [np.abs(x[around].astype(int) - truth[around]).mean() for x in (moved, mixed)]
    assert errors[0] < 0.6 * errors[1]
    same = disc(50.0)
    assert np.array_equal(between(same, same, [0.3])[0], same)


def test_interpolation_keeps_every_frame_and_even_times() -> None:
    frames = [Frame(i, Fraction(t, 30), disc(50 + 3 * i)) for i, t in enumerate((0, 4, 6))]
    out = list(interpolated(frames, factor=4))
    assert [f.index for f in out] == list(range(9))
    assert [f.timestamp * 30 for f in out] == [0, 1, 2, 3, 4, Fraction(9, 2), 5, Fraction(11, 2), 6]
    for kept, frame in zip(out[::4], frames, strict=True):
        assert np.array_equal(kept.image, frame.image)
    assert len(list(interpolated(frames, factor=1))) == 3
    assert list(interpolated([], factor=3)) == []


def test_filters_by_name_are_those_functions_in_order() -> None:
    image = disc(40.0)
    named = parse_filter("gaussian=2, clahe")
    assert parse_filter(str(named)) == named
    assert np.array_equal(named(image), clahe(denoise_gaussian(image, sigma=2.0)))
    [frame] = FilteredSource(open_video([image]), named)
    assert np.array_equal(frame.image, named(image))


@pytest.mark.parametrize(
    "text", ["", "sharpen", "nlm=", "nlm=x", "clahe=0", "gaussian=-1", "nlm=inf", "gaussian,,clahe"]
)
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_filter(text)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(InputError, match="uint8"):
        denoise_gaussian(np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match="one size"):
        between(disc(1.0), disc(1.0)[:40], [0.5])
    with pytest.raises(InputError, match="factor"):
        interpolated([], factor=0)
