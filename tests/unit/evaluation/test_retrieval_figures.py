"""The retrieval figures against libraries that know everything, or nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

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
from seektrack.evaluation.motion import doubtful_shots, right_shots
from seektrack.evaluation.noise import FRAME_NOISE, TEXT_NOISE, noisy_text, spoil, text_figures
from seektrack.query import read
from seektrack.retrieval import Chain, parse_motion
from seektrack.types import Hit, Moment
from seektrack.video import open_video


def shot(video: str, number: int, *seen: tuple[str, str, float, bool], happens: tuple[str, ...] = ()) -> Shot:
    ways = [f"a {s[0].split()[-1]} {s[1]}" for s in seen]
    return Shot(video, 2.0 * number, 2.0 * number + 2, tuple(Seen(*s) for s in seen), (*ways, *happens))


CAR = ("a red car", "moving left", 80.0, True)
CAR_BACK = ("a red car", "moving right", 80.0, True)
DOG = ("a blue dog", "standing still", 20.0, True)
GLIMPSE = ("a blue dog", "standing still", 20.0, False)
BIRD = ("a green bird", "moving right", 30.0, True)
MONTAGE = Montage(
    Path("."),
    (
        shot("one.mp4", 0, CAR, happens=("a car leaves",)),
        shot("one.mp4", 1, DOG, BIRD, happens=("a blue dog appears, then a green bird leaves",)),
        shot("one.mp4", 2),
        shot("two.mp4", 0, BIRD),
        shot("two.mp4", 1, CAR_BACK, GLIMPSE),
    ),
)


@dataclass
class Oracle:
    """Answers from the truth; ``blind`` finds nothing small, and of frames alone nothing at all.

    Without ``motion`` it knows what shows, not what happens.
    """

    montage: Montage
    blind: bool = False
    asked: list[str] = field(default_factory=list)

    def belief(self, text: str, one: Shot, motion: bool = True) -> float:
        asked = parse_motion(text)
        if asked is not None and motion:
            return float(text in one.happens)
        names = [c.text for c in read(text).concepts] if asked is None else asked.things
        return float(all(any(set(n.split()) <= set(s.label.split()) for s in one.seen) for n in names))

    def hits(
        self, text: str, *, k: int, min_confidence: float, only: str | None = None, motion: bool = True
    ) -> list[Hit]:
        self.asked.append(text)
        nothing = self.blind or only == "frames"
        return [
            Hit(s.video, 0, s.start_s, 0.0, 0.0 if nothing else self.belief(text, s, motion))
            for s in self.montage.shots
        ]

    def search(self, text: str, *, k: int, motion: bool = True) -> list[Moment]:
        found = [h for h in self.hits(text, k=99, min_confidence=0, motion=motion) if h.confidence > 0.5]
        return [Moment(h.video, h.time_s, h.time_s + 2, h, 1.0) for h in found][:k]

    def sequences(self, text: str, *, k: int) -> list[Chain]:
        a, b = (self.search(t, k=9) for t in text.split(" -> "))
        pairs = [(x, y) for x in a for y in b if x.video == y.video and x.start_s < y.start_s]
        return [Chain.of((x, y), 1.0) for x, y in pairs][:k]

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
    small = figures.small_objects(library, MONTAGE)
    assert (small["small_queries"], small["small_r1_objects"]) == (2, 1.0)
    absent = figures.no_answer(library, MONTAGE)
    assert (absent["no_answer_queries"], absent["false_alarms"]) == (105, 0.0)
    ordered = figures.ordered_pairs(library, MONTAGE, 10)
    assert (ordered["ordered_pairs"], ordered["ordered_r1"]) == (3, 1.0)
    text = figures.noisy_text(library, MONTAGE)
    assert text["typo_r1_corrected"] > text["typo_r1_verbatim"]


def test_what_happens_is_found_by_clips_and_guessed_by_frames():
    motion = figures.motions(Oracle(MONTAGE), MONTAGE)
    assert [motion[f"{kind}_queries"] for kind in ("motion", "event", "order")] == [3, 1, 1]
    assert [motion[f"{kind}_r1_temporal"] for kind in ("motion", "event", "order")] == [1, 1, 1]
    assert [motion[f"{kind}_moment_r1_temporal"] for kind in ("motion", "event", "order")] == [1, 1, 1]
    # The car moves left in one shot and right in another, the bird right in both of its own.
    assert motion["motion_r1_by_guessing"] == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    assert motion["motion_r1_frames"] == pytest.approx(2 / 3), (
        "the first of the car's two shots is right once"
    )
    # "a bird moving left", "a car appears": true nowhere, and the things are there.
    assert motion["reverse_queries"] == 2
    assert (motion["reverse_alarms_temporal"], motion["reverse_alarms_frames"]) == (0, 1)


def test_what_is_not_clear_counts_neither_way():
    left = "a car moving left"
    hidden = shot("x.mp4", 0, ("a red car", "moving left", 9.0, False))
    silent = Shot("x.mp4", 2.0, 4.0, (Seen("a red car", "moving left", 80.0, True),), ())
    other = shot("x.mp4", 2, CAR_BACK)
    montage = Montage(Path("."), (hidden, silent, other, shot("x.mp4", 3, CAR)))
    assert right_shots(montage, left) == {3}
    assert doubtful_shots(montage, left) == {0, 1}
    assert doubtful_shots(montage, "a car leaves") == set(), "it is known of every shot whether it leaves"


def test_a_library_that_finds_nothing_scores_nothing():
    library = Oracle(MONTAGE, blind=True)
    nouns = figures.nouns(library, MONTAGE)
    assert (nouns["noun_moment_r1"], nouns["noun_moment_r5"]) == (0.0, 0.0)
    assert nouns["noun_map"] < 0.8
    assert figures.ordered_pairs(library, MONTAGE, 10)["ordered_r1"] == 0.0


def test_a_library_that_always_answers_raises_every_alarm():
    library = Oracle(MONTAGE)
    library.belief = lambda text, one, motion: 1.0
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


@pytest.mark.parametrize("kind", FRAME_NOISE)
def test_strong_noise_of_frames_is_worse_than_light(kind: str):
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (64, 96, 3), dtype=np.uint8), (0, 0), 2)
    off = [
        np.abs(spoil(picture, np.random.default_rng(1), kind=kind, amount=a).astype(int) - picture).mean()
        for a in FRAME_NOISE[kind].values()
    ]
    assert off == [0, 0] if kind == "h264" else 0.3 < off[0] < off[1], "the codec does its part when written"
    strongest = spoil(picture, rng, kind=kind, amount=FRAME_NOISE[kind]["strong"])
    assert (strongest.shape, strongest.dtype) == (picture.shape, np.uint8)


def test_jpeg_keeps_red_red():
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[..., 0] = 200
    out = spoil(picture, np.random.default_rng(0), kind="jpeg", amount=8)
    assert out[..., 0].mean() > 150 > 60 > out[..., 2].mean()


def test_a_stronger_codec_loses_more(tmp_path: Path):
    made = write_montage(tmp_path / "clean", videos=1, shots=1, n_frames=4)
    sizes = []
    for crf in (33, 43):
        write_noisy(made, tmp_path / str(crf), videos=1, spoil=lambda image, rng: image, crf=crf)
        sizes.append((tmp_path / str(crf) / "montage-000.mp4").stat().st_size)
    assert (tmp_path / "clean/montage-000.mp4").stat().st_size > sizes[0] > sizes[1]


@pytest.mark.parametrize(
    ("kind", "strength", "expected"),
    [
        ("case", "light", "A YELLOW DOG"),
        ("filler", "strong", "a yellow dog"),
        ("punctuation", "strong", "a, yellow, dog"),
    ],
)
def test_noisy_texts_say_the_same(kind: str, strength: str, expected: str):
    typed = noisy_text("a yellow dog", kind, strength, np.random.default_rng(0))
    assert expected in typed and typed != "a yellow dog"


def test_letters_go_missing_from_longer_words_only():
    rng = np.random.default_rng(0)
    for strength, length in (("light", 5), ("strong", 4)):
        article, colour, noun = noisy_text("a yellow dog", "missing", strength, rng).split()
        assert (article, len(colour), noun) == ("a", length, "dog")


def test_every_kind_of_text_noise_has_its_figures():
    found = text_figures(Oracle(MONTAGE), MONTAGE)
    assert found["text_clean"] == 1.0
    assert set(found) == {"text_clean"} | {
        f"text_{kind}_{strength}{how}"
        for kind, strengths in TEXT_NOISE.items()
        for strength in strengths
        for how in ("", "_corrected")
    }
    assert found["text_slips_light_corrected"] > found["text_slips_light"]
