"""Results of jobs on the disk: a folder a job, whole once its note is there."""

from __future__ import annotations

import json
import re
import shutil
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seektrack import files
from seektrack.outputs import FORMATS, load_tracks, save_tracks
from seektrack.outputs.registry import format_named
from seektrack.serving.refusals import not_found
from seektrack.types import Tracks

NOTE = "result.json"
"""Written last: a job whose note is there is done, even if the server ended before it could say so."""
_ID = re.compile(r"([0-9a-f]{16})\.(\d{1,4})")


class Results:
    """Where jobs leave what they made.

    Args:
        folder: Holds a folder a job.
        held_bytes: Tracks held in memory, by the size of their files.
    """

    def __init__(self, folder: Path, *, held_bytes: int) -> None:
        self.folder, self._most = folder, held_bytes
        self._held: OrderedDict[str, tuple[int, Tracks]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, job_id: str) -> Path:
        """The folder of a job."""
        return self.folder / job_id

    def begin(self, job_id: str) -> Path:
        """An empty folder for a job; what an interrupted attempt left is gone."""
        folder = self.of(job_id)
        if folder.exists():
            shutil.rmtree(folder)
        return folder

    def finish(self, job_id: str, result: dict[str, Any]) -> None:
        """Note that a job is done, and what it gave.

        Raises:
            OutputError: It cannot be written.
        """
        files.write_json(self.of(job_id) / NOTE, result)

    def finished(self, job_id: str) -> dict[str, Any] | None:
        """What a job gave; None where it is not done."""
        try:
            held: dict[str, Any] = json.loads((self.of(job_id) / NOTE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return held

    def remove(self, job_id: str) -> None:
        """Forget what a job made."""
        with self._lock:
            for key in [key for key in self._held if key.startswith(job_id)]:
                del self._held[key]
        shutil.rmtree(self.of(job_id), ignore_errors=True)

    def entry(self, tracks_id: str) -> tuple[Path, dict[str, Any]]:
        """The folder of some tracks, and what was told of them.

        Raises:
            RefusedError: There are none of that id.
        """
        parsed = _ID.fullmatch(tracks_id)
        result = None if parsed is None else self.finished(parsed[1])
        entries = [] if result is None else result.get("tracks", [])
        if parsed is None or not int(parsed[2]) < len(entries):
            raise not_found(f"result {tracks_id[:40]!r}", hint="GET /api/v1/jobs tells what jobs gave")
        entry: dict[str, Any] = entries[int(parsed[2])]
        return self.of(parsed[1]) / entry["folder"], entry

    def tracks(self, tracks_id: str) -> Tracks:
        """Some tracks, from memory or the disk.

        Raises:
            RefusedError: There are none of that id.
            InputError: The file is damaged.
        """
        folder, _ = self.entry(tracks_id)
        with self._lock:
            held = self._held.get(tracks_id)
            if held is not None:
                self._held.move_to_end(tracks_id)
                return held[1]
        path = folder / FORMATS["json"].filename
        tracks = load_tracks(path, "json")
        with self._lock:
            self._held[tracks_id] = (path.stat().st_size, tracks)
            while len(self._held) > 1 and sum(size for size, _ in self._held.values()) > self._most:
                self._held.popitem(last=False)
        return tracks

    def export(self, tracks_id: str, format: str) -> Path:
        """A file with some tracks in a format; a zip of those that are folders or several files.

        Raises:
            RefusedError: There are no such tracks.
            InputError: The format is unknown, or cannot hold them.
            OutputError: It cannot be written.
        """
        folder, _ = self.entry(tracks_id)
        return exported(folder, lambda: self.tracks(tracks_id), format)


def exported(folder: Path, tracks: Callable[[], Tracks], format: str) -> Path:
    """Tracks in a format in a folder, made where it is not there; a zip of a folder or of several files.

    Args:
        folder: Where results lie, and where it is kept.
        tracks: Gives them, where they are needed.
        format: A name in `FORMATS`.

    Raises:
        InputError: The format is unknown, or cannot hold them.
        OutputError: It cannot be written.
    """
    chosen = format_named(format)
    target = folder / chosen.filename
    packed = folder / f"{chosen.filename}.zip"
    if packed.is_file():
        return packed
    beside: list[str] = []
    if not target.exists() or not chosen.is_folder:
        held = tracks()
        beside = list(chosen.beside(held))
        if not target.exists():
            save_tracks(held, target, format)
    if not chosen.is_folder and not beside:
        return target
    with (
        files.new_file(packed) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        if chosen.is_folder:
            for file in sorted(path for path in target.rglob("*") if path.is_file()):
                archive.write(file, Path(target.name) / file.relative_to(target))
        else:
            for file in (target, *(target.with_name(target.stem + end) for end in beside)):
                archive.write(file, file.name)
    return packed
