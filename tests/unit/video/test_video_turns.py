"""Where the picture turns between sampled frames; the truth is where the test cut the film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack import Library
from seektrack.encoders import Vocabulary, register_encoder, registry
from seektrack.library.database import seal_video
from seektrack.video import Sampling, VideoWriter, open_video, sample
from seektrack.video.images import ImagePicture
from seektrack.video.turns import Turns

FPS = 25
SAMPLINGS = ["adaptive", "fps=0.5", "fps=2", "every=40", "adaptive=0.04,gap=20,fps=1"]


def film(*shots: tuple[int, int]) -> NDArray[np.uint8]:
    """Noisy grey pictures, 36x64, of so many frames and such a brightness one after the other."""
    rng = np.random.default_rng(0)
    each = [np.full((n, 36, 64, 3), value) for n, value in shots]
    return (
        (np.concatenate(each) + rng.normal(0, 3, (sum(n for n, _ in shots), 36, 64, 1)))
        .clip(0, 255)
        .astype(np.uint8)
    )


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_cut_is_found_to_the_frame(sampling: str) -> None:
    source = open_video(film((253, 60), (100, 160), (247, 60)), fps=FPS)
    turns = Turns(frame_s=1 / FPS)
    taken = [frame.index for frame in sample(source, Sampling.parse(sampling), turns=turns)]
    assert sorted(turns.begins.values()) == [253 / FPS, 353 / FPS]
    assert turns.begins.keys() <= set(taken)
    assert turns.end_s == 600 / FPS


def test_what_turns_behind_the_last_frame_looked_at_ends_it() -> None:
    source = open_video(film((60, 60), (40, 160)), fps=FPS)
    turns = Turns(frame_s=1 / FPS)
    assert [f.index for f in sample(source, Sampling.every(100), turns=turns)] == [0]
    assert (turns.begins, turns.end_s) == ({}, 60 / FPS)


def test_nothing_turns_where_pictures_stay_alike_or_are_not_seen() -> None:
    still = open_video(film((200, 90)), fps=FPS)
    turns = Turns(frame_s=1 / FPS)
    assert len(list(sample(still, Sampling.fps(2), turns=turns))) == 16
    assert (turns.begins, turns.end_s) == ({}, 200 / FPS)
    stopped = Turns()
    next(sample(still, Sampling.fps(2), turns=stopped))
    assert stopped.end_s is None
    keys = Turns()
    assert list(sample(still, Sampling.keyframes(), turns=keys))
    assert (keys.begins, keys.end_s) == ({}, None)


def test_few_pictures_are_looked_at_beside_those_that_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    luma = ImagePicture.luma

    def counting(self: ImagePicture, hw: tuple[int, int]) -> NDArray[np.uint8]:
        looked.append(self.index)
        return luma(self, hw)

    monkeypatch.setattr(ImagePicture, "luma", counting)
    turns = Turns(frame_s=1 / 100, most_held=4)
    source = open_video(film((1010, 60), (400, 160), (990, 60)), fps=100)
    list(sample(source, Sampling.fps(1), turns=turns))
    assert len(looked) == len(set(looked)) <= 4 * 24 + 2 * 3
    assert sorted(turns.begins.values()) == pytest.approx([10.10, 14.10], abs=0.1)


class Brightness:
    """Knows bright pictures from dark ones."""

    name, dim, fingerprint, logit_scale, image_size = "brightness", 2, "brightness-1", 30.0, 8
    vocabulary = Vocabulary(("a lamp", "a cellar"), ("a cellar",))

    def embed_images(self, images: list[NDArray[np.uint8]], *, batch_size: int = 32) -> NDArray[np.float32]:
        return np.array([[1, 0] if image.mean() > 110 else [0, 1] for image in images], np.float32)

    def embed_texts(self, texts: list[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        return np.array([[1, 0] if "lamp" in text else [0, 1] for text in texts], np.float32)


@pytest.fixture
def shot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """24 s of grey, with a bright shot from 10.12 to 14.12 s."""
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    register_encoder("brightness")(lambda *, device, dtype: Brightness())  # noqa: PLW0108
    with VideoWriter(tmp_path / "shot.mp4", width=64, height=36, fps=FPS) as writer:
        for picture in film((253, 60), (100, 160), (247, 60)):
            writer.write(picture)
    return tmp_path / "shot.mp4"


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_shot_of_4_s_in_24_s_of_grey_comes_back_as_it_was_cut(
    shot: Path, tmp_path: Path, sampling: str
) -> None:
    where = tmp_path / "lib"
    with Library(where, model="brightness") as library:
        library.index(shot, sampling=sampling, regions="none")
    with Library(where) as library:
        [moment] = library.search("a lamp")
        assert (moment.start_s, moment.end_s) == pytest.approx((253 / FPS, 353 / FPS), abs=1e-6)
        [chain] = library.sequences(["a cellar", "a lamp", "a cellar"])
        assert [m.start_s for m in chain.moments[1:]] == pytest.approx([253 / FPS, 353 / FPS], abs=1e-6)
        assert chain.end_s == pytest.approx(24)


def test_a_library_without_turns_reaches_half_way(shot: Path, tmp_path: Path) -> None:
    with Library(tmp_path / "lib", model="brightness") as library:
        library.index(shot, sampling="fps=0.5", regions="none")
        with library._open_to_read().writing() as connection:
            connection.execute("DROP TABLE video_extras")
            seal_video(connection, 1)
        [moment] = library.search("a lamp")
        assert (moment.start_s, moment.end_s) == pytest.approx((11, 15), abs=0.05)
