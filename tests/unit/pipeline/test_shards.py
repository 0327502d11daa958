"""Several libraries asked as one answer as one library of all their videos would."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack.cli import main
from seektrack.encoders import Calibration, Vocabulary, l2_normalise, register_encoder
from seektrack.errors import InputError, LibraryError, LibraryMismatchError
from seektrack.library import FrameRow, LibraryStore
from seektrack.pipeline import Library, Shards
from seektrack.types import VideoInfo

COLOURS = {"red": (1.0, 0, 0), "green": (0, 1.0, 0), "blue": (0, 0, 1.0)}


class Colours:
    """A text is the colours it names, a picture its mean colour; calibrated by itself."""

    name, dim, fingerprint, logit_scale, image_size = "shades", 5, "shades-1", 9.0, 8
    vocabulary = Vocabulary(tuple(f"a {c} thing" for c in COLOURS), ("a wall",))
    calibration = Calibration(min_confidence=0.6)

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        named = [[COLOURS[w] for w in t.lower().split() if w in COLOURS] for t in texts]
        other = [not found and "wall" not in t for t, found in zip(texts, named, strict=True)]
        rows = [[*np.sum([(0, 0, 0), *n], axis=0), 0.1, 2.0 * o] for n, o in zip(named, other, strict=True)]
        return l2_normalise(np.array(rows))

    def embed_images(self, images: Sequence[np.ndarray], *, batch_size: int = 32) -> np.ndarray:
        return l2_normalise(np.array([[*(image.mean(axis=(0, 1)) / 255), 0.1, 0] for image in images]))


def make(*, device: str | None, dtype: str | None) -> Colours:
    return Colours()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, list[Path]]:
    """One library of seven videos, and three that hold two or three of them each."""
    register_encoder("shades")(make)
    rng = np.random.default_rng(3)
    whole, shards = tmp_path / "whole", [tmp_path / f"shard{i}" for i in range(3)]
    for n in range(7):
        path = tmp_path / f"{n}.mp4"
        path.write_bytes(bytes([n]) * 9)
        frames = []
        for i in range(24):
            hue = COLOURS[["red", "green", "blue"][(n + i // 8) % 3]]
            # How clearly a colour shows swells and ebbs, less in some videos: moments end where it fades.
            much = (0.33 + 0.3 * (n % 3)) * np.sin(np.pi * (i % 8 + 0.5) / 8) + 0.02 * rng.random()
            v = l2_normalise(np.array([[*(np.array(hue) * much), 0.4 - 0.3 * much, 0.1]]))[0]
            rows = [FrameRow(10 * i, Fraction(i, 2), v)]
            if i % 3 == 0:
                rows.append(FrameRow(10 * i, Fraction(i, 2), v, (4 + i, 4, 20 + i, 20), "object"))
            frames.append(rows)
        for folder in (whole, shards[n % 3]):
            with LibraryStore.open_or_create(folder, model="shades", fingerprint="shades-1", dim=5) as store:
                info = VideoInfo(str(path), 64, 48, Fraction(20), 12.0, 240)
                with store.begin_video(path, info) as handle:
                    for rows in frames:
                        handle.append(rows)
                    handle.finish()
    return whole, shards


@pytest.mark.parametrize("k", [1, 4, 50])
@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("red", {}),
        ("red; a green thing", {}),
        ("green", {"per_video": 1}),
        ("blue", {"start_s": 3.0, "end_s": 9.0}),
        ("red", {"only": "objects"}),
        ("red -> green", {}),
        ("red", {"min_confidence": 0.3}),
    ],
)
def test_moments_and_hits_are_those_of_one_library(folders, text: str, how: dict, k: int) -> None:
    whole, shards = folders
    with Library(whole, model="shades") as one, Shards(shards, model="shades") as many:
        expected = one.search(text, k=k, **how)
        assert expected, "nothing to compare"
        assert list(many.search(text, k=k, **how)) == list(expected)
        for rank_by in ("confidence", "cosine"):
            found = many.hits(text, k=k, rank_by=rank_by, **how)
            expected_hits = one.hits(text, k=k, rank_by=rank_by, **how)
            assert [(h.score, h.confidence) for h in found] == [
                (h.score, h.confidence) for h in expected_hits
            ]
            assert found.query == expected_hits.query and found.unanswered == {}


def test_a_moment_reaches_as_far_as_beside_the_best_of_all(folders) -> None:
    _, shards = folders
    with Shards(shards, model="shades") as many:
        alone = {m.video: m for lib in many.libraries for m in lib.search("red", k=50)}
        together = {m.video: m for m in many.search("red", k=50)}
    assert alone.keys() == together.keys()
    shorter = [v for v, m in together.items() if (m.start_s, m.end_s) != (alone[v].start_s, alone[v].end_s)]
    assert shorter, "merging alone would have done: the test shows nothing"


def test_pictures_like_one_are_those_of_one_library(folders) -> None:
    whole, shards = folders
    image = np.full((8, 8, 3), (200, 10, 10), np.uint8)
    with Library(whole, model="shades") as one, Shards(shards, model="shades") as many:
        for k, how in ((3, {}), (40, {}), (6, {"per_video": 1}), (8, {"min_confidence": 0})):
            expected = one.similar(image, k=k, **how)
            found = many.similar(image, k=k, **how)
            assert expected and [h.score for h in found] == [h.score for h in expected]


def test_a_library_that_takes_too_long_is_named_and_the_rest_answers(folders, monkeypatch) -> None:
    _, shards = folders
    released = threading.Event()
    with Shards(shards, model="shades") as many:
        many.search("red")  # what loads with a first search
        many.timeout_s = 3.0
        slow = many.libraries[1]
        monkeypatch.setattr(slow, "_moments", lambda *a, **k: released.wait(60))
        found = many.search("red", k=50)
        assert found.unanswered == {str(slow.path): "no answer in 3 s"}
        held = {video.path for video in slow.videos()}
        assert found and not {m.video for m in found} & held
        for library in many.libraries:
            monkeypatch.setattr(library, "_moments", lambda *a, **k: released.wait(60))
        with pytest.raises(LibraryError, match="no library answered in 3 s"):
            many.search("red")
        released.set()


def test_a_damaged_library_is_named_and_another_models_is_refused(folders, tmp_path: Path, capsys) -> None:
    _, shards = folders
    (shards[2] / "library.sqlite").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with Shards(shards, model="shades") as many:
        found = many.hits("red")
        assert found and list(found.unanswered) == [str(shards[2])]
    named = [arg for shard in shards for arg in ("--library", str(shard))]
    main_status = _run(["search", "red", *named, "--model", "shades", "--json"])
    told = capsys.readouterr()
    assert main_status == 0 and list(json.loads(told.out)["unanswered"]) == [str(shards[2])]
    assert len(json.loads(told.out)["results"]) > 1
    assert _run(["search", "red", *named, "--model", "shades"]) == 0
    told = capsys.readouterr()
    assert f"{shards[2]} did not answer" in told.err
    with LibraryStore.create(tmp_path / "other", model="other", fingerprint="other-1", dim=3):
        pass
    both = Shards([shards[0], tmp_path / "other"], model="shades")
    with both as many, pytest.raises(LibraryMismatchError, match="other"):
        many.search("red")


def _run(args: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(args)
    return int(ended.value.code or 0)


def test_what_cannot_be_merged_is_refused(folders, capsys) -> None:
    _, shards = folders
    with Shards(shards, model="shades") as many, pytest.raises(InputError, match="ranked by whitened"):
        many.hits("red", rank_by="whitened")
    with pytest.raises(InputError, match="given twice"):
        Shards([shards[0], shards[0] / "."])
    with pytest.raises(InputError, match="longer than 0"):
        Shards(shards, timeout_s=0)
    with pytest.raises(InputError, match="no library"):
        Shards([])
    assert _run(["search", "red", "--library", str(shards[0]), "--answer-in", "2"]) == InputError.exit_code
    assert "--answer-in goes with several" in capsys.readouterr().err
