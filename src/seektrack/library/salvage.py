"""Saving what is whole of a damaged library into a fresh one in its place."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seektrack.errors import LibraryError
from seektrack.library import database, distances, extras, turns
from seektrack.library.address import backend_of, place_of
from seektrack.library.checks import video_checksum
from seektrack.library.reading import row_is_whole

_LONGEST = 1 << 20
"""Most row ids looked at one by one behind a damaged page."""


@dataclass(frozen=True)
class Salvage:
    """What was saved.

    Attributes:
        saved: Videos that were whole, by path.
        lost: Videos that were not; index them again.
        backup: The damaged file, kept.
    """

    saved: tuple[str, ...]
    lost: tuple[str, ...]
    backup: Path


def repair(folder: Path) -> Salvage | None:
    """Put a fresh library in the place of a damaged one, with every video whose rows are all as written.

    The damaged file is kept beside it. Stretches of the temporal encoder are made anew by the next indexing.

    Returns:
        What was saved; None where nothing is damaged.

    Raises:
        LibraryError: There is no library, what made its vectors cannot be told, or it cannot be written.
    """
    if backend_of(folder) == "lance":
        raise LibraryError(
            f"the library {str(place_of(folder))!r} is kept by LanceDB, which is not mended in place",
            hint="copy what is whole: seektrack library copy OLD NEW --video VIDEO; index the rest again",
        )
    damaged = folder / database.FILE_NAME
    if not damaged.is_file():
        raise database.not_a_library(folder)
    if _is_whole(folder):
        return None
    with database.guard(folder), tempfile.TemporaryDirectory(dir=folder, prefix=".repair-") as temporary:
        copy = Path(temporary)
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(folder / (database.FILE_NAME + suffix), copy / ("old.sqlite" + suffix))
        old = sqlite3.connect(copy / "old.sqlite", isolation_level=None)
        old.row_factory = sqlite3.Row
        old.text_factory = lambda raw: raw.decode("utf-8", "replace")
        fresh = database.connect(copy, readonly=False)
        try:
            saved, lost = _copy_whole(old, fresh, folder)
            fresh.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            old.close()
            fresh.close()
        backup = folder / f"library-damaged-{time.strftime('%Y%m%d-%H%M%S')}.sqlite"
        os.replace(damaged, backup)
        for suffix in ("-wal", "-shm"):
            (folder / (database.FILE_NAME + suffix)).unlink(missing_ok=True)
        os.replace(copy / database.FILE_NAME, damaged)
        for pattern in ("vectors-*", "columns-*", "approximate-*", "index-*", "cache-*"):
            for cached in folder.glob(pattern):
                cached.unlink(missing_ok=True)
    return Salvage(tuple(saved), tuple(lost), backup)


def _is_whole(folder: Path) -> bool:
    from seektrack.library.backend import LibraryStore

    try:
        with LibraryStore.open(folder) as store:
            store.verify()
    except LibraryError:
        return False
    return True


def _copy_whole(
    old: sqlite3.Connection, fresh: sqlite3.Connection, folder: Path
) -> tuple[list[str], list[str]]:
    meta = {str(r["key"]): str(r["value"]) for r in _rows(old, "meta", key="key")}
    if not {"model", "fingerprint", "dim"} <= meta.keys() or not meta["dim"].isdecimal():
        raise LibraryError(
            f"nothing can be saved of {str(folder)!r}: it no longer says which model made it",
            hint="index the videos again into another folder",
        )
    saved: list[str] = []
    lost: list[str] = []
    with database.transaction(fresh):
        database.lay_out(fresh, model=meta["model"], fingerprint=meta["fingerprint"], dim=int(meta["dim"]))
        kept = {k: v for k, v in meta.items() if k == "index"}
        database.write_meta(fresh, dict(kept))
    videos = list(_rows(old, "videos"))
    beside: dict[int, str] = {}
    with contextlib.suppress(sqlite3.Error):
        beside = database.extras_of(old)
    pictures: dict[int, list[sqlite3.Row]] = {}
    for row in _rows(old, "frames"):
        if row_is_whole(row):
            pictures.setdefault(row["video_id"], []).append(row)
    for video in videos:
        rows = pictures.get(video["id"], [])
        sealed = video_checksum(video, beside.get(video["id"], "")) == video["checksum"]
        whole = sealed and len(rows) == video["pictures"]
        if video["state"] != "done":
            continue
        (saved if whole else lost).append(str(video["path"]))
        if whole:
            with database.transaction(fresh):
                _insert(fresh, "videos", video)
                for row in sorted(rows, key=lambda r: int(r["id"])):
                    _insert(fresh, "frames", row)
                for kind in (turns.KIND, distances.KIND):
                    _copy_extra(old, fresh, folder, int(video["id"]), kind)
                database.seal_video(fresh, int(video["id"]))
    with database.transaction(fresh):
        database.served_changed(fresh)
    return sorted(saved), sorted(lost)


def _copy_extra(
    old: sqlite3.Connection, fresh: sqlite3.Connection, folder: Path, video_id: int, kind: str
) -> None:
    """Keep what lies beside the rows of a video, where it is whole; it is made anew by the next indexing."""
    with contextlib.suppress(sqlite3.Error, LibraryError):
        extra = extras.get(old, folder, video_id, kind)
        if extra is not None:
            extras.put(fresh, video_id, kind, extra.numbers, note=extra.note)


def _insert(fresh: sqlite3.Connection, table: str, row: sqlite3.Row) -> None:
    names = row.keys()
    marks = ", ".join("?" * len(names))
    fresh.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", tuple(row))


def _rows(connection: sqlite3.Connection, table: str, *, key: str = "id") -> Iterator[sqlite3.Row]:
    """Rows of a table as far as its pages can be read: in order, and where that ends, id by id."""
    last = 0
    try:
        for row in connection.execute(f"SELECT * FROM {table} NOT INDEXED ORDER BY {key}"):
            last = row["id"] if key == "id" else last
            yield row
        return
    except sqlite3.Error:
        if key != "id":
            return
    for number in range(last + 1, _last_id(connection, table, last) + 1):
        with contextlib.suppress(sqlite3.Error):
            row = connection.execute(f"SELECT * FROM {table} WHERE id = ?", (number,)).fetchone()
            if row is not None:
                yield row


def _last_id(connection: sqlite3.Connection, table: str, known: int) -> int:
    """The largest id a table ever gave out, as far as that can be read."""
    with contextlib.suppress(sqlite3.Error):
        found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        if found is not None and known <= found[0] <= known + _LONGEST:
            return int(found[0])
    return known + _LONGEST
