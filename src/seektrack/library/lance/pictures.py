"""Pictures between LanceDB's columns and what the rest of seektrack works with; filters as SQL."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seektrack.library.checks import frame_checksum
from seektrack.library.lance.tables import damaged, frames_schema
from seektrack.library.rows import KINDS, Rows, Where
from seektrack.library.whole import Picture

BOX = ("x0", "y0", "x1", "y1")
PLACE = ("video_id", "frame_index", "number", "pts", "time_s", "kind", *BOX, "checksum")
"""Columns beside the vector."""


def as_table(video_id: int, first: int, pictures: Sequence[Picture], dim: int) -> pa.Table:
    """Pictures of a video as LanceDB takes them.

    Args:
        video_id: Of the video.
        first: Number of the first of them within the video.
        pictures: In order.
        dim: Length of a vector.
    """
    columns = list(zip(*pictures, strict=True))
    flat = np.frombuffer(b"".join(columns[8]), dtype="<f2").astype(np.float16, copy=False)
    n = len(pictures)
    # The checksum leaves the id out: it changes when another run goes on with the video.
    sums = [frame_checksum(0, *one[:4], one[4:8], one[8]) for one in pictures]
    arrays: dict[str, Any] = {
        "video_id": np.full(n, video_id, dtype=np.int64),
        "frame_index": np.array(columns[0], dtype=np.int64),
        "number": np.arange(first, first + n, dtype=np.int64),
        "pts": list(columns[1]),
        "time_s": np.array(columns[2], dtype=np.float64),
        "kind": np.array(columns[3], dtype=np.int8),
        **{name: pa.array(columns[4 + i], pa.float64()) for i, name in enumerate(BOX)},
        "checksum": np.array(sums, dtype=np.int64),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float16()), dim),
    }
    return pa.table(arrays, schema=frames_schema(dim))


def vectors_of(table: pa.Table, dim: int) -> NDArray[np.float16]:
    """Vectors float16 (N, D) of a table with all columns."""
    column = table["vector"].combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # what no chunk is left of
        return np.zeros((0, dim), dtype=np.float16)
    flat: NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(table), dim)


def check(table: pa.Table, vectors: NDArray[np.float16], place: Path | str, paths: Mapping[int, str]) -> None:
    """Compare pictures with their checksums.

    Raises:
        LibraryError: One is not what was written.
    """
    raw = np.ascontiguousarray(vectors, dtype="<f2")
    columns = [table[name].to_pylist() for name in PLACE]
    for i, (video_id, frame, _, pts, time_s, kind, *box, known) in enumerate(zip(*columns, strict=True)):
        if frame_checksum(0, frame, pts, time_s, kind, box, raw[i].tobytes()) != known:
            raise damaged(place, f"a picture of {paths.get(video_id, 'a video')!r} is not what was stored")


def rows_of(table: pa.Table, paths: Mapping[int, str]) -> Rows:
    """Metadata of a table with row ids, in its order."""

    def column(name: str, dtype: type[np.generic]) -> NDArray[Any]:
        values: NDArray[Any] = table[name].to_numpy().astype(dtype, copy=False)
        return values

    boxes = np.stack([table[name].to_numpy().astype(np.float64) for name in BOX], axis=1)
    return Rows(
        ids=column("_rowid", np.int64),
        video_ids=column("video_id", np.int64),
        frame_indices=column("frame_index", np.int64),
        times=column("time_s", np.float64),
        boxes=boxes,
        kinds=column("kind", np.int8),
        paths=paths,
    )


def in_order(table: pa.Table) -> pa.Table:
    """Pictures in order of video, frame and number."""
    keys = [table[name].to_numpy() for name in ("number", "frame_index", "video_id")]
    order = np.lexsort(keys)
    return table if bool((np.diff(order) == 1).all()) else table.take(pa.array(order))


def pictures_of(table: pa.Table, vectors: NDArray[np.float16]) -> Iterator[Picture]:
    """Pictures one by one, as one library gives them to another."""
    raw = np.ascontiguousarray(vectors, dtype="<f2")
    names = ("frame_index", "pts", "time_s", "kind", *BOX)
    for i, one in enumerate(zip(*(table[name].to_pylist() for name in names), strict=True)):
        yield (*one, raw[i].tobytes())


def sql_of(
    where: Where, video_ids: NDArray[np.int64] | None, served: Iterable[int], hidden: Iterable[int]
) -> str:
    """What a filter leaves of the pictures that are served, as SQL; empty where it leaves all that are there.

    Args:
        where: Window of seconds and kinds of pictures.
        video_ids: Of the videos to look at; None for every one served.
        served, hidden: Ids of videos that are served, and of others that may have pictures.
    """
    terms = []
    if video_ids is not None:
        asked = {int(i) for i in video_ids}
        left = [*(i for i in served if i not in asked), *hidden]
        terms.append(_among(asked) if len(asked) <= len(left) else f"NOT ({_among(left)})")
    elif left := list(hidden):
        terms.append(f"NOT ({_among(left)})")
    if where.kinds:
        terms.append(f"kind IN ({', '.join(str(KINDS.index(kind)) for kind in where.kinds)})")
    if where.start_s is not None:
        terms.append(f"time_s >= {_number(where.start_s)}")
    if where.end_s is not None:
        terms.append(f"time_s < {_number(where.end_s)}")
    return " AND ".join(terms)


def _among(ids: Iterable[int]) -> str:
    listed = ", ".join(map(str, sorted(ids)))
    return f"video_id IN ({listed})" if listed else "false"


def _number(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else "1e308"
