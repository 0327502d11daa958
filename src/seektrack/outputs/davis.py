"""Masks as pictures: DAVIS' palette PNGs, and a plain PNG for each object and frame.

Files are named by frame index. ``objects.json`` beside them says which object each number is.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack import files
from seektrack.errors import OutputError
from seektrack.outputs.overlaps import exclusive_masks
from seektrack.types import Track, Tracks

MANIFEST = "objects.json"
"""File in every exported folder that says what it holds; only folders with one are ever replaced."""

_MOST_OBJECTS = 254
"""Palette PNGs have 256 values: 0 is background, 255 is DAVIS' void."""
_KINDS = ("davis", "masks-png")
_PICTURE = re.compile(r"\d{5,}\.png")


def write_davis(tracks: Tracks, path: Path) -> None:
    """``<video>/00000.png``, 8-bit palette: 0 background, 1…N the tracks in their order.

    Every processed frame has a picture. Masks cannot overlap here: contested pixels go to the surer object.

    Raises:
        OutputError: There are more than 254 tracks.
    """
    from PIL import Image

    if len(tracks) > _MOST_OBJECTS:
        raise OutputError(f"DAVIS can hold {_MOST_OBJECTS} objects, got {len(tracks)}", hint="use masks-png")
    number = {t.obj_id: n for n, t in enumerate(tracks, start=1)}
    folder = path / (tracks.video.name or "video")
    folder.mkdir()
    for index in sorted(set(tracks.frame_times) | {o.frame_index for t in tracks for o in t.observations}):
        labels = np.zeros(tracks.video.hw, dtype=np.uint8)
        for track, mask in exclusive_masks(tracks, index):
            labels[mask] = number[track.obj_id]
        picture = Image.fromarray(labels, mode="P")
        picture.putpalette(davis_palette().ravel().tolist())
        picture.save(folder / f"{index:05d}.png", optimize=True)
    _write_manifest(tracks, path, "davis", {n: tracks.tracks[n - 1] for n in number.values()})


def write_masks_png(tracks: Tracks, path: Path) -> None:
    """``<obj_id>/00000.png``, 8-bit, 255 inside; only frames on which the object is seen."""
    from PIL import Image

    for track in tracks:
        folder = path / str(track.obj_id)
        folder.mkdir()
        for o in track.observations:
            if o.visible and o.mask is not None:
                picture = Image.fromarray(o.mask.to_array().astype(np.uint8) * 255)
                picture.save(folder / f"{o.frame_index:05d}.png", optimize=True)
    _write_manifest(tracks, path, "masks-png", {t.obj_id: t for t in tracks})


def is_export(folder: Path) -> bool:
    """Whether a folder holds an earlier export and nothing else."""
    try:
        kind = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["format"]
        inside = [entry for entry in folder.iterdir() if entry.name != MANIFEST]
        return kind in _KINDS and all(
            entry.is_dir() and all(_PICTURE.fullmatch(picture.name) for picture in entry.iterdir())
            for entry in inside
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def davis_palette() -> NDArray[np.uint8]:
    """The 256 colours (256, 3) of PASCAL VOC and DAVIS: bits of the number dealt out to R, G, B."""
    numbers = np.arange(256)
    palette = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((numbers >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return palette


def _write_manifest(tracks: Tracks, path: Path, format: str, objects: dict[int, Track]) -> None:
    content = {
        "format": format,
        "video": tracks.video.path,
        "query": tracks.query,
        "objects": [
            {"value": value, "obj_id": t.obj_id, "label": t.label, "score": float(t.score)}
            for value, t in objects.items()
        ],
    }
    (path / MANIFEST).write_text(files.json_text(content), encoding="utf-8")
