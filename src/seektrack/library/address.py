"""Where a library lies: a folder of this machine, or an address on object storage; and what keeps it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args

from seektrack.errors import InputError, LibraryError

Backend = Literal["embedded", "lance"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
CATALOGUE = "catalogue"
"""The table of a LanceDB library that says what it holds."""
REMOTE = ("s3", "gs", "az", "s3+ddb")
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.DOTALL)


def place_of(path: str | Path) -> Path | str:
    """A library's place as it is named everywhere: an address as text, a folder as a path.

    An address may come as a `Path`, which takes one of its slashes away.

    Raises:
        LibraryError: An address of a kind no library can lie at.
    """
    found = _ADDRESS.fullmatch(str(path))
    if found is None:
        return Path(path).expanduser()
    scheme, rest = found.groups()
    address = f"{scheme}://{rest.strip('/')}"
    if scheme not in REMOTE or not rest.strip("/"):
        raise LibraryError(
            f"no library can lie at {address!r}",
            hint="give a folder, or an address as s3://bucket/name, gs://bucket/name or az://container/name",
        )
    return address


def is_address(path: str | Path) -> bool:
    """Whether a library's place is an address, and no folder of this machine."""
    return isinstance(place_of(path), str)


def backend_of(path: str | Path, asked: str | None = None) -> Backend:
    """What keeps the library at a place: what is asked for, what is there, or what its kind needs.

    Raises:
        InputError: An unknown back end, or one that cannot keep a library there.
        LibraryError: An address of a kind no library can lie at, or another back end keeps the one there.
    """
    if asked is not None and asked not in BACKENDS:
        raise InputError(f"unknown back end {asked!r}", hint=f"use {' or '.join(BACKENDS)}")
    place = place_of(path)
    if isinstance(place, str):
        if asked == "embedded":
            raise InputError(
                f"the embedded back end keeps folders, and {place!r} is an address",
                hint="leave the back end out, or give a folder",
            )
        return "lance"
    there: Backend | None = None
    if (place / "library.sqlite").is_file():
        there = "embedded"
    elif (place / f"{CATALOGUE}.lance").is_dir():
        there = "lance"
    if there and asked and there != asked:
        raise LibraryError(
            f"the library {str(place)!r} is kept by the back end {there!r}, not {asked!r}",
            hint=f"leave the back end out, or copy it: seektrack library copy {place} NEW --backend {asked}",
        )
    return there or ("lance" if asked == "lance" else "embedded")
