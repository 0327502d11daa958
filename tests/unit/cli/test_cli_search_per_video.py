"""How many results one video gives, and whether videos that are gone are asked: the same at every door."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seektrack import Library
from seektrack.cli import main
from seektrack.encoders import Vocabulary, register_encoder, registry
from seektrack.errors import InputError
from seektrack.library import FrameRow, LibraryStore, Where
from seektrack.types import VideoInfo

Ask = Callable[..., tuple[int, str, str]]


class Red:
    """Knows red from everything else."""

    name, dim, fingerprint, logit_scale, image_size = "red", 2, "red-1", 20.0, 8
    vocabulary = Vocabulary(("a red thing", "a wall"), ("a wall",))

    def embed_texts(self, texts: list[str], *, batch_size: int = 64) -> np.ndarray:
        return np.array([[1, 0] if "red" in t else [0, 1] for t in texts], np.float32)

    def embed_images(self, images: list[np.ndarray], *, batch_size: int = 32) -> np.ndarray:
        return np.array([[1, 0] if i[..., 0].mean() > 127 else [0, 1] for i in images], np.float32)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two films of 40 s: red for 2 s at 4, 14, 24 and 34 s of one, at 4 s of the other."""
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    register_encoder("red")(lambda *, device, dtype: Red())  # noqa: PLW0108
    with LibraryStore.create(tmp_path / "lib", model="red", fingerprint="red-1", dim=2) as store:
        for name, times in (("often.mp4", (4, 14, 24, 34)), ("once.mp4", (4,))):
            film = tmp_path / name
            film.write_bytes(name.encode())
            with store.begin_video(film, VideoInfo(str(film), 64, 48, Fraction(10), 40.0, 400)) as handle:
                for i in range(80):
                    shows = any(t <= i / 2 < t + 2 for t in times)
                    handle.append([FrameRow(5 * i, Fraction(i, 2), np.array([shows, not shows], float))])
                handle.finish()
    return tmp_path / "lib"


@pytest.fixture
def ask(library: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    def run(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["search", *map(str, args), "--library", str(library)])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def counts(out: str) -> dict[str, int]:
    return Counter(Path(one["video"]).name for one in json.loads(out))


@pytest.mark.parametrize(
    ("question", "all_of_one"),
    [(["a red thing"], 4), (["a red thing", "--hits", "-k", "40"], 16), (["a wall -> a red thing"], 4)],
)
def test_a_text_gives_so_many_results_a_video(ask: Ask, question: list[str], all_of_one: int) -> None:
    assert counts(ask(*question, "--json")[1])["often.mp4"] == all_of_one
    assert counts(ask(*question, "--json", "--per-video", "2")[1])["often.mp4"] == 2
    assert counts(ask(*question, "--json", "--per-video", "1")[1]) == {"often.mp4": 1, "once.mp4": 1}
    assert ask(*question, "--per-video", "0")[0] == 2


def test_a_picture_gives_three_a_video_while_others_have_some_or_as_many_as_are_asked_for(
    ask: Ask, tmp_path: Path
) -> None:
    picture = tmp_path / "red.png"
    Image.new("RGB", (8, 8), (255, 0, 0)).save(picture)
    assert counts(ask("--image", picture, "-k", "6", "--json")[1]) == {"often.mp4": 3, "once.mp4": 3}
    assert counts(ask("--image", picture, "-k", "12", "--json")[1])["often.mp4"] > 3
    one_each = {"often.mp4": 1, "once.mp4": 1}
    assert counts(ask("--image", picture, "-k", "12", "--json", "--per-video", "1")[1]) == one_each


def test_a_video_that_is_gone_is_asked_when_that_is_wanted(ask: Ask, library: Path, tmp_path: Path) -> None:
    (tmp_path / "once.mp4").unlink()
    assert counts(ask("a red thing", "--json")[1]) == {"often.mp4": 4}
    assert counts(ask("a red thing", "--json", "--include-missing")[1]) == {"often.mp4": 4, "once.mp4": 1}
    lines = ask("a red thing", "--include-missing")[1].splitlines()
    assert sum("once.mp4 (file is gone)" in line for line in lines) == 1
    (tmp_path / "often.mp4").unlink()
    status, _, err = ask("a red thing")
    assert status == 6 and "2 videos whose files are gone were left out: --include-missing" in " ".join(
        err.split()
    )
    with Library(library) as opened:
        assert opened.search("a red thing") == []
        assert len(opened.search("a red thing", missing=True, per_video=2)) == 3
        assert len(opened.sequences(["a wall", "a red thing"], missing=True, per_video=1)) == 2
        assert len(opened.hits("a red thing", where=Where(missing=True, per_video=3))) == 6
        with pytest.raises(InputError, match="per_video must be at least 1, got 0"):
            opened.search("a red thing", per_video=0)


def test_tracking_in_a_library_says_that_its_films_are_gone(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "often.mp4").unlink()
    (tmp_path / "once.mp4").unlink()
    with pytest.raises(SystemExit) as ended:
        main(["track", "--library", str(library), "--text", "a red thing", "--out", str(tmp_path / "out")])
    err = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 6
    assert "2 videos whose files are gone cannot be followed" in err
