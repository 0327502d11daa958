"""The SQLite file a tracking session lies in: made whole, opened if it is ours, written in transactions."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import RLock
from typing import Any, Self

from seektrack.errors import InputError, OutputError
from seektrack.files import new_file
from seektrack.pipeline.session_checks import kept_value, reading

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


class SessionFile:
    """A session's file, or the same in memory; made by `create` and `open`."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self._connection, self.path = connection, path
        self._guard = RLock()
        self._revision = int(self.meta("revision") or 0)

    @classmethod
    def create(cls, path: Path | None, meta: Mapping[str, Any]) -> Self:
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
    def open(cls, path: Path) -> Self:
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
            if self._connection.in_transaction:  # part of what is written all or none
                yield
            else:
                yield from self._written()

    all_or_none = _transaction
    """Everything that is written inside the block, or nothing of it."""

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
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk may have ended it already
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise _unwritten(f" {self.path}", error) from error
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
        raise _unwritten("", error) from error


def _unwritten(path: str, error: sqlite3.Error) -> OutputError:
    hint = "make room on the disk, and do it again" if "full" in str(error) else ""
    return OutputError(f"cannot write the session{path}: {error}", hint=hint)
