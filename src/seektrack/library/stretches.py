"""The tables of stretches of the embedded back end, made when the first are stored.

A library without stretches is what it always was. Those of a video whose frames are indexed anew stay, as
they come from the same file.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from seektrack.library.beside import ClipModel
from seektrack.library.checks import damaged, stretch_checksum
from seektrack.library.database import scalar
from seektrack.library.identity import library_key
from seektrack.library.rows import Where

TABLES = """
CREATE TABLE IF NOT EXISTS clip_videos (
    video_id INTEGER PRIMARY KEY REFERENCES videos(id) ON DELETE CASCADE,
    settings TEXT NOT NULL,
    stretches INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS clips (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    video_id INTEGER NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
    start_s REAL NOT NULL,
    end_s REAL NOT NULL,
    vector BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS clips_of_video ON clips (video_id, start_s);
"""


def have_stretches(connection: sqlite3.Connection) -> bool:
    """Whether a library has ever kept stretches."""
    return bool(scalar(connection, "SELECT count(*) FROM sqlite_master WHERE name = 'clip_videos'"))


def hand_over(connection: sqlite3.Connection, old: int, new: int) -> None:
    """Give the stretches of one video row to another, inside a transaction."""
    if not have_stretches(connection):
        return
    found = connection.execute(
        "SELECT id, start_s, end_s, vector FROM clips WHERE video_id = ?", (old,)
    ).fetchall()
    for row in found:
        checksum = stretch_checksum(new, row["start_s"], row["end_s"], row["vector"])
        connection.execute(
            "UPDATE clips SET video_id = ?, checksum = ? WHERE id = ?", (new, checksum, row["id"])
        )
    connection.execute("UPDATE OR REPLACE clip_videos SET video_id = ? WHERE video_id = ?", (new, old))


def lay_out(connection: sqlite3.Connection) -> None:
    """Make the tables inside a transaction, unless they are there."""
    for statement in filter(str.strip, TABLES.split(";")):
        connection.execute(statement)


def model_of(connection: sqlite3.Connection) -> ClipModel | None:
    """What made the stretches; None when the library keeps none."""
    kept = {
        str(key): str(value)
        for key, value in connection.execute("SELECT key, value FROM meta WHERE key GLOB 'clip_*'")
    }
    if "clip_model" not in kept:
        return None
    return ClipModel(kept["clip_model"], kept["clip_fingerprint"], int(kept["clip_dim"]))


def put(
    connection: sqlite3.Connection, video_id: int, rows: Sequence[tuple[float, float, bytes]], settings: str
) -> None:
    """Store all stretches of a video in place of older ones, inside a transaction."""
    connection.execute("DELETE FROM clips WHERE video_id = ?", (video_id,))
    connection.executemany(
        "INSERT INTO clips (video_id, start_s, end_s, vector, checksum) VALUES (?, ?, ?, ?, ?)",
        [(video_id, *row, stretch_checksum(video_id, *row)) for row in rows],
    )
    connection.execute("INSERT OR REPLACE INTO clip_videos VALUES (?, ?, ?)", (video_id, settings, len(rows)))


def touching(
    connection: sqlite3.Connection, folder: Path, asked: Where, served: Mapping[int, str]
) -> list[sqlite3.Row]:
    """Rows of stretches that touch the window of a filter, in order of video and start.

    Args:
        connection: Of the library.
        folder: Where it lies.
        asked: The filter.
        served: Path of each finished video by id, known to be whole.

    Raises:
        LibraryError: They are not what was written.
    """
    key = None if asked.video is None else library_key(asked.video)
    one = next((i for i, path in served.items() if path == key), -1) if key is not None else None
    found = whole_rows(connection, folder, one)
    return [
        row
        for row in found
        if row["video_id"] in served
        and (asked.start_s is None or row["end_s"] >= asked.start_s)
        and (asked.end_s is None or row["start_s"] < asked.end_s)
    ]


def whole_rows(
    connection: sqlite3.Connection, folder: Path, video_id: int | None = None
) -> list[sqlite3.Row]:
    """All stretches, or those of one video, in order of video and start.

    No index is believed beyond where it leads: what is read carries its checksum, and is counted.

    Raises:
        LibraryError: They are not what was written.
    """
    columns = "video_id, start_s, end_s, vector, checksum, id"
    where = "NOT INDEXED" if video_id is None else f"WHERE video_id = {video_id:d}"
    found = connection.execute(f"SELECT {columns} FROM clips {where}").fetchall()
    for row in found:
        if stretch_checksum(*tuple(row)[:4]) != row["checksum"]:
            raise damaged(folder, "a stretch of a video is not what was stored")
    counts = Counter(video for video, _ in {(row["video_id"], row["id"]) for row in found})
    kept = "" if video_id is None else f"WHERE video_id = {video_id:d}"
    said = {
        row[0]: row[1] for row in connection.execute(f"SELECT video_id, stretches FROM clip_videos {kept}")
    }
    if counts != Counter({video: count for video, count in said.items() if count}):
        raise damaged(folder, "stretches of a video are missing from it")
    return sorted(found, key=lambda row: (row["video_id"], row["start_s"], row["id"]))
