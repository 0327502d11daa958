"""MOT boxes as text, frames counted from 1: one file, a sequence's folder, or a folder as CVAT takes it.

MOT Challenge counts pixels from 1, CVAT and datumaro from 0: what has CVAT's ``labels.txt`` is theirs. Only
visible observations are written: a predicted position is no measurement.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.limits import Limits
from seektrack.outputs import reading
from seektrack.outputs.reading import Gathered
from seektrack.types import Observation, Track, Tracks, VideoInfo

MOT_CLASSES = (
    "pedestrian", "person on vehicle", "car", "bicycle", "motorbike", "non motorized vehicle",
    "static person", "distractor", "occluder", "occluder on the ground", "occluder full", "reflection",
)  # fmt: skip
"""Classes 1 to 12 of MOT16 and later ground truth."""

_TRUTH_COLUMNS = 9
_CVAT_LABELS = "labels.txt"
_FORM = "frame,id,left,top,width,height,conf,class,visibility"


class Row(NamedTuple):
    """One row: a box in pixels from 0, ``frame_index`` from 0, ``obj_id`` None for a bare detection.

    ``score`` is the confidence where it lies in [0, 1], else 1; ``stated`` what the file says, or None.
    """

    frame_index: int
    obj_id: int | None
    box: Box
    score: float
    class_id: int | None
    is_truth: bool
    considered: bool
    stated: float | None = None


def labels_of(tracks: Iterable[Track]) -> list[str]:
    """The labels in alphabetical order; class 1 is the first."""
    return sorted({t.label for t in tracks if t.label})


def write_mot(tracks: Tracks, path: Path) -> None:
    """Result rows ``frame,id,left,top,width,height,conf,class,-1,-1``.

    Ids are the ``obj_id`` unchanged, classes the line of the label in ``labels.txt`` or -1 without a label.
    Numbers have the digits that give the same box back.
    """
    number = {label: n for n, label in enumerate(labels_of(tracks), start=1)}
    rows = [
        (o.frame_index + 1, t.obj_id, f"{_numbers(o.box)},{o.score!r},{number.get(t.label, -1)},-1,-1")
        for t, o in visible(tracks)
    ]
    path.write_text("".join(f"{frame},{i},{rest}\n" for frame, i, rest in sorted(rows)), encoding="ascii")


def labels_beside(tracks: Tracks) -> dict[str, str]:
    """``<name>.labels.txt``: the label of each class number, a line each."""
    names = labels_of(tracks)
    return {".labels.txt": _label_lines(names)} if names else {}


def write_sequence(tracks: Tracks, path: Path) -> None:
    """A sequence of MOT Challenge: ``gt/gt.txt`` in nine columns, ``gt/gt.labels.txt``, ``seqinfo.ini``."""
    _write_truth(tracks, path, "gt.labels.txt", first=1)


def write_cvat_mot(tracks: Tracks, path: Path) -> None:
    """A folder that, zipped, is what CVAT takes as "MOT 1.1": pixels from 0, names in ``gt/labels.txt``."""
    _write_truth(tracks, path, _CVAT_LABELS, first=0)


def _write_truth(tracks: Tracks, path: Path, labels: str, *, first: int) -> None:
    names = labels_of(tracks) or ["object"]
    rows = []
    for t, o in visible(tracks):
        kind = names.index(t.label or names[0]) + 1
        rows.append((o.frame_index + 1, t.obj_id, f"{_numbers(o.box, first)},1,{kind},1"))
    (path / "gt").mkdir()
    lines = "".join(f"{frame},{i},{rest}\n" for frame, i, rest in sorted(rows))
    (path / "gt" / "gt.txt").write_text(lines, encoding="ascii")
    (path / "gt" / labels).write_text(_label_lines(names), encoding="utf-8")
    video = tracks.video
    length = max(tracks.frame_indices, default=-1) + 1
    (path / "seqinfo.ini").write_text(
        f"[Sequence]\nname={video.name}\nimDir=img1\nframeRate={video.fps}\n"
        f"seqLength={video.n_frames or length}\n"
        f"imWidth={video.width}\nimHeight={video.height}\nimExt=.jpg\n",
        encoding="utf-8",
    )


def read_mot(path: Path, video: VideoInfo | None) -> Tracks:
    """Read results or ground truth of 6 to 10 columns, parted by commas or spaces; or a sequence's folder.

    Nine columns with a class are a ground truth: its rows marked as not to be considered are left out. A
    confidence outside [0, 1] means "unstated" and reads as 1. Class names come from ``<name>.labels.txt``,
    from ``labels.txt`` beside the file (CVAT's, whose pixels count from 0), else from MOT16. Without
    ``video``, size and frame rate come from ``seqinfo.ini`` in the folder of the file or above it, else the
    size is the extent of the boxes and the rate `reading.ASSUMED_FPS`.

    Raises:
        InputError: A row is not of that form, counts frames from 0, has no identity, or comes twice.
    """
    file = path / "gt" / "gt.txt" if path.is_dir() else path
    names, first = _read_labels(file)
    gathered = Gathered()
    for where, row in read_rows(file, first=first):
        if row.obj_id is None:
            raise InputError(
                f"{where}: id -1 is a detection without identity",
                hint="give each object an id, or follow the boxes: seektrack track VIDEO --prompts FILE",
            )
        if row.considered:
            label = _class_name(row, names)
            gathered.add(where, row.obj_id, row.frame_index, box=row.box, score=row.score, label=label)
    info = video or sequence_info(file) or reading.guessed_video(path, gathered.size())
    return gathered.tracks(info)


def read_rows(path: Path, *, first: int = 1) -> list[tuple[str, Row]]:
    """The rows of a file with the place of each, detections without identity too; pixels from ``first``.

    Raises:
        InputError: A row is not of the form, or counts frames from 0.
    """
    rows = []
    for number, line in enumerate(reading.read_text(path).splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            where = f"line {number}"
            rows.append((where, _row(_columns(line), where, first)))
    return rows


def _columns(line: str) -> list[str]:
    parts = line.split(",") if "," in line else line.replace(";", " ").split()
    return [part.strip() for part in parts]


def _row(columns: Sequence[str], where: str, first: int) -> Row:
    if columns and not columns[-1]:
        columns = columns[:-1]
    if not 6 <= len(columns) <= 10:
        raise InputError(f"{where}: a MOT row has 6 to 10 columns, got {len(columns)}", hint=_FORM)
    numbers = [reading.number(v, f"{where}: column {n}") for n, v in enumerate(columns, start=1)]
    if numbers[0] == 0:
        raise InputError(
            f"{where}: frame 0, but MOT counts frames from 1",
            hint="add 1 to every frame: awk -F, -v OFS=, '{$1+=1; print}' FILE > FIXED",
        )
    index = reading.frame_number(numbers[0], where, first=1)
    obj_id = None if numbers[1] < 0 else reading.integer(numbers[1], f"{where}: id")
    class_id = _class_of(numbers)
    is_truth = len(numbers) == _TRUTH_COLUMNS and class_id is not None
    score = numbers[6] if len(numbers) > 6 and 0 <= numbers[6] <= 1 else 1.0
    considered = not is_truth or numbers[6] != 0
    stated = numbers[6] if len(numbers) > 6 else None
    box = _box(columns[2:6], where, first)
    return Row(index, obj_id, box, score, class_id, is_truth, considered, stated)


def _class_of(numbers: Sequence[float]) -> int | None:
    if len(numbers) < 8 or numbers[7] < 1 or numbers[7] != int(numbers[7]):
        return None
    is_position = len(numbers) == 10 and (numbers[8], numbers[9]) != (-1, -1)
    return None if is_position else int(numbers[7])


def _box(columns: Sequence[str], where: str, first: int) -> Box:
    reading.xywh(list(columns), where)
    left, top, width, height = (Decimal(v) for v in columns)
    corners = (left - first, top - first, left - first + width, top - first + height)
    return float(corners[0]), float(corners[1]), float(corners[2]), float(corners[3])


def _numbers(box: Box, first: int = 1) -> str:
    """Left, top, width and height in decimal, so that adding and taking off loses no bit."""
    x0, y0, x1, y1 = (Decimal(repr(float(v))) for v in box)
    return ",".join(f"{v.normalize():f}" for v in (x0 + first, y0 + first, x1 - x0, y1 - y0))


def _class_name(row: Row, names: Sequence[str]) -> str:
    if row.class_id is None:
        return ""
    known = names or (MOT_CLASSES if row.is_truth else ())
    return known[row.class_id - 1] if row.class_id <= len(known) else f"class {row.class_id}"


def _read_labels(file: Path) -> tuple[list[str], int]:
    """The names of the classes, and the number of the first pixel."""
    for beside, first in ((file.with_name(f"{file.stem}.labels.txt"), 1), (file.with_name(_CVAT_LABELS), 0)):
        if beside.is_file() and beside != file:
            lines = reading.read_text(beside).splitlines()
            return [line.strip() for line in lines if line.strip()], first
    return [], 1


def _label_lines(names: Iterable[str]) -> str:
    return "".join(" ".join(name.split()) + "\n" for name in names)


def visible(tracks: Tracks) -> Iterable[tuple[Track, Observation]]:
    """What was seen, track by track."""
    return ((t, o) for t in tracks for o in t.observations if o.visible)


def sequence_info(path: Path) -> VideoInfo | None:
    """The video of a ``seqinfo.ini`` in the folder of a file or above it, or None.

    Raises:
        InputError: The file lacks what it must say.
    """
    for folder in (path.parent, path.parent.parent):
        ini = folder / "seqinfo.ini"
        if ini.is_file():
            return _parse_info(folder, reading.read_text(ini))
    return None


def _parse_info(folder: Path, content: str) -> VideoInfo:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(content)
        section = parser["Sequence"]
    except (configparser.Error, KeyError) as error:
        raise InputError(f"seqinfo.ini has no [Sequence] that can be read: {error}") from error
    length = section.get("seqLength")
    return VideoInfo(
        path=str(folder / section.get("imDir", "img1")),
        width=reading.side(section.get("imWidth"), "seqinfo.ini: imWidth"),
        height=reading.side(section.get("imHeight"), "seqinfo.ini: imHeight"),
        fps=reading.frame_rate(section.get("frameRate", str(reading.ASSUMED_FPS)), "seqinfo.ini: frameRate"),
        n_frames=None
        if length is None
        else reading.integer(length, "seqinfo.ini: seqLength", high=Limits.current().max_frame_index) or None,
    )


def is_export(folder: Path) -> bool:
    """Whether a folder holds an earlier sequence of ours and nothing else."""
    try:
        inside = {entry.name for entry in folder.iterdir()}
        truth = {entry.name for entry in (folder / "gt").iterdir()}
    except OSError:
        return False
    return inside == {"gt", "seqinfo.ini"} and truth in (
        {"gt.txt", n} for n in ("gt.labels.txt", _CVAT_LABELS)
    )
