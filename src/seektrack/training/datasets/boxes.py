"""MOT Challenge sequences: a folder of pictures and boxes with identities."""

from __future__ import annotations

import configparser
import csv
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.training.datasets.base import BoxClip, Dataset
from seektrack.training.datasets.files import read_lines, read_text, require_folder
from seektrack.training.datasets.left_out import OnBad, refuse
from seektrack.types import Observation, Track, Tracks, VideoInfo
from seektrack.video import open_video

PEDESTRIAN = 1

CLASSES = (
    "pedestrian", "person on vehicle", "car", "bicycle", "motorbike", "non motorized vehicle",
    "static person", "distractor", "occluder", "occluder on the ground", "occluder full", "reflection",
)  # fmt: skip
"""Classes 1 to 12 of MOT16 and later."""


def mot_challenge(
    root: str | Path,
    *,
    classes: Sequence[int] | None = (PEDESTRIAN,),
    names: Sequence[str] | None = None,
) -> Dataset[BoxClip]:
    """Sequences as ``<root>/<sequence>/{seqinfo.ini, img1/, gt/gt.txt}``.

    Classes are `CLASSES`, or what ``gt/gt.labels.txt`` says, one a line, where there is one. A
    ``gt/labels.txt`` is CVAT's, which counts pixels from 0.

    Args:
        root: Such as ``MOT17/train``.
        classes: Numbers of the classes to take, None for all; rows of fewer than nine columns know none and
            are all taken.
        names: Which sequences, in this order; all of them unless given.

    Raises:
        InputError: The folder or a sequence is missing, or holds none.
    """
    base = require_folder(Path(root), what="folder of sequences")
    found = sorted(p.parent.name for p in base.glob("*/seqinfo.ini"))
    chosen = found if names is None else list(names)
    if not found or not set(chosen) <= set(found):
        wrong = sorted(set(chosen) - set(found))
        raise InputError(
            f"no sequence {', '.join(wrong) or 'at all'} in {base}; it has {', '.join(found) or 'none'}",
            hint="a sequence is a folder with seqinfo.ini, img1/ and gt/gt.txt",
        )
    return Dataset(chosen, partial(_clip, base, None if classes is None else tuple(classes)))


def read_sequence_info(path: Path) -> VideoInfo:
    """``seqinfo.ini`` of a sequence.

    Raises:
        InputError: Missing, or lacks what it must say.
    """
    parser = configparser.ConfigParser()
    try:
        parser.read_string(read_text(path, what="sequence description"))
        section = parser["Sequence"]
        fps, length = Fraction(section["frameRate"]), section.getint("seqLength")
        return VideoInfo(
            path=str(path.parent / section.get("imDir", "img1")),
            width=int(section["imWidth"]),
            height=int(section["imHeight"]),
            fps=fps,
            duration_s=float(length / fps) if length else None,
            n_frames=length,
        )
    except (configparser.Error, KeyError, ValueError, ZeroDivisionError) as error:
        raise InputError(
            f"{path} is no sequence description: {error!r}",
            hint="[Sequence] needs frameRate, imWidth, imHeight and seqLength",
        ) from error


def read_boxes(
    path: Path,
    info: VideoInfo,
    *,
    classes: Sequence[int] | None = (PEDESTRIAN,),
    labels: Sequence[str] = CLASSES,
    first_pixel: int = 1,
    bad: OnBad = refuse,
) -> Tracks:
    """``gt.txt``: ``frame,id,left,top,width,height,consider,class,visibility``, frames from 1.

    Rows not to be considered are left out. An observation's ``score`` is its visibility, 1 where unstated.

    Args:
        path: The file.
        info: Of the video.
        classes: Numbers of the classes to take; None for all.
        labels: Name of each class, from number 1.
        first_pixel: What the first column and row are called: 1 by MOT Challenge, 0 by CVAT.
        bad: Told of each row that cannot be used; a box outside of the picture is one unless this is the
            default, which refuses unreadable rows and keeps what was written.

    Raises:
        InputError: Missing, or a row is not made of at least six numbers.
    """
    by_id: dict[int, list[Observation]] = {}
    called: dict[int, str] = {}
    for number, row in enumerate(csv.reader(read_text(path, what="ground truth").splitlines()), start=1):
        if not row:
            continue
        try:
            frame, obj_id = int(float(row[0])), int(float(row[1]))
            left, top, width, height = (float(v) for v in row[2:6])
            consider = float(row[6]) != 0 if len(row) > 6 else True
            kind = int(float(row[7])) if len(row) >= 9 else None
            seen = float(row[8]) if len(row) >= 9 else 1.0
        except (ValueError, IndexError) as error:
            told = InputError(
                f"{path} line {number} is not a row of boxes: {','.join(row)!r}",
                hint="frame,id,left,top,width,height,consider,class,visibility",
            )
            told.__cause__ = error
            bad(f"line {number}", "no row of boxes", told)
            continue
        if not consider or (kind is not None and classes is not None and kind not in classes):
            continue
        x0, y0 = left - first_pixel, top - first_pixel
        box = (x0, y0, x0 + width, y0 + height)
        if bad is not refuse and (why := _unfit(box, info)):
            bad(f"line {number}", why, InputError(f"{path} line {number}: {why}"))
            continue
        time_s, score = float((frame - 1) / info.fps), seen if 0 <= seen <= 1 else 1.0
        by_id.setdefault(obj_id, []).append(Observation(frame - 1, time_s, box, None, score))
        called[obj_id] = _label(kind, labels)
    for shown in by_id.values():
        shown.sort(key=lambda o: o.frame_index)
    tracks = tuple(Track(i, called[i], 1.0, tuple(by_id[i])) for i in sorted(by_id))
    known = {o.frame_index for t in tracks for o in t.observations}
    indices = range(info.n_frames) if info.n_frames else sorted(known)
    return Tracks(info, "", tracks, {i: float(i / info.fps) for i in indices})


def _unfit(box: Box, info: VideoInfo) -> str:
    """Why a box shows nothing; empty where it does."""
    x0, y0, x1, y1 = box
    if not (x1 > x0 and y1 > y0):
        return "a box without area"
    outside = x1 <= 0 or y1 <= 0 or x0 >= info.width or y0 >= info.height
    return "a box outside of the picture" if outside else ""


def sequence_labels(folder: Path) -> tuple[Sequence[str], int]:
    """Names of a sequence's classes, and what its first pixel is called."""
    ours, theirs = folder / "gt" / "gt.labels.txt", folder / "gt" / "labels.txt"
    listed = next((path for path in (ours, theirs) if path.is_file()), None)
    labels = CLASSES if listed is None else read_lines(listed, what="list of classes")
    return labels, 0 if listed == theirs else 1


def _label(kind: int | None, labels: Sequence[str]) -> str:
    if kind is None:
        return ""
    return labels[kind - 1] if 1 <= kind <= len(labels) else f"class {kind}"


def _clip(base: Path, classes: tuple[int, ...] | None, name: str) -> BoxClip:
    info = read_sequence_info(base / name / "seqinfo.ini")
    require_folder(Path(info.path), what="folder of pictures")
    labels, first = sequence_labels(base / name)
    truth = base / name / "gt" / "gt.txt"
    tracks = read_boxes(truth, info, classes=classes, labels=labels, first_pixel=first)
    return BoxClip(name, partial(open_video, info.path, fps=info.fps), tracks)
