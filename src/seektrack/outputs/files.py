"""Writing so that a reader never sees half a result: to a temporary name first, renamed when complete."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seektrack.errors import OutputError

MANIFEST = "objects.json"
"""File in every exported folder that says what it holds; only folders with one are ever replaced."""


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a temporary path that becomes ``path`` when the block ends without an error.

    Raises:
        OutputError: The file cannot be written; names ``path``.
    """
    temporary = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder", hint="give the name of a file")
        yield temporary
        os.replace(temporary, path)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes ``path`` when the block ends without an error.

    An earlier export at ``path`` is replaced; any other folder that is not empty is left alone.

    Raises:
        OutputError: The folder cannot be written, or holds something else; names ``path``.
    """
    temporary = _beside(path)
    try:
        if path.exists() and not _replaceable(path):
            raise OutputError(
                f"cannot write {path}: it exists and is not an earlier export",
                hint="give a folder that is empty or does not exist yet",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
        if path.exists():
            old = _beside(path)
            os.replace(path, old)
            os.replace(temporary, path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, path)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """Write JSON in one go; numbers that JSON does not know (NaN) are an error, not a surprise later."""
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise OutputError(f"cannot write {path}: a score or coordinate is not a finite number") from error
    path.write_text(text, encoding="utf-8")


def _beside(path: Path) -> Path:
    return path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.part"


def _replaceable(path: Path) -> bool:
    return path.is_dir() and ((path / MANIFEST).is_file() or not any(path.iterdir()))
