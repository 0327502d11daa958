"""When the picture of each frame that was looked at began, and when that of the last one ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seektrack.library import extras

KIND = "turn"
_END = -1


@dataclass(frozen=True)
class TurnTimes:
    """Where the picture of a video turned.

    Attributes:
        begins: Seconds at which the picture of a frame began, by frame index; only where it differs from the
            frame looked at before.
        end_s: Seconds at which the picture of the last frame ended; None where that is not known.
    """

    begins: Mapping[int, float]
    end_s: float | None = None


def keep(connection: sqlite3.Connection, video_id: int, turns: TurnTimes) -> None:
    """Store those of a video in place of older ones, inside a transaction."""
    end = {} if turns.end_s is None else {_END: turns.end_s}
    extras.put(connection, video_id, KIND, {**turns.begins, **end})


def read(connection: sqlite3.Connection, folder: Path, video_id: int) -> TurnTimes:
    """Those of a video; empty where none were stored, as in libraries made before.

    Raises:
        LibraryError: They are not what was written.
    """
    found = extras.get(connection, folder, video_id, KIND)
    if found is None:
        return TurnTimes({})
    held = dict(found.numbers)
    end_s = held.pop(_END, None)
    return TurnTimes(held, end_s)
