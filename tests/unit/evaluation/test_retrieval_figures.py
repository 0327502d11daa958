"""The retrieval figures against libraries that know everything, or nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from seektrack.encoders.temporal import ClipWindow
from seektrack.evaluation import retrieval as figures
from seektrack.evaluation.montage import (
    Montage,
    Seen,
    Shot,
    misspelt,
    pairs_in_order,
    spoiled,
    write_montage,
    write_noisy,
)
from seektrack.evaluation.motion import clip_scores
from seektrack.retrieval import Chain
from seektrack.retrieval.parts import split_parts
from seektrack.types import Hit, Moment
from seektrack.video import open_video


def shot(video: str, number: int, *seen: tuple[str, str, float, bool]) -> Shot:
    return Shot(video, 2.0 * number, 2.0 * number + 2, tuple(Seen(*s) for s in seen))


CAR = ("a red car", "moving left", 80.0, True)
CAR_BACK = ("a red car", "moving right", 80.0, True)
DOG = ("a blue dog", "standing still", 20.0, True)
GLIMPSE = ("a blue dog", "standing still", 20.0, False)
BIRD = ("a green bird", "moving right", 30.0, True)
MONTAGE = Montage(
    Path("."),
    (
        shot("one.mp4", 0, CAR),
        shot("one.mp4", 1, DOG, BIRD),
        shot("one.mp4", 2),
        shot("two.mp4", 0, BIRD),
        shot("two.mp4", 1, CAR_BACK, GLIMPSE),
    ),
)


@dataclass
class Oracle:
    """Answers from the truth; ``blind`` finds nothing small, and of frames alone nothing at all."""

    montage: Montage
    blind: bool = False
    asked: list[str] = field(default_factory=list)

    def belief(self, text: str, one: Shot) -> float:
        names = split_parts(text)
        return float(all(any(self.matches(n, s) for s in one.seen) for n in names))

    @staticmethod
    def matches(name: str, seen: Seen) -> bool:
        words = name.split(" moving ")
        thing = words[0].split()[1:] if len(words) > 1 else words[0].split()
        way = len(words) == 1 or seen.motion.endswith(words[1])
        return way and set(thing) <= set(seen.label.split())

    def hits(self, text: str, *, k: int, min_confidence: float, only: str | None = None) -> list[Hit]:
        self.asked.append(text)
        return [
            Hit(s.video, 0, s.start_s, 0.0, 0.0 if self.blind or only == "frames" else self.belief(text, s))
            for s in self.montage.shots
        ]

    def search(self, text: str, *, k: int) -> list[Moment]:
        found = [h for h in self.hits(text, k=99, min_confidence=0) if h.confidence > 0.5]
        return [Moment(h.video, h.time_s, h.time_s + 2, h, 1.0) for h in found][:k]

    def sequences(self, text: str, *, k: int) -> list[Chain]:
        a, b = (self.search(t, k=9) for t in text.split(" -> "))
        pairs = [(x, y) for x in a for y in b if x.video == y.video and x.start_s < y.start_s]
        return [Chain(x.video, (x, y), 1.0) for x, y in pairs][:k]

    def corrected(self, text: str):
        from seektrack.encoders.spelling import Speller

        return Speller(w for label in ("red car", "blue dog", "green bird") for w in label.split()).correct(
            text
        )


def test_a_library_that_knows_the_truth_scores_full_marks():
    library = Oracle(MONTAGE)
    nouns = figures.nouns(library, MONTAGE)
    assert nouns["noun_queries"] == 3
    assert {nouns[f"noun_{f}"] for f in ("r1", "map", "mrr", "moment_r1", "moment_r5")} == {1.0}
    assert nouns["noun_p5"] == pytest.approx((2 + 1 + 2) / 3 / 5), "the glimpse of the dog counts neither way"
    assert figures.two_objects(library, MONTAGE)["pair_caption_r1"] == 1.0
    motion = figures.motions(library, MONTAGE)
    assert (motion["motion_queries"], motion["motion_r1_frames"]) == (3, 1.0)
    assert motion["motion_r1_by_guessing"] == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    small = figures.small_objects(library, MONTAGE)
    assert (small["small_queries"], small["small_r1_objects"]) == (2, 1.0)
    absent = figures.no_answer(library, MONTAGE)
    assert (absent["no_answer_queries"], absent["false_alarms"]) == (105, 0.0)
    ordered = figures.ordered_pairs(library, MONTAGE, 10)
    assert (ordered["ordered_pairs"], ordered["ordered_r1"]) == (3, 1.0)
    text = figures.noisy_text(library, MONTAGE)
    assert text["typo_r1_corrected"] > text["typo_r1_verbatim"]


def test_a_library_that_finds_nothing_scores_nothing():
    library = Oracle(MONTAGE, blind=True)
    nouns = figures.nouns(library, MONTAGE)
    assert (nouns["noun_moment_r1"], nouns["noun_moment_r5"]) == (0.0, 0.0)
    assert nouns["noun_map"] < 0.8
    assert figures.ordered_pairs(library, MONTAGE, 10)["ordered_r1"] == 0.0


def test_a_library_that_always_answers_raises_every_alarm():
    library = Oracle(MONTAGE)
    library.belief = lambda text, one: 1.0
    assert figures.no_answer(library, MONTAGE)["false_alarms"] == 1.0
    assert figures.nouns(library, MONTAGE)["noun_moment_r1"] < 1.0


def test_pairs_are_in_order_and_only_in_that_order():
    rng = np.random.default_rng(0)
    found = set(pairs_in_order(MONTAGE, rng, 99))
    assert found == {
        ("a red car", "a blue dog"),
        ("a red car", "a green bird"),
        ("a green bird", "a red car"),
    }
    assert len(pairs_in_order(MONTAGE, rng, 2)) == 2


def test_every_longer_word_gets_one_slip():
    rng = np.random.default_rng(0)
    for _ in range(50):
        article, colour, noun = misspelt("a yellow dog", rng).split()
        assert (article, noun) == ("a", "dog")
        assert abs(len(colour) - 6) <= 1
    assert any(misspelt("a yellow dog", rng) != "a yellow dog" for _ in range(5))


def test_footage_shows_what_its_truth_says(tmp_path: Path):
    made = write_montage(tmp_path / "clean", videos=1, shots=3, n_frames=4)
    assert [(s.start_s, s.end_s) for s in made.shots] == [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5)]
    assert made.at("montage-000.mp4", 0.49) == 0
    assert made.at("montage-000.mp4", 0.5) == 1
    assert made.at("montage-000.mp4", 1.5) is None
    assert any(one.seen for one in made.shots)
    written = (tmp_path / "clean/montage-000.mp4").stat().st_mtime_ns
    assert write_montage(tmp_path / "clean", videos=1, shots=3, n_frames=4) == made
    assert (tmp_path / "clean/montage-000.mp4").stat().st_mtime_ns == written, "used again"
    noisy = write_noisy(made, tmp_path / "noisy", videos=1)
    assert noisy.shots == made.shots
    with (
        open_video(tmp_path / "clean/montage-000.mp4") as a,
        open_video(tmp_path / "noisy/montage-000.mp4") as b,
    ):
        first, other = next(iter(a)), next(iter(b))
        assert a.info.n_frames == b.info.n_frames == 12
    assert first.image.shape == other.image.shape
    assert 4 < np.abs(first.image.astype(int) - other.image).mean() < 40


def test_a_poor_camera_keeps_the_colours():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[..., 0] = 200
    out = spoiled(picture, np.random.default_rng(0))
    assert out.shape == picture.shape
    assert abs(float(out[..., 0].mean()) - 200) < 15
    assert float(out[..., 2].mean()) < 40
    assert not math.isclose(float(out.std(axis=(0, 1)).max()), 0.0)


def test_stretches_score_the_shot_their_middle_lies_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A stand-in encoder whose stretches say which second they cover."""

    class Clock:
        def embed_texts(self, texts: list[str]) -> np.ndarray:
            return np.array([[1.0, 0.0], [0.0, 1.0]])

        def embed_video(self, frames: object, *, window_s: float, stride_s: float) -> list[ClipWindow]:
            return [
                ClipWindow(0.0, 0.4, np.array([0.9, 0.1], np.float32)),
                ClipWindow(0.1, 0.5, np.array([0.7, 0.2], np.float32)),
                ClipWindow(0.6, 1.0, np.array([0.3, 0.8], np.float32)),
                ClipWindow(9.0, 9.5, np.array([1.0, 1.0], np.float32)),
            ]

    monkeypatch.setattr("seektrack.encoders.temporal.load_temporal", lambda folder, *, name: Clock())
    made = write_montage(tmp_path, videos=1, shots=2, n_frames=4)
    scores = clip_scores(made, ["left", "right"], tmp_path)
    assert scores["left"] == pytest.approx({0: 0.9, 1: 0.3})
    assert scores["right"] == pytest.approx({0: 0.2, 1: 0.8})
