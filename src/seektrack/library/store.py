"""The library on disk: one folder that remembers every picture of every video, and survives being killed."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from seektrack.errors import LibraryError, LibraryMismatchError
from seektrack.library import database, reading
from seektrack.library.identity import FileIdentity, identify, library_key
from seektrack.library.index_settings import IndexManifest, IndexSettings
from seektrack.library.reader import LibraryReader
from seektrack.library.writer import VideoWriterHandle, is_at_work, new_owner
from seektrack.types import VideoInfo

VideoStatus = Literal["new", "partial", "changed", "done"]


class LibraryStore(LibraryReader):
    """A library folder, open. Use `create`, `open` or `open_or_create`.

    The folder holds ``library.sqlite`` (write-ahead log, the only truth) and files that can be deleted at any
    time: the FAISS index and cached text embeddings. Several processes may read and write at once; a video is
    served from the moment its indexing finished. One store may be used from several threads.

    Attributes:
        path: The folder.
        readonly: Whether writing is refused.
        model, fingerprint, dim: What the vectors were made with.
    """

    @classmethod
    def create(cls, path: str | Path, *, model: str, fingerprint: str, dim: int) -> LibraryStore:
        """Make a new library in a new or empty folder.

        Args:
            path: The folder.
            model: Name of the encoder, for people.
            fingerprint: `Encoder.fingerprint`, for the machine.
            dim: Length of an embedding.

        Raises:
            LibraryError: A library or other files are there, or the folder cannot be written.
        """
        folder = Path(path).expanduser()
        if (folder / database.FILE_NAME).exists():
            raise LibraryError(
                f"{str(folder)!r} already holds a library", hint="open it, or choose another folder"
            )
        return cls._open_or_create(folder, model=model, fingerprint=fingerprint, dim=dim)

    @classmethod
    def open(cls, path: str | Path, *, readonly: bool = False) -> LibraryStore:
        """Open a library.

        Raises:
            LibraryError: There is none, it is damaged, of a later version, or cannot be written.
        """
        folder = Path(path).expanduser()
        if not (folder / database.FILE_NAME).is_file():
            raise database.not_a_library(folder)
        connection = database.connect(folder, readonly=readonly)
        try:
            return cls(folder, connection, readonly=readonly)
        except BaseException:
            connection.close()
            raise

    @classmethod
    def open_or_create(cls, path: str | Path, *, model: str, fingerprint: str, dim: int) -> LibraryStore:
        """Open a library for writing, or make it; safe when two processes do it at once.

        Raises:
            LibraryMismatchError: It was made by another model.
            LibraryError: As `create` and `open`.
        """
        folder = Path(path).expanduser()
        store = cls._open_or_create(folder, model=model, fingerprint=fingerprint, dim=dim)
        try:
            store.require(model=model, fingerprint=fingerprint)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def _open_or_create(cls, folder: Path, *, model: str, fingerprint: str, dim: int) -> LibraryStore:
        with database.guard(folder):
            folder.mkdir(parents=True, exist_ok=True)
            others = [entry.name for entry in os.scandir(folder)]
        if others and database.FILE_NAME not in others:
            raise LibraryError(
                f"{str(folder)!r} holds other files and no library", hint="choose a new or empty folder"
            )
        connection = database.connect(folder, readonly=False)
        try:
            with database.guard(folder), database.transaction(connection):
                database.lay_out(connection, model=model, fingerprint=fingerprint, dim=dim)
            return cls(folder, connection, readonly=False)
        except BaseException:
            connection.close()
            raise

    @staticmethod
    def is_library(path: str | Path) -> bool:
        """Whether a folder holds a library file; `open` tells whether it can be used."""
        return (Path(path).expanduser() / database.FILE_NAME).is_file()

    def require(self, *, model: str, fingerprint: str) -> None:
        """Check that vectors of an encoder can be compared with those here.

        Raises:
            LibraryMismatchError: They cannot; the hint is the command that indexes again.
        """
        if fingerprint == self.fingerprint:
            return
        paths = [video.path for video in self.videos()]
        shown = (
            [os.path.commonpath(paths)] if len(paths) > 3 and not any("://" in p for p in paths) else paths
        )
        command = shlex.join(
            [
                "seektrack",
                "index",
                *(shown or ["VIDEO"]),
                "--library",
                str(self.path),
                "--model",
                model,
                "--reindex",
            ]
        )
        raise LibraryMismatchError(
            f"the library {str(self.path)!r} was made by the model {self.model!r} ({self.fingerprint[:8]}), "
            f"not by {model!r} ({fingerprint[:8]})",
            hint=f"use --model {shlex.quote(self.model)}, or index again: {command}",
        )

    def reset(self, *, model: str, fingerprint: str, dim: int) -> None:
        """Forget every video and take vectors of another encoder from now on."""
        with self.writing() as connection:
            connection.execute("DELETE FROM videos")
            database.write_meta(connection, {"model": model, "fingerprint": fingerprint, "dim": str(dim)})
            self.touch(connection)
        self.model, self.fingerprint, self.dim = model, fingerprint, dim

    def status(self, path: str | Path, *, settings: str = "") -> VideoStatus:
        """Whether a video is indexed: ``new``, ``partial`` (can be resumed), ``changed`` or ``done``.

        Args:
            path: The video.
            settings: What it would be sampled and cut with; other settings count as a change.
        """
        row = self._find(library_key(path))
        if row is None:
            return "new"
        if not identify(path).same_as(_identity(row)) or row["settings"] != settings:
            return "changed"
        return "done" if row["state"] == "done" else "partial"

    def begin_video(
        self, path: str | Path, info: VideoInfo, *, settings: str = "", restart: bool = False
    ) -> VideoWriterHandle:
        """Start or resume indexing a video.

        A part indexed before, of the same file with the same settings, is kept and the handle's
        ``last_frame_index`` says where to go on. A changed or finished video is dropped and starts anew.

        Args:
            path: The video.
            info: What is known of it.
            settings: What it is sampled and cut with.
            restart: Drop an unfinished part too.

        Raises:
            LibraryError: Another process is indexing it right now, or the library cannot be written.
        """
        key, owner = library_key(path), new_owner()
        identity = identify(path)
        with self.writing() as connection:
            old = connection.execute("SELECT * FROM videos WHERE path = ?", (key,)).fetchone()
            if old is not None and old["state"] == "indexing" and is_at_work(old["owner"], old["beat_s"]):
                raise LibraryError(
                    f"{key!r} is being indexed by another process ({old['owner'].split('/')[1]})",
                    hint="wait until it has finished",
                )
            same = old is not None and old["settings"] == settings and identity.same_as(_identity(old))
            if same and not restart and old["state"] == "indexing":
                connection.execute(
                    "UPDATE videos SET owner = ?, beat_s = ? WHERE id = ?", (owner, time.time(), old["id"])
                )
                last = database.scalar(
                    connection, "SELECT max(frame_index) FROM frames WHERE video_id = ?", old["id"]
                )
                return VideoWriterHandle(self, key, int(old["id"]), owner, -1 if last is None else int(last))
            if old is not None:
                connection.execute("DELETE FROM videos WHERE id = ?", (old["id"],))
                self.touch(connection)
            cursor = connection.execute(
                "INSERT INTO videos (path, size, mtime_ns, digest, width, height, fps, duration_s, n_frames, "
                "settings, state, owner, beat_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'indexing', ?, ?)",
                (
                    *(key, identity.size, identity.mtime_ns, identity.digest, info.width, info.height),
                    *(str(info.fps), info.duration_s, info.n_frames, settings, owner, time.time()),
                ),
            )
            return VideoWriterHandle(self, key, int(cursor.lastrowid or 0), owner, -1)

    def remove(self, path: str | Path) -> bool:
        """Forget a video; False when it was not there."""
        with self.writing() as connection:
            gone = connection.execute("DELETE FROM videos WHERE path = ?", (library_key(path),)).rowcount > 0
            if gone:
                self.touch(connection)
        return gone

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One immediate transaction.

        Raises:
            LibraryError: The library is open read-only, or cannot be written.
        """
        if self.readonly:
            raise LibraryError(
                f"the library {str(self.path)!r} is open read-only",
                hint="use a folder you may write to, or open it for writing",
            )
        with self._lock, database.guard(self.path), database.transaction(self._connection) as connection:
            yield connection

    def build_index(self, settings: IndexSettings | None = None) -> IndexManifest:
        """Build the search index now, and keep to these settings whenever it has to be built again.

        Without settings it is built by those the library keeps to.
        A search builds what it needs by itself; this is for choosing the kind, and for doing it beforehand.

        Raises:
            LibraryError: The library is open read-only.
        """
        with self._reading() as connection:
            chosen = settings or reading.kept_settings(connection)
        self._keep(chosen)
        return self._current_index(chosen).manifest

    def choose_index(self, settings: IndexSettings) -> IndexManifest | None:
        """Keep to these settings from now on; a library that is searched through an index gets it now.

        Returns:
            What the index is; None for a library so small that every search scans it.

        Raises:
            LibraryError: The library is open read-only.
        """
        with self._reading() as connection:
            same = reading.kept_settings(connection) == settings
        if not same:
            self._keep(settings)
        return self._current_index(None if same else settings).manifest if self._is_large() else None

    def _keep(self, settings: IndexSettings) -> None:
        with self.writing() as connection:
            database.write_meta(connection, {"index": json.dumps(asdict(settings))})

    def touch(self, connection: sqlite3.Connection) -> None:
        """Say, inside a transaction, that what is served has changed."""
        database.write_meta(connection, {"generation": database.new_generation()})


def _identity(row: sqlite3.Row) -> FileIdentity:
    return FileIdentity(row["size"], row["mtime_ns"], row["digest"])
