"""MOT Challenge boxes and MOTS Challenge masks, both as text with frames counted from 1.

Only visible observations are written: a predicted position is no measurement.
"""

from __future__ import annotations

import configparser
import csv
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from seektrack.errors import InputError, OutputError
from seektrack.outputs.overlaps import exclusive_masks
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo

ASSUMED_FPS = Fraction(25)
"""Frame rate taken when neither the caller nor a ``seqinfo.ini`` says; the format has no clock."""

MOT_CLASSES = (
    "pedestrian",
    "person on vehicle",
    "car",
    "bicycle",
    "motorbike",
    "non motorized vehicle",
    "static person",
    "distractor",
    "occluder",
    "occluder on the ground",
    "occluder full",
    "reflection",
)
"""Classes 1 to 12 of MOT16 and later ground truth."""

_MOTS_CLASS = {"car": 1, "pedestrian": 2, "person": 2}
_MOTS_IGNORE = 10
_MOTS_INSTANCES = 1000


def write_mot(tracks: Tracks, path: Path) -> None:
    """Result rows ``frame,id,left,top,width,height,conf,-1,-1,-1``, pixels counted from 1.

    Ids are the ``obj_id`` unchanged.
    """
    rows = []
    for track, o in _visible(tracks):
        x0, y0, x1, y1 = o.box
        numbers = (x0 + 1, y0 + 1, x1 - x0, y1 - y0)
        fields = [f"{v:.3f}" for v in numbers] + [f"{o.score:.4f}", "-1", "-1", "-1"]
        rows.append((o.frame_index + 1, track.obj_id, ",".join(fields)))
    path.write_text("".join(f"{frame},{i},{rest}\n" for frame, i, rest in sorted(rows)), encoding="ascii")


def read_mot(path: Path, video: VideoInfo | None) -> Tracks:
    """Read results or ground truth, telling them apart by the number of columns.

    Ground truth of MOT16 and later has 9 columns; its rows marked as not to be considered are left out.
    A confidence outside [0, 1] means "unstated" and reads as 1. Without ``video``, size and frame rate come
    from ``seqinfo.ini`` in the folder of the file or above it, else the size is the extent of the boxes and
    the rate `ASSUMED_FPS`.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = [[v.strip() for v in row] for row in csv.reader(file) if row]
    extent = [0.0, 0.0]
    parsed: list[tuple[int, int, str, tuple[float, float, float, float], float]] = []
    for number, row in enumerate(rows, start=1):
        if len(row) < 6:
            raise InputError(f"{path} line {number}: a MOT row has at least 6 columns, got {len(row)}")
        frame, obj_id = int(float(row[0])), int(float(row[1]))
        left, top, width, height = (float(v) for v in row[2:6])
        is_truth = len(row) == 9
        if is_truth and float(row[6]) == 0:
            continue
        label = _mot_class(int(float(row[7]))) if is_truth else ""
        score = float(row[6]) if len(row) > 6 else 1.0
        box = (left - 1, top - 1, left - 1 + width, top - 1 + height)
        extent = [max(extent[0], box[2]), max(extent[1], box[3])]
        parsed.append((frame - 1, obj_id, label, box, score if 0 <= score <= 1 else 1.0))
    info = video or _sequence_info(path) or _guessed_info(path, int(extent[0]) + 1, int(extent[1]) + 1)
    found = (
        (obj_id, label, Observation(index, float(index / info.fps), box, None, score))
        for index, obj_id, label, box, score in parsed
    )
    return _collect(found, info)


def write_mots(tracks: Tracks, path: Path) -> None:
    """Rows ``frame id class_id height width rle``; masks do not overlap, the surer object keeps the pixels.

    Ids are class × 1000 + instance; the instance is the ``obj_id`` where all are below 1000, else the
    track's position. Cars are class 1, persons 2 as in KITTI MOTS, other labels count on from 3.

    Raises:
        OutputError: There are more than 999 tracks.
    """
    ids = [t.obj_id for t in tracks]
    if len(ids) >= _MOTS_INSTANCES:
        raise OutputError(f"MOTS can hold {_MOTS_INSTANCES - 1} tracks, got {len(ids)}", hint="use json")
    keep = all(0 < i < _MOTS_INSTANCES for i in ids)
    instance = {i: i if keep else position for position, i in enumerate(ids, start=1)}
    classes = _mots_classes(t.label for t in tracks)
    lines = []
    for index in tracks.frame_indices or sorted({o.frame_index for _, o in _visible(tracks)}):
        for track, array in exclusive_masks(tracks, index):
            if not array.any():
                continue
            mask, class_id = Mask.from_array(array), classes[track.label]
            unique = class_id * _MOTS_INSTANCES + instance[track.obj_id]
            size = f"{mask.size[0]} {mask.size[1]}"
            lines.append(f"{index + 1} {unique} {class_id} {size} {mask.counts.decode('ascii')}\n")
    path.write_text("".join(lines), encoding="ascii")


def read_mots(path: Path, video: VideoInfo | None) -> Tracks:
    """Read MOTS text; ``obj_id`` is the full id, the label the class number, ignore regions are left out.

    Without ``video``, the size comes from the rows and the frame rate is `ASSUMED_FPS`.
    """
    found = []
    size = (0, 0)
    rows = [line.split() for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
    for frame, unique, class_id, height, width, counts in rows:
        size = (int(height), int(width))
        mask = Mask(size, counts.encode("ascii"))
        if int(class_id) != _MOTS_IGNORE and mask.box is not None:
            found.append((int(frame) - 1, int(unique), class_id, mask, mask.box))
    info = video or _sequence_info(path) or _guessed_info(path, size[1], size[0])
    return _collect(
        ((i, c, Observation(t, float(t / info.fps), box, mask, 1.0)) for t, i, c, mask, box in found), info
    )


def _visible(tracks: Tracks) -> Iterable[tuple[Track, Observation]]:
    return ((t, o) for t in tracks for o in t.observations if o.visible)


def _mot_class(number: int) -> str:
    return MOT_CLASSES[number - 1] if 1 <= number <= len(MOT_CLASSES) else f"class {number}"


def _mots_classes(labels: Iterable[str]) -> dict[str, int]:
    free = (n for n in range(3, 10**6) if n != _MOTS_IGNORE)
    return {label: _MOTS_CLASS.get(label) or next(free) for label in sorted(set(labels))}


def _sequence_info(path: Path) -> VideoInfo | None:
    for folder in (path.parent, path.parent.parent):
        ini = folder / "seqinfo.ini"
        if ini.is_file():
            parser = configparser.ConfigParser()
            parser.read(ini, encoding="utf-8")
            section = parser["Sequence"]
            return VideoInfo(
                path=str(folder / section.get("imDir", "img1")),
                width=section.getint("imWidth", 0),
                height=section.getint("imHeight", 0),
                fps=Fraction(section.get("frameRate", str(ASSUMED_FPS))),
                n_frames=section.getint("seqLength", 0) or None,
            )
    return None


def _guessed_info(path: Path, width: int, height: int) -> VideoInfo:
    return VideoInfo(path=str(path), width=width, height=height, fps=ASSUMED_FPS)


def _collect(found: Iterable[tuple[int, str, Observation]], info: VideoInfo) -> Tracks:
    by_id: dict[int, tuple[str, list[Observation]]] = {}
    times: dict[int, float] = {}
    for obj_id, label, observation in found:
        by_id.setdefault(obj_id, (label, []))[1].append(observation)
        times[observation.frame_index] = observation.time_s
    tracks = []
    for obj_id, (label, observations) in sorted(by_id.items()):
        observations.sort(key=lambda o: o.frame_index)
        score = sum(o.score for o in observations) / len(observations)
        tracks.append(Track(obj_id, label, score, tuple(observations)))
    return Tracks(info, "", tuple(tracks), times)
