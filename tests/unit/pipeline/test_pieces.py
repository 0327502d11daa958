"""One video followed in pieces, from the call to the files; what follows each piece is told by the test."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from seektrack import track_pieces
from seektrack.cli import main
from seektrack.errors import InputError, VideoError
from seektrack.masks import Mask
from seektrack.pipeline import following
from seektrack.types import Observation, Track, Tracks
from seektrack.video import Opening, VideoWriter

N, FPS = 40, 10


def box(t: int) -> tuple[float, float, float, float]:
    return 4.0 + t, 14.0, 20.0 + t, 34.0


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    with VideoWriter(path, width=64, height=48, fps=FPS) as writer:
        for t in range(N):
            image = np.full((48, 64, 3), 90, np.uint8)
            x0, y0, x1, y1 = map(int, box(t))
            image[y0:y1, x0:x1] = (220, 40, 30)
            writer.write(image)
    return path


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Frames of each piece, as its follower saw them."""
    seen: list[list[int]] = []

    def follower(source, *, model, progress=None, **asked) -> Tracks:
        assert asked.get("out") is None, "a piece writes no files"
        frames = list(source)
        seen.append([f.index for f in frames])
        observations = []
        for f in frames:
            assert abs(f.time_s - f.index / FPS) < 1e-6, "times are those of the whole video"
            mask = np.zeros(f.hw, bool)
            x0, y0, x1, y1 = map(int, box(f.index))
            mask[y0:y1, x0:x1] = True
            assert f.image[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4, 0].mean() > 150, (
                "another picture than its index says"
            )
            observations.append(Observation(f.index, f.time_s, box(f.index), Mask.from_array(mask), 1.0))
        track = Track(7 * len(seen), "red block", 0.9, tuple(observations))
        return Tracks(source.info, "a red block", (track,), {f.index: f.time_s for f in frames})

    monkeypatch.setattr(following, "track_objects", follower)
    return seen


def test_every_frame_is_followed_and_the_object_has_one_id(film: Path, tmp_path: Path, followed) -> None:
    bars: list[tuple[int, int, str]] = []
    tracks = track_pieces(
        film,
        "a red block",
        piece_s=1.5,
        overlap_s=0.5,
        out=tmp_path / "out",
        formats=["csv"],
        overlay=False,
        progress=lambda *now: bars.append(now),
    )
    assert followed == [list(range(0, 20)), list(range(15, 40))]
    assert [(t.obj_id, len(t)) for t in tracks] == [(1, N)]
    assert sorted(tracks.frame_times) == list(range(N)) and tracks.video.path == str(film)
    assert (2, 2, "pieces") in bars
    (written,) = (tmp_path / "out").glob("*.csv")
    with written.open(newline="") as lines:
        assert len(list(csv.DictReader(lines))) == N


def test_only_the_part_asked_for_is_cut(film: Path, followed) -> None:
    tracks = track_pieces(film, "red", piece_s=1.0, overlap_s=0.2, opening=Opening(start_s=0.5, end_s=2.5))
    assert followed == [list(range(5, 17)), list(range(15, 25))]
    assert sorted(tracks.frame_times) == list(range(5, 25))


def test_pictures_in_memory_are_cut_here(film: Path, followed) -> None:
    from seektrack.video import open_video

    with open_video(film) as source:
        frames = np.stack([f.image for f in source])
    tracks = track_pieces(frames, "red", piece_s=2.0, opening=Opening(fps=FPS))
    assert [len(t) for t in tracks] == [N] and len(followed) == 2


def test_a_piece_that_fails_fails_the_video(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(source, **asked):
        raise VideoError("cannot be read")

    monkeypatch.setattr(following, "track_objects", broken)
    with pytest.raises(VideoError, match="cannot be read"):
        track_pieces(film, "red", piece_s=1.0)


def test_from_the_command_line(film: Path, tmp_path: Path, followed, capsys) -> None:
    out = tmp_path / "o"
    with pytest.raises(SystemExit) as ended:
        main([*f"track {film} --text red --pieces 2 --format csv --no-overlay --out {out}".split()])
    assert not ended.value.code and len(followed) == 2
    assert "1 track over 40 frames" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("--text red --pieces 0", "longer than 0 seconds"),
        ("--text red --pieces nan", "longer than 0 seconds"),
        ("--box 1,1,9,9@0 --pieces 2", "--pieces goes with --text and one video"),
        ("--text red --pieces 2 --frames 9", "no frames"),
    ],
)
def test_what_cannot_be_cut_is_told_in_one_line(film: Path, tmp_path: Path, capsys, args, said) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["track", str(film), *args.split(), "--out", str(tmp_path / "o")])
    told = capsys.readouterr().err
    assert ended.value.code == InputError.exit_code and said in told and "Traceback" not in told
    assert not (tmp_path / "o").exists()


def test_lengths_that_are_none_are_refused(film: Path) -> None:
    for piece_s, overlap_s in ((0.0, 0.1), (float("inf"), 1.0), (1.0, 0.0), (1.0, 2.0)):
        with pytest.raises(InputError):
            track_pieces(film, "red", piece_s=piece_s, overlap_s=overlap_s)
