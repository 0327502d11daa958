"""Texts with their own intervals laid along a video."""

from __future__ import annotations

from pathlib import Path

import pytest

from seektrack.errors import InputError, QueryError
from seektrack.retrieval import FrameScorer, TimedText, align_texts, read_srt

SHOWN = {"a red car": [(3, 6)], "a blue dog": [(8, 10)], "a green bird": [(15, 17)]}


@pytest.fixture
def scorer(make_library, sums):
    return FrameScorer(make_library({"film.mp4": SHOWN}), sums)


def test_each_text_finds_its_place_though_the_clocks_differ(scorer, tmp_path: Path):
    script = [TimedText("a red car", 0, 3), TimedText("a blue dog", 5, 7), TimedText("a green bird", 9, 11)]
    moments = align_texts(scorer, script, str(tmp_path / "film.mp4"))
    assert [(m.start_s, m.end_s) for m in moments] == [(3.0, 6.0), (8.0, 10.0), (15.0, 17.0)]
    assert all(m.confidence > 0.9 for m in moments)
    assert [m.key.box is not None for m in moments] == [True] * 3


def test_a_text_that_shows_nowhere_is_placed_by_its_neighbours_and_little_believed(scorer, tmp_path: Path):
    script = [TimedText("a red car", 0, 3), TimedText("a green dog", 3.5, 4.5), TimedText("a blue dog", 5, 7)]
    car, missing, dog = align_texts(scorer, script, str(tmp_path / "film.mp4"))
    assert (car.start_s, dog.start_s) == (3.0, 8.0)
    assert car.end_s - 0.5 <= missing.start_s <= dog.start_s
    assert missing.confidence < 0.2


def test_the_order_is_kept_against_the_evidence(scorer, tmp_path: Path):
    script = [TimedText("a green bird", 0, 2), TimedText("a red car", 2, 4)]
    moments = align_texts(scorer, script, str(tmp_path / "film.mp4"))
    assert moments[0].start_s < moments[1].start_s
    assert min(m.confidence for m in moments) < 0.2 < max(m.confidence for m in moments)


def test_more_text_than_video_still_comes_to_an_end(scorer, tmp_path: Path):
    script = [TimedText("a red car", 10.0 * i, 10.0 * i + 10) for i in range(5)]
    moments = align_texts(scorer, script, str(tmp_path / "film.mp4"))
    assert [m.start_s for m in moments] == sorted(m.start_s for m in moments)
    assert max(m.end_s for m in moments) <= 20.0


def test_subtitles_are_read():
    text = (
        "\ufeff1\r\n00:00:01,500 --> 00:00:03,000\r\n<i>a red car</i>\r\ndrives\r\n\r\n"
        "2\n01:00:00.250 --> 01:00:02.0\na dog\n"
    )
    assert read_srt(text) == [TimedText("a red car drives", 1.5, 3.0), TimedText("a dog", 3600.25, 3602.0)]
    with pytest.raises(QueryError, match="no timed text"):
        read_srt("hello")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "no texts"),
        ([TimedText("a", 2, 1)], "ends before it begins"),
        ([TimedText("a", 2, 3), TimedText("b", 1, 2)], "begins before"),
    ],
)
def test_impossible_scripts_are_refused(texts, message: str, scorer, tmp_path: Path):
    with pytest.raises(QueryError, match=message):
        align_texts(scorer, texts, str(tmp_path / "film.mp4"))
    with pytest.raises(InputError, match="holds nothing of"):
        align_texts(scorer, [TimedText("a red car", 0, 1)], str(tmp_path / "other.mp4"))
