"""Prompts from a file: boxes or masks of another tracker or a person, or the picture of a mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seektrack.errors import InputError
from seektrack.outputs import mot
from seektrack.outputs.recognise import recognise
from seektrack.outputs.registry import load_tracks
from seektrack.types import Mask, Prompt, VideoInfo
from seektrack.video.labels import read_labels

_PICTURES = (".png", ".bmp", ".gif", ".tif", ".tiff")
_WHITE = 255


def read_prompts(
    path: str | Path, *, format: str | None = None, video: VideoInfo | None = None
) -> list[Prompt]:
    """Prompts of every object and frame of a file.

    A tracks file of any format gives a mask where it has one, else a box, for every frame an object is seen
    on. MOT detections without identity (id -1) give an object each, of the first frame that has any. The
    picture of a mask gives an object for each value (DAVIS), or one for white (0 and 255), on the frame its
    name is, such as ``00012.png``, or ``mask.png@12``, else on frame 0.

    Args:
        path: The file or folder, or ``PICTURE@FRAME``.
        format: A name in `FORMATS`; recognised from the file when None.
        video: The video they belong to, for formats that give shares of the picture.

    Returns:
        Prompts in source pixels, ordered by object and frame.

    Raises:
        InputError: The file is missing, cannot be read, or holds nothing to point at.
    """
    name, _, frame = str(path).rpartition("@")
    if name and frame.isdecimal() and not Path(path).exists():
        return _picture(Path(name), int(frame))
    source = Path(path)
    if source.suffix.lower() in _PICTURES:
        return _picture(source, int(source.stem) if source.stem.isdecimal() and len(source.stem) < 10 else 0)
    if not source.exists():
        raise InputError(f"no such file: {source}")
    if (format or recognise(source)) == "mot" and source.is_file():
        found = _detections(source)
        if found:
            return found
    tracks = load_tracks(source, format, video=video)
    prompts = [
        Prompt(
            t.obj_id,
            o.frame_index,
            mask=o.mask,
            box=o.box if o.mask is None else None,
            score=o.score,
            label=t.label,
        )
        for t in sorted(tracks, key=lambda t: t.obj_id)
        for o in t.observations
        if o.visible and (o.mask is None or o.mask.area)
    ]
    if not prompts:
        raise InputError(f"{source} holds nothing to follow", hint="it needs at least one box or mask")
    return prompts


def _picture(path: Path, frame_index: int) -> list[Prompt]:
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    values = read_labels(path)
    present = [int(v) for v in np.unique(values) if v != 0]
    if present != [_WHITE]:
        present = [v for v in present if v != _WHITE]
    if not present:
        raise InputError(f"the mask {path} is empty", hint="white, or a number from 1, is inside")
    return [
        Prompt(n, frame_index, mask=Mask.from_array(values == v))
        for n, v in enumerate(present, start=1 if present != [_WHITE] else 0)
    ]


def _detections(path: Path) -> list[Prompt]:
    rows = [(where, row) for where, row in mot.read_rows(path) if row.considered]
    without = [row for _, row in rows if row.obj_id is None]
    if not without:
        return []
    if len(without) < len(rows):
        raise InputError(f"{path}: some rows have an id and some have not", hint="give every object an id")
    first = min(row.frame_index for row in without)
    chosen = [row for row in without if row.frame_index == first]
    return [Prompt(n, first, box=row.box, score=row.score) for n, row in enumerate(chosen)]
