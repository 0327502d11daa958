"""When the picture of each frame that was looked at began, and when that of the last one ended.

Kept in one row a video, in a table of its own that is made when the first is stored: a library made before
opens as it is, and its moments reach half-way to the next frame as they did.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seektrack.library.checks import damaged
from seektrack.library.database import scalar

TABLE = """
CREATE TABLE IF NOT EXISTS frame_turns (
    video_id INTEGER PRIMARY KEY REFERENCES videos(id) ON DELETE CASCADE,
    turns BLOB NOT NULL,
    checksum INTEGER NOT NULL
)
"""
_END = -1.0


@dataclass(frozen=True)
class TurnTimes:
    """Where the picture of a video turned.

    Attributes:
        begins: Seconds at which the picture of a frame began, by frame index; only where it differs from the
            frame looked at before.
        end_s: Seconds at which the picture of the last frame ended; None where that is not known.
    """

    begins: Mapping[int, float]
    end_s: float | None = None


def keep(connection: sqlite3.Connection, video_id: int, turns: TurnTimes) -> None:
    """Store those of a video in place of older ones, inside a transaction."""
    rows = [*turns.begins.items(), *([] if turns.end_s is None else [(_END, turns.end_s)])]
    blob = np.array(rows, dtype="<f8").reshape(len(rows), 2).tobytes()
    connection.execute(TABLE)
    connection.execute(
        "INSERT OR REPLACE INTO frame_turns VALUES (?, ?, ?)", (video_id, blob, checksum(video_id, blob))
    )


def read(connection: sqlite3.Connection, folder: Path, video_id: int) -> TurnTimes:
    """Those of a video; empty where none were stored.

    Raises:
        LibraryError: They are not what was written.
    """
    if not have_table(connection):
        return TurnTimes({})
    row = connection.execute(
        "SELECT turns, checksum FROM frame_turns WHERE video_id = ?", (video_id,)
    ).fetchone()
    if row is None:
        return TurnTimes({})
    if not is_whole(video_id, row["turns"], row["checksum"]):
        raise damaged(folder, "where the pictures of a video turn is not what was stored")
    held = {float(i): float(s) for i, s in np.frombuffer(row["turns"], "<f8").reshape(-1, 2)}
    end_s = held.pop(_END, None)
    return TurnTimes({int(i): s for i, s in held.items()}, end_s)


def checksum(video_id: int, turns: bytes) -> int:
    """Of a row."""
    return zlib.crc32(turns, zlib.crc32(struct.pack("<q", video_id)))


def is_whole(video_id: int, turns: object, told: object) -> bool:
    """Whether a row fits its checksum."""
    return isinstance(turns, bytes) and len(turns) % 16 == 0 and checksum(video_id, turns) == told


def have_table(connection: sqlite3.Connection) -> bool:
    """Whether a library has ever kept any."""
    return bool(scalar(connection, "SELECT count(*) FROM sqlite_master WHERE name = 'frame_turns'"))
