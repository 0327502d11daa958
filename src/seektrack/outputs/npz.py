"""Masks as NumPy arrays, written frame by frame so that a long video needs no large array in memory."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.types import Track, Tracks


def write_npz(tracks: Tracks, path: Path) -> None:
    """An archive for ``np.load``.

    Arrays: ``obj_ids``, ``labels``, ``scores`` (N,); ``frame_indices``, ``times_s`` (T,) of the processed
    frames; for each object ``masks_<obj_id>`` bool (K, H, W) and ``frames_<obj_id>`` (K,), the frames on
    which it is seen.
    """
    columns: dict[str, NDArray[np.generic]] = {
        "obj_ids": np.array([t.obj_id for t in tracks], dtype=np.int64),
        "labels": np.array([t.label for t in tracks], dtype=np.str_),
        "scores": np.array([t.score for t in tracks], dtype=np.float64),
        "frame_indices": np.array(tracks.frame_indices, dtype=np.int64),
        "times_s": np.array([tracks.frame_times[i] for i in tracks.frame_indices], dtype=np.float64),
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
        header = {"descr": "|b1", "fortran_order": False, "shape": (len(seen), *hw)}
        np.lib.format.write_array_header_1_0(entry, header)
        for _, mask in seen:
            entry.write(mask.to_array().tobytes())
