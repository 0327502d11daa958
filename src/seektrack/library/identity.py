"""Telling whether a video file is still the one that was indexed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from seektrack.errors import VideoError

HEAD = 1 << 20
TAIL = 1 << 16


@dataclass(frozen=True)
class FileIdentity:
    """Size, time of change and a hash of head and tail; of all of it once it was read to its end.

    Attributes:
        size: Bytes; -1 for what is not a file, such as a URL.
        mtime_ns: Nanoseconds of the last change.
        digest: Of the first 1 MiB and the last 64 KiB; of names, sizes and times for a folder of images.
        whole: Of every byte; empty where that is not known.
    """

    size: int
    mtime_ns: int
    digest: str
    whole: str = ""


def is_unchanged(path: str | Path, known: FileIdentity) -> bool:
    """Whether a file is still the one that was indexed.

    Size and time of change tell without reading it. Where only the time differs, as after a copy, and after
    a download that had reserved its room, all of it is read and compared.

    Raises:
        VideoError: It is there and cannot be read.
    """
    size, mtime_ns = stamp(path)
    if size != known.size:
        return False
    if mtime_ns == known.mtime_ns:
        return True
    if Path(library_key(path)).is_dir():
        return identify(path).digest == known.digest
    return bool(known.whole) and _whole(path) == known.whole


def is_there(path: str) -> bool:
    """Whether a video of a library can still be had; what is no file, such as a URL, is taken to be."""
    return "://" in path or os.path.exists(path)


def digest_of_whole(path: str | Path, known: FileIdentity) -> str:
    """Hash of every byte of a file, empty where it is no longer the one that ``known`` was taken of."""
    if known.size < 0 or Path(library_key(path)).is_dir():
        return known.digest
    try:
        whole = _whole(path)
        return whole if stamp(path) == (known.size, known.mtime_ns) else ""
    except VideoError:
        return ""


def stamp(path: str | Path) -> tuple[int, int]:
    """Size and time of change of a video, without reading it; ``(-1, 0)`` for what is no file."""
    try:
        status = os.stat(library_key(path))
    except (FileNotFoundError, NotADirectoryError):
        return -1, 0
    except OSError as error:
        raise VideoError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    if S_ISDIR(status.st_mode):
        identity = identify(path)
        return identity.size, identity.mtime_ns
    return status.st_size, status.st_mtime_ns


def _whole(path: str | Path) -> str:
    try:
        with Path(library_key(path)).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise VideoError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


def library_key(path: str | Path) -> str:
    """How a library names a video: an absolute path, or a URL as it is.

    Raises:
        VideoError: The name cannot be written as Unicode.
    """
    text = os.fspath(path)
    key = text if "://" in text else os.path.abspath(os.path.expanduser(text))
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise VideoError(f"the name {key!r} is not valid Unicode", hint="rename the file") from error
    return key


def identify(path: str | Path) -> FileIdentity:
    """Look at a video file or a folder of images.

    Raises:
        VideoError: It is there and cannot be read.
    """
    target = Path(library_key(path))
    try:
        if target.is_dir():
            return _identify_folder(target)
        if not target.is_file():
            return FileIdentity(-1, 0, "")
        status = target.stat()
        digest = hashlib.sha256()
        with target.open("rb") as stream:
            digest.update(stream.read(HEAD))
            if status.st_size > HEAD:
                stream.seek(max(HEAD, status.st_size - TAIL))
                digest.update(stream.read(TAIL))
    except OSError as error:
        raise VideoError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    return FileIdentity(status.st_size, status.st_mtime_ns, digest.hexdigest())


def _identify_folder(folder: Path) -> FileIdentity:
    digest, total, newest = hashlib.sha256(), 0, 0
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if not entry.is_file():
            continue
        status = entry.stat()
        digest.update(
            f"{entry.name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape")
        )
        total, newest = total + status.st_size, max(newest, status.st_mtime_ns)
    return FileIdentity(total, newest, digest.hexdigest())
