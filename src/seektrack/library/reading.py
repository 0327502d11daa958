"""Reading a library: rows and vectors by SQL, the search index, and arrays kept beside it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seektrack.files import new_file
from seektrack.library import database
from seektrack.library.identity import library_key
from seektrack.library.index_settings import IndexSettings
from seektrack.library.rows import KINDS, Rows, VideoRecord, Where

if TYPE_CHECKING:
    from seektrack.library.index import VectorIndex

_COLUMNS = "f.id, f.video_id, f.frame_index, f.time_s, f.x0, f.y0, f.x1, f.y1, f.kind, f.vector"
_FROM = "FROM frames f JOIN videos v ON v.id = f.video_id"
_ORDER = "ORDER BY f.video_id, f.frame_index, f.id"
IDS_AT_ONCE = 500
BLOCK = 16384


@dataclass(frozen=True, eq=False)
class CachedIndex:
    """A search index and the generation of the library it was built from."""

    generation: str
    index: VectorIndex


def fetch(connection: sqlite3.Connection, where: Where, dim: int) -> tuple[NDArray[np.float16], Rows]:
    """Vectors (N, D) and metadata of finished videos under a filter."""
    clauses, values = ["v.state = 'done'"], list[object]()
    if where.video is not None:
        clauses.append("v.path = ?")
        values.append(library_key(where.video))
    if where.start_s is not None:
        clauses.append("f.time_s >= ?")
        values.append(where.start_s)
    if where.end_s is not None:
        clauses.append("f.time_s < ?")
        values.append(where.end_s)
    if where.kinds:
        clauses.append(f"f.kind IN ({', '.join('?' * len(where.kinds))})")
        values += [KINDS.index(kind) for kind in where.kinds]
    found = connection.execute(
        f"SELECT {_COLUMNS} {_FROM} WHERE {' AND '.join(clauses)} {_ORDER}", values
    ).fetchall()
    return _columns(_paths(connection), found, dim)


def fetch_ids(
    connection: sqlite3.Connection, ids: Sequence[int], dim: int
) -> tuple[NDArray[np.float16], Rows]:
    """Vectors and metadata of some rows of finished videos, ordered by video and frame."""
    found: list[sqlite3.Row] = []
    for start in range(0, len(ids), IDS_AT_ONCE):
        part = ids[start : start + IDS_AT_ONCE]
        marks = ", ".join("?" * len(part))
        sql = f"SELECT {_COLUMNS} {_FROM} WHERE v.state = 'done' AND f.id IN ({marks})"
        found += connection.execute(sql, part).fetchall()
    found.sort(key=lambda row: (row["video_id"], row["frame_index"], row["id"]))
    return _columns(_paths(connection), found, dim)


def _columns(
    paths: dict[int, str], found: Sequence[sqlite3.Row], dim: int
) -> tuple[NDArray[np.float16], Rows]:
    n = len(found)
    raw = b"".join(row[9] for row in found)
    vectors = np.frombuffer(raw, dtype="<f2").reshape(n, dim).astype(np.float16, copy=False)

    def column(i: int, dtype: type[np.generic]) -> NDArray[np.generic]:
        return np.fromiter((row[i] for row in found), dtype=dtype, count=n)

    boxes = np.array([tuple(row)[4:8] for row in found], dtype=np.float64).reshape(n, 4)
    rows = Rows(
        ids=column(0, np.int64).astype(np.int64),
        video_ids=column(1, np.int64).astype(np.int64),
        frame_indices=column(2, np.int64).astype(np.int64),
        times=column(3, np.float64).astype(np.float64),
        boxes=boxes,
        kinds=column(8, np.int8).astype(np.int8),
        paths=paths,
    )
    return vectors, rows


def timeline(connection: sqlite3.Connection, key: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Indices and times of every frame looked at in a finished video."""
    found = connection.execute(
        f"SELECT f.frame_index, min(f.time_s) {_FROM} WHERE v.state = 'done' AND v.path = ? "
        "GROUP BY f.frame_index ORDER BY f.frame_index",
        (key,),
    ).fetchall()
    indices = np.array([row[0] for row in found], dtype=np.int64)
    return indices, np.array([row[1] for row in found], dtype=np.float64)


def video_records(connection: sqlite3.Connection) -> list[VideoRecord]:
    """Every video by path."""
    found = connection.execute(
        "SELECT v.*, count(f.id) AS vectors, count(DISTINCT f.frame_index) AS frames "
        "FROM videos v LEFT JOIN frames f ON f.video_id = v.id GROUP BY v.id ORDER BY v.path"
    )
    return [
        VideoRecord(
            path=row["path"],
            done=row["state"] == "done",
            frames=row["frames"],
            vectors=row["vectors"],
            duration_s=row["duration_s"],
            width=row["width"],
            height=row["height"],
            fps=Fraction(row["fps"]),
            settings=row["settings"],
            available="://" in row["path"] or os.path.exists(row["path"]),
        )
        for row in found
    ]


def cosines(vectors: NDArray[np.float16], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inner products of (N, D) half-precision rows with a (D,) query, block by block in float32."""
    out = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        out[start : start + BLOCK] = vectors[start : start + BLOCK].astype(np.float32) @ query
    return out


def open_index(
    connection: sqlite3.Connection,
    folder: Path,
    generation: str,
    dim: int,
    readonly: bool,
    settings: IndexSettings | None = None,
) -> CachedIndex:
    """The index of this generation, from disk or built and kept; ``settings`` build it anew."""
    from seektrack.library.index import VectorIndex
    from seektrack.library.index_files import load_index, save_index

    index = load_index(folder, generation, _paths(connection))
    wanted = settings or kept_settings(connection)
    if index is not None and settings is None and index.manifest.kind == wanted.kind_for(len(index)):
        return CachedIndex(generation, index)
    made = index or VectorIndex.build(stream(connection, dim), count(connection), dim)
    made = made.searching(wanted)
    if not readonly and save_index(folder, generation, made):
        # Mapped from the file it costs no memory that the system cannot take back.
        made = load_index(folder, generation, made.rows.paths) or made
    return CachedIndex(generation, made)


def kept_settings(connection: sqlite3.Connection) -> IndexSettings:
    """The index settings this library was told to keep, or the usual ones."""
    kept = database.scalar(connection, "SELECT value FROM meta WHERE key = 'index'")
    return IndexSettings(**json.loads(kept)) if kept else IndexSettings()


def count(connection: sqlite3.Connection) -> int:
    """Vectors that are served."""
    return int(database.scalar(connection, f"SELECT count(*) {_FROM} WHERE v.state = 'done'"))


def stream(connection: sqlite3.Connection, dim: int) -> Iterator[tuple[NDArray[np.float16], Rows]]:
    """Everything served, in order of video and frame, in chunks; the first is empty."""
    paths = _paths(connection)
    yield _columns(paths, [], dim)
    done = connection.execute("SELECT id FROM videos WHERE state = 'done' ORDER BY id").fetchall()
    for (video,) in done:  # one at a time, as sorting all at once would hold every vector twice
        cursor = connection.execute(f"SELECT {_COLUMNS} {_FROM} WHERE v.id = ? {_ORDER}", (video,))
        while found := cursor.fetchmany(BLOCK):
            yield _columns(paths, found, dim)


def _paths(connection: sqlite3.Connection) -> dict[int, str]:
    return {int(i): str(p) for i, p in connection.execute("SELECT id, path FROM videos")}


def load_array(folder: Path, key: str) -> NDArray[np.float32] | None:
    """An array kept under a key, or None when there is none or it is damaged."""
    try:
        array: NDArray[np.float32] = np.load(_array_path(folder, key), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array


def save_array(folder: Path, key: str, array: NDArray[np.float32]) -> None:
    """Keep an array under a key by a temporary file and a rename; failing to is no harm."""
    with (
        contextlib.suppress(OSError),
        new_file(_array_path(folder, key)) as temporary,
        temporary.open("wb") as stream,
    ):
        np.save(stream, array)


def _array_path(folder: Path, key: str) -> Path:
    return folder / f"cache-{hashlib.sha256(key.encode()).hexdigest()[:20]}.npy"


def joined_key(parts: Iterable[str]) -> str:
    """One cache key from many strings, without ambiguity."""
    return "\x1f".join(parts)
