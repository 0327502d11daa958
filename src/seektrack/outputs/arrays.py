"""Masks as NumPy arrays, written frame by frame so that a long video needs no large array in memory."""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.errors import InputError
from seektrack.limits import Limits
from seektrack.outputs import documents, manifest, reading
from seektrack.outputs.overlaps import exclusive_masks
from seektrack.outputs.reading import Gathered
from seektrack.types import Mask, Track, Tracks, VideoInfo


def write_npz(tracks: Tracks, path: Path) -> None:
    """An archive for ``np.load``.

    Arrays: ``obj_ids``, ``labels``, ``scores`` (N,); ``frame_indices``, ``times_s`` (T,) of the processed
    frames; for each object ``masks_<obj_id>`` bool (K, H, W) and ``frames_<obj_id>`` (K,), the frames on
    which it is seen; ``seektrack``, a text with the video and the query as JSON.
    """
    held = json.dumps(manifest.manifest(tracks, "npz", {t.obj_id: t for t in tracks}), ensure_ascii=False)
    columns: dict[str, NDArray[Any]] = {
        "obj_ids": np.array([t.obj_id for t in tracks], dtype=np.int64),
        "labels": np.array([t.label for t in tracks], dtype=np.str_),
        "scores": np.array([t.score for t in tracks], dtype=np.float64),
        "frame_indices": np.array(tracks.frame_indices, dtype=np.int64),
        "times_s": np.array([tracks.frame_times[i] for i in tracks.frame_indices], dtype=np.float64),
        "seektrack": np.array(held, dtype=np.str_),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for name, column in columns.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, column, allow_pickle=False)
        for track in tracks:
            _write_track(archive, track, tracks.video.hw)


def _write_track(archive: zipfile.ZipFile, track: Track, hw: tuple[int, int]) -> None:
    seen = [(o.frame_index, o.mask) for o in track.observations if o.visible and o.mask is not None]
    with archive.open(f"frames_{track.obj_id}.npy", "w") as entry:
        np.lib.format.write_array(entry, np.array([i for i, _ in seen], dtype=np.int64), allow_pickle=False)
    with archive.open(f"masks_{track.obj_id}.npy", "w", force_zip64=True) as entry:
        _write_header(entry, "|b1", (len(seen), *hw))
        for _, mask in seen:
            entry.write(mask.to_array().tobytes())


def write_npy(tracks: Tracks, path: Path) -> None:
    """One array uint16 (T, H, W) over the processed frames: 0 background, 1…N the tracks in their order.

    Masks cannot overlap here: contested pixels go to the surer object. ``<name>.objects.json`` says which
    object each number is, and which frames these are.
    """
    number = {t.obj_id: n for n, t in enumerate(tracks, start=1)}
    indices = documents.processed(tracks)
    with path.open("wb") as file:
        _write_header(file, "<u2", (len(indices), *tracks.video.hw))
        for index in indices:
            labels = np.zeros(tracks.video.hw, dtype="<u2")
            for track, mask in exclusive_masks(tracks, index):
                labels[mask] = number[track.obj_id]
            file.write(labels.tobytes())


def objects_beside(tracks: Tracks) -> dict[str, str]:
    """``<name>.objects.json``: the object behind each number."""
    content = manifest.manifest(tracks, "npy", dict(enumerate(tracks, start=1)))
    return {f".{manifest.NAME}": json.dumps(content, ensure_ascii=False)}


def read_npz(path: Path, video: VideoInfo | None) -> Tracks:
    """Read what `write_npz` wrote.

    Raises:
        InputError: It is no such archive, or an array is missing, of another kind or out of bounds.
    """
    reading.check_bytes(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive, path, video)
    except (
        zipfile.BadZipFile, zlib.error, OSError, KeyError, EOFError, NotImplementedError, RuntimeError
    ) as error:  # fmt: skip
        raise InputError(f"not an archive of masks: {error}") from error


def _read_archive(archive: zipfile.ZipFile, path: Path, video: VideoInfo | None) -> Tracks:
    names = set(archive.namelist())
    known = manifest.NOTHING
    if "seektrack.npy" in names:
        held = str(_column(archive, "seektrack", "U", 0)[()])
        known = manifest.parse(reading.entry(reading.parse_json(held), "seektrack"))
    ids = [reading.integer(int(i), "obj_ids") for i in _column(archive, "obj_ids", "i", 1)]
    labels = [str(v) for v in _column(archive, "labels", "U", 1)]
    indices = [
        reading.frame_number(int(i), "frame_indices") for i in _column(archive, "frame_indices", "i", 1)
    ]
    times = [reading.time_of(float(t), "times_s") for t in _column(archive, "times_s", "f", 1)]
    scores = [reading.share(float(s), "scores") for s in _column(archive, "scores", "f", 1)]
    if not len(ids) == len(labels) == len(scores) or len(indices) != len(times) or len(set(ids)) != len(ids):
        raise InputError("obj_ids, labels and scores, or frame_indices and times_s, do not go together")
    gathered = Gathered()
    for obj_id in ids:
        frames = _column(archive, f"frames_{obj_id}", "i", 1)
        for position, mask in _masks(archive, f"masks_{obj_id}", len(frames)):
            where = f"masks_{obj_id}[{position}]"
            index = reading.frame_number(int(frames[position]), where)
            if mask.any():
                gathered.add(where, obj_id, index, mask=Mask.from_array(mask))
    info = video or known.video or reading.guessed_video(path, gathered.size())
    tracks = gathered.tracks(
        info,
        query=known.query,
        labels=dict(zip(ids, labels, strict=True)),
        scores=dict(zip(ids, scores, strict=True)),
        times=dict(zip(indices, times, strict=True)),
        order=ids,
    )
    return known.remarks.onto(tracks)


def read_npy(path: Path, video: VideoInfo | None) -> Tracks:
    """Read an array of whole numbers (T, H, W): 0 background, else the object.

    Without the file beside it, the number is the ``obj_id`` and frames count from 0.

    Raises:
        InputError: It is no such array, or out of bounds.
    """
    known = manifest.read_manifest(path.with_name(f"{path.stem}.{manifest.NAME}"))
    gathered = Gathered()
    with path.open("rb") as file:
        shape, kind = _header(file, path.name)
        if len(shape) != 3 or kind.kind not in "iu":
            raise InputError(f"an array of whole numbers (T, H, W) is needed, got {kind} {shape}")
        _check_volume(shape, path.name)
        indices = sorted(known.times) if len(known.times) == shape[0] else list(range(shape[0]))
        for position in range(shape[0]):
            labels = _picture(file, shape, kind, f"[{position}]")
            for value in (int(v) for v in np.unique(labels) if v != 0):
                obj_id, label = known.of(reading.integer(value, f"[{position}]"))
                mask = Mask.from_array(labels == value)
                gathered.add(f"[{position}]", obj_id, indices[position], mask=mask, label=label)
    info = video or known.video or reading.guessed_video(path, (max(shape[1], 1), max(shape[2], 1)))
    if known.times:
        return known.finish(gathered, info)
    return gathered.tracks(info, times={i: float(i / info.fps) for i in indices})


def _write_header(file: IO[bytes], kind: str, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, by_columns, kind = read[version](file)
    except Exception as error:  # a header is a Python literal: its reader raises whatever its tokenizer does
        raise InputError(f"{where} is not a NumPy array that can be read: {error}") from error
    if by_columns:
        raise InputError(f"{where} lies by columns", hint="save np.ascontiguousarray(array)")
    if kind.hasobject:
        raise InputError(f"{where} holds Python objects, which are never loaded")
    return shape, kind


def _check_volume(shape: tuple[int, ...], where: str) -> None:
    most = Limits.current().max_volume
    if len(shape) != 3 or min(shape) < 0 or math.prod(shape) > most:
        raise InputError(f"{where}: masks (K, H, W) of {most} pixels at most are read, got {shape}")
    if shape[0]:
        geometry.check_size((shape[1], shape[2]))


def _picture(file: IO[bytes], shape: tuple[int, ...], kind: np.dtype[Any], where: str) -> NDArray[Any]:
    size = shape[1] * shape[2] * kind.itemsize
    data = file.read(size)
    if len(data) != size:
        raise InputError(f"{where}: the file ends here")
    return np.frombuffer(data, dtype=kind).reshape(shape[1:])


def _masks(archive: zipfile.ZipFile, name: str, length: int) -> Any:
    """Position and bool (H, W), one at a time."""
    with archive.open(f"{name}.npy") as file:
        shape, kind = _header(file, name)
        if len(shape) != 3 or shape[0] != length or kind != np.bool_:
            raise InputError(f"{name} must be bool ({length}, H, W), got {kind} {shape}")
        _check_volume(shape, name)
        for position in range(length):
            yield position, _picture(file, shape, kind, f"{name}[{position}]").copy()


def _column(archive: zipfile.ZipFile, name: str, kind: str, dims: int) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as file:
        shape, dtype = _header(file, name)
        size = math.prod(shape) * dtype.itemsize
        if len(shape) != dims or dtype.kind != kind or size > Limits.current().max_file_bytes:
            raise InputError(f"{name} is not what it should be: {dtype} {shape}")
        data = file.read(size)
    if len(data) != size:
        raise InputError(f"{name}: the file ends before the array")
    return np.frombuffer(data, dtype=dtype).reshape(shape) if size else np.zeros(shape, dtype)
