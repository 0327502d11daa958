"""Writing whole or not at all: every file and folder seektrack writes goes through here.

What is written grows under a hidden name beside its target, ``.<name>.<machine>-<pid>-<random>.part``, is
flushed to the disk, and takes its name in one rename. An error before that leaves what was there as it was.

A target is never what is being read (``sources``), a device or a pipe, nor a folder that holds something we
did not make. A link is followed: what it points to is replaced, the link stays. What a killed run left is
removed by the next run that writes into the folder: the name says which process made it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import socket
import stat
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from seektrack.errors import OutputError

AnyPath = str | os.PathLike[str]

FOREIGN_S = 24 * 3600.0
"""Seconds after which what another machine left unfinished counts as left behind: whether its process still
lives cannot be seen from here, and what grows is touched more often."""
_HINT = "check the folder, its rights and the space left"
_TAGGED = re.compile(
    r"\.(?P<name>.+)\.(?P<machine>[0-9a-f]{6})-(?P<pid>\d+)-[0-9a-f]{8}\.(?P<end>part|old)", re.S
)
_LONGEST_NAME = 255
"""Bytes the usual file systems allow for a name."""
_swept: set[tuple[int, str]] = set()
"""Folders this process has looked through, with its pid: a forked child looks again."""


class NewFile:
    """A file under construction, for writers that outlive one block; others use :func:`new_file`.

    Args:
        path: What it becomes on :meth:`commit`; missing parents are made.
        sources: Files being read, none of which may be the target.

    Attributes:
        path: As given.
        temporary: Where to write; nothing is there yet.

    Raises:
        OutputError: The target cannot be a file; names ``path``.
    """

    def __init__(self, path: AnyPath, *, sources: Iterable[AnyPath] = ()) -> None:
        self.path = _path(path)
        with _told(self.path):
            self._target = _file_target(self.path, sources)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            sweep(self._target.parent)
        self.temporary = _beside(self._target)

    def commit(self) -> None:
        """Give the file its name.

        Raises:
            OutputError: It cannot be finished; what was there before is as it was.
        """
        try:
            with _told(self.path):
                with contextlib.suppress(FileNotFoundError):
                    os.chmod(self.temporary, stat.S_IMODE(self._target.stat().st_mode))
                _flush(self.temporary)
                os.replace(self.temporary, self._target)
                _flush(self._target.parent)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what was written; without effect after :meth:`commit`."""
        with contextlib.suppress(OSError):
            self.temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()


@contextlib.contextmanager
def new_file(path: AnyPath, *, sources: Iterable[AnyPath] = ()) -> Iterator[Path]:
    """Give a temporary path that becomes ``path`` when the block ends without an error.

    Args:
        path: The file; missing parents are made.
        sources: Files being read, none of which may be the target.

    Raises:
        OutputError: The file cannot be written; names ``path``.
    """
    with NewFile(path, sources=sources) as pending, _told(pending.path):
        yield pending.temporary


@contextlib.contextmanager
def new_folder(
    path: AnyPath, *, ours: Callable[[Path], bool] = lambda folder: False, sources: Iterable[AnyPath] = ()
) -> Iterator[Path]:
    """Give a temporary folder that becomes ``path`` when the block ends without an error.

    Args:
        path: The folder; missing parents are made.
        ours: Whether a folder that is not empty holds nothing but what an earlier run of the same writer
            made, and so may be replaced.
        sources: Files or folders being read; the target may neither be nor hold one.

    Raises:
        OutputError: The folder cannot be written, or holds something else; names ``path``.
    """
    path = _path(path)
    temporary = None
    try:
        with _told(path):
            target = _folder_target(path, ours, sources)
            path.parent.mkdir(parents=True, exist_ok=True)
            sweep(target.parent)
            temporary = _beside(target)
            temporary.mkdir()
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _flush(file)
            _swap(temporary, target)
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def new_files(folder: AnyPath, *, sources: Iterable[AnyPath] = ()) -> Iterator[Path]:
    """Give a temporary folder whose files move into ``folder`` when the block ends without an error.

    Files of those names are replaced, each at once; whatever else the folder holds stays.

    Args:
        folder: Made when missing.
        sources: Files being read, none of which may be replaced.

    Raises:
        OutputError: A file cannot be written; names ``folder``.
    """
    folder = _path(folder)
    sources = tuple(sources)
    temporary = None
    try:
        with _told(folder):
            folder.mkdir(parents=True, exist_ok=True)
            sweep(folder)
            temporary = _beside(folder / "files")
            temporary.mkdir()
            yield temporary
            made = sorted(file for file in temporary.rglob("*") if file.is_file())
            targets = [_file_target(folder / file.relative_to(temporary), sources) for file in made]
            for file in made:
                _flush(file)
            for file, target in zip(made, targets, strict=True):
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, target)
            _flush(folder)
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: AnyPath, content: bytes, *, sources: Iterable[AnyPath] = ()) -> None:
    """Write bytes, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    with new_file(path, sources=sources) as temporary:
        temporary.write_bytes(content)


def write_text(path: AnyPath, text: str, *, sources: Iterable[AnyPath] = ()) -> None:
    """Write UTF-8 text with the line ends it has, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    write_bytes(path, text.encode("utf-8", "surrogateescape"), sources=sources)


def write_json(
    path: AnyPath, content: object, *, indent: int | None = None, sources: Iterable[AnyPath] = ()
) -> None:
    """Write JSON, whole or not at all.

    Raises:
        OutputError: The file cannot be written, or a number in it is not finite.
    """
    write_text(path, json_text(content, indent=indent), sources=sources)


def json_text(content: object, *, indent: int | None = None) -> str:
    """JSON of what is to be written; numbers it does not know (NaN) are an error, not a surprise later.

    Raises:
        OutputError: A number is not finite.
    """
    try:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=indent)
    except ValueError as error:
        raise OutputError("cannot write JSON: a score or coordinate is not a finite number") from error


def check_target(path: AnyPath, *, sources: Iterable[AnyPath] = ()) -> None:
    """See that a file could be written under this name, before work is done for it; nothing is written.

    Raises:
        OutputError: It could not.
    """
    path = _path(path)
    with _told(path):
        _file_target(path, sources)
    check_folder(path.parent)


def check_folder(folder: AnyPath) -> None:
    """See that files can be written into a folder, which need not exist yet; nothing is left there.

    Raises:
        OutputError: They cannot.
    """
    folder = _path(folder)
    try:
        near = _nearest(folder)
        with tempfile.TemporaryFile(dir=near):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder}: {error.strerror or error}", hint="choose another output folder"
        ) from error


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest above it that exists; any other trouble than that is raised."""
    try:
        folder.stat()
    except FileNotFoundError:
        return _nearest(folder.parent)
    return folder


def sweep(folder: AnyPath, *, again: bool = False) -> None:
    """Remove what killed runs left unfinished in a folder, and give back what they had set aside.

    A process looks through a folder once, unless asked ``again``.
    """
    here = _path(folder)
    seen = os.getpid(), os.path.abspath(here)
    if seen in _swept and not again:
        return
    _swept.add(seen)
    try:
        left = [entry.name for entry in os.scandir(here) if entry.name.endswith((".part", ".old"))]
    except OSError:
        return
    for name in left:
        found = _TAGGED.fullmatch(name)
        if found and _left_behind(here / name, found["machine"], int(found["pid"])):
            whole = here / found["name"]
            with contextlib.suppress(OSError):
                if found["end"] == "old" and not whole.exists():
                    os.replace(here / name, whole)
                else:
                    _remove(here / name)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Whatever the system says about writing becomes an OutputError that names the target."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}", hint=_HINT) from error


def _path(path: AnyPath) -> Path:
    text = os.fspath(path)
    if not text or "\0" in text:
        raise OutputError(f"cannot write {text!r}: it is no name for a file", hint="give a name")
    return Path(text)


def _file_target(path: Path, sources: Iterable[AnyPath]) -> Path:
    """The file itself, links followed, once it is known to be free or a plain file of ours to replace."""
    if _is_stream(path):
        raise OutputError(
            f"cannot write {path}: it is a stream, which a file would replace",
            hint="give the name of a file",
        )
    target = Path(os.path.realpath(path))
    try:
        kind = target.stat().st_mode
    except FileNotFoundError:
        return target
    except NotADirectoryError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}", hint="a file stands in its way"
        ) from error
    if stat.S_ISDIR(kind):
        raise OutputError(f"cannot write {path}: it is a folder", hint="give the name of a file")
    if not stat.S_ISREG(kind):
        raise OutputError(f"cannot write {path}: it is a device or a pipe", hint="give the name of a file")
    for source in sources:
        if _same(source, target):
            raise OutputError(
                f"cannot write {path}: it is the file being read", hint="give another name or another folder"
            )
    if not os.access(target, os.W_OK):
        raise OutputError(f"cannot write {path}: it is write-protected", hint="give another name")
    return target


def _folder_target(path: Path, ours: Callable[[Path], bool], sources: Iterable[AnyPath]) -> Path:
    target = Path(os.path.realpath(path))
    if target.is_dir():
        for source in sources:
            read = Path(os.path.realpath(source))
            if read.exists() and (read == target or target in read.parents or _same(read, target)):
                raise OutputError(
                    f"cannot write {path}: {source}, which is being read, lies there",
                    hint="give another folder",
                )
        if any(target.iterdir()) and not ours(target):
            raise OutputError(
                f"cannot write {path}: it holds something already and is not an earlier export",
                hint="give a folder that is empty or does not exist yet",
            )
    elif target.exists():
        raise OutputError(f"cannot write {path}: it is a file", hint="give the name of a folder")
    return target


def _swap(temporary: Path, target: Path) -> None:
    if not target.exists():
        os.replace(temporary, target)
    else:
        aside = _beside(target, end="old")
        os.replace(target, aside)
        try:
            os.replace(temporary, target)
        except OSError:
            os.replace(aside, target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    _flush(target.parent)


def _same(one: AnyPath, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # a source that is an address, or gone
        return False


def _is_stream(path: Path) -> bool:
    """Whether a name leads to what this process has open, as ``/dev/stdout`` does."""
    here = os.path.abspath(path)
    return here.startswith(("/dev/fd/", "/proc/")) or here in ("/dev/stdin", "/dev/stdout", "/dev/stderr")


def _beside(target: Path, *, end: str = "part") -> Path:
    tag = f".{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.{end}"
    longest = _LONGEST_NAME - 1 - len(tag) if end == "part" else None  # what was set aside keeps its name
    name = os.fsencode(target.name)[:longest]
    return target.with_name("." + os.fsdecode(name) + tag)


@functools.cache
def _machine() -> str:
    """Six hex digits for where process ids mean the same: the machine, and within it the container."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:6]


def _left_behind(path: Path, machine: str, pid: int) -> bool:
    if machine == _machine():
        return not is_alive(pid)
    try:
        return time.time() - path.lstat().st_mtime > FOREIGN_S
    except OSError:
        return False


def is_alive(pid: int) -> bool:
    """Whether a process of this machine is at work; one that was killed and not yet asked for is not."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    described = Path(f"/proc/{pid}/stat")
    try:
        return described.read_text().rpartition(")")[2].split()[0] != "Z" if described.exists() else True
    except (OSError, IndexError):
        return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _flush(path: Path) -> None:
    """Have the system put a file, or the names in a folder, on the disk; no harm where it cannot."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except IsADirectoryError:
        return
    except PermissionError:
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
