"""The reading half of the LanceDB back end: what is served, vectors under a filter, nearest neighbours."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seektrack.errors import LibraryError
from seektrack.library.backend import LibraryStore
from seektrack.library.frame_table import FrameTable
from seektrack.library.identity import is_there, library_key
from seektrack.library.index_settings import IndexManifest, IndexSettings
from seektrack.library.lance import catalogue, pictures, tables
from seektrack.library.lance.catalogue import Entry, Snapshot
from seektrack.library.lance.nearest import DISTANCE, Searching
from seektrack.library.rows import LibraryStats, Rows, VideoRecord, Where

if TYPE_CHECKING:
    import lancedb

SCANNED_UP_TO = 50_000
"""Up to so many vectors a library is read once and kept in memory; larger ones are asked where they lie."""
FRESH_S = 0.5
"""So long the catalogue of a library at an address is taken to be what it was."""


class LanceReader(LibraryStore):
    """The reading half of `LanceStore`."""

    def __init__(self, place: Path | str, connection: lancedb.DBConnection, *, readonly: bool) -> None:
        self.path = place
        self.readonly = readonly
        self._connection = connection
        self._lock = threading.RLock()
        self._catalogue = tables.open_catalogue(connection, place)
        self._seen: tuple[float, Snapshot] | None = None
        self._cached: tuple[str, NDArray[np.float16], Rows] | None = None
        self._looked_at: tuple[str, FrameTable] | None = None
        self._frames: dict[str, lancedb.table.Table] = {}
        self._whole: tuple[str, NDArray[np.int64]] = ("", np.zeros(0, dtype=np.int64))
        library = self._state().library
        self.model = str(library.about["model"])
        self.fingerprint = library.fingerprint
        self.dim = int(library.about["dim"])
        self.asked = str(library.about.get("asked", ""))

    def _state(self) -> Snapshot:
        """The catalogue as it is now."""
        with self._lock:
            now = time.monotonic()
            fresh_s = FRESH_S if isinstance(self.path, str) else 0.0
            if self._seen is not None and now - self._seen[0] < fresh_s:
                return self._seen[1]
            with tables.guard(self.path):
                version = int(self._catalogue.version)
            state = (
                self._seen[1]
                if self._seen is not None and self._seen[1].version == version
                else catalogue.read(self._catalogue, self.path)
            )
            self._seen = (now, state)
            return state

    def _now(self) -> Snapshot:
        """The catalogue as it is now, whatever was seen of it a moment ago."""
        with self._lock:
            if self._seen is not None:
                self._seen = (-FRESH_S, self._seen[1])
            return self._state()

    def _frames_of(self, fingerprint: str, dim: int | None = None) -> lancedb.table.Table:
        """The pictures of an encoder; made when it has none, for which ``dim`` is needed."""
        name = f"frames_{fingerprint[:16]}"
        with self._lock:
            if name not in self._frames:
                if dim is None:
                    with tables.guard(self.path):
                        self._frames[name] = self._connection.open_table(name)
                else:
                    self._frames[name] = tables.open_or_make(
                        self._connection, self.path, name, tables.frames_schema(dim)
                    )
            return self._frames[name]

    def videos(self) -> list[VideoRecord]:
        """See `LibraryStore.videos`."""
        state = self._state()
        listed: dict[str, Entry] = {}
        renewing: set[str] = set()
        for one in state.videos:
            if one.state == "gone" or one.path in listed:
                continue
            rows = state.of_path(one.path)
            listed[one.path] = rows[0]
            if len([row for row in rows if row.id in state.served or row.state == "indexing"]) > 1 or any(
                row.state == "whole" and row.fingerprint != state.fingerprint for row in rows[1:]
            ):
                renewing.add(one.path)
        frames = self._frame_counts()
        records = []
        for path, one in sorted(listed.items()):
            vectors, looked_at = frames.get(one.id, (0, 0))
            done = one.id in state.served
            if done and vectors != one.pictures:
                raise tables.damaged(self.path, f"pictures of {path!r} are missing from it")
            about = one.about
            records.append(
                VideoRecord(
                    path=path,
                    done=done,
                    frames=looked_at,
                    vectors=vectors,
                    duration_s=about["duration_s"],
                    width=about["width"],
                    height=about["height"],
                    fps=Fraction(about["fps"]),
                    settings=about["settings"],
                    available=is_there(path),
                    damage=about["damage"],
                    renewing=path in renewing,
                )
            )
        return records

    def _frame_counts(self) -> dict[int, tuple[int, int]]:
        """Pictures and frames of each video, by id, of the encoder that is served."""
        counts: dict[int, tuple[int, int]] = {}
        with tables.guard(self.path):
            table = self._frames_of(self.fingerprint, self.dim)
            found = table.search().select(["video_id", "frame_index"]).to_arrow()
        ids, frames = found["video_id"].to_numpy(), found["frame_index"].to_numpy()
        order = np.lexsort((frames, ids))
        ids, frames = ids[order], frames[order]
        bounds = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1], True])  # of no pictures there is one
        for first, last in pairwise(bounds if len(ids) else ()):
            counts[int(ids[first])] = (int(last - first), len(np.unique(frames[first:last])))
        return counts

    def stats(self) -> LibraryStats:
        """See `LibraryStore.stats`."""
        videos = self.videos()
        done = [v for v in videos if v.done]
        return LibraryStats(
            videos=len(done),
            unfinished=len(videos) - len(done),
            frames=sum(v.frames for v in done),
            vectors=sum(v.vectors for v in done),
            bytes=self._bytes(),
            model=self.model,
            fingerprint=self.fingerprint,
            dim=self.dim,
            chosen=self._chosen(),
            index=self.index_manifest(),
        )

    def _bytes(self) -> int:
        if isinstance(self.path, Path):
            return sum(entry.stat().st_size for entry in self.path.rglob("*") if entry.is_file())
        with tables.guard(self.path):
            names = tables.names_of(self._connection, self.path)
            told = [cast("Mapping[str, int]", self._connection.open_table(name).stats()) for name in names]
            return sum(one["total_bytes"] for one in told)

    def _chosen(self) -> IndexSettings:
        kept = self._state().library.about.get("index")
        return IndexSettings(**kept) if kept else IndexSettings()

    def count(self) -> int:
        """See `LibraryStore.count`."""
        return self._state().count

    def generation(self) -> str:
        """See `LibraryStore.generation`."""
        return self._state().generation

    def durations(self) -> dict[str, float | None]:
        """See `LibraryStore.durations`."""
        return {one.path: one.about["duration_s"] for one in self._state().served.values()}

    def served(self) -> dict[int, str]:
        """See `LibraryStore.served`."""
        return {i: one.path for i, one in self._state().served.items()}

    def _is_large(self) -> bool:
        return self._state().count > SCANNED_UP_TO

    def _everything(self) -> tuple[NDArray[np.float16], Rows]:
        """All that is served of a small library, from memory while it does not change."""
        with self._lock:
            for again in (True, False):
                state = self._state()
                if self._cached is not None and self._cached[0] == state.generation:
                    return self._cached[1], self._cached[2]
                try:
                    vectors, rows = self._fetch(state, Where(missing=True), None)
                    self._check_whole(state, rows)
                except LibraryError:
                    if again and self._now().version != state.version:
                        continue  # a video was replaced while its pictures were read
                    raise
                self._cached = (state.generation, vectors, rows)
                return vectors, rows
        raise tables.damaged(self.path, "it never holds still")

    def _check_whole(self, state: Snapshot, rows: Rows) -> None:
        ids, counts = np.unique(rows.video_ids, return_counts=True)
        there = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        for i, one in state.served.items():
            if there.get(i, 0) != one.pictures:
                raise tables.damaged(self.path, f"pictures of {one.path!r} are missing from it")

    def _fetch(
        self, state: Snapshot, where: Where, video_ids: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.float16], Rows]:
        """Pictures under a filter, which LanceDB applies before it reads vectors."""
        sql = pictures.sql_of(where, video_ids, state.served, state.hidden)
        with tables.guard(self.path):
            query = self._frames_of(self.fingerprint, self.dim).search()
            if sql:
                query = query.where(sql)
            found = query.select([*pictures.PLACE, "vector"]).with_row_id(True).to_arrow()
        return self._read(found)

    def _read(self, found: pa.Table) -> tuple[NDArray[np.float16], Rows]:
        found = pictures.in_order(found)
        served = self._state().served
        paths = {i: one.path for i, one in served.items()}
        vectors = pictures.vectors_of(found, self.dim)
        self._check(found, vectors, paths)
        return vectors, pictures.rows_of(found, paths)

    def _check(self, found: pa.Table, vectors: NDArray[np.float16], paths: Mapping[int, str]) -> None:
        """Compare pictures with their checksums, each once in a state of the library."""
        generation, known = self._whole
        if generation != self._state().generation:
            known = known[:0]
        ids = found["_rowid"].to_numpy().astype(np.int64)
        fresh = np.flatnonzero(~np.isin(ids, known))
        if len(fresh) == len(ids):
            pictures.check(found, vectors, self.path, paths)
        elif len(fresh):
            pictures.check(found.take(pa.array(fresh)), vectors[fresh], self.path, paths)
        if len(fresh):
            self._whole = (self._state().generation, np.union1d(known, ids[fresh]))

    def vectors(self, *, where: Where | None = None) -> tuple[NDArray[np.float16], Rows]:
        """See `LibraryStore.vectors`."""
        if not self._is_large():
            vectors, rows = self._everything()
            positions = self._select(rows, where)
            return (vectors, rows) if positions is None else (vectors[positions], rows.take(positions))
        asked = where or Where()
        return self._fetch(self._state(), asked, self._ids_of(asked.video, missing=asked.missing))

    def vectors_by_id(self, ids: Sequence[int] | NDArray[np.int64]) -> tuple[NDArray[np.float16], Rows]:
        """See `LibraryStore.vectors_by_id`."""
        wanted = np.unique(np.asarray(ids, dtype=np.int64))
        if not self._is_large():
            vectors, rows = self._everything()
            positions = rows.positions_of(wanted)
            return vectors[positions], rows.take(positions)
        with tables.guard(self.path):
            table = self._frames_of(self.fingerprint, self.dim)
            columns = [*pictures.PLACE, "vector"]
            found = table.take_row_ids(wanted.tolist()).select(columns).with_row_id().to_arrow()
        served = np.isin(found["video_id"].to_numpy(), list(self._state().served))
        return self._read(found.filter(pa.array(served)))

    def frames(self) -> FrameTable:
        """See `LibraryStore.frames`; of a large library the columns alone are read, and kept."""
        if not self._is_large():
            return self._everything()[1].frames
        with self._lock:
            state = self._state()
            if self._looked_at is None or self._looked_at[0] != state.generation:
                sql = pictures.sql_of(Where(missing=True), None, state.served, state.hidden)
                with tables.guard(self.path):
                    query = self._frames_of(self.fingerprint, self.dim).search()
                    query = query.where(sql) if sql else query
                    found = query.select(["video_id", "frame_index", "number", "time_s"]).to_arrow()
                found = pictures.in_order(found)
                columns = [found[name].to_numpy() for name in ("video_id", "frame_index", "time_s")]
                self._looked_at = (state.generation, FrameTable.of(*columns))
            return self._looked_at[1]

    def timeline(self, path: str | Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """See `LibraryStore.timeline`."""
        ids = [i for i, served in self.served().items() if served == library_key(path)]
        shown = self.frames().chosen(np.array(ids, dtype=np.int64))
        return shown.indices, shown.times

    def nearest(
        self, query: NDArray[np.float32], k: int, *, where: Where | None = None, exact: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See `LibraryStore.nearest`."""
        self._check_query(query)
        if not self._is_large():
            vectors, rows = self.vectors(where=where)
            scores = vectors.astype(np.float32) @ query
            order = np.argsort(-scores, kind="stable")[:k]
            return rows.ids[order], scores[order].astype(np.float32)
        asked, state = where or Where(), self._state()
        ids = self._ids_of(asked.video, missing=asked.missing)
        narrow = ids is not None or replace(asked, per_video=None) != Where(missing=asked.missing)
        sql = pictures.sql_of(asked, ids, state.served, state.hidden)
        manifest = None if exact or narrow else self.index_manifest()
        with tables.guard(self.path):
            table = self._frames_of(self.fingerprint, self.dim)
            return Searching(table).search(query, k, sql=sql, manifest=manifest)

    def index_manifest(self) -> IndexManifest | None:
        """See `LibraryStore.index_manifest`."""
        if not self._is_large():
            return None
        about = self._state().library.about
        kept = about.get("manifest")
        if kept is None or about.get("manifest_of") != f"{self.fingerprint} {DISTANCE}":
            return IndexManifest("flat", self.count(), self.dim)
        return IndexManifest(**kept)

    def close(self) -> None:
        """See `LibraryStore.close`."""
        with self._lock:
            self._frames.clear()
            self._cached = self._looked_at = self._seen = None


def said_by(path: str | Path) -> dict[str, str]:
    """What a library says its vectors were made with, under ``model``, ``asked`` and ``fingerprint``.

    Raises:
        LibraryError: There is none, or it cannot be reached.
    """
    place = tables.resolved(path)
    table = tables.open_catalogue(tables.connect(place), place)
    about = catalogue.read(table, place).library.about
    return {name: str(about[name]) for name in ("model", "asked", "fingerprint") if name in about}
