"""Sequences of street scenes with boxes and identities: KITTI tracking and UA-DETRAC."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

from seektrack.errors import InputError
from seektrack.training.datasets.base import BoxClip, Dataset
from seektrack.training.datasets.files import read_text, require_folder
from seektrack.types import Observation, Track, Tracks, VideoInfo
from seektrack.video import open_video

KITTI_FPS = Fraction(10)
DETRAC_FPS = Fraction(25)
_KITTI_LEFT_OUT = ("DontCare",)
_KITTI_COLUMNS = 10
_OCCLUSION = 3
"""KITTI's levels of occlusion run from 0, fully visible, to 3, unknown."""

Row = tuple[int, int, tuple[float, float, float, float], float, str]
"""Frame from 0, id, box ``xyxy`` in pixels from 0, visibility in [0, 1], label."""


def kitti_tracking(
    root: str | Path, *, classes: Sequence[str] | None = None, names: Sequence[str] | None = None
) -> Dataset[BoxClip]:
    """Sequences as ``<root>/image_02/0000/000000.png`` with ``<root>/label_02/0000.txt``, 10 frames a second.

    A row is ``frame id type truncated occluded alpha left top right bottom …`` (Geiger et al., CVPR 2012);
    ``DontCare`` is left out. An observation's ``score`` falls with its level of occlusion.

    Args:
        root: Such as ``KITTI/training``.
        classes: Types to take, as ``Car``; all when None.
        names: Which sequences, in this order; all of them unless given.

    Raises:
        InputError: The folder or a sequence is missing, or a row cannot be read.
    """
    base = require_folder(Path(root), what="folder of KITTI tracking")
    found = sorted(p.stem for p in (base / "label_02").glob("*.txt"))
    wanted = None if classes is None else frozenset(name.lower() for name in classes)
    return Dataset(
        _chosen(names, found, base, "image_02/0000 with label_02/0000.txt"), partial(_kitti, base, wanted)
    )


def ua_detrac(root: str | Path, *, names: Sequence[str] | None = None) -> Dataset[BoxClip]:
    """Sequences as ``<root>/MVI_20011.xml`` with pictures ``MVI_20011/img00001.jpg``, 25 frames a second.

    The annotations and the pictures may lie in folders of their own below the root (Wen et al.,
    arXiv:1511.04136). An observation's ``score`` is the share of the box nothing covers.

    Args:
        root: The folder that holds both.
        names: Which sequences, in this order; all of them unless given.

    Raises:
        InputError: The folder or a sequence is missing, or an annotation cannot be read.
    """
    base = require_folder(Path(root), what="folder of UA-DETRAC")
    truths = {p.stem: p for p in sorted(base.rglob("*.xml"))}
    pictures = {p.parent.name: p.parent for p in base.rglob("img00001.jpg")}
    found = sorted(truths.keys() & pictures.keys())
    paths = {name: (truths[name], pictures[name]) for name in found}
    return Dataset(
        _chosen(names, found, base, "MVI_20011.xml with MVI_20011/img00001.jpg"), partial(_detrac, paths)
    )


def _chosen(names: Sequence[str] | None, found: Sequence[str], base: Path, sketch: str) -> list[str]:
    chosen = list(found) if names is None else list(names)
    if not found or not set(chosen) <= set(found):
        wrong = ", ".join(sorted(set(chosen) - set(found))) or "at all"
        raise InputError(
            f"no sequence {wrong} in {base}; it has {', '.join(found) or 'none'}",
            hint=f"a sequence is {sketch}",
        )
    return chosen


def _kitti(base: Path, classes: frozenset[str] | None, name: str) -> BoxClip:
    folder = require_folder(base / "image_02" / name, what="folder of pictures")
    opened = partial(open_video, folder, fps=KITTI_FPS)
    path = base / "label_02" / f"{name}.txt"
    rows: list[Row] = []
    for number, line in enumerate(read_text(path, what="ground truth").splitlines(), start=1):
        columns = line.split()
        if not columns:
            continue
        try:
            if len(columns) < _KITTI_COLUMNS:
                raise ValueError(f"{len(columns)} columns")
            frame, obj_id, kind, occluded = int(columns[0]), int(columns[1]), columns[2], int(columns[4])
            x0, y0, x1, y1 = (float(v) for v in columns[6:_KITTI_COLUMNS])
        except ValueError as error:
            raise InputError(
                f"{path} line {number} is no row of KITTI tracking: {line[:60]!r}",
                hint="frame id type truncated occluded alpha left top right bottom …",
            ) from error
        if kind in _KITTI_LEFT_OUT or (classes is not None and kind.lower() not in classes):
            continue
        seen = 1 - min(max(occluded, 0), _OCCLUSION) / _OCCLUSION
        rows.append((frame, obj_id, (x0, y0, x1, y1), seen, kind.replace("_", " ").lower()))
    with opened() as source:
        return BoxClip(name, opened, _tracks(rows, source.info))


def _detrac(paths: dict[str, tuple[Path, Path]], name: str) -> BoxClip:
    path, folder = paths[name]
    text = read_text(path, what="ground truth")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{path} defines entities", hint="an annotation of UA-DETRAC has none")
    rows: list[Row] = []
    try:
        for frame in ET.fromstring(text).iter("frame"):
            index = int(frame.attrib["num"]) - 1
            for target in frame.iter("target"):
                rows.append(_detrac_row(target, index))
    except (ET.ParseError, KeyError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is no annotation of UA-DETRAC: {error}",
            hint="<sequence> with <frame num> and <target id>",
        ) from error
    opened = partial(open_video, folder, fps=DETRAC_FPS)
    with opened() as source:
        return BoxClip(name, opened, _tracks(rows, source.info))


def _detrac_row(target: ET.Element, index: int) -> Row:
    box, told = target.find("box"), target.find("attribute")
    if box is None:
        raise ValueError(f"target {target.attrib['id']} of frame {index + 1} has no box")
    left, top, width, height = (float(box.attrib[name]) for name in ("left", "top", "width", "height"))
    covered = sum(
        float(part.attrib["width"]) * float(part.attrib["height"]) for part in target.iter("region_overlap")
    )
    seen = 1 - min(covered / max(width * height, 1.0), 1.0)
    label = "vehicle" if told is None else told.attrib.get("vehicle_type", "vehicle")
    return index, int(target.attrib["id"]), (left, top, left + width, top + height), seen, label


def _tracks(rows: Sequence[Row], info: VideoInfo) -> Tracks:
    by_id: dict[int, list[Observation]] = {}
    called: dict[int, str] = {}
    for frame, obj_id, box, seen, label in sorted(rows, key=lambda row: row[:2]):
        by_id.setdefault(obj_id, []).append(Observation(frame, float(frame / info.fps), box, None, seen))
        called[obj_id] = label
    tracks = tuple(Track(i, called[i], 1.0, tuple(by_id[i])) for i in sorted(by_id))
    last = max((o.frame_index for shown in by_id.values() for o in shown), default=-1)
    count = max(info.n_frames or 0, last + 1)
    return Tracks(info, "", tracks, {i: float(i / info.fps) for i in range(count)})
