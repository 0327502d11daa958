"""Checksums of what a library holds, so that a flipped bit is told and never answers.

Every row carries one, and so does what the library says of itself; how many rows a finished video has and how
many videos are served is kept too, as a damaged page can also make rows disappear.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from seektrack.errors import LibraryError

SEAL = "seal"
"""Key of the meta table that holds the checksum of the others."""
VIDEO_FIELDS = (
    "id", "path", "size", "mtime_ns", "digest", "whole", "width", "height", "fps", "duration_s", "n_frames",
    "settings", "fingerprint", "state", "damage", "pictures",
)  # fmt: skip
_PLACE = struct.Struct("<qqdb4d")
_NOWHERE = float("nan")


def frame_checksum(
    video_id: int,
    frame_index: int,
    pts: str,
    time_s: float,
    kind: int,
    box: Iterable[float | None],
    vector: bytes,
) -> int:
    """Of a row of ``frames``; raises `TypeError` or `struct.error` where a field is of another type."""
    corners = (_NOWHERE if v is None else v for v in box)
    place = _PLACE.pack(video_id, frame_index, time_s, kind, *corners)
    return zlib.crc32(vector, zlib.crc32(pts.encode(), zlib.crc32(place)))


def video_checksum(row: Mapping[str, object] | sqlite3.Row, extras: str = "") -> int:
    """Of a row of ``videos``, and of what is kept beside it, see `seektrack.library.database.extras_of`."""
    fields = [repr(row[name]) for name in VIDEO_FIELDS] + ([extras] if extras else [])
    return zlib.crc32("\x1f".join(fields).encode("utf-8", "surrogatepass"))


def stretch_checksum(video_id: int, start_s: float, end_s: float, vector: bytes) -> int:
    """Of a row of ``clips``."""
    return zlib.crc32(vector, zlib.crc32(struct.pack("<qdd", video_id, start_s, end_s)))


def extra_checksum(video_id: int, kind: str, note: str, numbers: bytes) -> int:
    """Of numbers kept beside a video."""
    named = f"{video_id}\x1f{kind}\x1f{note}".encode("utf-8", "surrogatepass")
    return zlib.crc32(numbers, zlib.crc32(named))


def meta_checksum(meta: Mapping[str, str]) -> str:
    """Of what a library says of itself, the seal left out."""
    text = "\x1f".join(f"{key}\x1e{meta[key]}" for key in sorted(meta) if key != SEAL)
    return f"{zlib.crc32(text.encode()):08x}"


def damaged(folder: Path | str, what: str) -> LibraryError:
    """The error for a library whose bytes are not what was written."""
    import shlex

    return LibraryError(
        f"the library {str(folder)!r} is damaged: {what}",
        hint=f"save what is whole: seektrack videos --repair --library {shlex.quote(str(folder))}",
    )
