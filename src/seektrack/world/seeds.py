"""Which seeds belong to whom, so that nothing is ever measured on what it was trained on."""

from __future__ import annotations

from enum import Enum

from seektrack.errors import InputError

_SPAN = 100_000_000


class Split(Enum):
    """A use of the world; each owns a range of seeds that no other touches."""

    TRAIN = 0
    VALIDATION = 1
    BENCHMARK = 2
    DEMO = 3
    TEST = 4


def seeds(split: Split, count: int, *, start: int = 0) -> range:
    """``count`` seeds of a split, from the ``start``-th on.

    Raises:
        InputError: The range would leave the split.
    """
    if count < 0 or start < 0 or start + count > _SPAN:
        raise InputError(
            f"seeds {start}..{start + count} leave the split", hint=f"each split has {_SPAN} seeds"
        )
    first = split.value * _SPAN + start
    return range(first, first + count)
