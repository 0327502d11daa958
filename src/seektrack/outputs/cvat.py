"""CVAT's own XML for videos ("CVAT for video 1.1"): a track an object, a box a frame.

Tracks of CVAT hold boxes; masks go there as COCO. Only visible observations are written.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

from seektrack.errors import InputError
from seektrack.outputs import reading
from seektrack.outputs.reading import Gathered
from seektrack.types import Observation, Track, Tracks, VideoInfo


def write_cvat(tracks: Tracks, path: Path) -> None:
    """``<annotations>`` with ``<meta>`` and ``<track id label>``; ids are the ``obj_id`` unchanged.

    Every box is a key frame; a box with ``outside="1"`` on the next processed frame ends each stretch.
    """
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    _meta(root, tracks)
    for track in tracks:
        held = ET.SubElement(root, "track", id=str(track.obj_id), label=_name(track), source="auto")
        seen = [o for o in track.observations if o.visible]
        for o, following in zip(seen, [*seen[1:], None], strict=True):
            _box(held, o, o.frame_index, outside=False)
            end = o.frame_index + 1
            if (following is None and end <= _last(tracks)) or (following and following.frame_index > end):
                _box(held, o, end, outside=True)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _meta(root: ET.Element, tracks: Tracks) -> None:
    video = tracks.video
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    for name, value in (
        ("name", video.name),
        ("size", str(_last(tracks) + 1)),
        ("mode", "interpolation"),
        ("overlap", "0"),
        ("start_frame", "0"),
        ("stop_frame", str(max(_last(tracks), 0))),
        ("frame_filter", ""),
    ):
        ET.SubElement(task, name).text = _text(value)
    labels = ET.SubElement(task, "labels")
    for label in sorted({_name(t) for t in tracks}):
        held = ET.SubElement(labels, "label")
        ET.SubElement(held, "name").text = label
        ET.SubElement(held, "attributes")
    size = ET.SubElement(task, "original_size")
    ET.SubElement(size, "width").text = str(video.width)
    ET.SubElement(size, "height").text = str(video.height)
    ET.SubElement(task, "source").text = _text(Path(video.path).name)


def _last(tracks: Tracks) -> int:
    return max([*tracks.frame_times, *(o.frame_index for t in tracks for o in t.observations)], default=-1)


def _name(track: Track) -> str:
    return _text(track.label) or "object"


def _text(value: str) -> str:
    """What XML can hold of a text: no control characters, no halves of characters."""
    return "".join(c if c in "\t\n" or (c >= " " and not "\ud800" <= c <= "\udfff") else "�" for c in value)


def _box(track: ET.Element, o: Observation, frame: int, *, outside: bool) -> None:
    corners = {name: repr(float(v)) for name, v in zip(("xtl", "ytl", "xbr", "ybr"), o.box, strict=True)}
    flags = {"outside": str(int(outside)), "occluded": "0", "keyframe": "1"}
    ET.SubElement(track, "box", {"frame": str(frame), **flags, **corners, "z_order": "0"})


def read_cvat(path: Path, video: VideoInfo | None) -> Tracks:
    """Read the boxes of every ``<track>``, filled in between key frames as CVAT shows them.

    Without ``video``, the size is that of the file and the frame rate `reading.ASSUMED_FPS`.

    Raises:
        InputError: It is no such XML, or a value is not what it should be.
    """
    text = reading.read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError("XML with entities of its own is not read", hint="remove the DOCTYPE")
    try:
        root = ET.fromstring(text.encode("utf-8"))
    except (ET.ParseError, RecursionError, ValueError, LookupError) as error:
        raise InputError(f"not XML: {error}") from error
    if root.tag != "annotations" or (root.find("image") is not None and root.find("track") is None):
        raise InputError("not CVAT's XML for videos", hint='export as "CVAT for video 1.1"')
    gathered = Gathered()
    for n, track in enumerate(root.iter("track")):
        where = f"track {n}"
        obj_id = reading.integer(track.get("id"), f"{where}: id")
        for index, box in _filled(track, where):
            gathered.add(f"{where}, frame {index}", obj_id, index, box=box, label=track.get("label", ""))
    info = video or _described(path, root) or reading.guessed_video(path, gathered.size())
    return gathered.tracks(info)


def _filled(track: ET.Element, where: str) -> list[tuple[int, tuple[float, float, float, float]]]:
    """Frame and box of every frame on which the track is inside."""
    keys = []
    for box in track.findall("box"):
        place = f"{where}, frame {box.get('frame')}"
        index = reading.frame_number(box.get("frame"), place)
        corners = reading.xyxy([box.get(name) for name in ("xtl", "ytl", "xbr", "ybr")], place)
        keys.append((index, corners, box.get("outside") == "1"))
    if len({index for index, _, _ in keys}) != len(keys):
        raise InputError(f"{where} has two boxes on one frame")
    keys.sort(key=lambda key: key[0])
    found = []
    for (start, one, outside), (end, other, ends) in pairwise(keys):
        if not outside:
            steps = [start, *reading.between(start, end, where)]
            found += [(i, _between(one, one if ends else other, (i - start) / (end - start))) for i in steps]
    found += [(index, box) for index, box, outside in keys[-1:] if not outside]
    return found


def _between(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float], share: float
) -> tuple[float, float, float, float]:
    if share == 0:
        return one
    x0, y0, x1, y1 = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return x0, y0, x1, y1


def _described(path: Path, root: ET.Element) -> VideoInfo | None:
    size = root.find(".//original_size")
    if size is None:
        return None
    width = reading.side(size.findtext("width"), "original_size: width")
    height = reading.side(size.findtext("height"), "original_size: height")
    return VideoInfo(root.findtext(".//source") or str(path), width, height, reading.ASSUMED_FPS)
