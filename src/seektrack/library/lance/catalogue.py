"""The catalogue of a LanceDB library: what it is, which videos it has, and what of them is served.

A row is served when it is whole, was made by the library's encoder, and no whole row of its path has a higher
rank. So one row written is one step from what was served to what is: a video that is finished, a library that
goes over to another encoder. Rows that are gone stay as a mark for a while, so that what a dying writer still
adds stays unseen.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from seektrack.errors import LibraryError
from seektrack.library.identity import FileIdentity
from seektrack.library.lance.tables import CATALOGUE_SCHEMA, damaged, guard

if TYPE_CHECKING:
    import lancedb

SCHEMA_VERSION = 1
State = Literal["library", "indexing", "whole", "gone"]
LIBRARY_ID = 0
_ID_BITS = 40
"""Of a video's id, drawn at random: few enough that an id and a frame index fit into 64 bits together."""


@dataclass(frozen=True)
class Entry:
    """One row of the catalogue.

    Attributes:
        id: Of the video; 0 for the library itself.
        state: Being indexed, complete, or gone.
        path: The video.
        about: What is known of it, see `seektrack.library.whole.KEPT`; or what the library says of itself.
        rank: Among complete rows of one path the highest is served.
        owner, beat_s: Who indexes it, and when that was last heard of.
    """

    id: int
    state: State
    path: str
    about: Mapping[str, Any]
    rank: int = 0
    owner: str = ""
    beat_s: float = 0.0

    @property
    def identity(self) -> FileIdentity:
        """Of the file it was made of."""
        about = self.about
        return FileIdentity(about["size"], about["mtime_ns"], about["digest"], about["whole"])

    @property
    def fingerprint(self) -> str:
        """Of the encoder that made it."""
        return str(self.about["fingerprint"])

    @property
    def pictures(self) -> int:
        """Pictures it has."""
        return int(self.about["pictures"])

    def with_about(self, **changed: Any) -> Entry:
        """The same row that says something else."""
        return replace(self, about={**self.about, **changed})


@dataclass(frozen=True)
class Snapshot:
    """The catalogue at one version.

    Attributes:
        version: Of the table.
        library: The library's own row.
        videos: All others.
    """

    version: int
    library: Entry
    videos: tuple[Entry, ...]

    @property
    def fingerprint(self) -> str:
        """Of the encoder whose vectors are served."""
        return self.library.fingerprint

    @cached_property
    def served(self) -> dict[int, Entry]:
        """Rows that are served, by id, in order of path."""
        best: dict[str, Entry] = {}
        for one in self.videos:
            if one.state == "whole" and one.fingerprint == self.fingerprint:
                rival = best.get(one.path)
                if rival is None or (rival.rank, rival.id) < (one.rank, one.id):
                    best[one.path] = one
        return {best[path].id: best[path] for path in sorted(best)}

    @cached_property
    def hidden(self) -> tuple[int, ...]:
        """Ids of rows whose pictures may be there and are not served."""
        return tuple(sorted(one.id for one in self.videos if one.id not in self.served))

    @cached_property
    def count(self) -> int:
        """Vectors that are served."""
        return sum(one.pictures for one in self.served.values())

    @cached_property
    def generation(self) -> str:
        """A name for what is served."""
        told = "\n".join(f"{one.id} {one.path}" for one in self.served.values())
        return hashlib.sha256(f"{self.fingerprint}\n{told}".encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def of_path(self, path: str) -> list[Entry]:
        """Rows of a path that are not gone, complete ones first, the served one before all."""
        rows = [one for one in self.videos if one.path == path and one.state != "gone"]
        return sorted(rows, key=lambda one: (one.state == "indexing", one.id not in self.served, -one.rank))

    def new_id(self) -> int:
        """An id no row has."""
        taken = {one.id for one in self.videos}
        while (drawn := secrets.randbits(_ID_BITS) or 1) in taken:
            pass
        return drawn


def read(table: lancedb.table.Table, place: Path | str) -> Snapshot:
    """The newest state of a catalogue.

    Raises:
        LibraryError: It is not what was written, or of a later version of seektrack.
    """
    with guard(place):
        # Read before the rows, so that rows can only be newer than they are said to be.
        version = int(table.version)
        rows = table.to_arrow().to_pylist()
    library: Entry | None = None
    videos = []
    for row in rows:
        if _checksum(row) != row["checksum"]:
            raise damaged(place, f"what it says of {row['path'] or 'itself'!r} does not fit its checksum")
        entry = Entry(
            *(row["id"], row["state"], row["path"], json.loads(row["about"])),
            *(row["rank"], row["owner"], row["beat_s"]),
        )
        if entry.state == "library":
            library = entry
        else:
            videos.append(entry)
    if library is None:
        raise damaged(place, "what it says of itself is missing")
    if int(library.about["schema"]) > SCHEMA_VERSION:
        raise LibraryError(
            f"the library {str(place)!r} was written by a later version of seektrack",
            hint="upgrade seektrack, or index into another library",
        )
    return Snapshot(version, library, tuple(videos))


def as_table(entries: Iterable[Entry]) -> pa.Table:
    """Rows as LanceDB takes them."""
    rows = []
    for one in entries:
        row = {
            "id": one.id,
            "state": one.state,
            "path": one.path,
            "about": json.dumps(one.about),
            "rank": one.rank,
            "owner": one.owner,
            "beat_s": one.beat_s,
        }
        rows.append({**row, "checksum": _checksum(row)})
    return pa.Table.from_pylist(rows, schema=CATALOGUE_SCHEMA)


def write(
    table: lancedb.table.Table,
    place: Path | str,
    entries: Iterable[Entry],
    *,
    only_where: str | None = None,
    new_too: bool | None = None,
) -> int:
    """Write rows, new or in place of those of their ids, in one commit.

    Args:
        table: The catalogue.
        place: Where the library lies.
        entries: The rows.
        only_where: SQL over ``target``, the row that is there: one for which it does not hold is left alone.
        new_too: Also rows whose ids are not there; only without ``only_where`` when None.

    Returns:
        How many rows were written.

    Raises:
        LibraryError: It cannot be written.
    """
    merging = table.merge_insert("id").when_matched_update_all(where=only_where)
    if only_where is None if new_too is None else new_too:
        merging = merging.when_not_matched_insert_all()
    with guard(place):
        done = merging.execute(as_table(entries))
    return int(done.num_updated_rows + done.num_inserted_rows)


def write_library(
    table: lancedb.table.Table, place: Path | str, snapshot: Snapshot, changes: Mapping[str, Any]
) -> None:
    """Change what the library says of itself; what others change meanwhile stays.

    Raises:
        LibraryError: It cannot be written.
    """
    library = snapshot.library
    for _ in range(20):
        about = {key: value for key, value in {**library.about, **changes}.items() if value is not None}
        known = as_table([library])["checksum"][0].as_py()
        changed = replace(library, about=about, beat_s=time.time())
        if write(table, place, [changed], only_where=f"target.checksum = {known}"):
            return
        library = read(table, place).library
    raise LibraryError(
        f"cannot use the library {str(place)!r}: others change it too quickly", hint="try again"
    )


def _checksum(row: Mapping[str, Any]) -> int:
    told = [row[name] for name in ("id", "state", "path", "about", "rank", "owner", "beat_s")]
    return zlib.crc32(json.dumps(told).encode())
