"""The reading half of the embedded back end: what was indexed, vectors under a filter, nearest neighbours."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import LibraryError
from seektrack.library import database, reading
from seektrack.library.backend import LibraryStore
from seektrack.library.frame_table import FrameTable
from seektrack.library.identity import library_key
from seektrack.library.index_settings import IndexManifest, IndexSettings
from seektrack.library.rows import LibraryStats, Rows, VideoRecord, Where
from seektrack.library.upgrade import upgrade

if TYPE_CHECKING:
    from seektrack.library.index import VectorIndex

T = TypeVar("T")
INDEXED_FROM = 50_000
"""From this many vectors on, a search over the whole library uses the FAISS index."""

_ARRAYS = 4
"""Arrays kept beside the library that are held in memory."""


class EmbeddedReader(LibraryStore):
    """The reading half of `EmbeddedStore`."""

    path: Path

    def __init__(self, path: Path, connection: sqlite3.Connection, *, readonly: bool) -> None:
        self.path = path
        self.readonly = readonly
        self._connection = connection
        self._lock = threading.RLock()
        self._cached: tuple[str, NDArray[np.float16], Rows] | None = None
        self._index: reading.CachedIndex | None = None
        self._counted: tuple[str, int] | None = None
        self._arrays: dict[str, NDArray[np.float32]] = {}
        self._served: tuple[str, dict[int, str], dict[str, float | None], dict[str, int]] | None = None
        with self._lock, database.guard(path):
            meta = database.read_meta(connection, path)
            if meta["schema"] == "1":
                meta = upgrade(connection, path, readonly=readonly)
        self.model = meta["model"]
        self.asked = meta.get("asked", "")
        self.fingerprint = meta["fingerprint"]
        self.dim = int(meta["dim"])

    def videos(self) -> list[VideoRecord]:
        """Every video, finished or not, by path."""
        with self._reading() as connection:
            return reading.video_records(connection, self.path)

    def stats(self) -> LibraryStats:
        """The library in numbers."""
        videos = self.videos()
        done = [v for v in videos if v.done]
        with self._reading() as connection:
            chosen = reading.kept_settings(connection, self.path)
        return LibraryStats(
            videos=len(done),
            unfinished=len(videos) - len(done),
            frames=sum(v.frames for v in done),
            vectors=sum(v.vectors for v in done),
            bytes=sum(entry.stat().st_size for entry in os.scandir(self.path) if entry.is_file()),
            model=self.model,
            fingerprint=self.fingerprint,
            dim=self.dim,
            chosen=chosen,
            index=self.index_manifest() if self._is_large() else None,
        )

    def count(self) -> int:
        """Vectors that are served."""
        self._is_large()
        return self._counted[1] if self._counted is not None else 0

    def generation(self) -> str:
        """A name for the state of what is served; another one, once a video came, changed or went."""
        with self._reading() as connection:
            return self._generation(connection)

    def durations(self) -> dict[str, float | None]:
        """Seconds of each finished video by path, None where its container does not say."""
        return self._videos_served()[1]

    def served(self) -> dict[int, str]:
        """Path of each video that is served by its id; read and checked once a state of the library.

        Raises:
            LibraryError: A row is not what was written.
        """
        return self._videos_served()[0]

    def _served_id(self, path: str | Path) -> int | None:
        """Id of a video that is served; None when it is not."""
        return self._videos_served()[2].get(library_key(path))

    def _videos_served(self) -> tuple[dict[int, str], dict[str, float | None], dict[str, int]]:
        """Paths by id, and seconds and ids by path."""
        with self._lock, self._reading() as connection:
            generation = self._generation(connection)
            if self._served is None or self._served[0] != generation:
                found = reading.video_rows(connection, self.path)
                done = [row for row in found if row["state"] == "done"]
                paths = {int(row["id"]): str(row["path"]) for row in done}
                seconds = {row["path"]: row["duration_s"] for row in done}
                self._served = (generation, paths, seconds, {path: i for i, path in paths.items()})
            return self._served[1:]

    def vectors(self, *, where: Where | None = None) -> tuple[NDArray[np.float16], Rows]:
        """Vectors float16 (N, D) and their metadata under a filter, of finished videos only.

        Everything is kept in memory until the library changes; a large library is mapped from its index. The
        unfiltered answer is not to be written to.

        Raises:
            LibraryError: What is stored is not what was written.
        """
        return self._taken(lambda rows: self._select(rows, where))

    def vectors_by_id(self, ids: Sequence[int] | NDArray[np.int64]) -> tuple[NDArray[np.float16], Rows]:
        """Vectors and metadata of some rows, in order of video and frame; unknown ids are left out."""
        return self._taken(lambda rows: rows.positions_of(np.asarray(ids, dtype=np.int64)))

    def timeline(self, path: str | Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Frame indices and times in seconds of every frame looked at in a finished video, in order."""
        ids = [i for i, served in self.served().items() if served == library_key(path)]
        shown = self.frames().chosen(np.array(ids, dtype=np.int64))
        return shown.indices, shown.times

    def frames(self) -> FrameTable:
        """Every frame looked at in finished videos; kept in memory until the library changes."""
        return (self._current_index().rows if self._is_large() else self._everything()[1]).frames

    def _everything(self) -> tuple[NDArray[np.float16], Rows]:
        """All of a small library, from memory while it does not change."""
        with self._lock, self._reading() as connection:
            generation = self._generation(connection)
            if self._cached is None or self._cached[0] != generation:
                self._cached = (generation, *reading.everything(connection, self.path, self.dim))
            return self._cached[1], self._cached[2]

    def _taken(self, choose: Callable[[Rows], NDArray[np.int64] | None]) -> tuple[NDArray[np.float16], Rows]:
        """Vectors and metadata at the positions that are chosen; all where it says None."""
        if self._is_large():
            return self._indexed(lambda index: index.take(choose(index.rows)))
        vectors, rows = self._everything()
        positions = choose(rows)
        return (vectors, rows) if positions is None else (vectors[positions], rows.take(positions))

    def nearest(
        self, query: NDArray[np.float32], k: int, *, where: Where | None = None, exact: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids and cosines of the ``k`` rows nearest to a unit vector (D,), best first.

        A filtered search scans what the filter leaves, exactly; one over a large library uses its index,
        which above a million vectors is approximate (see `index_manifest`) unless ``exact`` is asked for.
        """
        self._check_query(query)
        if self._is_large():
            return self._indexed(
                lambda index: index.among(query, k, self._select(index.rows, where), exact=exact)
            )
        vectors, rows = self.vectors(where=where)
        scores = reading.cosines(vectors, query)
        order = np.argsort(-scores, kind="stable")[:k]
        return rows.ids[order], scores[order]

    def nearest_each(
        self, queries: NDArray[np.float32], counts: Sequence[int], *, where: Where | None = None
    ) -> list[NDArray[np.int64]]:
        """As `nearest` for each of (Q, D) queries; the filter chooses its rows once."""
        if not self._is_large():
            return super().nearest_each(queries, counts, where=where)

        def each(index: VectorIndex) -> list[NDArray[np.int64]]:
            positions = self._select(index.rows, where)
            return [index.among(query, k, positions)[0] for query, k in zip(queries, counts, strict=True)]

        return self._indexed(each)

    def index_manifest(self) -> IndexManifest | None:
        """How a large library is searched and the recall measured; None while it has no index."""
        from seektrack.library.index_files import read_manifest

        with self._reading() as connection:
            generation = self._generation(connection)
            if self._index is not None and self._index.generation == generation:
                return self._index.index.manifest
            return read_manifest(self.path, generation)

    def _current_index(
        self, settings: IndexSettings | None = None, *, changed: VectorIndex | None = None
    ) -> VectorIndex:
        """The index of what is served; another one in place of ``changed``, built from the database."""
        from seektrack.library.row_sums import ChangedRowsError

        with self._lock, self._reading() as connection:
            generation = self._generation(connection)
            held = self._index
            if held is not None and (held.generation != generation or held.index is changed):
                held = None
            if settings is not None or held is None:
                self._index = held = None  # two of them would not fit where one does
                given = connection, self.path, generation, self.dim, self.readonly, settings
                try:
                    held = reading.open_index(*given, changed=changed is not None)
                except ChangedRowsError:
                    held = reading.open_index(*given, changed=True)
                self._index = held
            return held.index

    def _indexed(self, ask: Callable[[VectorIndex], T]) -> T:
        """What the index answers; where its file is not what was written, what one built anew answers."""
        from seektrack.library.row_sums import ChangedRowsError

        index = self._current_index()
        try:
            return ask(index)
        except ChangedRowsError:
            return ask(self._current_index(changed=index))

    def _is_large(self) -> bool:
        """Whether searches go through the index; counted once a generation."""
        with self._lock, self._reading() as connection:
            generation = self._generation(connection)
            if self._counted is None or self._counted[0] != generation:
                indexed = self._index is not None and self._index.generation == generation
                manifest = None if indexed else self.index_manifest()
                known = self._index.index.manifest if indexed and self._index else manifest
                self._counted = (generation, known.vectors if known else reading.count(connection, self.path))
            return self._counted[1] >= INDEXED_FROM

    def cached_array(self, key: str) -> NDArray[np.float32] | None:
        """An array kept beside the library, or None; it is not to be written to."""
        with self._lock:
            found = self._arrays.get(key)
            if found is None and (found := reading.load_array(self.path, key)) is not None:
                found.flags.writeable = False
                while len(self._arrays) >= _ARRAYS:
                    del self._arrays[next(iter(self._arrays))]
                self._arrays[key] = found
            return found

    def keep_array(self, key: str, array: NDArray[np.float32]) -> None:
        """Keep an array that is expensive to make; does nothing where it cannot be written."""
        if not self.readonly:
            self._arrays.pop(key, None)
            reading.save_array(self.path, key, array)

    def close(self) -> None:
        """Close; a store that is closed twice does not mind."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One immediate transaction.

        Raises:
            LibraryError: The library is open read-only, or cannot be written.
        """
        if self.readonly:
            raise LibraryError(
                f"the library {str(self.path)!r} is open read-only",
                hint="use a folder you may write to, or open it for writing",
            )
        with self._lock, database.guard(self.path), database.transaction(self._connection) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, database.guard(self.path), database.snapshot(self._connection) as connection:
            yield connection

    @staticmethod
    def _generation(connection: sqlite3.Connection) -> str:
        return str(database.scalar(connection, "SELECT value FROM meta WHERE key = 'generation'"))
