"""Reading a library: rows and vectors by SQL, the search index, and arrays kept beside it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, LibraryError, OutputError
from seektrack.files import new_file
from seektrack.library import database
from seektrack.library.checks import damaged, frame_checksum, video_checksum
from seektrack.library.identity import is_there
from seektrack.library.index_settings import IndexSettings
from seektrack.library.rows import Rows, VideoRecord, joined

if TYPE_CHECKING:
    from seektrack.library.index import VectorIndex

_COLUMNS = (
    "f.id, f.video_id, f.frame_index, f.time_s, f.x0, f.y0, f.x1, f.y1, f.kind, f.vector, f.pts, f.checksum"
)
_FROM = "FROM frames f"
_ORDER = "ORDER BY f.video_id, f.frame_index, f.id"
BLOCK = 16384
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True, eq=False)
class CachedIndex:
    """A search index and the generation of the library it was built from."""

    generation: str
    index: VectorIndex


def everything(connection: sqlite3.Connection, folder: Path, dim: int) -> tuple[NDArray[np.float16], Rows]:
    """Vectors (N, D) and metadata of everything served, in order of video and frame.

    Raises:
        LibraryError: A row, or the number of rows, is not what was written.
    """
    parts = list(stream(connection, folder, dim))
    return np.concatenate([vectors for vectors, _ in parts]), joined([rows for _, rows in parts])


def _columns(
    paths: dict[int, str], found: Sequence[sqlite3.Row], folder: Path, dim: int
) -> tuple[NDArray[np.float16], Rows]:
    for row in found:
        _check(row, paths, folder, dim)
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


def _check(row: sqlite3.Row, paths: dict[int, str], folder: Path, dim: int) -> None:
    if not row_is_whole(row) or len(row["vector"]) != 2 * dim:
        whose = paths.get(row["video_id"], "a video")
        raise damaged(folder, f"a picture of {whose!r} is not what was stored")


def row_is_whole(row: sqlite3.Row) -> bool:
    """Whether a row of ``frames`` fits its checksum."""
    place = (row["video_id"], row["frame_index"], row["pts"], row["time_s"], row["kind"])
    try:
        box = (row["x0"], row["y0"], row["x1"], row["y1"])
        return bool(frame_checksum(*place, box, row["vector"]) == row["checksum"])
    except (TypeError, ValueError, struct.error, AttributeError):
        return False


def video_rows(connection: sqlite3.Connection, folder: Path) -> list[sqlite3.Row]:
    """Rows of ``videos`` by path and state, complete before unfinished; no index is asked which there are.

    Raises:
        LibraryError: A row, or the number of those served, is not what was written.
    """
    found = connection.execute(
        "SELECT * FROM videos NOT INDEXED ORDER BY path, state != 'done', state"
    ).fetchall()
    beside = database.extras_of(connection)
    for row in found:
        if video_checksum(row, beside.get(row["id"], "")) != row["checksum"]:
            raise damaged(folder, f"what it says of {row['path']!r} does not fit its checksum")
    served = database.scalar(connection, "SELECT value FROM meta WHERE key = 'served'")
    if str(sum(row["state"] == "done" for row in found)) != served:
        raise damaged(folder, "a video is missing from it")
    return found


def video_records(connection: sqlite3.Connection, folder: Path) -> list[VideoRecord]:
    """Every video by path, once: what is served of it, or the unfinished part."""
    listed: dict[str, sqlite3.Row] = {}
    renewing: set[str] = set()
    for row in video_rows(connection, folder):
        if row["path"] in listed:
            renewing.add(row["path"])
        listed.setdefault(row["path"], row)
    counts = {
        row[0]: (row[1], row[2])
        for row in connection.execute(
            "SELECT video_id, count(*), count(DISTINCT frame_index) FROM frames GROUP BY video_id"
        )
    }
    records = []
    for path, row in listed.items():
        vectors, frames = counts.get(row["id"], (0, 0))
        if row["state"] == "done" and vectors != row["pictures"]:
            raise damaged(folder, f"pictures of {path!r} are missing from it")
        records.append(
            VideoRecord(
                path=path,
                done=row["state"] == "done",
                frames=frames,
                vectors=vectors,
                duration_s=row["duration_s"],
                width=row["width"],
                height=row["height"],
                fps=Fraction(row["fps"]),
                settings=row["settings"],
                available=is_there(path),
                damage=row["damage"],
                renewing=path in renewing,
            )
        )
    return records


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
    *,
    changed: bool = False,
) -> CachedIndex:
    """The index of this generation, from disk or built and kept.

    Args:
        connection, folder, generation, dim, readonly: Of the library.
        settings: Build it anew, so.
        changed: What is on disk is not what was written, and not used.
    """
    from seektrack.library.index_files import load_index, save_index

    index = None if changed else load_index(folder, generation, paths_of(connection, folder))
    wanted = settings or kept_settings(connection, folder)
    if index is not None and settings is None and index.manifest.kind == wanted.kind_for(len(index)):
        return CachedIndex(generation, index)
    made = index or _built(connection, folder, generation, dim, readonly)
    made = made.searching(wanted)
    if not readonly and save_index(folder, generation, made):
        # Mapped from the file it costs no memory that the system cannot take back.
        made = load_index(folder, generation, made.rows.paths) or made
    return CachedIndex(generation, made)


def _built(
    connection: sqlite3.Connection, folder: Path, generation: str, dim: int, readonly: bool
) -> VectorIndex:
    """An exact index of what is served, mapped from a file of the library where one can be written."""
    from seektrack.library.index import VectorIndex
    from seektrack.library.index_files import vectors_file

    served = count(connection, folder)
    if not readonly:
        with contextlib.suppress(OutputError):
            file = vectors_file(folder, generation)
            return VectorIndex.build(stream(connection, folder, dim), served, dim, file)
    return VectorIndex.build(stream(connection, folder, dim), served, dim)


def kept_settings(connection: sqlite3.Connection, folder: Path) -> IndexSettings:
    """The index settings this library was told to keep, or the usual ones.

    What a newer release keeps besides is left aside: an index is only a cache.

    Raises:
        LibraryError: They are not understood.
    """
    kept = database.scalar(connection, "SELECT value FROM meta WHERE key = 'index'")
    known = {field.name for field in fields(IndexSettings)}
    try:
        said = dict(json.loads(kept)) if kept else {}
        return IndexSettings(**{name: value for name, value in said.items() if name in known})
    except (TypeError, ValueError, RecursionError, InputError) as error:
        raise LibraryError(
            f"the search index settings of {str(folder)!r} are not understood: {str(kept)[:80]}",
            hint="use the release of seektrack that wrote them, or choose anew: seektrack index --ann auto",
        ) from error


def count(connection: sqlite3.Connection, folder: Path) -> int:
    """Vectors that are served.

    Raises:
        LibraryError: See `video_rows`.
    """
    return sum(row["pictures"] for row in video_rows(connection, folder) if row["state"] == "done")


def stream(
    connection: sqlite3.Connection, folder: Path, dim: int
) -> Iterator[tuple[NDArray[np.float16], Rows]]:
    """Everything served, in order of video and frame, in chunks; the first is empty.

    Raises:
        LibraryError: A row, or the number of rows, is not what was written.
    """
    videos = {row["id"]: row for row in video_rows(connection, folder)}
    paths = {i: str(row["path"]) for i, row in videos.items()}
    yield _columns(paths, [], folder, dim)
    for video_id in sorted(i for i, row in videos.items() if row["state"] == "done"):
        # One at a time, as sorting all at once would hold every vector twice.
        cursor = connection.execute(f"SELECT {_COLUMNS} {_FROM} WHERE f.video_id = ? {_ORDER}", (video_id,))
        seen = 0
        while found := cursor.fetchmany(BLOCK):
            seen += len(found)
            yield _columns(paths, found, folder, dim)
        if seen != videos[video_id]["pictures"]:
            raise damaged(folder, f"pictures of {paths[video_id]!r} are missing from it")


def paths_of(connection: sqlite3.Connection, folder: Path) -> dict[int, str]:
    """Path of each video row by id.

    Raises:
        LibraryError: See `video_rows`.
    """
    return {int(row["id"]): str(row["path"]) for row in video_rows(connection, folder)}


def load_array(folder: Path, key: str) -> NDArray[np.float32] | None:
    """An array kept under a key, or None when there is none or it is not what was written."""
    try:
        raw = _array_path(folder, key).read_bytes()
        if hashlib.sha256(raw[_DIGEST:]).digest() != raw[:_DIGEST]:
            return None
        array: NDArray[np.float32] = np.load(io.BytesIO(raw[_DIGEST:]), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array


def save_array(folder: Path, key: str, array: NDArray[np.float32]) -> None:
    """Keep an array under a key, its checksum before it; failing to is no harm."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    content = buffer.getvalue()
    with contextlib.suppress(OSError), new_file(_array_path(folder, key)) as temporary:
        temporary.write_bytes(hashlib.sha256(content).digest() + content)


def _array_path(folder: Path, key: str) -> Path:
    return folder / f"cache-{hashlib.sha256(key.encode()).hexdigest()[:20]}.bin"
