"""YOLO text, a file a frame, boxes in shares of the picture.

With track ids, as Ultralytics writes it when it tracks, or as a data set, as Ultralytics trains on it. Only
boxes and only visible observations are written.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.outputs import documents, manifest, reading
from seektrack.outputs.reading import Gathered
from seektrack.types import Tracks, VideoInfo

_TRAIN = "labels/train"
_FRAME_IN_NAME = re.compile(r"(\d{1,10})$")


def write_yolo(tracks: Tracks, path: Path) -> None:
    """``labels/<video>_<frame>.txt``, frames from 1, rows ``class cx cy width height confidence id``.

    Classes count from 0 in the order of ``classes.txt``; ``objects.json`` keeps the video, labels and scores.
    Frames on which nothing is seen have an empty file.
    """
    video = tracks.video
    names = sorted({t.label for t in tracks})
    folder = path / "labels"
    folder.mkdir()
    for index in documents.processed(tracks):
        lines = []
        for track, o in tracks.at(index):
            if o.visible:
                shares = " ".join(repr(v) for v in _shares(o.box, video))
                lines.append(f"{names.index(track.label)} {shares} {float(o.score)!r} {track.obj_id}\n")
        name = f"{video.name or 'video'}_{index + 1}.txt"
        (folder / name).write_text("".join(lines), encoding="ascii")
    (path / "classes.txt").write_text("".join(f"{n or 'object'}\n" for n in names), encoding="utf-8")
    content = manifest.manifest(tracks, "yolo", {t.obj_id: t for t in tracks})
    documents.write_json(path / manifest.NAME, content)


def write_dataset(tracks: Tracks, path: Path) -> None:
    """``data.yaml``, ``labels/train/<video>_<frame>.txt``, frames from 1, and room for pictures so named.

    Rows are ``class cx cy width height`` and have no place for an id: ``objects.json`` keeps the ids of each
    file's rows, beside the video, labels and scores. A box ends at the border of the picture.
    """
    video = tracks.video
    names = sorted({t.label for t in tracks})
    folder = path / _TRAIN
    folder.mkdir(parents=True)
    (path / "images" / "train").mkdir(parents=True)
    rows = []
    for index in documents.processed(tracks):
        boxes = [(track, _inside(o.box, video)) for track, o in tracks.at(index) if o.visible]
        seen = [(track, box) for track, box in boxes if box is not None]
        lines = [
            " ".join([str(names.index(track.label)), *map(_plain, _shares(box, video))]) + "\n"
            for track, box in seen
        ]
        name = f"{video.name or 'video'}_{index + 1}.txt"
        (folder / name).write_text("".join(lines), encoding="ascii")
        rows.append([index, [track.obj_id for track, _ in seen]])
    kinds = "".join(f"  {n}: {json.dumps(name or 'object')}\n" for n, name in enumerate(names))
    text = f"path: .\ntrain: images/train\nval: images/train\nnames:{'' if names else ' {}'}\n{kinds}"
    (path / "data.yaml").write_text(text, encoding="utf-8")
    content = manifest.manifest(tracks, "yolo-dataset", {t.obj_id: t for t in tracks})
    documents.write_json(path / manifest.NAME, {**content, "rows": rows})


def _inside(box: Box, video: VideoInfo) -> Box | None:
    x0, y0, x1, y1 = (float(v) for v in box)
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, float(video.width)), min(y1, float(video.height))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _plain(value: float) -> str:
    """A number in full, never with an exponent, which some readers do not take."""
    return np.format_float_positional(value, trim="0")


def _shares(box: Box, video: VideoInfo) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(v) for v in box)
    w, h = video.width, video.height
    return (x0 + x1) / 2 / w, (y0 + y1) / 2 / h, (x1 - x0) / w, (y1 - y0) / h


def read_yolo(path: Path, video: VideoInfo | None) -> Tracks:
    """Read a folder of such files: the frame is the number at the end of the name, less 1.

    Rows have 7 columns, or 6 when there is no confidence. Class names come from ``classes.txt``. The size of
    the picture is ``video``'s or that of ``objects.json``: the format has only shares.

    Raises:
        InputError: There are no files, no size, a row is no box, has no id, or an object comes twice.
    """
    known = manifest.read_manifest(path / manifest.NAME)
    info = video or known.video
    if info is None:
        raise InputError(
            "YOLO gives boxes in shares, and says no size", hint="give --video, or --size and --fps"
        )
    folder = path / "labels" if (path / "labels").is_dir() else path
    names = _names(path)
    gathered = Gathered()
    files = [(f, _FRAME_IN_NAME.search(f.stem)) for f in sorted(folder.glob("*.txt"))]
    numbered = sorted((int(match[1]), file) for file, match in files if match)
    if not numbered and not known.video:
        raise InputError("no labels", hint="labels/<video>_<frame>.txt")
    for number, file in numbered:
        index = reading.frame_number(number, file.name, first=1)
        for n, line in enumerate(reading.read_text(file).splitlines(), start=1):
            if line.strip():
                _add(gathered, line.split(), f"{file.name} line {n}", index, names, info)
    return known.finish(gathered, info)


def read_dataset(path: Path, video: VideoInfo | None) -> Tracks:
    """Read what `write_dataset` wrote: ids are those that ``objects.json`` keeps for each file's rows.

    Raises:
        InputError: There is no ``objects.json``, or it tells of other rows; a row is no box.
    """
    kept = path / manifest.NAME
    known = manifest.read_manifest(kept)
    info = video or known.video
    if not kept.is_file() or info is None:
        raise InputError(
            "a YOLO data set has no ids, and objects.json, which keeps them, is missing",
            hint="follow its boxes: track VIDEO --detections FILE takes MOT or COCO",
        )
    gathered = Gathered()
    for n, entry in enumerate(reading.entries(reading.read_json(kept), "rows")):
        index, ids = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
        number = reading.integer(index, f"rows[{n}]")
        file = path / _TRAIN / f"{info.name or 'video'}_{number + 1}.txt"
        lines = [line.split() for line in reading.read_text(file).splitlines() if line.strip()]
        if not isinstance(ids, list) or len(ids) != len(lines):
            raise InputError(f"{file.name} has {len(lines)} rows, objects.json tells of others")
        for line, (obj_id, columns) in enumerate(zip(ids, lines, strict=True), start=1):
            where = f"{file.name} line {line}"
            if len(columns) != 5:
                raise InputError(f"{where}: a box has 5 columns, got {len(columns)}")
            box = _box(columns, where, info)
            gathered.add(where, reading.integer(obj_id, where), number, box=box, score=1.0, label="")
    return known.finish(gathered, info)


def _add(
    gathered: Gathered, columns: list[str], where: str, index: int, names: list[str], info: VideoInfo
) -> None:
    if len(columns) not in (6, 7):
        raise InputError(
            f"{where}: a box with an id has 6 or 7 columns, got {len(columns)}",
            hint="class cx cy width height [confidence] id",
        )
    if "." in columns[-1]:
        raise InputError(
            f"{where}: no id, only a confidence",
            hint="run the tracker, not the detector (yolo track, save_conf)",
        )
    kind = reading.integer(columns[0], f"{where}: class")
    gathered.add(
        where,
        reading.integer(columns[-1], f"{where}: id"),
        index,
        box=_box(columns, where, info),
        score=reading.share(columns[5], f"{where}: confidence") if len(columns) == 7 else 1.0,
        label=names[kind] if kind < len(names) else f"class {kind}",
    )


def _box(columns: list[str], where: str, info: VideoInfo) -> Box:
    cx, cy, w, h = (reading.number(v, f"{where}: box", low=-10, high=10) for v in columns[1:5])
    scaled = (cx * info.width, cy * info.height, w * info.width, h * info.height)
    left, top = scaled[0] - scaled[2] / 2, scaled[1] - scaled[3] / 2
    x0, y0, x1, y1 = reading.xywh([left, top, scaled[2], scaled[3]], where)
    return round(x0, 9), round(y0, 9), round(x1, 9), round(y1, 9)  # shares leave the last bits open


def _names(path: Path) -> list[str]:
    file = path / "classes.txt"
    lines = reading.read_text(file).splitlines() if file.is_file() else []
    return [line.strip() for line in lines if line.strip()]


def is_export(folder: Path) -> bool:
    """Whether a folder holds an earlier export and nothing else."""
    try:
        kind = json.loads((folder / manifest.NAME).read_text(encoding="utf-8"))["format"]
        inside = {entry.name for entry in folder.iterdir()}
        labels = [f.name for f in (folder / "labels").iterdir()]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    ours = inside <= {manifest.NAME, "classes.txt", "labels"}
    return kind == "yolo" and ours and all(_FRAME_IN_NAME.search(Path(name).stem) for name in labels)


def is_dataset_export(folder: Path) -> bool:
    """Whether a folder holds an earlier export as a data set and nothing else, pictures neither."""
    try:
        kind = json.loads((folder / manifest.NAME).read_text(encoding="utf-8"))["format"]
        inside = {str(entry.relative_to(folder)) for entry in folder.rglob("*")}
        labels = {name for name in inside if name.startswith(f"{_TRAIN}/")}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    ours = inside - labels <= {manifest.NAME, "data.yaml", "labels", _TRAIN, "images", "images/train"}
    return kind == "yolo-dataset" and ours and all(_FRAME_IN_NAME.search(Path(name).stem) for name in labels)
