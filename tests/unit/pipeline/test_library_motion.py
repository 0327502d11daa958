"""A library that keeps stretches: when they are made, kept, forgotten, and asked."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack.encoders import l2_normalise, register_encoder
from seektrack.encoders.temporal import TemporalEncoder
from seektrack.encoders.temporal_clips import ClipWindow
from seektrack.errors import LibraryMismatchError, ModelError
from seektrack.library.clips import ClipShelf
from seektrack.pipeline import Library
from seektrack.pipeline.clips import SETTINGS
from seektrack.video import VideoWriter

DIM = 4


class Colours:
    """Red, green and blue as directions; a text is the colour it names."""

    name, dim, fingerprint, logit_scale, image_size = "colours", DIM, "colours-1", 20.0, 8
    vocabulary = None

    def embed_images(self, images, *, batch_size: int = 32) -> np.ndarray:
        rows = [np.append(image.reshape(-1, 3).mean(0) / 255, 0.05) for image in images]
        return l2_normalise(np.array(rows).reshape(-1, DIM))

    def embed_texts(self, texts, *, batch_size: int = 64) -> np.ndarray:
        names = ("red", "green", "blue")
        rows = [
            [float(n in t) for n in names] + [0.05 + float(not any(n in t for n in names))] for t in texts
        ]
        return l2_normalise(np.array(rows).reshape(-1, DIM))


class Brightening(TemporalEncoder):
    """Hears "moving left" where a video grows brighter and "moving right" where it grows darker."""

    name, dim, fingerprint, logit_scale, n_frames = "brightening", 3, "bright-1", 20.0, 4

    def __init__(self) -> None:
        self.read = 0

    def embed_texts(self, texts, *, batch_size: int = 64) -> np.ndarray:
        return np.stack([[float("left" in t), float("right" in t), 0.3] for t in texts])

    def embed_video(self, frames, *, window_s: float = 3.0, stride_s: float = 1.0):
        self.read += 1
        light = [(f.time_s, float(f.image.mean())) for f in frames]
        way = light[-1][1] - light[0][1]
        yield ClipWindow(light[0][0], light[-1][0], np.array([way > 0, way < 0, 0.0], dtype=np.float32))


@pytest.fixture
def temporal() -> Brightening:
    made = Brightening()
    register_encoder("brightening")(lambda *, device=None, dtype=None: made)
    colours = Colours()
    register_encoder("colours")(lambda *, device=None, dtype=None: colours)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two videos of one second, red throughout: one grows brighter, one darker."""
    made = tmp_path / "videos"
    made.mkdir()
    for name, levels in {"brighter": range(120, 250, 16), "darker": range(248, 118, -16)}.items():
        with VideoWriter(made / f"{name}.mp4", width=32, height=32, fps=Fraction(8)) as writer:
            for i, level in enumerate(levels):
                picture = np.zeros((32, 32, 3), np.uint8)
                picture[..., 0] = level
                writer.write(picture, Fraction(i, 8))
    return made


def best(library: Library, text: str, **options) -> str:
    return Path(library.hits(text, k=1, min_confidence=0, **options)[0].video).stem


def test_motion_is_found_when_asked_for_at_indexing(tmp_path: Path, folder: Path, temporal: Brightening):
    with Library(tmp_path / "lib", model="colours") as library:
        report = library.index(folder, regions="none", temporal="brightening")
        assert (report.indexed, report.motion) == (2, 2)
        assert best(library, "red moving left") == "brighter"
        assert best(library, "red moving right") == "darker"
        assert library.search("green moving left") == []
        both = [library.hits("red moving left", k=9, motion=False, min_confidence=0) for _ in range(2)]
        assert both[0] == both[1] and {h.video for h in both[0]} == {str(p) for p in folder.iterdir()}
    with Library(tmp_path / "lib", model="colours") as again:
        assert best(again, "red moving right") == "darker", "the library remembers its temporal encoder"


def test_stretches_are_kept_made_later_and_forgotten(tmp_path: Path, folder: Path, temporal: Brightening):
    with Library(tmp_path / "lib", model="colours") as library:
        assert library.index(folder / "brighter.mp4", regions="none").motion == 0
        late = library.index(folder / "brighter.mp4", regions="none", temporal="brightening")
        assert (late.indexed, late.skipped, late.motion) == (0, 1, 1), "frames are not read again"
        assert library.index(folder, regions="none").motion == 1, "a new video gets its own by itself"
        assert library.index(folder, regions="none").motion == 0
        assert temporal.read == 2
        shelf = ClipShelf(library._open_to_read())
        assert (len(shelf.rows()), shelf.settings_of(folder / "darker.mp4")) == (2, SETTINGS)
        assert library.index(folder, regions="none", temporal=False).motion == 0
        assert (len(shelf.rows()), shelf.model()) == (0, None)
        assert library.index(folder, regions="none").motion == 0


def test_another_temporal_encoder_is_heard_of_every_video(
    tmp_path: Path, folder: Path, temporal: Brightening
):
    with Library(tmp_path / "lib", model="colours") as library:
        library.index(folder, regions="none", temporal="brightening")
    temporal.fingerprint = "bright-2"
    with Library(tmp_path / "lib", model="colours") as library:
        assert library.hits("red", k=1)
        with pytest.raises(LibraryMismatchError, match="--no-motion"):
            library.search("red moving left")
        assert library.index(folder / "darker.mp4", regions="none").motion == 2, (
            "both, not only the one named"
        )
        assert best(library, "red moving left") == "brighter"


def test_what_is_no_temporal_encoder_is_refused(tmp_path: Path, folder: Path, temporal: Brightening):
    with (
        Library(tmp_path / "lib", model="colours") as library,
        pytest.raises(ModelError, match="no temporal encoder"),
    ):
        library.index(folder, regions="none", temporal="colours")
