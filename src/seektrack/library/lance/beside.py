"""Numbers, stretches and arrays of a LanceDB library: one row each, replaced in one commit."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seektrack.library.beside import Extra
from seektrack.library.checks import extra_checksum
from seektrack.library.lance import tables

if TYPE_CHECKING:
    import lancedb

STRETCHES = "stretches"
ARRAY = "array"
_SPAN = struct.Struct("<dd")
Stretches = tuple[str, list[tuple[float, float, bytes]]]


class Beside:
    """The table ``beside`` of a library.

    Args:
        table: The table.
        place: Where the library lies.
    """

    def __init__(self, table: lancedb.table.Table, place: Path | str) -> None:
        self._table, self._place = table, place

    @property
    def version(self) -> int:
        """Another one, once a row changed."""
        with tables.guard(self._place):
            return int(self._table.version)

    def get(self, video_id: int, kind: str) -> Extra | None:
        """Numbers of a kind of one video; None where there are none.

        Raises:
            LibraryError: They are not what was written.
        """
        for _, note, blob in self._rows(f"video_id = {video_id} AND kind = '{kind}'"):
            return self._extra(kind, note, blob)
        return None

    def all(self, kind: str) -> Iterator[tuple[int, Extra]]:
        """Numbers of a kind of every video, by its id.

        Raises:
            LibraryError: They are not what was written.
        """
        for video_id, note, blob in self._rows(f"kind = '{kind}'"):
            yield video_id, self._extra(kind, note, blob)

    def stretches(self, video_ids: Iterable[int] | None = None) -> Iterator[tuple[int, Stretches]]:
        """Settings and stretches of some videos, or of every one that has some, by id.

        Raises:
            LibraryError: They are not what was written.
        """
        named = "" if video_ids is None else f" AND video_id IN ({', '.join(map(str, video_ids))})"
        if named.endswith("()"):
            return
        for video_id, note, blob in self._rows(f"kind = '{STRETCHES}'{named}"):
            told = json.loads(note)
            size = _SPAN.size + 2 * told["dim"]
            if len(blob) != size * told["count"]:
                raise tables.damaged(self._place, "stretches of a video are missing from it")
            rows = [
                (*_SPAN.unpack_from(blob, at), blob[at + _SPAN.size : at + size])
                for at in range(0, len(blob), size)
            ]
            yield video_id, (told["settings"], rows)

    def put(self, video_id: int, kind: str, extra: Extra) -> None:
        """Keep numbers of a video in place of older ones.

        Raises:
            LibraryError: They cannot be written.
        """
        self._write(video_id, kind, extra.note, extra.packed())

    def put_stretches(
        self, video_id: int, rows: Sequence[tuple[float, float, bytes]], settings: str, dim: int
    ) -> None:
        """Keep all stretches of a video in place of older ones.

        Raises:
            LibraryError: They cannot be written.
        """
        note = json.dumps({"settings": settings, "dim": dim, "count": len(rows)})
        blob = b"".join(_SPAN.pack(start, end) + vector for start, end, vector in rows)
        self._write(video_id, STRETCHES, note, blob)

    def hand_over(self, old: int, new: int) -> None:
        """Give the stretches of one row of a video to another, which has the same file."""
        for _, (settings, rows) in self.stretches([old]):
            self.put_stretches(new, rows, settings, len(rows[0][2]) // 2 if rows else 0)

    def array(self, key: str) -> NDArray[np.float32] | None:
        """An array kept under a key; None where there is none."""
        for _, _, blob in self._rows(f"key = '{_array_key(key)}'"):
            kept: NDArray[np.float32] = np.load(io.BytesIO(blob), allow_pickle=False)
            return kept
        return None

    def put_array(self, key: str, array: NDArray[np.float32]) -> None:
        """Keep an array."""
        buffer = io.BytesIO()
        np.save(buffer, array)
        self._write(0, ARRAY, "", buffer.getvalue(), key=_array_key(key))

    def drop(self, sql: str) -> None:
        """Delete rows.

        Raises:
            LibraryError: They cannot be.
        """
        with tables.guard(self._place):
            self._table.delete(sql)

    def _rows(self, sql: str) -> Iterator[tuple[int, str, bytes]]:
        with tables.guard(self._place):
            found = self._table.search().where(sql).to_arrow().to_pylist()
        for row in found:
            told = (row["video_id"], row["kind"], row["note"], row["numbers"])
            if extra_checksum(*told) != row["checksum"]:
                raise tables.damaged(self._place, f"the {row['kind']!r} of a video is not what was stored")
            yield row["video_id"], row["note"], row["numbers"]

    def _extra(self, kind: str, note: str, blob: bytes) -> Extra:
        if len(blob) % 16:
            raise tables.damaged(self._place, f"the {kind!r} of a video is not what was stored")
        return Extra.unpacked(note, blob)

    def _write(self, video_id: int, kind: str, note: str, blob: bytes, *, key: str = "") -> None:
        row = {
            "key": key or f"{video_id}/{kind}",
            "video_id": video_id,
            "kind": kind,
            "note": note,
            "numbers": blob,
            "checksum": extra_checksum(video_id, kind, note, blob),
        }
        with tables.guard(self._place):
            merging = self._table.merge_insert("key").when_matched_update_all().when_not_matched_insert_all()
            merging.execute(pa.Table.from_pylist([row], schema=tables.BESIDE_SCHEMA))


def _array_key(key: str) -> str:
    return f"array/{hashlib.sha256(key.encode()).hexdigest()[:32]}"
