"""Videos of one library into another: to merge libraries, to split one, or to bring a copy up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from seektrack.errors import InputError, LibraryError
from seektrack.library import database, distances, extras, turns
from seektrack.library.checks import damaged, frame_checksum, stretch_checksum
from seektrack.library.clips import ClipShelf
from seektrack.library.identity import library_key
from seektrack.library.index_settings import IndexSettings
from seektrack.library.reading import row_is_whole
from seektrack.library.store import LibraryStore
from seektrack.library.stretches import have_stretches
from seektrack.library.writer import INSERT
from seektrack.types import Progress

_SAME = ("size", "digest", "settings", "fingerprint", "pictures", "damage")
"""Columns of a video that say whether it is held alike."""
_KEPT = (
    "path", "size", "mtime_ns", "digest", "whole", "width", "height", "fps", "duration_s", "n_frames",
    "settings", "fingerprint", "damage", "pictures",
)  # fmt: skip


@dataclass(frozen=True)
class Copied:
    """What a copy did.

    Attributes:
        copied: Videos that were copied, by path.
        unchanged: Videos that were there already.
        vectors: Pictures that were copied.
    """

    copied: tuple[str, ...]
    unchanged: tuple[str, ...]
    vectors: int


def copy_library(
    source: str | Path,
    target: str | Path,
    *,
    videos: Collection[str | Path] = (),
    progress: Progress | None = None,
) -> Copied:
    """Copy what is served of a library into another one, new or not.

    Each video goes in one transaction with all that is known of it, so a copy that was killed goes on with
    the next video. One that the target holds otherwise is replaced. Everything is compared with its checksum
    as it is read.

    Args:
        source: Only read from.
        target: A library made by the same model, or a new or empty folder.
        videos: Only these; every one when empty.
        progress: Called with ``(done, total, stage)`` after each video.

    Raises:
        InputError: A video is not in the source, or source and target are one.
        LibraryError: The source is damaged, or the target cannot be written.
        LibraryMismatchError: The target was made by another model.
    """
    if Path(source).expanduser().resolve() == Path(target).expanduser().resolve():
        raise InputError(f"the library {str(source)!r} cannot be copied into itself")
    with LibraryStore.open(source, readonly=True) as old:
        served = old.served()
        wanted = {library_key(video) for video in videos}
        missing = sorted(wanted - set(served.values()))
        if missing:
            raise InputError(f"{', '.join(missing)} is not in the library {str(source)!r}")
        begun = not LibraryStore.is_library(target)
        with LibraryStore.open_or_create(
            target, model=old.model, fingerprint=old.fingerprint, dim=old.dim
        ) as new:
            if begun:
                _settle(old, new)
            chosen = [(i, path) for i, path in sorted(served.items()) if not wanted or path in wanted]
            return _copied(old, new, chosen, progress)


def _settle(old: LibraryStore, new: LibraryStore) -> None:
    """Give a new library the choices of the one it is made of."""
    if old.asked:
        new.note_asked(old.asked)
    chosen = old.stats().chosen
    if chosen != IndexSettings():
        new.choose_index(chosen)


def _copied(
    old: LibraryStore, new: LibraryStore, chosen: list[tuple[int, str]], progress: Progress | None
) -> Copied:
    model = ClipShelf(old).model()
    stretches = model is not None and ClipShelf(new).model() in (None, model)
    if model is not None and stretches:
        ClipShelf(new).use(model)
    copied: list[str] = []
    unchanged: list[str] = []
    vectors = 0
    for n, (video_id, path) in enumerate(chosen, start=1):
        made = _copy_video(old, new, video_id, path, stretches=stretches)
        (unchanged if made is None else copied).append(path)
        vectors += made or 0
        if progress:
            progress(n, len(chosen), "copying")
    return Copied(tuple(copied), tuple(unchanged), vectors)


def _copy_video(
    old: LibraryStore, new: LibraryStore, video_id: int, path: str, *, stretches: bool
) -> int | None:
    """Vectors copied; None where the target holds the video alike."""
    with old._reading() as reading, new.writing() as writing:
        video = reading.execute("SELECT * FROM videos WHERE id = ?", (video_id,)).fetchone()
        if video is None:
            raise LibraryError(f"{path!r} was taken out of the library meanwhile", hint="copy again")
        there = writing.execute("SELECT * FROM videos WHERE path = ? AND state = 'done'", (path,)).fetchone()
        if there is not None:
            if all(there[name] == video[name] for name in _SAME):
                return None
            writing.execute("DELETE FROM videos WHERE id = ?", (there["id"],))
        names = ", ".join((*_KEPT, "state", "checksum", "owner", "beat_s"))
        marks = ", ".join("?" * len(_KEPT))
        cursor = writing.execute(
            f"INSERT INTO videos ({names}) VALUES ({marks}, 'done', 0, '', 0)",
            tuple(video[name] for name in _KEPT),
        )
        new_id = int(cursor.lastrowid or 0)
        count = _copy_frames(reading, writing, video_id, new_id, old.path)
        if count != video["pictures"]:
            raise damaged(old.path, f"pictures of {path!r} are missing from it")
        for kind in (turns.KIND, distances.KIND):
            extra = extras.get(reading, old.path, video_id, kind)
            if extra is not None:
                extras.put(writing, new_id, kind, extra.numbers, note=extra.note)
        if stretches:
            _copy_stretches(reading, writing, video_id, new_id, old.path)
        database.seal_video(writing, new_id)
        database.served_changed(writing)
        database.write_meta(writing, {"distances": database.new_generation()})
        return count


def _copy_frames(
    reading: sqlite3.Connection, writing: sqlite3.Connection, old_id: int, new_id: int, folder: Path
) -> int:
    count = 0
    for row in reading.execute("SELECT * FROM frames WHERE video_id = ? ORDER BY id", (old_id,)):
        if not row_is_whole(row):
            raise damaged(folder, "a picture in it is not what was stored")
        place = (new_id, row["frame_index"], row["pts"], row["time_s"], row["kind"])
        box = (row["x0"], row["y0"], row["x1"], row["y1"])
        checksum = frame_checksum(*place, box, row["vector"])
        writing.execute(INSERT, (*place, *box, row["vector"], checksum))
        count += 1
    return count


def _copy_stretches(
    reading: sqlite3.Connection, writing: sqlite3.Connection, old_id: int, new_id: int, folder: Path
) -> None:
    if not have_stretches(reading):
        return
    known = reading.execute("SELECT * FROM clip_videos WHERE video_id = ?", (old_id,)).fetchone()
    if known is None:
        return
    rows = reading.execute("SELECT * FROM clips WHERE video_id = ? ORDER BY id", (old_id,)).fetchall()
    for row in rows:
        if stretch_checksum(old_id, row["start_s"], row["end_s"], row["vector"]) != row["checksum"]:
            raise damaged(folder, "a stretch of a video is not what was stored")
        values = (new_id, row["start_s"], row["end_s"], row["vector"])
        writing.execute(
            "INSERT INTO clips (video_id, start_s, end_s, vector, checksum) VALUES (?, ?, ?, ?, ?)",
            (*values, stretch_checksum(*values)),
        )
    writing.execute(
        "INSERT OR REPLACE INTO clip_videos VALUES (?, ?, ?)", (new_id, known["settings"], known["stretches"])
    )
