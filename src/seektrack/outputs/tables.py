"""Tracks as a table, a row an observation: CSV for a spreadsheet, Parquet for a data lake."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from seektrack.errors import InputError
from seektrack.known import Known, read_known
from seektrack.limits import Limits
from seektrack.outputs import manifest, reading
from seektrack.outputs.motion import velocities
from seektrack.outputs.optional import needed
from seektrack.outputs.reading import Gathered
from seektrack.retrieval.cells import plain_cell, safe_cell
from seektrack.types import Mask, Tracks, VideoInfo

COLUMNS = ("frame_index", "time_s", "obj_id", "label", "x0", "y0", "x1", "y1",
           "cx", "cy", "vx", "vy", "score", "visible", "domain")  # fmt: skip


def rows(tracks: Tracks) -> list[tuple[Any, ...]]:
    """The values of `COLUMNS`, by frame then object; pixels, seconds, pixels a second."""
    found = [
        (o.frame_index, float(o.time_s), t.obj_id, t.label, *map(float, o.box), *map(float, o.centre),
         vx, vy, float(o.score), bool(o.visible), "" if t.domain == "unmeasured" else t.domain)
        for t in tracks
        for o, (vx, vy) in zip(t.observations, velocities(t).tolist(), strict=True)
    ]  # fmt: skip
    return sorted(found, key=lambda row: (row[0], row[2]))


def write_csv(tracks: Tracks, path: Path) -> None:
    """One row an observation under `COLUMNS`; see `safe_cell` for labels.

    ``visible`` is 0 or 1, ``domain`` whether the encoder was shown such frames, empty where not measured.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows(tracks):
            exact = [
                int(v) if isinstance(v, bool) else _number(v) if isinstance(v, float) else v for v in row
            ]
            writer.writerow([safe_cell(v) if isinstance(v, str) else v for v in exact])


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def read_csv(path: Path, video: VideoInfo | None) -> Tracks:
    """Read a table with at least the columns ``frame_index, obj_id, x0, y0, x1, y1``.

    The table knows neither masks nor the video: without ``video`` its size is the extent of the boxes, and
    the frame rate follows from the times.

    Raises:
        InputError: A column is missing, or a value is not what it should be.
    """
    lines = csv.DictReader(io.StringIO(reading.read_text(path)))
    missing = [
        name for name in ("frame_index", "obj_id", "x0", "y0", "x1", "y1") if name not in _header(lines)
    ]
    if missing:
        raise InputError(
            f"the table lacks {', '.join(missing)}", hint=f"its columns are {', '.join(COLUMNS)}"
        )
    gathered, times, domains = Gathered(), {}, dict[int, Known]()
    for row in lines:
        where = f"line {lines.line_num}"
        index = reading.frame_number(row["frame_index"], where)
        if row.get("time_s"):
            times[index] = reading.time_of(row["time_s"], where)
        obj_id = reading.integer(row["obj_id"], f"{where}: obj_id")
        domains[obj_id] = read_known(row.get("domain") or None, f"{where}: domain")
        gathered.add(
            where,
            obj_id,
            index,
            box=reading.xyxy([row[name] for name in ("x0", "y0", "x1", "y1")], where),
            score=reading.share(row.get("score") or 1.0, f"{where}: score"),
            label=plain_cell(row.get("label") or ""),
            visible=_visible(row.get("visible"), where),
        )
    info = video or reading.guessed_video(path, gathered.size(), _rate(times))
    tracks = gathered.tracks(info, times=times)
    return replace(tracks, tracks=tuple(replace(t, domain=domains[t.obj_id]) for t in tracks))


def _header(lines: csv.DictReader[str]) -> list[str]:
    return list(lines.fieldnames or ())


def _visible(value: str | None, where: str) -> bool:
    known = {"1": True, "true": True, "0": False, "false": False, "": True}
    found = known.get((value or "").strip().lower())
    if found is None:
        raise InputError(f"{where}: visible must be 0 or 1, got {reading.shown(value)}")
    return found


def _rate(times: dict[int, float]) -> Any:
    from fractions import Fraction

    if len(times) < 2:
        return reading.ASSUMED_FPS
    first, last = min(times), max(times)
    seconds = times[last] - times[first]
    rate = Fraction((last - first) / seconds).limit_denominator(1001) if seconds > 0 else Fraction(0)
    return rate if 0 < rate <= Limits.current().max_fps else reading.ASSUMED_FPS


def write_parquet(tracks: Tracks, path: Path) -> None:
    """The columns of the CSV and ``mask_height, mask_width, mask_counts`` (compressed COCO run lengths).

    The file's metadata holds the video, the query, the frames and the tracks under ``seektrack``: nothing is
    lost.

    Raises:
        InputError: pyarrow is not installed.
    """
    pa, pq = needed("pyarrow", "parquet"), needed("pyarrow.parquet", "parquet")
    kinds = {"frame_index": pa.int64(), "obj_id": pa.int64(), "visible": pa.bool_()} | dict.fromkeys(
        ("label", "domain"), pa.string()
    )
    table = list(zip(*rows(tracks), strict=True)) or [()] * len(COLUMNS)
    columns = {
        name: pa.array(values, kinds.get(name, pa.float64()))
        for name, values in zip(COLUMNS, table, strict=True)
    }
    masks = [o.mask for t, o in _in_order(tracks)]
    for name, kind, values in (
        ("mask_height", pa.int32(), [None if m is None else m.size[0] for m in masks]),
        ("mask_width", pa.int32(), [None if m is None else m.size[1] for m in masks]),
        ("mask_counts", pa.string(), [None if m is None else m.counts.decode("ascii") for m in masks]),
    ):
        columns[name] = pa.array(values, kind)
    held = json.dumps(manifest.manifest(tracks, "parquet", {t.obj_id: t for t in tracks}), ensure_ascii=False)
    pq.write_table(pa.table(columns).replace_schema_metadata({"seektrack": held}), path)


def _in_order(tracks: Tracks) -> list[tuple[Any, Any]]:
    pairs = [(t, o) for t in tracks for o in t.observations]
    return sorted(pairs, key=lambda pair: (pair[1].frame_index, pair[0].obj_id))


def read_parquet(path: Path, video: VideoInfo | None) -> Tracks:
    """Read a Parquet table with the columns of `write_parquet`; masks and metadata may be missing.

    Raises:
        InputError: pyarrow is not installed, a column is missing, or a value is not what it should be.
    """
    pa, pq = needed("pyarrow", "parquet"), needed("pyarrow.parquet", "parquet")
    reading.check_bytes(path)
    try:
        table = pq.read_table(path)
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"not a Parquet table: {str(error).splitlines()[0]}") from error
    missing = [n for n in ("frame_index", "obj_id", "x0", "y0", "x1", "y1") if n not in table.column_names]
    if missing:
        raise InputError(f"the table lacks {', '.join(missing)}")
    held = (table.schema.metadata or {}).get(b"seektrack")
    known = (
        manifest.parse(reading.entry(reading.parse_json(held.decode("utf-8", "replace")), "metadata"))
        if held
        else manifest.NOTHING
    )
    gathered = Gathered()
    for n, row in enumerate(table.to_pylist()):
        where = f"row {n}"
        counts = row.get("mask_counts")
        size = [row.get("mask_height"), row.get("mask_width")]
        mask: Mask | None = None if counts is None else reading.mask({"size": size, "counts": counts}, where)
        time_s = row.get("time_s")
        gathered.add(
            where,
            reading.integer(row["obj_id"], f"{where}: obj_id"),
            reading.frame_number(row["frame_index"], where),
            box=reading.xyxy([row[name] for name in ("x0", "y0", "x1", "y1")], where),
            mask=mask,
            score=reading.share(row.get("score", 1.0), f"{where}: score"),
            label=reading.text(row.get("label") or "", f"{where}: label"),
            time_s=None if time_s is None else reading.time_of(time_s, where),
            visible=bool(row.get("visible", True)),
        )
    info = video or known.video or reading.guessed_video(path, gathered.size())
    return known.finish(gathered, info)
