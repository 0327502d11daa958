"""A library that follows the disk and its model, without losing what it serves meanwhile."""

from __future__ import annotations

import fnmatch
import math
import os
import shlex
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from seektrack.errors import LibraryMismatchError
from seektrack.library import LibraryStore, Maker
from seektrack.pipeline.sources import NamedVideo


def check_all_named(store: LibraryStore, made_by: Maker, named: Iterable[str]) -> None:
    """Refuse to leave videos of a library behind when its model changes.

    Args:
        store: The library.
        made_by: The encoder it is to be made with.
        named: Paths of the videos that are to be indexed, as a library knows them.

    Raises:
        LibraryMismatchError: It holds others too.
    """
    chosen = set(named)
    left = [video for video in store.videos() if video.done and video.path not in chosen]
    if not left:
        return
    gone = [video.path for video in left if not video.available]
    folder = shlex.quote(str(store.path))
    paths = [shlex.quote(video.path) for video in left if video.available]
    command = shlex.join(["seektrack", "index", *sorted(chosen)])
    ways = [f"{command} {' '.join(paths)} --library {folder} --model {shlex.quote(made_by.model)} --reindex"]
    if gone:
        first = f"first drop what is gone: seektrack videos --prune --library {folder}"
        ways = [first, *(ways if paths else ())]
    raise LibraryMismatchError(
        f"the library {str(store.path)!r} holds {len(left)} more videos made by {store.model!r}, which "
        f"{made_by.model!r} would leave behind: {', '.join(video.path for video in left[:3])}"
        f"{' …' if len(left) > 3 else ''}",
        hint=f"{'; then '.join(ways)}; or index into another --library",
    )


def finish_switch(store: LibraryStore) -> tuple[str, ...]:
    """Serve what another model has made, once it has made all of it.

    Returns:
        Videos it has not finished, while the library serves what it did.
    """
    if store.making.fingerprint == store.fingerprint:
        return ()
    lacking = tuple(store.lacking())
    if not lacking:
        store.switch()
    return lacking


def chosen_of(named: Sequence[NamedVideo], *, exclude: Iterable[str], settled_s: float) -> list[NamedVideo]:
    """Videos that no pattern excludes and whose files have not just changed."""
    patterns = list(exclude)
    return [
        video
        for video in named
        if not any(_matches(video.key, pattern) for pattern in patterns)
        and (video.path is None or settled_s <= 0 or _age_s(video.path) >= settled_s)
    ]


def _matches(path: str, pattern: str) -> bool:
    parts = path.split(os.sep)
    ends = (os.sep.join(parts[i:]) for i in range(len(parts)))
    return any(fnmatch.fnmatch(end, pattern) for end in ends)


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return math.inf


def prune_below(store: LibraryStore, given: object) -> list[str]:
    """Forget videos whose files are gone at or below what was named; their paths.

    Others stay: the disk they lie on may only be away.
    """
    listed = given if isinstance(given, (list, tuple, set)) else [given]
    roots = [
        os.path.abspath(os.path.expanduser(one)) for one in listed if isinstance(one, (str, os.PathLike))
    ]
    gone = [video.path for video in store.videos() if not video.available]
    below = [path for path in gone if any(path == root or path.startswith(root + os.sep) for root in roots)]
    return [path for path in below if store.remove(path)]
