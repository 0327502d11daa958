"""Stretches of video as a temporal encoder sees them, kept beside the frames.

They lie in tables of their own, made when the first are stored, so that a library without them is what it
always was. The stretches of one video are written in one transaction: it has all of them or none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, LibraryMismatchError
from seektrack.library.checks import damaged, stretch_checksum
from seektrack.library.database import scalar, write_meta
from seektrack.library.identity import is_there, library_key
from seektrack.library.reading import paths_of
from seektrack.library.rows import Where
from seektrack.library.store import LibraryStore
from seektrack.library.stretches import TABLES, have_stretches


class Stretch(Protocol):
    """What is stored: a stretch of video and its embedding, as a temporal encoder gives it."""

    @property
    def start_s(self) -> float: ...  # noqa: D102
    @property
    def end_s(self) -> float: ...  # noqa: D102
    @property
    def vector(self) -> NDArray[np.floating]: ...  # noqa: D102


@dataclass(frozen=True)
class ClipModel:
    """The temporal encoder that made the stretches of a library.

    Attributes:
        name: For people, and to load it by.
        fingerprint: For the machine.
        dim: Length of an embedding.
    """

    name: str
    fingerprint: str
    dim: int


@dataclass(frozen=True, eq=False)
class ClipRows:
    """N stretches, in order of video and start.

    Attributes:
        video_ids: int64 (N,); ``paths`` names them.
        starts, ends: float64 (N,), seconds of the first and the last frame.
        vectors: float16 (N, D), unit rows.
        paths: Path of each video by id.
    """

    video_ids: NDArray[np.int64]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    vectors: NDArray[np.float16]
    paths: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.starts)


class ClipShelf:
    """The stretches of a library.

    Args:
        store: The library, open.
    """

    def __init__(self, store: LibraryStore) -> None:
        self._store = store

    def model(self) -> ClipModel | None:
        """What made the stretches; None when the library keeps none."""
        with self._store._reading() as connection:
            return _model(connection)

    def use(self, model: ClipModel) -> None:
        """Keep stretches of this encoder from now on; those of another are dropped.

        Raises:
            LibraryError: The library cannot be written.
        """
        if self.model() == model:
            return
        with self._store.writing() as connection:
            for statement in filter(str.strip, TABLES.split(";")):
                connection.execute(statement)
            old = _model(connection)
            if old is not None and old.fingerprint != model.fingerprint:
                _drop(connection)
            values = {
                "clip_model": model.name,
                "clip_fingerprint": model.fingerprint,
                "clip_dim": str(model.dim),
            }
            write_meta(connection, values)

    def forget(self) -> None:
        """Drop every stretch, and that there ever were any.

        Raises:
            LibraryError: The library cannot be written.
        """
        with self._store.writing() as connection:
            if have_stretches(connection):
                _drop(connection)
            write_meta(connection, {"clip_model": None, "clip_fingerprint": None, "clip_dim": None})

    def settings_of(self, path: str | Path) -> str | None:
        """How the stretches of a video were cut; None when it has none."""
        with self._store._reading() as connection:
            if not have_stretches(connection):
                return None
            found = scalar(
                connection,
                "SELECT c.settings FROM clip_videos c JOIN videos v ON v.id = c.video_id "
                "WHERE v.path = ? AND v.state = 'done'",
                library_key(path),
            )
        return None if found is None else str(found)

    def put(self, path: str | Path, stretches: Sequence[Stretch], settings: str) -> None:
        """Store all stretches of a video that is in the library, in place of older ones.

        Raises:
            InputError: The video is not in the library, which keeps no stretches, or a vector does not fit.
            LibraryError: The library cannot be written.
        """
        with self._store.writing() as connection:
            model = _model(connection)
            video = scalar(
                connection,
                "SELECT id FROM videos WHERE path = ? ORDER BY state = 'indexing'",
                library_key(path),
            )
            if model is None or video is None:
                missing = "keeps no stretches" if model is None else f"has no video {str(path)!r}"
                raise InputError(f"the library {missing}", hint="index the video first")
            rows = [(int(video), *_checked(one, model)) for one in stretches]
            connection.execute("DELETE FROM clips WHERE video_id = ?", (video,))
            connection.executemany(
                "INSERT INTO clips (video_id, start_s, end_s, vector, checksum) VALUES (?, ?, ?, ?, ?)",
                [(*row, stretch_checksum(*row)) for row in rows],
            )
            connection.execute(
                "INSERT OR REPLACE INTO clip_videos VALUES (?, ?, ?)", (video, settings, len(rows))
            )

    def rows(self, where: Where | None = None) -> ClipRows:
        """Stretches of finished videos that touch the window of a filter; kinds do not matter."""
        asked = where or Where()
        clauses, values = ["v.state = 'done'"], list[object]()
        for clause, value in (
            ("v.path = ?", None if asked.video is None else library_key(asked.video)),
            ("c.end_s >= ?", asked.start_s),
            ("c.start_s < ?", asked.end_s),
        ):
            if value is not None:
                clauses.append(clause)
                values.append(value)
        found: list[sqlite3.Row] = []
        with self._store._reading() as connection:
            model = _model(connection)
            if model is not None:
                found = connection.execute(
                    "SELECT c.video_id, c.start_s, c.end_s, c.vector, c.checksum FROM clips c "
                    "JOIN videos v ON v.id = c.video_id "
                    f"WHERE {' AND '.join(clauses)} ORDER BY c.video_id, c.start_s, c.id",
                    values,
                ).fetchall()
                self._check(connection, found)
            paths = paths_of(connection, self._store.path)
        found = [row for row in found if asked.missing or is_there(paths[row[0]])]
        raw = np.frombuffer(b"".join(row[3] for row in found), dtype="<f2")
        return ClipRows(
            np.array([row[0] for row in found], dtype=np.int64),
            np.array([row[1] for row in found], dtype=np.float64),
            np.array([row[2] for row in found], dtype=np.float64),
            raw.astype(np.float16, copy=False).reshape(len(found), model.dim if model else 0),
            paths,
        )

    def _check(self, connection: sqlite3.Connection, found: Sequence[sqlite3.Row]) -> None:
        for row in found:
            if stretch_checksum(*tuple(row)[:4]) != row["checksum"]:
                raise damaged(self._store.path, "a stretch of a video is not what was stored")
        short = scalar(
            connection,
            "SELECT count(*) FROM clip_videos v WHERE v.stretches != "
            "(SELECT count(*) FROM clips c WHERE c.video_id = v.video_id)",
        )
        if short:
            raise damaged(self._store.path, "stretches of a video are missing from it")

    def require(self, *, name: str, fingerprint: str) -> None:
        """Check that texts of a temporal encoder can be compared with the stretches here.

        Raises:
            LibraryMismatchError: They cannot; the hint is the way out.
        """
        model = self.model()
        if model is None or model.fingerprint == fingerprint:
            return
        raise LibraryMismatchError(
            f"the stretches of the library {str(self._store.path)!r} were made by the temporal encoder "
            f"{model.name!r} ({model.fingerprint[:8]}), not by {name!r} ({fingerprint[:8]})",
            hint="make them anew with seektrack index --temporal, or search with --no-motion",
        )


def _model(connection: sqlite3.Connection) -> ClipModel | None:
    kept = {
        str(key): str(value)
        for key, value in connection.execute("SELECT key, value FROM meta WHERE key GLOB 'clip_*'")
    }
    if "clip_model" not in kept:
        return None
    return ClipModel(kept["clip_model"], kept["clip_fingerprint"], int(kept["clip_dim"]))


def _checked(one: Stretch, model: ClipModel) -> tuple[float, float, bytes]:
    vector = np.asarray(one.vector, dtype=np.float32)
    if vector.shape != (model.dim,) or not np.isfinite(vector).all():
        raise InputError(
            f"a stretch of this library has {model.dim} finite numbers, got shape {vector.shape}",
            hint=f"embed with {model.name}",
        )
    return float(one.start_s), float(one.end_s), vector.astype("<f2").tobytes()


def _drop(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM clips")
    connection.execute("DELETE FROM clip_videos")
