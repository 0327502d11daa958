from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack.encoders import Vocabulary, l2_normalise
from seektrack.errors import InputError, LibraryMismatchError, QueryError
from seektrack.library import FrameRow, LibraryStore, Where
from seektrack.retrieval import (
    MomentSettings,
    contact_sheet,
    find_moments,
    hits_to_csv,
    hits_to_json,
    moments_to_csv,
    moments_to_json,
    search,
    search_image,
    temporal_iou,
    temporal_nms,
)
from seektrack.retrieval.moments import find_runs
from seektrack.types import Hit, Moment, VideoInfo

DIM = 64
LABELS = tuple(f"a {c} {n}" for c in ("red", "blue", "green") for n in ("car", "dog", "bird"))


class WordEncoder:
    """A text is the sum of its words' random directions; an image carries its text in its first pixel."""

    name, dim, fingerprint, logit_scale, image_size = "words", DIM, "words-1", 30.0, 8
    vocabulary = Vocabulary(LABELS, ("an empty street", "the sky"))

    def __init__(self) -> None:
        self.calls = 0

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        self.calls += 1
        return l2_normalise(np.stack([sum(direction(w) for w in t.split()) for t in texts]))

    def embed_images(self, images: Sequence[np.ndarray], *, batch_size: int = 32) -> np.ndarray:
        return self.embed_texts([LABELS[int(image[0, 0, 0])] for image in images])


@functools.cache
def direction(word: str) -> np.ndarray:
    if word in ("a", "an", "the"):
        return np.zeros(DIM)
    return np.random.default_rng(list(word.encode())).normal(size=DIM)


@pytest.fixture
def encoder() -> WordEncoder:
    return WordEncoder()


@pytest.fixture
def store(tmp_path: Path, encoder: WordEncoder, rng: np.random.Generator) -> LibraryStore:
    """Two videos, 2 frames/s: a red car at 5–8 s of one and 12–14 s of the other, where a blue dog stays."""
    library = LibraryStore.create(tmp_path / "lib", model="words", fingerprint="words-1", dim=DIM)

    def look(text: str) -> np.ndarray:
        return l2_normalise(encoder.embed_texts([text])[0] + 0.04 * rng.normal(size=DIM))

    for name, spans in {"one.mp4": {"a red car": (5, 8)}, "two.mp4": {"a red car": (12, 14)}}.items():
        path = tmp_path / name
        path.write_bytes(name.encode())
        with library.begin_video(path, VideoInfo(str(path), 320, 240, Fraction(30), 20.0, 600)) as handle:
            for i in range(40):
                t = Fraction(i, 2)
                rows = [FrameRow(15 * i, t, look("an empty street"))]
                for text, (a, b) in spans.items():
                    if a <= t <= b:
                        rows.append(FrameRow(15 * i, t, look(text), (10, 10, 60, 50), "object"))
                        rows.append(FrameRow(15 * i, t, look(text), (12, 12, 62, 52), "object"))
                if name == "two.mp4":
                    rows.append(FrameRow(15 * i, t, look("a blue dog"), (200, 100, 250, 160), "object"))
                handle.append(rows)
            handle.finish()
    return library


def test_hits_are_the_right_regions_once_each(store: LibraryStore, encoder: WordEncoder) -> None:
    hits = search(store, encoder, "find a red car", k=50)
    assert {(Path(h.video).name, h.time_s) for h in hits} == {
        *(("one.mp4", t / 2) for t in range(10, 17)),
        *(("two.mp4", t / 2) for t in range(24, 29)),
    }
    assert len(hits) == 12, "two boxes of one object are one hit"
    assert all(h.box in ((10, 10, 60, 50), (12, 12, 62, 52)) for h in hits)
    assert [h.confidence for h in hits] == sorted((h.confidence for h in hits), reverse=True)
    assert min(h.confidence for h in hits) >= 0.5
    assert all(h.score > 0.7 for h in hits)


def test_moments_have_the_right_bounds(store: LibraryStore, encoder: WordEncoder) -> None:
    moments = find_moments(store, encoder, "a red car")
    spans = {Path(m.video).name: (m.start_s, m.end_s) for m in moments}
    assert len(moments) == 2
    assert spans == {"one.mp4": (4.75, 8.25), "two.mp4": (11.75, 14.25)}
    for moment in moments:
        assert moment.start_s <= moment.key.time_s <= moment.end_s
        assert moment.key.box is not None
        assert moment.confidence > 0.9


def test_a_moment_at_both_ends_of_a_video_stays_inside_it(store: LibraryStore, encoder: WordEncoder) -> None:
    (moment,) = find_moments(store, encoder, "a blue dog")
    assert (moment.start_s, moment.end_s) == (0.0, 20.0)


@pytest.mark.parametrize("text", ["a car", "something red", "red"])
def test_a_kind_is_found_by_what_is_known_of_it(store: LibraryStore, encoder: WordEncoder, text: str) -> None:
    assert {Path(m.video).name for m in find_moments(store, encoder, text)} == {"one.mp4", "two.mp4"}


@pytest.mark.parametrize("text", ["a green bird", "a blue car", "a zebra", "a person riding a horse"])
def test_a_query_that_matches_nothing_finds_nothing(
    store: LibraryStore, encoder: WordEncoder, text: str
) -> None:
    assert search(store, encoder, text) == []
    assert find_moments(store, encoder, text) == []
    assert len(search(store, encoder, text, k=3, where=Where(min_confidence=0))) == 3


def test_filters(store: LibraryStore, encoder: WordEncoder, tmp_path: Path) -> None:
    one = str(tmp_path / "one.mp4")
    assert {h.video for h in search(store, encoder, "a red car", where=Where(video=one))} == {one}
    inside = search(store, encoder, "a red car", where=Where(start_s=6, end_s=7))
    assert {h.time_s for h in inside} == {6.0, 6.5}
    for ask in (search, find_moments):
        with pytest.raises(InputError, match="holds no video"):
            ask(store, encoder, "a red car", where=Where(video="elsewhere.mp4"))


def test_a_shortlist_gives_the_same_answer(
    store: LibraryStore, encoder: WordEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = find_moments(store, encoder, "a red car")
    monkeypatch.setattr("seektrack.retrieval.shortlist.SHORTLIST", 30)
    short = find_moments(store, encoder, "a red car")
    assert [(m.video, m.start_s, m.end_s, m.key.frame_index) for m in short] == [
        (m.video, m.start_s, m.end_s, m.key.frame_index) for m in exact
    ]


def test_contrast_texts_are_embedded_once_per_library(store: LibraryStore, encoder: WordEncoder) -> None:
    search(store, encoder, "a red car")
    before = encoder.calls
    search(store, encoder, "a blue dog")
    assert encoder.calls == before + 1


def test_search_by_image(store: LibraryStore, encoder: WordEncoder) -> None:
    image = np.full((8, 8, 3), LABELS.index("a blue dog"), dtype=np.uint8)
    hits = search_image(store, encoder, image, k=5)
    assert len(hits) == 5
    assert {h.box for h in hits} == {(200, 100, 250, 160)}
    assert all(0.5 <= h.confidence <= 1 for h in hits)
    assert search_image(store, encoder, image, where=Where(min_score=0.9999)) == []
    unlike = np.full((8, 8, 3), LABELS.index("a green bird"), dtype=np.uint8)
    assert search_image(store, encoder, unlike, k=5) == []
    assert len(search_image(store, encoder, unlike, k=5, where=Where(min_confidence=0))) == 5


def test_bad_questions(store: LibraryStore, encoder: WordEncoder) -> None:
    with pytest.raises(QueryError, match="no words"):
        search(store, encoder, "  ?! ")
    with pytest.raises(InputError, match="k must be"):
        find_moments(store, encoder, "a red car", k=0)
    other = WordEncoder()
    other.fingerprint = "words-2"  # type: ignore[misc]
    with pytest.raises(LibraryMismatchError):
        search(store, other, "a red car")


def test_an_empty_library_finds_nothing(tmp_path: Path, encoder: WordEncoder) -> None:
    empty = LibraryStore.create(tmp_path / "empty", model="words", fingerprint="words-1", dim=DIM)
    assert search(empty, encoder, "a red car") == []
    assert find_moments(empty, encoder, "a red car") == []


def test_runs_join_small_gaps_and_need_one_sure_frame() -> None:
    belief = np.array([0.1, 0.8, 0.1, 0.9, 0.1, 0.1, 0.1, 0.4, 0.1, 0.95])
    times = np.arange(10.0)
    assert find_runs(belief, times, enter=0.5, stay=0.3, max_gap_s=2) == [(1, 3), (7, 9)]
    assert find_runs(belief, times, enter=0.5, stay=0.3, max_gap_s=1) == [(1, 1), (3, 3), (9, 9)]
    assert find_runs(belief, times, enter=0.99, stay=0.3, max_gap_s=2) == []
    assert find_runs(belief[:1], times[:1], enter=0.5, stay=0.3, max_gap_s=2) == []


def moment(start: float, end: float, confidence: float, video: str = "v") -> Moment:
    return Moment(video, start, end, Hit(video, 0, start, 0.5, confidence), confidence)


def test_temporal_nms_keeps_the_best_of_each_place() -> None:
    a, b, c = moment(0, 10, 0.6), moment(1, 10, 0.9), moment(20, 30, 0.5)
    assert temporal_iou(a, b) == pytest.approx(0.9)
    assert temporal_iou(a, c) == 0
    assert temporal_nms([a, b, c]) == [b, c]
    assert temporal_nms([a, moment(0, 10, 0.9, "w")]) == [moment(0, 10, 0.9, "w"), a]
    assert temporal_nms([a, b], max_overlap=0.95) == [b, a]


def test_the_threshold_follows_the_query(store: LibraryStore, encoder: WordEncoder) -> None:
    assert find_moments(store, encoder, "a red car", settings=MomentSettings(min_confidence=1.1)) == []


def test_json_and_csv_say_the_same() -> None:
    hits = [Hit('a, "b".mp4', 3, 0.1, 0.25, 0.9, (1, 2, 3.5, 4)), Hit("ü.mp4", 4, 1 / 3, 0.2, 0.8)]
    found = json.loads(hits_to_json(hits, query="rød"))
    assert found["query"] == "rød"
    assert found["hits"][0]["box"] == [1, 2, 3.5, 4]
    assert found["hits"][1]["box"] is None
    lines = list(csv.DictReader(io.StringIO(hits_to_csv(hits))))
    assert [line["video"] for line in lines] == [h.video for h in hits]
    assert float(lines[1]["time_s"]) == found["hits"][1]["time_s"]
    assert [lines[0]["x1"], lines[1]["x1"]] == ["3.5", ""]

    moments = [Moment("ü.mp4", 0, 2.5, hits[0], 0.9)]
    (as_json,) = json.loads(moments_to_json(moments))["moments"]
    (as_csv,) = csv.DictReader(io.StringIO(moments_to_csv(moments)))
    assert as_json["end_s"] == float(as_csv["end_s"]) == 2.5
    assert as_json["key"]["frame_index"] == int(as_csv["key_frame_index"]) == 3
    assert float(as_csv["y1"]) == 4


def test_contact_sheet_holds_every_picture() -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    shapes = [(40, 80), (100, 20), (1, 1)]
    images = [np.full((*hw, 3), c, dtype=np.uint8) for hw, c in zip(shapes, colours, strict=True)]
    sheet = contact_sheet(images, ["one", "two " * 50, ""], columns=2, cell=(60, 90))
    for colour in colours:
        assert (sheet == colour).all(axis=2).sum() > 500
    assert sheet.shape == (8 + 2 * (60 + 22 + 8), 8 + 2 * (90 + 8), 3)
    left, right = sheet[:, :98], sheet[:, 98:]
    assert (left[68:88] > 150).any(), "a caption below the first picture"
    assert (right == colours[1]).all(axis=2).any()
    with pytest.raises(InputError, match="one caption each"):
        contact_sheet(images, ["one"])
