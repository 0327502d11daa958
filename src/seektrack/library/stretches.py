"""Stretches of a video whose frames are indexed anew: they stay, as they come from the same file."""

from __future__ import annotations

import sqlite3

from seektrack.library.checks import stretch_checksum
from seektrack.library.database import scalar

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
