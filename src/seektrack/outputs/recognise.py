"""Which format a file of tracks is in, by its name and what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seektrack.errors import InputError
from seektrack.outputs import manifest, native, reading

_BY_SUFFIX = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".pb": "protobuf",
    ".xml": "cvat",
    ".npz": "npz",
    ".npy": "npy",
}
_HINT = "say which with --from, or format="


def recognise(path: Path) -> str:
    """Name of the format a file or folder is in.

    Raises:
        InputError: It cannot be told.
    """
    if path.is_dir():
        return _folder(path)
    suffix = path.suffix.lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    text = reading.read_text(path).lstrip()
    if text.startswith("<"):
        return "cvat"
    if text.startswith(("{", "[")):
        return _json(path)
    return _text(path, text)


def _folder(path: Path) -> str:
    if (path / manifest.NAME).is_file():
        held = reading.read_json(path / manifest.NAME)
        if isinstance(held, dict) and isinstance(held.get("format"), str):
            return str(held["format"])
    if (path / "gt" / "gt.txt").is_file():
        return "cvat-mot" if (path / "gt" / "labels.txt").is_file() else "mot-sequence"
    if (path / "labels").is_dir() or any(path.glob("*.txt")):
        return "yolo"
    if any(path.glob("*.png")):
        return "davis"
    folders = [entry for entry in path.iterdir() if entry.is_dir()]
    if folders and all(entry.name.isdecimal() for entry in folders):
        return "masks-png"
    if len(folders) == 1 and any(folders[0].glob("*.png")):
        return "davis"
    raise InputError("a folder of no format that is known", hint=_HINT)


def _json(path: Path) -> str:
    try:
        content: Any = reading.read_json(path)
    except InputError:
        first = reading.read_text(path).lstrip().splitlines()[0]
        if '"frame_id"' in first:
            return "json-frames"
        raise
    if isinstance(content, list):
        first_entry = content[0] if content and isinstance(content[0], dict) else {}
        for key, name in (
            ("segmentations", "ytvis-results"),
            ("frame_id", "json-frames"),
            ("data", "label-studio"),
        ):
            if key in first_entry:
                return name
        return "ytvis-results" if not content else _unknown()
    if content.get("format") == native.FORMAT:
        return "json"
    if "frames" in content or "frame_id" in content:
        return "json-frames"
    if "images" in content:
        return "cocovid" if "videos" in content else "coco"
    if "videos" in content:
        return "ytvis"
    return "label-studio" if "data" in content else _unknown()


def _text(path: Path, text: str) -> str:
    line = text.splitlines()[0] if text else ""
    columns = line.split()
    if len(columns) == 6 and "," not in columns[0] and not _is_number(columns[-1]):
        return "kitti-mots" if "kitti" in path.name or columns[0] == "0" else "mots"
    if line.startswith(("frame_index,", '"frame_index"')):
        return "csv"
    return (
        "mot" if text and _is_number(line.replace(";", ",").replace(" ", ",").split(",")[0]) else _unknown()
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _unknown() -> str:
    raise InputError("of no format that is known", hint=_HINT)
