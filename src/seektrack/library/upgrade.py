"""Bringing a library of an earlier version up to date, in place and in one transaction."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from seektrack.errors import LibraryError
from seektrack.library import database
from seektrack.library.checks import frame_checksum, stretch_checksum
from seektrack.library.stretches import TABLES, have_stretches

_VIDEOS = "size, mtime_ns, digest, width, height, fps, duration_s, n_frames, settings, state, owner, beat_s"
_FRAMES = "video_id, frame_index, pts, time_s, kind, x0, y0, x1, y1, vector"
_AT_ONCE = 4096


def upgrade(connection: sqlite3.Connection, folder: Path, *, readonly: bool) -> dict[str, str]:
    """Give a library of version 1 checksums and room for videos that are made anew.

    Returns:
        What it says of itself now.

    Raises:
        LibraryError: It is open read-only.
    """
    if readonly:
        raise LibraryError(
            f"the library {str(folder)!r} was written by an earlier version of seektrack",
            hint="open it once where it may be written to, such as by: seektrack videos",
        )
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        with database.transaction(connection):
            meta = database.read_meta(connection, folder)
            if meta["schema"] == "1":  # no other process did it meanwhile
                _rebuild(connection, meta)
    finally:
        connection.execute("PRAGMA foreign_keys = ON")
    return database.read_meta(connection, folder)


def _rebuild(connection: sqlite3.Connection, meta: dict[str, str]) -> None:
    for table in ("videos", "frames"):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    connection.execute("DROP INDEX IF EXISTS frames_of_video")
    for statement in filter(str.strip, database.SCHEMA.split(";")):
        if "TABLE meta" not in statement:
            connection.execute(statement)
    connection.execute(
        f"INSERT INTO videos (id, path, {_VIDEOS}, whole, fingerprint, damage, pictures, checksum) "
        f"SELECT id, path, {_VIDEOS}, '', ?, '', 0, 0 FROM old_videos",
        (meta["fingerprint"],),
    )
    cursor = connection.execute(f"SELECT id, {_FRAMES} FROM old_frames ORDER BY id")
    while rows := cursor.fetchmany(_AT_ONCE):
        connection.executemany(
            f"INSERT INTO frames (id, {_FRAMES}, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*row, _checksum(row)) for row in map(tuple, rows)],
        )
    for table in ("old_frames", "old_videos"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute(
        "UPDATE videos SET pictures = (SELECT count(*) FROM frames WHERE video_id = videos.id) "
        "WHERE state = 'done'"
    )
    _check_stretches(connection)
    for (video_id,) in connection.execute("SELECT id FROM videos").fetchall():
        database.seal_video(connection, int(video_id))
    database.write_meta(connection, {"schema": str(database.SCHEMA_VERSION)})
    database.served_changed(connection)


def _checksum(row: tuple[Any, ...]) -> int:
    return frame_checksum(row[1], row[2], row[3], row[4], row[5], row[6:10], row[10])


def _check_stretches(connection: sqlite3.Connection) -> None:
    """Give stretches checksums; their tables referred to the old table of videos and are made anew."""
    if not have_stretches(connection):
        return

    for table in ("clips", "clip_videos"):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    connection.execute("DROP INDEX IF EXISTS clips_of_video")
    for statement in filter(str.strip, TABLES.split(";")):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO clip_videos (video_id, settings, stretches) SELECT video_id, settings, "
        "(SELECT count(*) FROM old_clips o WHERE o.video_id = v.video_id) FROM old_clip_videos v"
    )
    found = connection.execute("SELECT id, video_id, start_s, end_s, vector FROM old_clips").fetchall()
    connection.executemany(
        "INSERT INTO clips (id, video_id, start_s, end_s, vector, checksum) VALUES (?, ?, ?, ?, ?, ?)",
        [(*row, stretch_checksum(*row[1:])) for row in map(tuple, found)],
    )
    for table in ("old_clips", "old_clip_videos"):
        connection.execute(f"DROP TABLE {table}")
