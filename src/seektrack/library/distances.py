"""How far each frame lies from what its encoder was shown, kept beside the vectors.

The distances lie in tables of their own, made when the first are stored, so that a library made before they
were measured opens as it is; its videos are measured when they are indexed next, without being indexed anew.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from seektrack.encoders import settled
from seektrack.errors import InputError
from seektrack.known import Known
from seektrack.library.database import new_generation, scalar, write_meta
from seektrack.library.identity import library_key
from seektrack.library.store import LibraryStore

_KEPT: WeakKeyDictionary[LibraryStore, tuple[object, dict[str, dict[int, Known]]]] = WeakKeyDictionary()
_TABLES = """
CREATE TABLE IF NOT EXISTS measured_videos (
    video_id INTEGER PRIMARY KEY REFERENCES videos(id) ON DELETE CASCADE,
    domain TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS frame_distances (
    video_id INTEGER NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
    frame_index INTEGER NOT NULL,
    distance REAL NOT NULL,
    PRIMARY KEY (video_id, frame_index)
) WITHOUT ROWID;
"""


class DistanceShelf:
    """The distances of a library's frames from the domain of its encoder; 1 is the edge of the domain.

    Args:
        store: The library, open.
    """

    def __init__(self, store: LibraryStore) -> None:
        self._store = store

    def domain_of(self, path: str | Path) -> str | None:
        """Digest of the domain a video was measured against; None when it was not."""
        with self._store._reading() as connection:
            if not _have_tables(connection):
                return None
            found = scalar(
                connection,
                "SELECT m.domain FROM measured_videos m JOIN videos v ON v.id = m.video_id "
                "WHERE v.path = ? AND v.state = 'done'",
                library_key(path),
            )
        return None if found is None else str(found)

    def put(self, path: str | Path, distances: Mapping[int, float], domain: str) -> None:
        """Store the distances of a video's frames, in place of older ones.

        Args:
            path: A video of the library.
            distances: By frame index.
            domain: Digest of what they were measured against.

        Raises:
            InputError: The video is not in the library, or a distance is no number.
            LibraryError: The library cannot be written.
        """
        if not np.isfinite(list(distances.values())).all():
            raise InputError(f"a distance of {str(path)!r} is not a number")
        with self._store.writing() as connection:
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            video = scalar(
                connection,
                "SELECT id FROM videos WHERE path = ? AND state != 'indexing' ORDER BY id DESC",
                library_key(path),
            )
            if video is None:
                raise InputError(f"the library has no video {str(path)!r}", hint="index it first")
            connection.execute("DELETE FROM frame_distances WHERE video_id = ?", (video,))
            connection.executemany(
                "INSERT INTO frame_distances VALUES (?, ?, ?)",
                [(video, int(i), float(d)) for i, d in distances.items()],
            )
            connection.execute("INSERT OR REPLACE INTO measured_videos VALUES (?, ?)", (video, domain))
            write_meta(connection, {"distances": new_generation()})

    def known(self) -> dict[str, dict[int, Known]]:
        """Of every measured video, by path, where its frames lie; kept until the distances change."""
        with self._store._reading() as connection:
            state = (
                scalar(connection, "SELECT value FROM meta WHERE key = 'distances'"),
                scalar(connection, "SELECT value FROM meta WHERE key = 'generation'"),
            )
            kept = _KEPT.get(self._store)
            if kept is not None and kept[0] == state:
                return kept[1]
            rows: list[sqlite3.Row] = []
            if _have_tables(connection):
                rows = connection.execute(
                    "SELECT v.path, d.frame_index, d.distance FROM frame_distances d "
                    "JOIN videos v ON v.id = d.video_id WHERE v.state = 'done' "
                    "ORDER BY d.video_id, d.frame_index"
                ).fetchall()
        found: dict[str, dict[int, Known]] = {}
        for path, group in itertools.groupby(rows, key=lambda row: str(row[0])):
            frames = [(int(row[1]), float(row[2])) for row in group]
            outside = settled([distance for _, distance in frames])
            found[path] = {
                i: "outside" if out else "inside" for (i, _), out in zip(frames, outside, strict=True)
            }
        _KEPT[self._store] = (state, found)
        return found

    def unmeasured(self, domain: str) -> list[str]:
        """Finished videos that were not measured against this domain, by path."""
        with self._store._reading() as connection:
            if not _have_tables(connection):
                sql, values = "SELECT v.path FROM videos v WHERE v.state = 'done'", tuple[str, ...]()
            else:
                sql = (
                    "SELECT v.path FROM videos v LEFT JOIN measured_videos m ON m.video_id = v.id "
                    "WHERE v.state = 'done' AND (m.domain IS NULL OR m.domain != ?)"
                )
                values = (domain,)
            return [str(row[0]) for row in connection.execute(f"{sql} ORDER BY path", values)]


def _have_tables(connection: sqlite3.Connection) -> bool:
    return bool(scalar(connection, "SELECT count(*) FROM sqlite_master WHERE name = 'measured_videos'"))
