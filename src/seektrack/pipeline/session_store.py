"""The file of a tracking session: SQLite, every edit with what it wrote over, each in one transaction.

Killed at any instant, the file holds the session as it was after the last edit. An edit is undone by writing
back what it wrote over, so the bytes are the same again.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

from seektrack.errors import InputError, OutputError
from seektrack.files import new_file
from seektrack.pipeline.session_checks import finite, kept_value, particulars, reading

APPLICATION_ID = 0x5EE7AC5
"""Marks the file as ours, see PRAGMA application_id."""
VERSION = 1

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE frames (frame_index INTEGER PRIMARY KEY, time_s REAL NOT NULL);
CREATE TABLE rows (
    obj_id INTEGER NOT NULL, frame_index INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (obj_id, frame_index)
) WITHOUT ROWID;
CREATE TABLE edits (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, what TEXT NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0, repaired INTEGER
);
CREATE TABLE changes (
    edit INTEGER NOT NULL REFERENCES edits(id) ON DELETE CASCADE,
    obj_id INTEGER NOT NULL, frame_index INTEGER NOT NULL, before TEXT, after TEXT,
    PRIMARY KEY (edit, obj_id, frame_index)
) WITHOUT ROWID;
CREATE TABLE steps (session INTEGER NOT NULL, step INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (session, step)) WITHOUT ROWID;
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), session INTEGER, step INTEGER, value BLOB);
"""

Key = tuple[int, int]
Changes = Mapping[Key, str | None]
"""By object and frame what is there from now on; None where nothing is."""


@dataclass(frozen=True)
class Edit:
    """One thing that was done to a session.

    Attributes:
        id: Counted from 1, in order.
        kind: ``correct``, ``rename``, ``merge``, ``split`` or ``delete``.
        what: The particulars, as JSON holds them.
        undone: Whether it was undone and may be redone.
        repaired: Of a correction, the edit that was the latest when the frames around it were repaired, and
            goes back with it; None while they are to be.
    """

    id: int
    kind: str
    what: dict[str, Any]
    undone: bool = False
    repaired: int | None = None


class SessionStore:
    """A session's file, or the same in memory; made by `create` and `open`."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self._connection, self.path = connection, path
        self._guard = RLock()
        self._revision = int(self.meta("revision") or 0)

    @classmethod
    def create(cls, path: Path | None, meta: Mapping[str, Any]) -> SessionStore:
        """A new file that appears whole, or a session in memory.

        Raises:
            OutputError: It cannot be written.
        """
        if path is None:
            connection = _connect(":memory:")
            _fill(connection, meta)
            return cls(connection, None)
        with new_file(path) as temporary, contextlib.closing(_connect(str(temporary))) as connection:
            _fill(connection, meta)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> SessionStore:
        """A file that `create` made.

        Raises:
            InputError: It is not there, or is something else.
        """
        if not path.is_file():
            raise InputError(f"no such session: {path}", hint="start one with track VIDEO --session FILE")
        try:
            connection = _connect(str(path))
            (ours,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if ours != APPLICATION_ID:
                raise InputError(f"{path} is not a tracking session", hint="it is another program's database")
            if version != VERSION:
                raise InputError(f"the session {path} is of version {version}, this release reads {VERSION}")
            return cls(connection, path)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not a tracking session, or is damaged: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def save(self, path: Path) -> None:
        """Write a copy that appears whole.

        Raises:
            OutputError: It cannot be written.
        """
        with new_file(path) as temporary, contextlib.closing(_connect(str(temporary))) as copy:
            try:
                self._connection.backup(copy)
            except sqlite3.Error as error:
                raise OutputError(f"cannot write the session {path}: {error}") from error

    def meta(self, key: str) -> Any:
        """What is kept under a name, None where nothing is."""
        with reading(self.path):
            found = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            return kept_value(key, None if found is None else found[0])

    def put_meta(self, values: Mapping[str, Any]) -> None:
        """Keep something under names."""
        with self._transaction():
            self._put_meta(values)

    def rows(self) -> Iterator[tuple[int, int, str]]:
        """Object, frame and what is there, in that order."""
        with reading(self.path):
            found = self._connection.execute(
                "SELECT obj_id, frame_index, value FROM rows ORDER BY 1, 2"
            ).fetchall()
        yield from found

    def frames(self) -> dict[int, float]:
        """Seconds of every frame gone through."""
        with reading(self.path):
            found = self._connection.execute("SELECT frame_index, time_s FROM frames ORDER BY 1").fetchall()
            return {frame_index: finite(time_s) for frame_index, time_s in found}

    def edits(self) -> list[Edit]:
        """Everything that was done, in order, undone edits too."""
        with reading(self.path):
            found = self._connection.execute("SELECT id, kind, what, undone, repaired FROM edits ORDER BY id")
            return [
                Edit(i, kind, particulars(kind, what), bool(undone), done)
                for i, kind, what, undone, done in found.fetchall()
            ]

    def fill(self, rows: Changes, frames: Mapping[int, float], meta: Mapping[str, Any]) -> None:
        """Take in what was followed; what a person said before stands, and undoing it brings this back."""
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO frames VALUES (?, ?)", sorted(frames.items())
            )
            for key, value in rows.items():
                held = self._value(key)
                if held is None:
                    self._write(key, value)
                else:
                    self._connection.execute(
                        "UPDATE changes SET before = ?3 "
                        "WHERE obj_id = ?1 AND frame_index = ?2 AND before IS NULL",
                        (*key, value),
                    )
            self._put_meta(meta)
            self._connection.execute("DELETE FROM steps")
            self._connection.execute("DELETE FROM state")

    def steps(self) -> list[tuple[int, int, str]]:
        """What was logged while the video is followed: session, step and answer."""
        with reading(self.path):
            return self._connection.execute("SELECT session, step, value FROM steps").fetchall()

    def state(self) -> tuple[int, int, bytes] | None:
        """The state of the network's session that was kept last: session, step and state."""
        with reading(self.path):
            return self._connection.execute("SELECT session, step, value FROM state").fetchone()  # type: ignore[no-any-return]

    def log(self, steps: Mapping[tuple[int, int], str], session: int, step: int, state: bytes) -> None:
        """Log answers, and keep a state in place of the last."""
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO steps VALUES (?, ?, ?)", [(*key, text) for key, text in steps.items()]
            )
            self._connection.execute(
                "INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?)", (session, step, state)
            )

    def forget_log(self) -> None:
        """Follow from the beginning."""
        with self._transaction():
            self._connection.execute("DELETE FROM steps")
            self._connection.execute("DELETE FROM state")

    def add(self, kind: str, what: Mapping[str, Any], changes: Changes) -> int:
        """Do something new: write rows, remember what they wrote over, and forget what could be redone.

        Returns:
            The number of the edit.
        """
        with self._transaction():
            self._connection.execute("DELETE FROM edits WHERE undone")
            edit = self._connection.execute(
                "INSERT INTO edits (kind, what) VALUES (?, ?)", (kind, json.dumps(what))
            ).lastrowid
            if edit is None:
                raise OutputError("the session's file took no edit")
            self._change(edit, changes)
            return edit

    def extend(
        self, edit: int, changes: Changes, repaired: Iterable[int], frames: Mapping[int, float]
    ) -> None:
        """Add to what an edit changed, and say which corrections that repaired, and when frames are."""
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO frames VALUES (?, ?)", sorted(frames.items())
            )
            self._change(edit, changes)
            self._connection.executemany(
                "UPDATE edits SET repaired = ? WHERE id = ?", [(edit, one) for one in repaired]
            )

    def before(self, edit: int, key: Key) -> str | None:
        """What an edit wrote over; None where nothing was there."""
        with reading(self.path):
            found = self._connection.execute(
                "SELECT before FROM changes WHERE edit = ? AND obj_id = ? AND frame_index = ?", (edit, *key)
            ).fetchone()
        return None if found is None or found[0] is None else str(found[0])

    def undo(self) -> tuple[Edit, dict[Key, str | None]] | None:
        """Take back the latest edit; what is there now of what it changed, None where there is no edit."""
        edit = next((e for e in reversed(self.edits()) if not e.undone), None)
        if edit is None:
            return None
        with self._transaction():
            self._connection.execute("UPDATE edits SET undone = 1 WHERE id = ?", (edit.id,))
            return edit, self._replay(edit.id, "before")

    def redo(self) -> tuple[Edit, dict[Key, str | None]] | None:
        """Do again what was undone last; see `undo`."""
        edit = next((e for e in self.edits() if e.undone), None)
        if edit is None:
            return None
        with self._transaction():
            self._connection.execute("UPDATE edits SET undone = 0 WHERE id = ?", (edit.id,))
            return edit, self._replay(edit.id, "after")

    def _replay(self, edit: int, which: str) -> dict[Key, str | None]:
        found = self._connection.execute(
            f"SELECT obj_id, frame_index, {which} FROM changes WHERE edit = ?",
            (edit,),
        ).fetchall()
        for obj_id, frame_index, value in found:
            self._write((obj_id, frame_index), value)
        return {(obj_id, frame_index): value for obj_id, frame_index, value in found}

    def _change(self, edit: int, changes: Changes) -> None:
        for key, after in changes.items():
            before = self._value(key)
            if before != after:
                self._write(key, after)
                self._connection.execute(
                    "INSERT INTO changes VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (edit, obj_id, frame_index) DO UPDATE SET after = excluded.after",
                    (edit, *key, before, after),
                )

    def _value(self, key: Key) -> str | None:
        found = self._connection.execute(
            "SELECT value FROM rows WHERE obj_id = ? AND frame_index = ?", key
        ).fetchone()
        return None if found is None else str(found[0])

    def _write(self, key: Key, value: str | None) -> None:
        if value is None:
            self._connection.execute("DELETE FROM rows WHERE obj_id = ? AND frame_index = ?", key)
        else:
            self._connection.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", (*key, value))

    def _put_meta(self, values: Mapping[str, Any]) -> None:
        told = [(key, json.dumps(value)) for key, value in values.items()]
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", told)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing; refused where another process wrote since this one read.

        Raises:
            InputError: Another process changed the session.
            OutputError: The file cannot be written.
        """
        with self._guard:
            yield from self._written()

    def _written(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if int(self.meta("revision") or 0) != self._revision:
                    raise InputError(
                        f"the session {self.path} was changed by another process", hint="open it again"
                    )
                yield
                self._put_meta({"revision": self._revision + 1})
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise OutputError(f"cannot write the session {self.path}: {error}") from error
        self._revision += 1


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=30.0)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _fill(connection: sqlite3.Connection, meta: Mapping[str, Any]) -> None:
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.executescript(SCHEMA)
        told = [(key, json.dumps(value)) for key, value in {**meta, "revision": 0}.items()]
        connection.executemany("INSERT INTO meta VALUES (?, ?)", told)
    except sqlite3.Error as error:
        raise OutputError(f"cannot write the session: {error}") from error
