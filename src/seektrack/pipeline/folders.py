"""One output folder a video, never two videos in one, and in each a note of what was done, to go on by."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from seektrack import files
from seektrack.errors import InputError
from seektrack.outputs.remarks import Remarks
from seektrack.outputs.told import summary
from seektrack.types import Tracks
from seektrack.video.network import is_address

RECORD = "seektrack.json"
"""The note in each output folder: which video, asked for what, and what was written. Written last."""

_FORMAT = 1
_UNFIT = re.compile(r"[^\w .,()+=@-]+")
_LONGEST = 80


@dataclass(frozen=True)
class Record:
    """What was done into one output folder.

    Attributes:
        video: Absolute path or address.
        identity: Tells whether the video is still the same.
        asked: Everything that changes the results.
        files: Name inside the folder, by format.
        found: What is told of each track.
        frames: Frames gone through.
        remarks: What the result says of itself, see `Remarks.to_dict`.
    """

    video: str
    identity: list[Any]
    asked: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    found: list[dict[str, Any]] = field(default_factory=list)
    frames: int = 0
    remarks: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        tracks: Tracks,
        video: str,
        identity: list[Any],
        asked: dict[str, Any],
        written: Mapping[str, Path],
    ) -> Record:
        """The note about tracks that were just written."""
        names = {name: file.name for name, file in written.items()}
        told = Remarks.of(tracks).to_dict()
        return cls(video, identity, asked, names, summary(tracks), len(tracks.frame_times), told)

    def write(self, folder: Path) -> None:
        """Note it in the folder.

        Raises:
            OutputError: It cannot be written.
        """
        files.write_json(folder / RECORD, {"format": _FORMAT, **asdict(self)}, indent=1)

    def answers(self, folder: Path, video: str, identity: list[Any], asked: Mapping[str, Any]) -> bool:
        """Whether the folder still holds all that is asked for now."""
        same = (self.video, self.identity, self.asked) == (video, identity, dict(asked))
        return same and all((folder / name).exists() for name in self.files.values())


def read_record(folder: Path) -> Record | None:
    """What was done into a folder; None where nothing was, or the note cannot be read."""
    try:
        read = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if read.pop("format") != _FORMAT:
            return None
        record = Record(**read)
        Remarks.read(record.remarks)
        whole = isinstance(record.video, str) and isinstance(record.files, dict)
        return record if whole and all(isinstance(name, str) for name in record.files.values()) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, InputError):
        return None


class OutputFolders:
    """Which folder below another the results of a video go to.

    It is called as the video, or, where another video has that name here or has left results there, with
    the name of the video's folder before it, or a number made of its whole path behind it.

    Args:
        out: The folder they all lie in.
    """

    def __init__(self, out: str | Path) -> None:
        self.out = Path(out)
        self._taken: dict[str, str] = {}

    def of(self, video: str) -> Path:
        """The folder of a video, an absolute path or an address; it need not exist."""
        names = list(folder_names(video))
        for name in names[:-1]:
            if self._is_free(name, video):
                break
        else:
            name = names[-1]
        self._taken[name.casefold()] = video
        return self.out / name

    def _is_free(self, name: str, video: str) -> bool:
        owner = self._taken.get(name.casefold())
        folder = self.out / name
        if owner is not None or not os.path.lexists(folder):
            return owner in (None, video)
        record = read_record(folder)
        return record is not None and record.video == video


def folder_names(video: str) -> Iterator[str]:
    """Names for the folder of a video, the last of which no other video has."""
    parts = Path(unquote(urlsplit(video).path) if is_address(video) else video).parts
    stem = _fit(Path(parts[-1]).stem) if parts else ""
    stem = stem or (_fit(parts[-1]) if parts else "") or "video"
    yield stem
    if len(parts) > 1 and _fit(parts[-2]):
        yield f"{_fit(parts[-2])}-{stem}"
    yield f"{stem}-{hashlib.sha256(video.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _fit(name: str) -> str:
    """A name for a folder: nothing that leads elsewhere, hides, or steers a terminal."""
    return _UNFIT.sub("_", name).strip(" .").encode()[:_LONGEST].decode(errors="ignore").strip(" .")
