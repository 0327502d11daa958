"""MOTS masks as text: MOTS Challenge counts frames from 1, KITTI MOTS from 0.

Only visible observations are written. ``<name>.objects.json`` beside the file says which object each id is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from seektrack.errors import InputError, OutputError
from seektrack.outputs import manifest, reading
from seektrack.outputs.mot import sequence_info
from seektrack.outputs.overlaps import exclusive_masks
from seektrack.outputs.reading import Gathered
from seektrack.types import Mask, Track, Tracks, VideoInfo

CAR, PEDESTRIAN, IGNORE = 1, 2, 10
_PEOPLE = frozenset(
    {"pedestrian", "person", "people", "man", "woman", "child", "boy", "girl", "human", "men", "women"}
)
_NAMES = {CAR: "car", PEDESTRIAN: "pedestrian"}
_INSTANCES = 1000
_END_OF_NOUN = re.compile(
    r"[,;(]|\b(?:on|in|at|with|near|next|of|by|to|behind|beside|under|that|who|which|and)\b"
)


def category(label: str) -> int | None:
    """KITTI's number of what a label names, or None: "a red car" is a car, "a person" a pedestrian."""
    words = re.findall(r"[a-z]+", _END_OF_NOUN.split(label.lower())[0])
    noun = words[-1] if words else ""
    for word in (noun, noun.removesuffix("s")):
        if word == "car":
            return CAR
        if word in _PEOPLE:
            return PEDESTRIAN
    return None


def write_mots(tracks: Tracks, path: Path, *, first: int = 1) -> None:
    """Rows ``frame id class_id height width rle``; masks do not overlap, the surer object keeps the pixels.

    Ids are class × 1000 + instance; the instance is the ``obj_id`` where it lies in 1 to 999, else a free
    number. Cars are class 1, persons 2 as in KITTI MOTS, other labels count on from 3.

    Args:
        tracks: What to write.
        path: The file.
        first: Number of the first frame.

    Raises:
        OutputError: There are more than 999 tracks.
    """
    numbers = _numbers(tracks)
    lines = []
    for index in tracks.frame_indices or sorted({o.frame_index for t in tracks for o in t.observations}):
        for track, array in exclusive_masks(tracks, index):
            if array.any():
                mask, unique = Mask.from_array(array), numbers[track.obj_id]
                size = f"{mask.size[0]} {mask.size[1]}"
                row = f"{index + first} {unique} {unique // _INSTANCES} {size} {mask.counts.decode('ascii')}"
                lines.append(f"{row}\n")
    path.write_text("".join(lines), encoding="ascii")


def write_kitti_mots(tracks: Tracks, path: Path) -> None:
    """As `write_mots`, frames from 0."""
    write_mots(tracks, path, first=0)


def objects_beside(tracks: Tracks) -> dict[str, str]:
    """``<name>.objects.json``: id, label and score of the object behind each number."""
    numbers = _numbers(tracks)
    content = manifest.manifest(tracks, "mots", {numbers[t.obj_id]: t for t in tracks})
    return {f".{manifest.NAME}": json.dumps(content, ensure_ascii=False)}


def read_mots(path: Path, video: VideoInfo | None, *, first: int = 1) -> Tracks:
    """Read MOTS text; without the file beside it, ``obj_id`` is the full id; ignore regions are left out.

    Without ``video``, the size comes from the rows and the frame rate is `reading.ASSUMED_FPS`.

    Raises:
        InputError: A row is not of that form, its mask does not fill its picture, or an object comes twice.
    """
    known = manifest.read_manifest(path.with_name(f"{path.stem}.{manifest.NAME}"))
    gathered = Gathered()
    for number, line in enumerate(reading.read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"line {number}"
        index, unique, kind, mask = _row(line.split(), where, first)
        if kind == IGNORE:
            continue
        obj_id, label = known.of(unique, _NAMES.get(kind, f"class {kind}"))
        gathered.add(where, obj_id, index, mask=mask, label=label)
    info = video or known.video or sequence_info(path) or reading.guessed_video(path, gathered.size())
    return known.finish(gathered, info)


def read_kitti_mots(path: Path, video: VideoInfo | None) -> Tracks:
    """As `read_mots`, frames from 0."""
    return read_mots(path, video, first=0)


def _row(columns: list[str], where: str, first: int) -> tuple[int, int, int, Mask]:
    if len(columns) != 6:
        raise InputError(
            f"{where}: a MOTS row has 6 columns, got {len(columns)}", hint="frame id class height width rle"
        )
    if first == 1 and columns[0] == "0":
        raise InputError(
            f"{where}: frame 0, but MOTS counts frames from 1", hint="KITTI counts from 0: use kitti-mots"
        )
    index = reading.frame_number(columns[0], where, first=first)
    unique = reading.integer(columns[1], f"{where}: id")
    kind = reading.integer(columns[2], f"{where}: class")
    size = [reading.side(columns[3], f"{where}: height"), reading.side(columns[4], f"{where}: width")]
    return index, unique, kind, reading.mask({"size": size, "counts": columns[5]}, where)


def _numbers(tracks: Tracks) -> dict[int, int]:
    """Number in the file of each ``obj_id``."""
    if len(tracks) >= _INSTANCES:
        raise OutputError(f"MOTS can hold {_INSTANCES - 1} tracks, got {len(tracks)}", hint="use json")
    kept = {t.obj_id for t in tracks if 0 < t.obj_id < _INSTANCES}
    free = (n for n in range(1, _INSTANCES) if n not in kept)
    classes = _classes(tracks)
    return {
        t.obj_id: classes[t.label] * _INSTANCES + (t.obj_id if t.obj_id in kept else next(free))
        for t in tracks
    }


def _classes(tracks: Iterable[Track]) -> dict[str, int]:
    free = (n for n in range(3, 10**6) if n != IGNORE)
    return {label: category(label) or next(free) for label in sorted({t.label for t in tracks})}
