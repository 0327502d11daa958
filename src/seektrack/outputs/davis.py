"""Masks as pictures: DAVIS' palette PNGs, and a plain PNG for each object and frame.

Files are named by frame index. ``objects.json`` beside them says which object each number is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, OutputError
from seektrack.limits import Limits
from seektrack.outputs import documents, manifest, reading
from seektrack.outputs.overlaps import exclusive_masks
from seektrack.outputs.reading import Gathered
from seektrack.types import Mask, Tracks, VideoInfo
from seektrack.video.labels import read_labels

_MOST_OBJECTS = 254
"""Palette PNGs have 256 values: 0 is background, 255 is DAVIS' void."""
_VOID = 255
_NUMBER = re.compile(r"\d{1,10}")


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
    for index in documents.processed(tracks):
        labels = np.zeros(tracks.video.hw, dtype=np.uint8)
        for track, mask in exclusive_masks(tracks, index):
            labels[mask] = number[track.obj_id]
        picture = Image.fromarray(labels, mode="P")
        picture.putpalette(davis_palette().ravel().tolist())
        picture.save(folder / f"{index:05d}.png", optimize=True)
    content = manifest.manifest(tracks, "davis", {n: tracks.tracks[n - 1] for n in number.values()})
    documents.write_json(path / manifest.NAME, content)


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
    content = manifest.manifest(tracks, "masks-png", {t.obj_id: t for t in tracks})
    documents.write_json(path / manifest.NAME, content)


def read_davis(path: Path, video: VideoInfo | None) -> Tracks:
    """Read pictures whose values are objects: a folder of PNGs, or one that holds it.

    0 is background, 255 void. Without ``objects.json`` the value is the ``obj_id``.

    Raises:
        InputError: There is none, a picture is not one of ids, is damaged, or has another size.
    """
    known = manifest.read_manifest(path / manifest.NAME)
    folder = path if _numbered(path) else _only_folder(path)
    gathered = Gathered()
    size, indices = None, []
    for index, file in _numbered(folder):
        labels = read_labels(file)
        size = _same_size(size, labels, file)
        indices.append(index)
        for value in (int(v) for v in np.unique(labels) if v not in (0, _VOID)):
            obj_id, label = known.of(value)
            gathered.add(file.name, obj_id, index, mask=Mask.from_array(labels == value), label=label)
    info = video or known.video or reading.guessed_video(folder, size or (1, 1))
    if known.times:
        return known.finish(gathered, info)
    return gathered.tracks(info, times={i: float(i / info.fps) for i in indices}, labels=known.labels)


def read_masks_png(path: Path, video: VideoInfo | None) -> Tracks:
    """Read a folder for each object with a PNG for each frame, 0 outside and anything else inside.

    Raises:
        InputError: A folder is not named by an id, or a picture is damaged or has another size.
    """
    known = manifest.read_manifest(path / manifest.NAME)
    gathered = Gathered()
    size = None
    for folder in sorted(entry for entry in path.iterdir() if entry.is_dir()):
        if not _NUMBER.fullmatch(folder.name):
            raise InputError(f"the folder {folder.name} is not named by an id", hint="<obj_id>/00000.png")
        obj_id, label = known.of(int(folder.name))
        for index, file in _numbered(folder):
            inside = read_labels(file) != 0
            size = _same_size(size, inside, file)
            if inside.any():
                where = f"{folder.name}/{file.name}"
                gathered.add(where, obj_id, index, mask=Mask.from_array(inside), label=label)
    if size is None and known.video is None:
        raise InputError("no folder with masks", hint="<obj_id>/00000.png, white inside")
    return known.finish(gathered, video or known.video or reading.guessed_video(path, size or (1, 1)))


def is_export(folder: Path) -> bool:
    """Whether a folder holds an earlier export and nothing else."""
    try:
        kind = json.loads((folder / manifest.NAME).read_text(encoding="utf-8"))["format"]
        inside = [entry for entry in folder.iterdir() if entry.name != manifest.NAME]
        return kind in ("davis", "masks-png") and all(
            entry.is_dir() and all(_NUMBER.fullmatch(p.stem) and p.suffix == ".png" for p in entry.iterdir())
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


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    """The PNGs of a folder that are named by a frame, in order."""
    found = [(int(f.stem), f) for f in folder.glob("*.png") if _NUMBER.fullmatch(f.stem)]
    for index, file in found:
        reading.integer(index, file.name, high=Limits.current().max_frame_index)
    return sorted(found)


def _only_folder(path: Path) -> Path:
    folders = [entry for entry in _folders(path) if _numbered(entry)]
    if len(folders) > 1:
        raise InputError(f"{len(folders)} videos in {path.name}", hint="name the folder of one of them")
    if not folders:
        empty = list(_folders(path))
        if len(empty) == 1 and (path / manifest.NAME).is_file():
            return empty[0]
        raise InputError("no pictures named by their frame", hint="<video>/00000.png")
    return folders[0]


def _folders(path: Path) -> Iterator[Path]:
    return (entry for entry in sorted(path.iterdir()) if entry.is_dir())


def _same_size(size: tuple[int, int] | None, picture: NDArray[np.generic], file: Path) -> tuple[int, int]:
    found = int(picture.shape[0]), int(picture.shape[1])
    if size is not None and size != found:
        raise InputError(f"{file.name} is {found[0]}x{found[1]}, the pictures before it {size[0]}x{size[1]}")
    return found
