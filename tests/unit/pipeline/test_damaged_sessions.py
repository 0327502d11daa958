"""What a session's file holds is a claim: damage is said in one of our errors, wherever it lies."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from seektrack import Correction, Mask, Observation, Track, Tracks, open_session, start_session
from seektrack.errors import SeekTrackError
from seektrack.types import VideoInfo
from seektrack.video import VideoWriter, open_video


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, Path]:
    """A session of a film, with two edits, and the film; no network was asked."""
    film = tmp_path / "film.mp4"
    with VideoWriter(film, width=64, height=48, fps=10) as writer:
        for i in range(4):
            writer.write(np.full((48, 64, 3), 40 * i, np.uint8))
    with open_video(film) as source:
        info: VideoInfo = source.info
    pixels = np.zeros((48, 64), bool)
    pixels[8:20, 8:30] = True
    seen = [Observation(t, t / 10, (8.0, 8.0, 30.0, 20.0), Mask.from_array(pixels), 0.9) for t in range(4)]
    tracks = Tracks(info, "a car", (Track(1, "a car", 0.9, tuple(seen)),), {t: t / 10 for t in range(4)})
    path = tmp_path / "film.session"
    with start_session(film, tracks=tracks, path=path) as session:
        session.correct(Correction(2, 1, mask=Mask.from_array(pixels)))
        session.rename(1, "a dog")
    return path, film


def look(path: Path, film: Path) -> None:
    """Everything one does with a session but asking a network."""
    with open_session(path, video=film) as session:
        repr(session.tracks)
        assert session.edits, session.pending
        session.masks(1)
        session.undo()
        session.undo()


SPOILT = {
    "edits": (
        "UPDATE edits SET what = ?",
        ("{}", "[1]", '{"obj_id": NaN, "frame_index": 2}', "", '{"obj_id"'),
    ),
    "rows": ("UPDATE rows SET value = ?", ("1.0", "[]", '{"label": 1}', '{"time_s": "x"}', "{" * 5000)),
    "frames": ("UPDATE frames SET time_s = ?", ("x", float("inf"), b"\xff")),
    "changes": ("UPDATE changes SET before = ?", ("1.0", "[[]]", "{", b"\xff\xfe")),
    "film": ("UPDATE meta SET value = ? WHERE key = 'film'", ("null", "3", '{"size": 1}', '{"path": []}')),
    "asked": ("UPDATE meta SET value = ? WHERE key = 'asked'", ("null", "7", '{"is": "os:system"}')),
    "revision": ("UPDATE meta SET value = ? WHERE key = 'revision'", ('"x"', "[]", "1e999")),
    "remarks": ("UPDATE meta SET value = ? WHERE key = 'remarks'", ("[]", '{"missed": 3}')),
}


@pytest.mark.parametrize("table", SPOILT)
def test_a_spoilt_row_is_said(kept: tuple[Path, Path], table: str, tmp_path: Path) -> None:
    path, film = kept
    look(path, film)
    statement, values = SPOILT[table]
    for number, value in enumerate(values):
        copy = tmp_path / f"{number}.session"
        copy.write_bytes(path.read_bytes())
        with contextlib.closing(sqlite3.connect(copy)) as held, held:
            held.execute(statement, (value,))
        with pytest.raises(SeekTrackError) as told:
            look(copy, film)
        assert len(str(told.value)) < 1000


def test_pages_that_are_gone_are_said(kept: tuple[Path, Path]) -> None:
    path, film = kept
    raw = path.read_bytes()
    said = 0
    for at in range(4096, len(raw), 4096):
        path.write_bytes(raw[:at] + bytes(4096) + raw[at + 4096 :])
        try:
            look(path, film)
        except SeekTrackError:
            said += 1
    assert said >= 3
