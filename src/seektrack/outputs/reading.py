"""Values from files of others, checked before they are believed, and gathered to tracks.

Errors name the place inside the file (a line, an entry) and what was wrong with it; `load_tracks` puts the
file's name before them. The bounds are those of `seektrack.limits`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from typing import Any, NoReturn

from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.limits import Limits
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo

ASSUMED_FPS = Fraction(25)
"""Frame rate taken when neither the caller nor the file says."""

_FPS = re.compile(r"\d{1,12}(/\d{1,12}|\.\d{1,12})?")


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: It is larger than `Limits.max_file_bytes`, or not text.
    """
    check_bytes(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text: byte {error.start} is no character") from error


def check_bytes(path: Path) -> None:
    """See that a file is not too large to read.

    Raises:
        InputError: It has more than `Limits.max_file_bytes`.
    """
    size, most = path.stat().st_size, Limits.current().max_file_bytes
    if size > most:
        raise InputError(
            f"{size} bytes are more than is read, {most}",
            hint="split the file, or set SEEKTRACK_MAX_FILE_BYTES",
        )


def read_json(path: Path) -> Any:
    """A JSON document.

    Raises:
        InputError: It is not JSON, holds NaN or infinity, or is nested too deeply.
    """
    return parse_json(read_text(path))


def parse_json(text: str) -> Any:
    """A JSON document; see `read_json`."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise InputError("JSON nested too deeply") from error
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"not JSON that can be read: {error}") from error


def _no_number(text: str) -> NoReturn:
    raise InputError(f"{text} is no number", hint="JSON has no NaN and no infinity")


def entry(value: object, where: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        InputError: It is something else.
    """
    if not isinstance(value, dict):
        raise InputError(f"{where} must be an object, got {shown(value)}")
    return value


def entries(content: Mapping[str, Any], name: str, where: str = "") -> list[Any]:
    """A list of a JSON object.

    Raises:
        InputError: It is missing or no list.
    """
    value = content.get(name)
    if not isinstance(value, list):
        place = f"{where}.{name}" if where else name
        raise InputError(f"{place} must be a list, got {shown(value) if name in content else 'nothing'}")
    return value


def text(value: object, where: str) -> str:
    """A string.

    Raises:
        InputError: It is something else.
    """
    if not isinstance(value, str):
        raise InputError(f"{where} must be text, got {shown(value)}")
    return value


def number(value: object, where: str, *, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number, or text that is one, within bounds.

    Raises:
        InputError: It is none.
    """
    try:
        found = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        found = None
    if found is None or not math.isfinite(found):
        raise InputError(f"{where} must be a finite number, got {shown(value)}")
    if not low <= found <= high:
        raise InputError(f"{where} must lie within {_between(low, high)}, got {shown(value)}")
    return found


def integer(value: object, where: str, *, low: int = 0, high: int | None = None) -> int:
    """A whole number, or text that is one, from ``low`` to ``high``; to `Limits.max_id` when None.

    Raises:
        InputError: It is none.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    else:
        exact = number(value, where)
        found = int(exact)
        if found != exact:
            raise InputError(f"{where} must be a whole number, got {shown(value)}")
    high = Limits.current().max_id if high is None else high
    if not low <= found <= high:
        raise InputError(f"{where} must lie within {_between(low, high)}, got {shown(value)}")
    return found


def frame_number(value: object, where: str, *, first: int = 0) -> int:
    """A frame index from 0, of a number that counts from ``first``.

    Raises:
        InputError: It is none.
    """
    return integer(value, f"{where}: frame", low=first, high=Limits.current().max_frame_index) - first


def share(value: object, where: str) -> float:
    """A score in [0, 1].

    Raises:
        InputError: It is none.
    """
    return number(value, where, low=0.0, high=1.0)


def xyxy(values: object, where: str) -> Box:
    """A box of four finite numbers, its corners in order.

    Raises:
        InputError: It is none.
    """
    if not isinstance(values, (list, tuple)) or len(values) != 4:
        raise InputError(f"{where}: a box has four numbers, got {shown(values)}")
    bound = float(Limits.current().max_coordinate)
    x0, y0, x1, y1 = (number(v, f"{where}: a side of the box", low=-bound, high=bound) for v in values)
    if x1 < x0 or y1 < y0:
        raise InputError(f"{where}: the box {shown(list(values))} ends before it begins")
    return x0, y0, x1, y1


def xywh(values: object, where: str) -> Box:
    """A box given as left, top, width, height, as ``xyxy``.

    Raises:
        InputError: It is none, or a size is negative.
    """
    if not isinstance(values, (list, tuple)) or len(values) != 4:
        raise InputError(f"{where}: a box has four numbers, got {shown(values)}")
    bound = float(Limits.current().max_coordinate)
    x, y = (number(v, f"{where}: left and top of the box", low=-bound, high=bound) for v in values[:2])
    w, h = (number(v, f"{where}: width and height of the box", low=0, high=bound) for v in values[2:])
    return x, y, added(x, w), added(y, h)


def added(start: float, length: float) -> float:
    """Where a length ends that begins at ``start``, in decimal: 2.1 and 5.2 make 7.3, as they are written."""
    return float(Decimal(repr(start)) + Decimal(repr(length)))


def mask(value: object, where: str) -> Mask:
    """A mask from COCO's JSON form.

    Raises:
        InputError: It is none, or does not fill a picture of its size.
    """
    try:
        return Mask.from_coco(value)
    except InputError as error:
        raise InputError(f"{where}: {error.message}", hint=error.hint) from error


def frame_rate(value: object, where: str = "fps") -> Fraction:
    """Frames a second, exact.

    Raises:
        InputError: It is no positive number or fraction, or above `Limits.max_fps`.
    """
    written = str(value).strip()
    if isinstance(value, bool) or not _FPS.fullmatch(written) or written.endswith(("/0", "/00")):
        raise InputError(f"{where} must be a positive number or fraction, got {shown(value)}")
    try:
        found = Fraction(written)
    except ZeroDivisionError:
        found = Fraction(0)
    most = Limits.current().max_fps
    if not 0 < found <= most:
        raise InputError(f"{where} must lie above 0 and up to {most}, got {shown(value)}")
    return found


def side(value: object, where: str) -> int:
    """Pixels of a side of a picture.

    Raises:
        InputError: Below 1 or above `Limits.max_side`.
    """
    return integer(value, where, low=1, high=Limits.current().max_side)


def video_from_json(value: object, where: str = "video") -> VideoInfo:
    """What `video_to_json` wrote, checked.

    Raises:
        InputError: Something is missing, or is not what it should be.
    """
    held = entry(value, where)
    length, count = held.get("duration_s"), held.get("n_frames")
    return VideoInfo(
        path=text(held.get("path"), f"{where}.path"),
        width=side(held.get("width"), f"{where}.width"),
        height=side(held.get("height"), f"{where}.height"),
        fps=frame_rate(held.get("fps"), f"{where}.fps"),
        duration_s=None
        if length is None
        else number(length, f"{where}.duration_s", low=0, high=Limits.current().max_time_s),
        n_frames=None
        if count is None
        else integer(count, f"{where}.n_frames", high=Limits.current().max_frame_index + 1),
    )


def video_to_json(video: VideoInfo) -> dict[str, object]:
    """A video's description with its frame rate as an exact fraction."""
    return {
        "path": video.path,
        "width": video.width,
        "height": video.height,
        "fps": str(video.fps),
        "duration_s": video.duration_s,
        "n_frames": video.n_frames,
    }


def frame_times(value: object, where: str = "frames") -> dict[int, float]:
    """Seconds by frame index, from pairs of both.

    Raises:
        InputError: It is no list of pairs, or a frame comes twice.
    """
    if not isinstance(value, list):
        raise InputError(f"{where} must be a list of pairs, got {shown(value)}")
    times: dict[int, float] = {}
    for n, pair in enumerate(value):
        if not isinstance(pair, list) or len(pair) != 2:
            raise InputError(f"{where}[{n}] must be a frame and its time, got {shown(pair)}")
        index = frame_number(pair[0], f"{where}[{n}]")
        if index in times:
            raise InputError(f"{where}[{n}]: frame {index} comes twice")
        times[index] = time_of(pair[1], f"{where}[{n}]")
    return times


def time_of(value: object, where: str) -> float:
    """Seconds within `Limits.max_time_s` of the start.

    Raises:
        InputError: They are not.
    """
    bound = float(Limits.current().max_time_s)
    return number(value, f"{where}: time", low=-bound, high=bound)


def between(start: int, end: int, where: str) -> range:
    """The frames after ``start`` and before ``end``, to be filled in.

    Raises:
        InputError: They are more than `Limits.max_filled`.
    """
    most = Limits.current().max_filled
    if end - start > most:
        raise InputError(f"{where}: {end - start} frames to the next key frame, at most {most} are filled in")
    return range(start + 1, end)


def shown(value: object) -> str:
    """A value as errors show it: its beginning."""
    written = repr(value)
    return written if len(written) <= 60 else written[:57] + "…"


def _between(low: float, high: float) -> str:
    return f"{low:g} to {high:g}"


@dataclass
class _Found:
    label: str
    rows: list[tuple[int, float | None, Box, Mask | None, float, bool, Mask | None]] = field(
        default_factory=list
    )


class Gathered:
    """Observations as they are read, gathered to tracks."""

    def __init__(self) -> None:
        self._by_id: dict[int, _Found] = {}
        self._places: dict[tuple[int, int], str] = {}

    def add(
        self,
        where: str,
        obj_id: int,
        frame_index: int,
        *,
        box: Box | None = None,
        mask: Mask | None = None,
        score: float = 1.0,
        label: str = "",
        time_s: float | None = None,
        visible: bool = True,
        amodal: Mask | None = None,
    ) -> None:
        """Take one observation; without a box it is the mask's.

        Raises:
            InputError: The object is on this frame already, or there is neither box nor any pixel.
        """
        key = obj_id, frame_index
        if key in self._places:
            raise InputError(
                f"{where}: object {obj_id} is on frame {frame_index} twice, first at {self._places[key]}",
                hint="an object is at one place at a time: remove one, or give it another id",
            )
        self._places[key] = where
        placed = box if box is not None or mask is None else mask.box
        if placed is None:
            raise InputError(f"{where}: object {obj_id} has neither a box nor a pixel")
        found = self._by_id.setdefault(obj_id, _Found(label))
        found.rows.append((frame_index, time_s, placed, mask, score, visible, amodal))

    @property
    def ids(self) -> set[int]:
        """Of the objects so far."""
        return set(self._by_id)

    def size(self) -> tuple[int, int]:
        """(H, W) that holds everything: of a mask where there is one, else the extent of the boxes."""
        rows = [row for found in self._by_id.values() for row in found.rows]
        masks = [row[3] for row in rows if row[3] is not None]
        if masks:
            return masks[0].size
        width = max((math.ceil(row[2][2]) for row in rows), default=1)
        height = max((math.ceil(row[2][3]) for row in rows), default=1)
        most = Limits.current().max_side
        return min(max(height, 1), most), min(max(width, 1), most)

    def tracks(
        self,
        info: VideoInfo,
        *,
        query: str = "",
        scores: Mapping[int, float] | None = None,
        times: Mapping[int, float] | None = None,
        labels: Mapping[int, str] | None = None,
        order: list[int] | None = None,
    ) -> Tracks:
        """Everything gathered; times that were not given follow from the frame rate.

        Args:
            info: Of the video.
            query: What was asked for.
            scores: Of the tracks by id; otherwise the mean of the observations.
            times: Of frames, whether anything is on them or not.
            labels: Of the tracks by id, in place of those of the observations.
            order: Ids in order; otherwise they rise.
        """
        known = dict(times or {})
        made = []
        for obj_id in order or sorted(self._by_id):
            found = self._by_id.get(obj_id, _Found(""))
            observations = []
            for index, time_s, box, held, score, visible, amodal in sorted(found.rows, key=itemgetter(0)):
                when = known.get(index, float(index / info.fps)) if time_s is None else time_s
                known.setdefault(index, when)
                observations.append(Observation(index, when, box, held, score, visible, amodal))
            mean = sum(o.score for o in observations) / len(observations) if observations else 0.0
            made.append(
                Track(
                    obj_id,
                    (labels or {}).get(obj_id, found.label),
                    (scores or {}).get(obj_id, mean),
                    tuple(observations),
                )
            )
        return Tracks(info, query, tuple(made), dict(sorted(known.items())))


def guessed_video(path: Path, size: tuple[int, int], fps: Fraction = ASSUMED_FPS) -> VideoInfo:
    """What stands for a video nobody described: its size (H, W), and a frame rate."""
    return VideoInfo(str(path), size[1], size[0], fps)
