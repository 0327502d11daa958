"""When the picture of each frame that was looked at began, and when that of the last one ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seektrack.library.beside import Extra

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


def as_numbers(turns: TurnTimes) -> dict[int, float]:
    """As numbers that are kept beside a video."""
    return {**turns.begins, **({} if turns.end_s is None else {_END: turns.end_s})}


def turns_of(extra: Extra | None) -> TurnTimes:
    """What `as_numbers` made of them; empty where none were stored, as in libraries made before."""
    if extra is None:
        return TurnTimes({})
    held = dict(extra.numbers)
    end_s = held.pop(_END, None)
    return TurnTimes(held, end_s)
