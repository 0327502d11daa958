"""The SQLite file of a library: its tables, how it is opened, and transactions two processes can share."""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from seektrack.errors import LibraryError
from seektrack.library import checks
from seektrack.library.whole import Picture

FILE_NAME = "library.sqlite"
SCHEMA_VERSION = 2
APPLICATION_ID = 0x5EEC7AC  # marks the file as ours, see PRAGMA application_id
BUSY_S = 30.0

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE videos (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest TEXT NOT NULL, whole TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, fps TEXT NOT NULL,
    duration_s REAL, n_frames INTEGER,
    settings TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('indexing', 'ready', 'done')),
    damage TEXT NOT NULL,
    pictures INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    owner TEXT NOT NULL, beat_s REAL NOT NULL,
    UNIQUE (path, state)
);
CREATE TABLE frames (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    video_id INTEGER NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
    frame_index INTEGER NOT NULL,
    pts TEXT NOT NULL,
    time_s REAL NOT NULL,
    kind INTEGER NOT NULL,
    x0 REAL, y0 REAL, x1 REAL, y1 REAL,
    vector BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE INDEX frames_of_video ON frames (video_id, frame_index, time_s);
"""


_INSERT = """INSERT INTO frames (video_id, frame_index, pts, time_s, kind, x0, y0, x1, y1, vector, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def connect(folder: Path, *, readonly: bool) -> sqlite3.Connection:
    """Open the database of a library folder.

    Raises:
        LibraryError: There is none, or it cannot be opened.
    """
    path = folder / FILE_NAME
    if readonly and not path.is_file():
        raise not_a_library(folder)
    with guard(folder):
        if not readonly:
            return _configured(_open(str(path)), writable=True)
        uri = path.resolve().as_uri()
        try:
            connection = _open(f"{uri}?mode=ro")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            # A read-only folder has no room for the shared-memory file; without writers none is needed.
            if os.access(folder, os.W_OK):
                raise
            connection = _open(f"{uri}?immutable=1")
        return _configured(connection, writable=False)


def _open(target: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        target,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        uri=target.startswith("file:"),
    )
    connection.row_factory = sqlite3.Row
    return connection


def _configured(connection: sqlite3.Connection, *, writable: bool) -> sqlite3.Connection:
    connection.execute("PRAGMA foreign_keys = ON")
    if writable:
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging; SQLite does not wait by itself when another process does so too."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Run a block as one immediate transaction: all of it is committed, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Read one state of the library in a block, whatever others write; a transaction is one already."""
    if connection.in_transaction:
        yield connection
        return
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


@contextlib.contextmanager
def guard(folder: Path) -> Iterator[None]:
    """Turn SQLite's and the file system's errors into one line a person can act on."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explained(folder, str(error)) from error
    except UnicodeDecodeError as error:
        raise checks.damaged(folder, "a text in it cannot be read") from error
    except IndexError as error:
        if "No item with that key" not in str(error):  # as `sqlite3.Row` says of a column there is none of
            raise
        raise checks.damaged(folder, "a column of a table is missing from it") from error
    except OSError as error:
        raise LibraryError(
            f"cannot use the library {str(folder)!r}: {error.strerror or error}",
            hint="choose a folder you may write to",
        ) from error


def lay_out(connection: sqlite3.Connection, *, model: str, fingerprint: str, dim: int) -> None:
    """Make the tables of a new library inside a transaction, unless another process just did."""
    if scalar(connection, "SELECT count(*) FROM sqlite_master"):
        return
    for statement in filter(str.strip, SCHEMA.split(";")):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    made_by = {"model": model, "fingerprint": fingerprint, "dim": str(dim)}
    write_meta(
        connection,
        {"schema": str(SCHEMA_VERSION), "generation": new_generation(), "served": "0", **made_by},
    )


def read_meta(connection: sqlite3.Connection, folder: Path) -> dict[str, str]:
    """What the library says of itself.

    Raises:
        LibraryError: The file is not a library, of a later version, or damaged.
    """
    if scalar(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise not_a_library(folder)
    meta = _all_meta(connection)
    version = meta.get("schema", "")
    if version.isdecimal() and int(version) > SCHEMA_VERSION:
        raise LibraryError(
            f"the library {str(folder)!r} was written by a later version of seektrack",
            hint="upgrade seektrack, or index into another folder",
        )
    if checks.SEAL not in meta and version == "1":
        return meta
    if meta.get(checks.SEAL) != checks.meta_checksum(meta) or not {"model", "fingerprint"} <= meta.keys():
        raise checks.damaged(folder, "what it says of itself does not fit its checksum")
    return meta


def write_meta(connection: sqlite3.Connection, values: Mapping[str, str | None]) -> None:
    """Set keys of the meta table inside a transaction; None takes a key out."""
    for key, value in values.items():
        if value is None:
            connection.execute("DELETE FROM meta WHERE key = ?", (key,))
        else:
            connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))
    seal = checks.meta_checksum(_all_meta(connection))
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (checks.SEAL, seal))


def _all_meta(connection: sqlite3.Connection) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in connection.execute("SELECT key, value FROM meta")}


def seal_video(connection: sqlite3.Connection, video_id: int) -> None:
    """Bring the checksum of a video's row up to date, inside the transaction that changed it."""
    row = connection.execute("SELECT * FROM videos WHERE id = ?", (video_id,)).fetchone()
    checksum = checks.video_checksum(row, extras_of(connection, video_id).get(video_id, ""))
    connection.execute("UPDATE videos SET checksum = ? WHERE id = ?", (checksum, video_id))


def insert_pictures(connection: sqlite3.Connection, video_id: int, pictures: Iterable[Picture]) -> int:
    """Store pictures of a video inside a transaction; how many they were."""
    before = connection.total_changes
    connection.executemany(
        _INSERT,
        ((video_id, *one, checks.frame_checksum(video_id, *one[:4], one[4:8], one[8])) for one in pictures),
    )
    return connection.total_changes - before


def have_extras(connection: sqlite3.Connection) -> bool:
    """Whether a library has ever kept numbers beside its rows."""
    return bool(scalar(connection, "SELECT count(*) FROM sqlite_master WHERE name = 'video_extras'"))


def extras_of(connection: sqlite3.Connection, video_id: int | None = None) -> dict[int, str]:
    """Kinds and checksums of what is kept beside the rows of a video, or of every one, by its id."""
    if not have_extras(connection):
        return {}
    where, values = ("", ()) if video_id is None else ("WHERE video_id = ?", (video_id,))
    found: dict[int, str] = {}
    for row in connection.execute(
        f"SELECT video_id, kind, checksum FROM video_extras {where} ORDER BY video_id, kind", values
    ):
        found[row[0]] = f"{found.get(row[0], '')}{row[1]}={row[2]};"
    return found


def served_changed(connection: sqlite3.Connection) -> None:
    """Say, inside a transaction, that what is served has changed."""
    served = scalar(connection, "SELECT count(*) FROM videos WHERE state = 'done'")
    write_meta(connection, {"generation": new_generation(), "served": str(served)})


def new_generation() -> str:
    """A name for one state of what is served; caches made from another state are stale."""
    return uuid.uuid4().hex[:12]


def scalar(connection: sqlite3.Connection, sql: str, *values: object) -> Any:
    """First column of the first row, or None."""
    row = connection.execute(sql, values).fetchone()
    return None if row is None else row[0]


def not_a_library(folder: Path) -> LibraryError:
    """The error for a folder without a library."""
    what = "is not a library" if folder.is_dir() else "does not exist" if not folder.exists() else "is a file"
    return LibraryError(
        f"{str(folder)!r} {what}",
        hint=f"make one with: seektrack index VIDEO --library {shlex.quote(str(folder))}",
    )


def _explained(folder: Path, reason: str) -> LibraryError:
    if "could not decode" in reason.lower():
        return checks.damaged(folder, "a text in it cannot be read")
    hints = (
        ("not a database", "the file library.sqlite is not a library; choose another folder"),
        (
            "malformed",
            f"save what is whole: seektrack videos --repair --library {shlex.quote(str(folder))}",
        ),
        ("full", "free some disk space; everything indexed so far is kept"),
        ("disk i/o", "is the disk full, over quota or failing? everything indexed so far is kept"),
        ("readonly", "open it read-only, or choose a folder you may write to"),
        ("locked", "another program keeps it busy; try again when it has finished"),
        ("unable to open", "choose a folder you may write to"),
    )
    hint = next((hint for word, hint in hints if word in reason.lower()), hints[1][1])
    return LibraryError(f"cannot use the library {str(folder)!r}: {reason}", hint=hint)
