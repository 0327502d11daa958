"""Numbers kept of the frames of a video beside its rows, such as where its picture turns.

They lie in a table of their own, made when the first are stored, so that a library made before opens as it
is. Each has a checksum, and that of the video's own row covers which there are, so that none can change or
disappear without a word.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from seektrack.library import checks, database
from seektrack.library.beside import Extra

_TABLE = """
CREATE TABLE IF NOT EXISTS video_extras (
    video_id INTEGER NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    note TEXT NOT NULL,
    numbers BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (video_id, kind)
) WITHOUT ROWID
"""


def put(
    connection: sqlite3.Connection, video_id: int, kind: str, numbers: Mapping[int, float], *, note: str = ""
) -> None:
    """Store those of a kind in place of older ones, inside a transaction, and seal the video again."""
    connection.execute(_TABLE)
    blob = Extra(note, numbers).packed()
    checksum = checks.extra_checksum(video_id, kind, note, blob)
    connection.execute(
        "INSERT OR REPLACE INTO video_extras VALUES (?, ?, ?, ?, ?)", (video_id, kind, note, blob, checksum)
    )
    database.seal_video(connection, video_id)


def get(connection: sqlite3.Connection, folder: Path, video_id: int, kind: str) -> Extra | None:
    """Those of a kind; None where there are none.

    Raises:
        LibraryError: They are not what was written.
    """
    if not database.have_extras(connection):
        return None
    row = connection.execute(
        "SELECT * FROM video_extras WHERE video_id = ? AND kind = ?", (video_id, kind)
    ).fetchone()
    return None if row is None else _read(row, folder)


def get_all(
    connection: sqlite3.Connection, folder: Path, kind: str, paths: Mapping[int, str]
) -> Iterator[tuple[str, Extra]]:
    """Those of a kind of some videos, given by id, with their paths.

    Raises:
        LibraryError: They are not what was written.
    """
    if not database.have_extras(connection):
        return
    for row in connection.execute("SELECT * FROM video_extras WHERE kind = ? ORDER BY video_id", (kind,)):
        if row["video_id"] in paths:
            yield paths[row["video_id"]], _read(row, folder)


def _read(row: sqlite3.Row, folder: Path) -> Extra:
    told = (row["video_id"], row["kind"], row["note"], row["numbers"])
    whole = (
        isinstance(told[3], bytes)
        and len(told[3]) % 16 == 0
        and checks.extra_checksum(*told) == row["checksum"]
    )
    if not whole:
        raise checks.damaged(folder, f"the {row['kind']!r} of a video is not what was stored")
    return Extra.unpacked(str(row["note"]), told[3])
