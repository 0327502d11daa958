"""The embedded back end: one folder that remembers every picture of every video, and survives kills."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from seektrack.errors import LibraryError
from seektrack.library import database, distances, extras, reading
from seektrack.library.address import Backend
from seektrack.library.backend import VideoStatus
from seektrack.library.checks import damaged
from seektrack.library.embedded_copying import EmbeddedCopying
from seektrack.library.identity import FileIdentity, identify, is_there, is_unchanged, library_key, stamp
from seektrack.library.index_settings import IndexManifest, IndexSettings
from seektrack.library.rows import Maker
from seektrack.library.stretches import hand_over
from seektrack.library.turns import KIND, TurnTimes, as_numbers
from seektrack.library.whole import Picture
from seektrack.library.writer import VideoWriterHandle, is_at_work, new_owner, taken_over
from seektrack.types import VideoInfo


class EmbeddedStore(EmbeddedCopying):
    """A library folder, open.

    The folder holds ``library.sqlite`` (write-ahead log, the only truth) and files that can be deleted at any
    time: the FAISS index and cached text embeddings. Several processes may read and write at once; a video is
    served from the moment its indexing finished. One store may be used from several threads.
    """

    @classmethod
    def create(
        cls, path: str | Path, *, model: str, fingerprint: str, dim: int, backend: Backend | None = None
    ) -> EmbeddedStore:
        """See `LibraryStore.create`."""
        folder = Path(path).expanduser()
        if (folder / database.FILE_NAME).exists():
            raise LibraryError(
                f"{str(folder)!r} already holds a library", hint="open it, or choose another folder"
            )
        return cls._open_or_create(folder, model=model, fingerprint=fingerprint, dim=dim)

    @classmethod
    def open(
        cls, path: str | Path, *, readonly: bool = False, backend: Backend | None = None
    ) -> EmbeddedStore:
        """See `LibraryStore.open`."""
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
    def open_or_create(
        cls, path: str | Path, *, model: str, fingerprint: str, dim: int, backend: Backend | None = None
    ) -> EmbeddedStore:
        """See `LibraryStore.open_or_create`."""
        folder = Path(path).expanduser()
        store = cls._open_or_create(folder, model=model, fingerprint=fingerprint, dim=dim)
        try:
            store.require(model=model, fingerprint=fingerprint)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def _open_or_create(cls, folder: Path, *, model: str, fingerprint: str, dim: int) -> EmbeddedStore:
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
        """See `LibraryStore.note_asked`."""
        if name != self.asked:
            with self.writing() as connection:
                database.write_meta(connection, {"asked": name})
            self.asked = name

    def make_with(self, maker: Maker) -> None:
        """See `LibraryStore.make_with`."""
        self._making = maker
        with self.writing() as connection:
            connection.execute(
                "DELETE FROM videos WHERE state != 'done' AND fingerprint NOT IN (?, ?)",
                (self.fingerprint, maker.fingerprint),
            )

    def lacking(self) -> list[str]:
        """See `LibraryStore.lacking`."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT path FROM videos WHERE state = 'done' AND path NOT IN "
                "(SELECT path FROM videos WHERE state = 'ready' AND fingerprint = ?) ORDER BY path",
                (self.making.fingerprint,),
            )
            return [str(row[0]) for row in found]

    def switch(self) -> None:
        """See `LibraryStore.switch`."""
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
        """See `LibraryStore.status`."""
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
        """See `LibraryStore.recognise`."""
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
        """See `LibraryStore.begin_video`."""
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
            sink = _Sink(self, key, video_id, owner)
            return VideoWriterHandle(sink, key, at, dim=maker.dim, identity=identity)

    def remove(self, path: str | Path) -> bool:
        """See `LibraryStore.remove`."""
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
                for kind in (KIND, distances.KIND):
                    extras.get(connection, self.path, row["id"], kind)

    def build_index(self, settings: IndexSettings | None = None) -> IndexManifest:
        """See `LibraryStore.build_index`."""
        with self._reading() as connection:
            chosen = settings or reading.kept_settings(connection, self.path)
        self._keep(chosen)
        return self._current_index(chosen).manifest

    def choose_index(self, settings: IndexSettings) -> IndexManifest | None:
        """See `LibraryStore.choose_index`."""
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


class _Sink:
    """One video on its way into the database; see `VideoSink`."""

    def __init__(self, store: EmbeddedStore, path: str, video_id: int, owner: str) -> None:
        self._store, self._path = store, path
        self._video_id, self._owner = video_id, owner

    def write(self, pictures: Sequence[Picture]) -> None:
        with self._store.writing() as connection:
            self._claim(connection)
            database.insert_pictures(connection, self._video_id, pictures)

    def finish(
        self, pictures: Sequence[Picture], *, whole: str, damage: str, turns: TurnTimes | None
    ) -> None:
        with self._store.writing() as connection:
            self._claim(connection)
            database.insert_pictures(connection, self._video_id, pictures)
            if turns is not None:
                extras.put(connection, self._video_id, KIND, as_numbers(turns))
            self._store.settle(connection, self._video_id, whole=whole, damage=damage)

    def release(self) -> None:
        with self._store.writing() as connection:
            connection.execute(
                "UPDATE videos SET owner = '' WHERE id = ? AND owner = ?", (self._video_id, self._owner)
            )

    def _claim(self, connection: sqlite3.Connection) -> None:
        changed = connection.execute(
            "UPDATE videos SET beat_s = ? WHERE id = ? AND owner = ? AND state = 'indexing'",
            (time.time(), self._video_id, self._owner),
        ).rowcount
        if changed != 1:
            raise taken_over(self._path)
