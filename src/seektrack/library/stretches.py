"""Stretches of a video whose frames are indexed anew: they stay, as they come from the same file."""

from __future__ import annotations

import sqlite3

from seektrack.library.checks import stretch_checksum
from seektrack.library.database import scalar


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
