"""What can be looked at in no time, before the networks' libraries load, which takes seconds."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from seektrack.checkpoints.torch_build import built_for
from seektrack.errors import InputError, ModelError, VideoError

_DEVICE = re.compile(r"(cpu|cuda|mps|xpu)(:\d{1,4})?")


def check_device(context: typer.Context, device: str | None) -> str | None:
    """The ``--device`` option's callback: refuse what is no device, or one that cannot be here.

    What torch was built for is read from its files, without loading it, which takes seconds; whether the
    machine has such a device at work is seen when it is used.

    Raises:
        ModelError: There is no such device, or it cannot be here.
    """
    if device is None or context.resilient_parsing:
        return device
    if not _DEVICE.fullmatch(device):
        raise ModelError(
            f"there is no device {device!r}",
            hint="cpu, cuda, cuda:1 or mps; leave --device out to have it chosen",
        )
    if reason := _missing(device.partition(":")[0], built_for()):
        raise ModelError(
            f"device {device!r} cannot be used: {reason}", hint="leave --device out to have one chosen"
        )
    return device


def check_runtime_option(context: typer.Context, runtime: str | None) -> str | None:
    """The ``--runtime`` option's callback: refuse what is no runtime, or whose provider is not here.

    Raises:
        ModelError: There is no such runtime or provider, or it is not installed.
    """
    if runtime is not None and not context.resilient_parsing:
        from seektrack.checkpoints.runtimes import check_runtime

        check_runtime(runtime)
    return runtime


def _missing(kind: str, built: frozenset[str]) -> str:
    """Why there can be no device of a kind here; empty when there may be one."""
    if kind == "mps":
        return "" if sys.platform == "darwin" else "only Apple's machines have it"
    if kind == "cpu" or not built or kind in built or (kind == "cuda" and "hip" in built):
        return ""
    return f"the torch that is installed was built without {kind.upper()}"


def check_library(folder: Path) -> None:
    """Refuse a folder that holds no library; what lies at an address is seen when it is opened.

    Raises:
        LibraryError: There is none, or none can lie there.
    """
    from seektrack.library.address import CATALOGUE, place_of

    place = place_of(folder)
    if isinstance(place, str):
        return
    if not any(_is_there(str(place / name)) for name in ("library.sqlite", f"{CATALOGUE}.lance")):
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
