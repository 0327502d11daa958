"""Queries that say something happens: taken apart, asked of stretches, joined with what frames show."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack.encoders import l2_normalise
from seektrack.encoders.temporal_clips import ClipWindow
from seektrack.errors import InputError, LibraryMismatchError
from seektrack.library import LibraryStore, Where
from seektrack.library.clips import ClipModel, ClipShelf
from seektrack.query import read
from seektrack.retrieval import FrameScorer, MotionScorer, find_moments, find_sequences, parse_motion, search
from seektrack.types import VideoInfo
from seektrack.world import phrases
from seektrack.world.languages import LANGUAGES, noun_phrase

DIM = 32
RED_CAR, BLUE_DOG = ("car", "red"), ("dog", "blue")
SAID = ("still", "left", "right", "up", "down", "approaching", "receding")
HAPPENS = ("appears", "leaves", "returns", "stops", "starts")


class Happenings:
    """A text is worth its verbs, the second heard apart from the first; without any it is apart from all."""

    name, fingerprint, logit_scale = "happenings", "happenings-1", 20.0

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self.of(*(w for w in t.replace(",", "").split() if w in VERBS)) for t in texts])

    @staticmethod
    def of(*verbs: str) -> np.ndarray:
        row = np.zeros(DIM)
        row[[VERBS.index(verb) + i * len(VERBS) for i, verb in enumerate(verbs)] or [DIM - 1]] = 1
        return l2_normalise(row)


def clip(*verbs: str) -> np.ndarray:
    """A stretch in which this happens; whoever says another thing of it is worse than who says nothing."""
    return l2_normalise(Happenings.of(*verbs) + 0.4 * Happenings.of())


VERBS = ("left", "right", "still", "appears", "leaves", "returns", "stops", "starts")


@pytest.fixture
def store(make_library) -> LibraryStore:
    """A red car that moves left at first and right later, beside a blue dog that leaves late."""
    library = make_library({"one.mp4": {"a red car": [(0, 20)], "a blue dog": [(8, 20)]}, "two.mp4": {}})
    shelf = ClipShelf(library)
    shelf.use(ClipModel("happenings", "happenings-1", DIM))
    one, two = (v.path for v in library.videos())
    does = {0: "left", 2: "left", 4: "still", 6: "still", 8: "right", 10: "right", 16: "leaves"}
    made = [ClipWindow(float(t), t + 1.75, clip(verb)) for t, verb in does.items()]
    shelf.put(one, made, "test")
    shelf.put(two, [ClipWindow(0.0, 1.75, clip("right"))], "test")
    return library


@pytest.fixture
def motion(store: LibraryStore) -> MotionScorer:
    return MotionScorer(store, Happenings)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("what", SAID + HAPPENS)
def test_what_the_world_says_is_taken_apart_in_four_languages(language: str, what: str):
    saying = phrases.moving if what in SAID else phrases.happening
    read = parse_motion(saying(RED_CAR, what, language))
    assert read is not None
    assert read.things == (noun_phrase(*RED_CAR, language),)
    assert read.against[-1] == read.things[0]
    assert read.text not in read.against


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("a red car that is moving to the left", ("a red car",)),
        ("a car driving right -night", ("a car",)),
        ("a (red:1.5) car leaves", ("a red car",)),
        ("a parked red car", ("a red car",)),
        ("a dog comes into view.", ("a dog",)),
        ("a red car and a blue dog moving right", ("a red car and a blue dog",)),
        ("a red car appears, then a blue dog leaves", ("a red car", "a blue dog")),
        ("a red car stops and then a blue dog returns", ("a red car", "a blue dog")),
        ("a car stops, then the car starts moving", ("a car",)),
    ],
)
def test_people_word_it_as_they_like(text: str, things: tuple[str, ...]):
    read = parse_motion(text)
    assert read is not None and read.things == things


@pytest.mark.parametrize(
    "text",
    [
        "a running dog",
        "a left shoe",
        "a house on the right",
        "leaves on a tree",
        "a car",
        "two bus stops",
        "autumn leaves",
    ],
)
def test_what_a_picture_can_show_is_left_to_frames(text: str):
    assert parse_motion(text) is None


def test_the_reverse_of_an_order_stands_against_it():
    read = parse_motion("a red car appears, then a blue dog leaves")
    assert read is not None
    assert read.against[0] == "a blue dog leaves, then a red car appears"


def test_hits_are_where_the_thing_is_and_does_it(store, sums, motion):
    plain = search(store, sums, "a red car", k=99)
    left = search(store, sums, "a red car moving left", k=99, motion=motion)
    right = search(store, sums, "a red car moving right", k=99, motion=motion)
    assert {h.time_s for h in plain} == {i / 2 for i in range(40)}
    assert left and {h.time_s for h in left} <= {i / 2 for i in range(8)}
    assert right and all(8 <= h.time_s < 12 and h.video.endswith("one.mp4") for h in right)
    assert max(h.confidence for h in left) <= max(h.confidence for h in plain)


def test_moments_end_with_what_happens_and_the_reverse_finds_nothing(store, sums, motion):
    (found,) = find_moments(store, sums, "a red car moving left", motion=motion)
    assert found.start_s == 0 and 3.5 <= found.end_s <= 4.5
    assert find_moments(store, sums, "a blue dog moving left", motion=motion) == []
    (late,) = find_moments(store, sums, "a blue dog leaves", motion=motion)
    assert 15 < late.start_s < late.end_s < 19
    assert find_moments(store, sums, "a blue dog returns", motion=motion) == []


def test_without_clips_frames_answer_alone(store, sums, motion):
    same = [search(store, sums, "a red car", motion=m) for m in (None, motion)]
    assert same[0] == same[1], "nothing that happens is asked"


def test_an_order_of_events_needs_both_things_in_the_stretch(store, sums, motion):
    shelf = ClipShelf(store)
    one = store.videos()[0].path
    both = clip("appears", "leaves")
    shelf.put(one, [ClipWindow(2.0, 4.0, both), ClipWindow(12.0, 14.0, both)], "test")
    asked = "a red car appears, then a blue dog leaves"
    found = search(store, sums, asked, k=99, motion=motion)
    assert found and all(12 <= h.time_s <= 14 for h in found), "no dog shows at 2 to 4 s"
    assert search(store, sums, "a blue dog leaves, then a red car appears", k=99, motion=motion) == []


def test_steps_of_a_sequence_may_move(store, sums, motion):
    scorer = FrameScorer(store, sums, motion=motion)
    (chain, *_) = find_sequences(scorer, "a red car moving left -> a red car moving right")
    assert chain.moments[0].end_s <= 4.5 and 7.5 <= chain.moments[1].start_s <= 8.5
    assert find_sequences(scorer, "a red car moving right -> a red car moving left") == []


def test_a_filter_holds_for_stretches_too(store, sums, motion):
    assert search(store, sums, "a red car moving left", where=Where(start_s=8), motion=motion) == []
    rows = ClipShelf(store).rows(Where(start_s=5.0, end_s=9.0))
    assert rows.starts.tolist() == [4.0, 6.0, 8.0]


def test_a_stretch_without_a_frame_takes_the_one_before(store, sums, motion):
    shelf = ClipShelf(store)
    one = store.videos()[0].path
    shelf.put(one, [ClipWindow(4.1, 4.3, clip("left"))], "test")
    found = search(store, sums, "a red car moving left", k=9, motion=motion)
    assert {h.time_s for h in found} == {4.0}


def test_a_translated_query_is_read_in_translation(store, sums, motion):
    def translate(texts: Sequence[str]) -> list[str]:
        return ["a red car moving left" if t == "punainen auto" else t for t in texts]

    found = search(store, sums, read("punainen auto", translate=translate), k=99, motion=motion)
    assert found and all(h.time_s < 4 for h in found)


def test_stretches_of_another_encoder_are_refused_when_asked(store, sums):
    class Other(Happenings):
        fingerprint = "happenings-2"

    other = MotionScorer(store, Other)
    assert search(store, sums, "a red car", motion=other), "nobody asked"
    with pytest.raises(LibraryMismatchError, match="happenings"):
        search(store, sums, "a red car leaves", motion=other)


def test_the_shelf_keeps_what_it_is_given(store: LibraryStore, tmp_path: Path):
    shelf = ClipShelf(store)
    one, two = (v.path for v in store.videos())
    assert shelf.model() == ClipModel("happenings", "happenings-1", DIM)
    assert (shelf.settings_of(one), len(shelf.rows()), len(shelf.rows(Where(video=two)))) == ("test", 8, 1)
    with pytest.raises(InputError, match="finite"):
        shelf.put(one, [ClipWindow(0, 1, np.zeros(3, np.float32))], "test")
    with pytest.raises(InputError, match="no video"):
        shelf.put(tmp_path / "none.mp4", [], "test")
    assert len(shelf.rows()) == 8, "a refused one leaves what was there"
    with LibraryStore.open(store.path, readonly=True) as other:
        assert len(ClipShelf(other).rows()) == 8


def test_stretches_go_with_their_video_and_with_their_encoder(store: LibraryStore):
    shelf = ClipShelf(store)
    one, two = (v.path for v in store.videos())
    store.remove(one)
    assert len(shelf.rows()) == 1
    film = VideoInfo(two, 320, 240, Fraction(30), 20.0, 600)
    with store.begin_video(two, film, settings="other"):
        assert len(shelf.rows()) == 1, "what is served stays"
    Path(two).write_bytes(b"another film")
    with store.begin_video(two, film, settings="other") as handle:
        handle.finish()
    assert shelf.settings_of(two) is None and len(shelf.rows()) == 0, "of another film"
    shelf.use(ClipModel("better", "better-1", 8))
    assert (shelf.model(), len(shelf.rows())) == (ClipModel("better", "better-1", 8), 0)
    shelf.forget()
    assert shelf.model() is None


def test_a_library_that_keeps_none_says_so(make_library):
    library = make_library({"one.mp4": {}})
    shelf = ClipShelf(library)
    assert (shelf.model(), len(shelf.rows()), shelf.settings_of(library.videos()[0].path)) == (None, 0, None)
    with pytest.raises(InputError, match="keeps no stretches"):
        shelf.put(library.videos()[0].path, [], "test")
    shelf.forget()
