"""What can be looked at in no time, before the networks' libraries load, which takes seconds."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from seektrack.errors import InputError, ModelError, VideoError

_DEVICE = re.compile(r"(cpu|cuda|mps|xpu)(:\d{1,4})?")


def check_device(device: str | None) -> None:
    """Refuse what is the name of no device; whether this machine has it is seen when it is used.

    Raises:
        ModelError: It is none.
    """
    if device is not None and not _DEVICE.fullmatch(device):
        raise ModelError(
            f"there is no device {device!r}",
            hint="cpu, cuda, cuda:1 or mps; leave --device out to have it chosen",
        )


def check_library(folder: Path) -> None:
    """Refuse a folder that holds no library.

    Raises:
        LibraryError: There is none.
    """
    if not _is_there(str(folder.expanduser() / "library.sqlite")):
        from seektrack.library.database import not_a_library

        raise not_a_library(folder)


def check_there(sources: Sequence[str]) -> None:
    """Refuse the only source that is named when it is a path and not there; several are told one by one.

    Raises:
        VideoError: It is not there.
    """
    if len(sources) != 1:
        return
    name = sources[0]
    if not name or "\0" in name:
        raise VideoError(f"no such video: {name!r}", hint="give the name of a file or folder")
    if "://" in name or re.match(r"[a-z][a-z0-9+.-]+:/", name) or re.fullmatch(r"[0-9]{1,3}", name):
        return
    if not _is_there(name):
        raise VideoError(f"no such video: {name}", hint="check the path")


def _is_there(name: str) -> bool:
    try:
        os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise VideoError(f"cannot look at {name}: {error.strerror}", hint="check its rights") from error
    return True


def check_part(start_s: float | None, end_s: float | None) -> None:
    """Refuse a part of a video that holds no frame.

    Raises:
        InputError: It ends before it begins.
    """
    if start_s is not None and end_s is not None and end_s <= start_s:
        raise InputError(
            f"--end {end_s:g} does not lie after --start {start_s:g}: no frame is between them",
            hint="give an end behind the start, both in seconds",
        )
