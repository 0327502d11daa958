"""What a session's file holds is a claim: it is checked as it is read, and damage is said."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seektrack.errors import InputError, SeekTrackError

_NUMBERS = {
    "correct": ("obj_id", "frame_index"),
    "merge": ("obj_id", "into"),
    "split": ("obj_id", "frame_index", "new_id"),
    "rename": ("obj_id",),
    "delete": ("obj_id",),
}
"""What every edit of a kind names, whole numbers all."""
_KINDS: dict[str, type | tuple[type, ...]] = {
    "film": dict,
    "model": str,
    "resolution": (int, type(None)),
    "runtime": (str, type(None)),
    "network": (str, type(None)),
    "query": (str, type(None)),
    "followed": (bool, type(None)),
    "remarks": (dict, type(None)),
    "revision": (int, type(None)),
}
"""What is kept under a name."""
_FILM: dict[str, type | tuple[type, ...]] = {"path": str, "size": int, "digest": str}


_DAMAGE = (sqlite3.Error, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@contextmanager
def reading(path: Path | None) -> Iterator[None]:
    """Where rows of a session are read.

    Args:
        path: Of the session; None for one in memory.

    Raises:
        InputError: The file is damaged, or holds what no session holds.
    """
    try:
        yield
    except SeekTrackError:
        raise
    except _DAMAGE as error:
        raise InputError(
            f"the session {path} is damaged: {str(error)[:200]}",
            hint="go on from a copy, or start another with the tracks that were written",
        ) from error


def kept_value(key: str, text: str | None) -> Any:
    """What is kept under a name, from its text; None where there is none.

    Raises:
        ValueError: It is of another kind than what is kept there.
    """
    value: Any = None if text is None else json.loads(text)
    wanted = _FILM if key == "film" and isinstance(value, dict) else {}
    for name, one, kind in [
        (key, value, _KINDS.get(key)),
        *((k, value.get(k), v) for k, v in wanted.items()),
    ]:
        if kind is not None and not isinstance(one, kind):
            raise ValueError(f"its {name} is {str(one)[:40]!r}")
    return value


def particulars(kind: str, text: str) -> dict[str, Any]:
    """The particulars of an edit, from their text.

    Raises:
        ValueError: They are not those of an edit of this kind.
    """
    what = json.loads(text)
    if not isinstance(what, dict):
        raise ValueError(f"an edit {kind!r} tells {str(what)[:40]!r}")
    for name in _NUMBERS.get(kind, ()):
        if type(what.get(name)) is not int:
            raise ValueError(f"the {name} of an edit {kind!r} is {str(what.get(name))[:40]!r}")
    return what


def finite(value: Any) -> float:
    """A number of a row.

    Raises:
        ValueError: It is none, or not finite.
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"a time of {str(value)[:40]!r}")
    return float(value)
