"""Making a library anew by another model without losing what it serves meanwhile."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from seektrack.errors import LibraryMismatchError
from seektrack.library import LibraryStore, Maker


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
