"""So many results of one video and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

from seektrack.types import Hit, Moment

One = TypeVar("One", bound=Hit | Moment)


def limited(found: Iterable[One], per_video: int | None) -> list[One]:
    """The first so many results of each video, in their order; all when None."""
    if per_video is None:
        return list(found)
    counts: Counter[str] = Counter()
    kept = []
    for one in found:
        counts[one.video] += 1
        if counts[one.video] <= per_video:
            kept.append(one)
    return kept
