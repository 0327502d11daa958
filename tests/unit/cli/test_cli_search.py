"""Searching from the command line, through the real library, with an encoder that sees colours."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seektrack.cli import main
from seektrack.encoders import Vocabulary, l2_normalise, register_encoder
from seektrack.encoders.translation import register_translator
from seektrack.library import FrameRow, LibraryStore
from seektrack.types import VideoInfo

COLOURS = {"red": (1.0, 0, 0), "green": (0, 1.0, 0), "blue": (0, 0, 1.0)}


class ColourEncoder:
    """A text is the colours it names, a picture its mean colour; other words show nowhere."""

    name, dim, fingerprint, logit_scale, image_size = "colours", 5, "colours-1", 20.0, 8
    vocabulary = Vocabulary(tuple(f"a {c} thing" for c in COLOURS), ("a wall",))

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        named = [[COLOURS[w] for w in t.lower().split() if w in COLOURS] for t in texts]
        other = [not found and "wall" not in t for t, found in zip(texts, named, strict=True)]
        rows = [[*np.sum([(0, 0, 0), *n], axis=0), 0.1, 2.0 * o] for n, o in zip(named, other, strict=True)]
        return l2_normalise(np.array(rows))

    def embed_images(self, images: Sequence[np.ndarray], *, batch_size: int = 32) -> np.ndarray:
        return l2_normalise(np.array([[*(image.mean(axis=(0, 1)) / 255), 0.1, 0] for image in images]))


def make_encoder(*, device: str | None, dtype: str | None) -> ColourEncoder:
    return ColourEncoder()


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """One video of 10 s: red at 2–4 s, green at 5–7 s as an object; grey otherwise."""
    register_encoder("colours")(make_encoder)
    video = tmp_path / "film.mp4"
    video.write_bytes(b"film")
    encoder = ColourEncoder()
    with LibraryStore.create(tmp_path / "lib", model="colours", fingerprint="colours-1", dim=5) as store:
        info = VideoInfo(str(video), 64, 48, Fraction(20), 10.0, 200)
        with store.begin_video(video, info) as handle:
            for i in range(20):
                t = Fraction(i, 2)
                text = "red" if 2 <= t < 4 else "wall"
                rows = [FrameRow(10 * i, t, encoder.embed_texts([text])[0])]
                if 5 <= t < 7:
                    rows.append(
                        FrameRow(10 * i, t, encoder.embed_texts(["green"])[0], (4, 4, 20, 20), "object")
                    )
                handle.append(rows)
            handle.finish()
    return tmp_path / "lib"


@pytest.fixture
def ask(library: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*args: object) -> tuple[int, str, str]:
        command = [str(a) for a in args]
        at = 2 if command[0] == "prompts" else 1
        where = [] if command[0] == "label" else ["--library", str(library)]
        with pytest.raises(SystemExit) as ended:
            main([*command[:at], *where, "--model", "colours", *command[at:]])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_mistyped_words_are_put_right_and_said(ask):
    status, out, err = ask("search", "a rde thing")
    assert status == 0
    assert "0:01.8 – 0:03.8" in out
    assert "searching for a red thing ('a rde thing' as typed: --verbatim)" in " ".join(err.split())
    assert ask("search", "a rde thing", "--quiet")[2] == ""
    status, _, err = ask("search", "a rde thing", "--verbatim")
    assert status == 6 and "searching for" not in err


def test_an_order_of_events_is_found(ask):
    status, out, _ = ask("search", "a red thing appears -> a green thing leaves", "--json")
    (chain,) = json.loads(out)
    assert status == 0
    assert [(m["start_s"], m["end_s"]) for m in chain["moments"]] == [(2.0, 4.0), (6.5, 7.0)]
    assert "0:02.0 – 0:04.0 → 0:06.5 – 0:07.0" in ask("search", "a red thing -> a green thing leaves")[1]
    assert ask("search", "a green thing -> a red thing")[0] == 6
    assert ask("search", "a red thing -> a green thing leaves", "--within", "1")[0] == 6


def test_weights_exclusions_windows_and_kinds_reach_the_search(ask):
    assert ask("search", "a green thing -green", "--start", "0")[0] == 6
    assert ask("search", "a red thing", "--only", "objects")[0] == 6
    assert ask("search", "a green thing", "--only", "objects")[0] == 0
    assert ask("search", "a red thing", "--start", "4.5")[0] == 6
    hits = json.loads(
        ask("search", "a red thing", "--hits", "--end", "3", "--rank-by", "qb-norm", "--json")[1]
    )
    assert [h["time_s"] for h in sorted(hits, key=lambda h: h["time_s"])] == [2.0, 2.5]
    status, _, err = ask("search", "a red thing", "--only", "sounds")
    assert status == 2 and "objects, frames" in err
    assert ask("search", "a red thing", "--label", "a green thing")[0] == 6
    assert ask("search", "a red thing", "--label", "a red thing")[0] == 0
    status, _, err = ask("search", "a red thing", "--rank-by", "cosine")
    assert status == 2 and "--rank-by goes with --hits" in err


def test_a_text_is_translated_first(ask):
    register_translator("german")(lambda texts: [t.replace("rot", "a red thing") for t in texts])
    assert ask("search", "rot")[0] == 6
    assert ask("search", "rot", "--translate", "german")[0] == 0


def test_a_picture_finds_what_looks_like_it(ask, tmp_path: Path):
    Image.new("RGB", (8, 8), (0, 255, 0)).save(tmp_path / "green.png")
    found = json.loads(ask("search", "--image", tmp_path / "green.png", "-k", "4", "--json")[1])
    assert sorted(h["time_s"] for h in found) == [5.0, 5.5, 6.0, 6.5]
    (tmp_path / "text.png").write_text("no picture")
    status, _, err = ask("search", "--image", tmp_path / "text.png")
    assert status == 2 and "cannot read the picture" in err


def test_a_script_is_placed_in_a_video(ask, tmp_path: Path):
    script = tmp_path / "script.srt"
    script.write_text(
        "1\n00:00:00,000 --> 00:00:02,000\na red thing\n\n2\n00:00:02,500 --> 00:00:04,000\na green thing\n"
    )
    placed = json.loads(ask("search", "--align", script, "--video", tmp_path / "film.mp4", "--json")[1])
    assert [m["start_s"] for m in placed] == [2.0, 5.0]
    assert ask("search", "--align", script)[0] == 2
    assert ask("search", "--align", tmp_path / "none.srt", "--video", tmp_path / "film.mp4")[0] == 2


@pytest.mark.parametrize("args", [[], ["a red thing", "--image", "x.png"]])
def test_one_question_at_a_time(ask, args: list[str]):
    status, _, err = ask("search", *args)
    assert status == 2 and "only one of them" in err


def test_wordings_side_by_side(ask):
    status, out, _ = ask("prompts", "compare", "a red thing", "a green thing", "-k", "2")
    assert status == 0
    assert "a red thing" in out and "film.mp4 0:05.0" in out and "rank correlation" in out
    result = json.loads(ask("prompts", "compare", "a red thing", "a green thing", "-k", "4", "--json")[1])
    assert [w["found"] for w in result["wordings"]] == [4, 4]
    assert result["overlap"] == [[1.0, 0.0], [0.0, 1.0]]


def test_pictures_are_named(ask, tmp_path: Path):
    Image.new("RGB", (8, 8), (0, 0, 255)).save(tmp_path / "blue.png")
    (tmp_path / "labels.txt").write_text("a red thing\n\na blue thing\n")
    for labels in ("a red thing, a blue thing", str(tmp_path / "labels.txt")):
        (one,) = json.loads(ask("label", tmp_path / "blue.png", "--labels", labels, "--json")[1])
        assert [n["label"] for n in one["labels"]] == ["a blue thing", "a red thing"]
    assert "a blue thing" in ask("label", tmp_path / "blue.png")[1]
    assert ask("label", tmp_path / "blue.png", "--labels", " , ")[0] == 2


def ended(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as status:
        main(list(args))
    printed = capsys.readouterr()
    return int(status.value.code or 0), printed.out, printed.err


def real_films(tmp_path: Path) -> Path:
    """A library of two red films, in two folders."""
    from seektrack.pipeline import Library
    from seektrack.video import VideoWriter

    register_encoder("colours")(make_encoder)
    for name in ("gone", "here"):
        (tmp_path / name).mkdir()
        with VideoWriter(tmp_path / name / "film [x].mp4", width=64, height=48, fps=10) as writer:
            for _ in range(8):
                writer.write(np.full((48, 64, 3), (250, 5, 5), np.uint8))
    with Library(tmp_path / "lib", model="colours") as opened:
        opened.index([tmp_path / "gone", tmp_path / "here"], regions="none")
    return tmp_path / "lib"


def test_files_written_are_named_in_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    where = (real_films(tmp_path), "--model", "colours", "--verbatim")
    files = {"csv": tmp_path / "a.csv", "frames": tmp_path / "frames", "sheet": tmp_path / "s.jpg"}
    options = [str(word) for name, path in files.items() for word in (f"--{name}", path)]
    status, out, err = ended(capsys, "search", "red", "-l", *map(str, where), *options, "--json")
    results = json.loads(out)
    assert (status, len(results)) == (0, 2), err
    for result in results:
        assert result["files"]["csv"] == str(files["csv"]) and Path(result["files"]["sheet"]).is_file()
        [frame] = result["files"]["frames"]
        assert Path(frame).is_file()
    status, _, err = ended(capsys, "search", "red", "-l", *map(str, where), *options)
    assert (status, err.count("written: ")) == (0, 1)
    assert all(str(path) in err for path in files.values())


def test_a_video_that_cannot_be_read_costs_its_picture_and_not_the_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    where = (real_films(tmp_path), "--model", "colours", "--verbatim")
    (tmp_path / "gone" / "film [x].mp4").write_text("no film any more")
    files = ("--frames", str(tmp_path / "frames"), "--sheet", str(tmp_path / "s.jpg"))
    status, out, err = ended(capsys, "search", "red", "-l", *map(str, where), *files)
    assert (status, out.count("film [x].mp4")) == (11, 2), err
    assert len(list((tmp_path / "frames").iterdir())) == 1 and (tmp_path / "s.jpg").is_file()
    assert err.count("error: not a readable video") == 1


def test_a_file_that_cannot_be_written_is_told_after_the_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    where = (real_films(tmp_path), "--model", "colours", "--verbatim")
    (tmp_path / "taken").touch()
    status, out, err = ended(
        capsys, "search", "red", "-l", *map(str, where), "--csv", str(tmp_path / "taken" / "a.csv")
    )
    assert (status, out.count("film [x].mp4")) == (7, 2)
    assert "error: cannot write" in err
