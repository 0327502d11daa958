"""What a server remembers, in one SQLite file that one server at a time holds: jobs, sessions, names."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seektrack.errors import LibraryError, OutputError

FILE_NAME = "serving.sqlite"
VERSION = 1
_WAIT_S = 3.0
"""For a server that is just ending to let go."""

_LAYOUT = """
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    priority INTEGER NOT NULL,
    owner TEXT NOT NULL,
    once TEXT UNIQUE,
    created_s REAL NOT NULL,
    started_s REAL,
    ended_s REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    cancelling INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    result TEXT
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, priority, seq);
CREATE INDEX IF NOT EXISTS jobs_by_owner ON jobs (owner, started_s);
CREATE TABLE IF NOT EXISTS videos (id TEXT PRIMARY KEY, path TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    video TEXT NOT NULL,
    model TEXT NOT NULL,
    owner TEXT NOT NULL,
    created_s REAL NOT NULL,
    changed_s REAL NOT NULL
);
"""


class State:
    """The file, open; safe to use from several threads.

    What is committed here is on the disk before anyone is told of it.

    Args:
        folder: Where it lies; made if it is not there.

    Raises:
        LibraryError: Another server holds it, or it cannot be read.
        OutputError: The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise OutputError(f"cannot make the folder {str(folder)!r}: {error.strerror}") from error
        try:
            self._connection = self._opened()
        except sqlite3.Error as error:
            raise _explained(folder, error) from error

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.folder / FILE_NAME, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.row_factory = sqlite3.Row
            # Held until this process ends, however it ends: two servers would do every job twice.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version > VERSION:
                raise LibraryError(
                    f"{str(self.folder)!r} was written by a later release",
                    hint="update seektrack, or give another --state",
                )
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
            connection.executescript(_LAYOUT)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            with contextlib.suppress(OSError):
                os.chmod(self.folder / FILE_NAME, 0o600)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is kept, or nothing.

        Raises:
            OutputError: The disk is full, or the file cannot be written.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error as error:
                raise _explained(self.folder, error) from error

    def all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Rows of a question."""
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise _explained(self.folder, error) from error

    def one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """The first row, or None."""
        return next(iter(self.all(sql, *values)), None)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def _explained(folder: Path, error: sqlite3.Error) -> LibraryError | OutputError:
    reason = str(error)
    if "locked" in reason or "busy" in reason:
        return LibraryError(
            f"another server holds {str(folder)!r}",
            hint="stop it first, or give this one a --state of its own",
        )
    if any(word in reason for word in ("full", "readonly", "disk I/O", "unable to open")):
        return OutputError(f"cannot write {str(folder / FILE_NAME)!r}: {reason}", hint="free some disk space")
    return LibraryError(f"{str(folder / FILE_NAME)!r} cannot be used: {reason}", hint="give another --state")
