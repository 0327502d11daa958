"""The library on disk: one folder that remembers every picture of every video, and survives being killed."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from seektrack.errors import LibraryError, LibraryMismatchError
from seektrack.library import database, extras, reading, turns
from seektrack.library.checks import damaged
from seektrack.library.identity import FileIdentity, identify, is_there, is_unchanged, library_key, stamp
from seektrack.library.index_settings import IndexManifest, IndexSettings
from seektrack.library.reader import LibraryReader
from seektrack.library.rows import Maker
from seektrack.library.stretches import hand_over
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
        asked: The encoder and segmenter as ``--model`` named them; empty when that was not noted.
    """

    _making: Maker | None = None

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
        if re.match(r"[a-z][a-z0-9+.-]*:/", str(folder)):
            raise LibraryError(
                f"{str(folder)!r} is an address, and a library is a folder",
                hint="give a folder of this machine",
            )
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

    def note_asked(self, name: str) -> None:
        """Keep what ``--model`` named, for commands that name none."""
        if name != self.asked:
            with self.writing() as connection:
                database.write_meta(connection, {"asked": name})
            self.asked = name

    def require(self, *, model: str, fingerprint: str | None) -> None:
        """Check that vectors of an encoder can be compared with those here.

        Args:
            model: Its name.
            fingerprint: Of its contents; None when it is not on this machine and only its name is known.

        Raises:
            LibraryMismatchError: They cannot; the hint is the command that indexes again.
        """
        if fingerprint == self.fingerprint or (fingerprint is None and model == self.model):
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
            f"not by {model!r}" + (f" ({fingerprint[:8]})" if fingerprint else ""),
            hint=f"use --model {shlex.quote(self.model)}, or index again: {command}",
        )

    @property
    def making(self) -> Maker:
        """What vectors are written with: another than serves while a library is made anew."""
        return self._making or Maker(self.model, self.fingerprint, self.dim)

    def make_with(self, maker: Maker) -> None:
        """Write vectors of this encoder from now on.

        Those of another than the library's are kept aside, and what is served stays until `switch`. What was
        kept aside of a third encoder is dropped.

        Raises:
            LibraryError: The library cannot be written.
        """
        self._making = maker
        with self.writing() as connection:
            connection.execute(
                "DELETE FROM videos WHERE state != 'done' AND fingerprint NOT IN (?, ?)",
                (self.fingerprint, maker.fingerprint),
            )

    def lacking(self) -> list[str]:
        """Videos that are served and that the encoder being switched to has not finished, by path."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT path FROM videos WHERE state = 'done' AND path NOT IN "
                "(SELECT path FROM videos WHERE state = 'ready' AND fingerprint = ?) ORDER BY path",
                (self.making.fingerprint,),
            )
            return [str(row[0]) for row in found]

    def switch(self) -> None:
        """Serve what `make_with` wrote, in place of all that was served, in one transaction.

        Raises:
            LibraryError: A video that is served has no successor yet, or the library cannot be written.
        """
        maker = self.making
        if maker.fingerprint == self.fingerprint:
            return
        with self.writing() as connection:
            lacking = self.lacking()
            if lacking:
                raise LibraryError(
                    f"{len(lacking)} videos of the library are not indexed with {maker.model!r} yet: "
                    f"{', '.join(lacking[:3])}",
                    hint="index them too, or take them out with: seektrack videos --remove",
                )
            ready = connection.execute(
                "SELECT id FROM videos WHERE state = 'ready' AND fingerprint = ?", (maker.fingerprint,)
            ).fetchall()
            database.write_meta(
                connection, {"model": maker.model, "fingerprint": maker.fingerprint, "dim": str(maker.dim)}
            )
            for (video_id,) in ready:
                self._serve(connection, int(video_id))
            database.served_changed(connection)
        self.model, self.fingerprint, self.dim = maker.model, maker.fingerprint, maker.dim
        self._making = None

    def settle(self, connection: sqlite3.Connection, video_id: int, *, whole: str, damage: str) -> None:
        """Make a video that is complete the one of its path, inside a transaction."""
        connection.execute(
            "UPDATE videos SET owner = '', whole = ?, damage = ?, "
            "pictures = (SELECT count(*) FROM frames WHERE video_id = videos.id) WHERE id = ?",
            (whole, damage, video_id),
        )
        made_with = database.scalar(connection, "SELECT fingerprint FROM videos WHERE id = ?", video_id)
        serving = database.scalar(connection, "SELECT value FROM meta WHERE key = 'fingerprint'")
        if made_with == serving:
            self._serve(connection, video_id)
            database.served_changed(connection)
            return
        connection.execute(
            "DELETE FROM videos WHERE state = 'ready' AND path = (SELECT path FROM videos WHERE id = ?)",
            (video_id,),
        )
        connection.execute("UPDATE videos SET state = 'ready' WHERE id = ?", (video_id,))
        database.seal_video(connection, video_id)

    @staticmethod
    def _serve(connection: sqlite3.Connection, video_id: int) -> None:
        """Put a complete video in the place of the one served under its path."""
        new = connection.execute("SELECT * FROM videos WHERE id = ?", (video_id,)).fetchone()
        old = connection.execute(
            "SELECT * FROM videos WHERE path = ? AND state = 'done'", (new["path"],)
        ).fetchone()
        if old is not None:
            if (old["size"], old["digest"]) == (new["size"], new["digest"]):
                hand_over(connection, int(old["id"]), video_id)
            connection.execute("DELETE FROM videos WHERE id = ?", (old["id"],))
        connection.execute("UPDATE videos SET state = 'done' WHERE id = ?", (video_id,))
        database.seal_video(connection, video_id)

    def status(self, path: str | Path, *, settings: str = "") -> VideoStatus:
        """Whether a video is indexed: ``new``, ``partial`` (can be resumed), ``changed`` or ``done``.

        Args:
            path: The video.
            settings: What it would be sampled and cut with; other settings count as a change.
        """
        rows = self._rows_of(library_key(path))
        if not rows:
            return "new"
        for row in rows:
            fits = row["settings"] == settings and row["fingerprint"] == self.making.fingerprint
            if fits and is_unchanged(path, _identity(row)):
                if stamp(path)[1] != row["mtime_ns"]:
                    self._note_time(path, row)
                return "partial" if row["state"] == "indexing" else "done"
        return "changed"

    def _rows_of(self, key: str) -> list[sqlite3.Row]:
        """Rows of a path, complete ones first."""
        with self._reading() as connection:
            return connection.execute(
                "SELECT * FROM videos WHERE path = ? ORDER BY state = 'indexing', id", (key,)
            ).fetchall()

    def _note_time(self, path: str | Path, row: sqlite3.Row) -> None:
        """Remember that a file was only touched, so that it is not read whole again."""
        _, mtime_ns = stamp(path)
        if self.readonly or row["state"] == "indexing" or mtime_ns == row["mtime_ns"]:
            return
        with self.writing() as connection:
            connection.execute("UPDATE videos SET mtime_ns = ? WHERE id = ?", (mtime_ns, row["id"]))
            database.seal_video(connection, row["id"])

    def recognise(self, path: str | Path) -> str | None:
        """Give a video that the library does not know the rows of one that is gone and was the same file.

        Returns:
            Where it was; None when it is no moved or renamed video.

        Raises:
            VideoError: It cannot be read.
            LibraryError: The library cannot be written.
        """
        key = library_key(path)
        identity = identify(path)
        if identity.size < 0 or self._rows_of(key):
            return None
        with self._reading() as connection:
            alike = connection.execute(
                "SELECT * FROM videos WHERE size = ? AND digest = ? AND state != 'indexing' ORDER BY path",
                (identity.size, identity.digest),
            ).fetchall()
        for row in alike:
            if is_there(row["path"]) or not is_unchanged(path, _identity(row)):
                continue
            old = str(row["path"])
            with self.writing() as connection:
                moved = connection.execute(
                    "SELECT id FROM videos WHERE path = ? AND state != 'indexing'", (old,)
                ).fetchall()
                for (video_id,) in moved:
                    connection.execute(
                        "UPDATE videos SET path = ?, mtime_ns = ? WHERE id = ?",
                        (key, identity.mtime_ns, video_id),
                    )
                    database.seal_video(connection, int(video_id))
                database.served_changed(connection)
            return old
        return None

    def begin_video(
        self, path: str | Path, info: VideoInfo, *, settings: str = "", restart: bool = False
    ) -> VideoWriterHandle:
        """Start or resume indexing a video.

        A part indexed before, of the same file with the same settings, is kept and the handle's
        ``last_frame_index`` says where to go on. What is served of the path stays until the handle finishes.

        Args:
            path: The video.
            info: What is known of it.
            settings: What it is sampled and cut with.
            restart: Drop an unfinished part too.

        Raises:
            LibraryError: Another process is indexing it right now, or the library cannot be written.
        """
        key, owner, maker = library_key(path), new_owner(), self.making
        identity = identify(path)
        with self.writing() as connection:
            old = connection.execute(
                "SELECT * FROM videos WHERE path = ? AND state = 'indexing'", (key,)
            ).fetchone()
            if old is not None and is_at_work(old["owner"], old["beat_s"]):
                raise LibraryError(
                    f"{key!r} is being indexed by another process ({old['owner'].split('/')[1]})",
                    hint="wait until it has finished",
                )
            same = (
                old is not None
                and not restart
                and (old["settings"], old["fingerprint"]) == (settings, maker.fingerprint)
                and is_unchanged(path, _identity(old))
            )
            if same:
                connection.execute(
                    "UPDATE videos SET owner = ?, beat_s = ? WHERE id = ?", (owner, time.time(), old["id"])
                )
                last = database.scalar(
                    connection, "SELECT max(frame_index) FROM frames WHERE video_id = ?", old["id"]
                )
                video_id, at = int(old["id"]), -1 if last is None else int(last)
            else:
                if old is not None:
                    connection.execute("DELETE FROM videos WHERE id = ?", (old["id"],))
                cursor = connection.execute(
                    "INSERT INTO videos (path, size, mtime_ns, digest, whole, width, height, fps, "
                    "duration_s, n_frames, settings, fingerprint, state, damage, pictures, checksum, "
                    "owner, beat_s) "
                    "VALUES (?, ?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?, 'indexing', '', 0, 0, ?, ?)",
                    (
                        *(key, identity.size, identity.mtime_ns, identity.digest, info.width, info.height),
                        *(str(info.fps), info.duration_s, info.n_frames, settings, maker.fingerprint),
                        *(owner, time.time()),
                    ),
                )
                video_id, at = int(cursor.lastrowid or 0), -1
                database.seal_video(connection, video_id)
            return VideoWriterHandle(self, key, video_id, owner, at, dim=maker.dim, identity=identity)

    def remove(self, path: str | Path) -> bool:
        """Forget a video; False when it was not there."""
        with self.writing() as connection:
            gone = connection.execute("DELETE FROM videos WHERE path = ?", (library_key(path),)).rowcount > 0
            if gone:
                database.served_changed(connection)
        return gone

    def verify(self) -> None:
        """Read everything and compare it with its checksums.

        Raises:
            LibraryError: Something is not what was written; `seektrack.library.salvage` saves the rest.
        """
        with self._reading() as connection:
            problem = database.scalar(connection, "PRAGMA quick_check(1)")
            if problem != "ok":
                raise damaged(self.path, str(problem).splitlines()[0])
            for _ in reading.stream(connection, self.path, self.dim):
                pass
            for row in reading.video_rows(connection, self.path):
                for kind in (turns.KIND, "distance"):
                    extras.get(connection, self.path, row["id"], kind)

    def prune(self) -> list[str]:
        """Forget every video whose file is gone; their paths."""
        gone = [video.path for video in self.videos() if not video.available]
        return [path for path in gone if self.remove(path)]

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
            chosen = settings or reading.kept_settings(connection, self.path)
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
            kept = database.scalar(connection, "SELECT value FROM meta WHERE key = 'index'")
            same = kept == json.dumps(asdict(settings)) or (kept is None and settings == IndexSettings())
        if not same:
            self._keep(settings)
        return self._current_index(None if same else settings).manifest if self._is_large() else None

    def _keep(self, settings: IndexSettings) -> None:
        with self.writing() as connection:
            database.write_meta(connection, {"index": json.dumps(asdict(settings))})


def _identity(row: sqlite3.Row) -> FileIdentity:
    return FileIdentity(row["size"], row["mtime_ns"], row["digest"], row["whole"])
