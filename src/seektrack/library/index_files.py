"""The search index on disk: a few files under the name of one generation, whole or not used."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from seektrack.files import new_file, write_text
from seektrack.library.ann import Approximate
from seektrack.library.flat import is_whole, mapped
from seektrack.library.index import VectorIndex
from seektrack.library.index_settings import IndexManifest
from seektrack.library.row_sums import RowSums, row_sums
from seektrack.library.rows import Rows

FORMAT = 4
"""Of the files; an index of another format is built again."""

_SUMS = "sums"
"""Checksums of the rows of vectors, beside the columns."""
_COLUMNS = ("ids", "video_ids", "frame_indices", "times", "boxes", "kinds")
_PATTERNS = ("vectors-*.faiss", "approximate-*.faiss", "columns-*.npz", "index-*.json")


def load_index(folder: Path, generation: str, paths: Mapping[int, str]) -> VectorIndex | None:
    """The index of this generation, or None when it is missing, damaged or of another format.

    Args:
        folder: Of the library.
        generation: What it serves now.
        paths: Path of each video by id.

    Vectors are not read: each is compared with its checksum when it is first looked at.
    """
    names = _names(folder, generation)
    try:
        described = _described(names["index"])
        if any(_checksum(folder / name) != known for name, known in described["files"].items()):
            return None
        manifest = IndexManifest(**described["manifest"])
        with np.load(names["columns"], allow_pickle=False) as columns:
            rows = Rows(**{name: columns[name] for name in _COLUMNS}, paths=paths)
            sums = RowSums(columns[_SUMS])
        if not is_whole(names["vectors"], manifest.vectors, manifest.dim):
            return None
        flat = mapped(names["vectors"])
        if not flat.ntotal == len(rows) == len(sums.sums) == manifest.vectors:
            return None
        approximate = None
        if manifest.kind != "flat":
            coarse = mapped(names["approximate"])
            approximate = Approximate(
                coarse, flat, manifest.kind, effort=manifest.effort, rerank=manifest.rerank
            )
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
    return VectorIndex(rows, flat, manifest, approximate, names["vectors"], sums)


def save_index(folder: Path, generation: str, index: VectorIndex) -> bool:
    """Write an index for others to find and drop those of earlier generations; failing to is no harm.

    Returns:
        Whether it was written.
    """
    names = _names(folder, generation)
    try:
        if index.file != names["vectors"]:
            with new_file(names["vectors"]) as temporary:
                faiss.write_index(index.flat, str(temporary))
        with new_file(names["columns"]) as temporary, temporary.open("wb") as stream:
            sums = index.sums.sums if index.sums is not None else row_sums(index.vectors.view(np.uint8))
            np.savez(stream, **{_SUMS: sums, **{name: getattr(index.rows, name) for name in _COLUMNS}})
        files = [names["columns"]]
        if index.approximate is not None:
            with new_file(names["approximate"]) as temporary:
                faiss.write_index(index.approximate.coarse, str(temporary))
            files.append(names["approximate"])
        described: dict[str, Any] = {
            "format": FORMAT,
            "manifest": asdict(index.manifest),
            "files": {path.name: _checksum(path) for path in files},
        }
        described["seal"] = _seal(described)
        write_text(names["index"], json.dumps(described, indent=1))
    except (OSError, RuntimeError):
        return False
    for pattern in _PATTERNS:
        for old in folder.glob(pattern):
            if generation not in old.name:
                with contextlib.suppress(OSError):
                    old.unlink()
    return True


def read_manifest(folder: Path, generation: str) -> IndexManifest | None:
    """What the index of this generation is, without opening it; None when there is none."""
    try:
        described = _described(_names(folder, generation)["index"])
        known = {f.name for f in fields(IndexManifest)}
        return IndexManifest(**{k: v for k, v in described["manifest"].items() if k in known})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _described(path: Path) -> dict[str, Any]:
    """What a manifest says; ValueError where it is not what was written, or of another format."""
    described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if described["format"] != FORMAT or described.pop("seal") != _seal(described):
        raise ValueError("not a manifest of this format, whole")
    return described


def _seal(described: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _names(folder: Path, generation: str) -> dict[str, Path]:
    return {
        "vectors": folder / f"vectors-{generation}.faiss",
        "approximate": folder / f"approximate-{generation}.faiss",
        "columns": folder / f"columns-{generation}.npz",
        "index": folder / f"index-{generation}.json",
    }


def vectors_file(folder: Path, generation: str) -> Path:
    """Where the vectors of this generation lie."""
    return _names(folder, generation)["vectors"]
