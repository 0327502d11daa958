"""Videos of one library into another: to merge libraries, to split one, or to bring a copy up to date."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from seektrack.errors import InputError
from seektrack.library.address import Backend, place_of
from seektrack.library.backend import LibraryStore
from seektrack.library.clips import ClipShelf
from seektrack.library.identity import library_key
from seektrack.library.index_settings import IndexSettings
from seektrack.types import Progress


@dataclass(frozen=True)
class Copied:
    """What a copy did.

    Attributes:
        copied: Videos that were copied, by path.
        unchanged: Videos that were there already.
        vectors: Pictures that were copied.
    """

    copied: tuple[str, ...]
    unchanged: tuple[str, ...]
    vectors: int


def copy_library(
    source: str | Path,
    target: str | Path,
    *,
    videos: Collection[str | Path] = (),
    backend: Backend | None = None,
    progress: Progress | None = None,
) -> Copied:
    """Copy what is served of a library into another one, new or not.

    Either may be kept by either back end. Each video goes in one step with all that is known of it, so a copy
    that was killed goes on with the next video. One that the target holds otherwise is replaced. Everything
    is compared with its checksum as it is read.

    Args:
        source: Only read from.
        target: A library made by the same model, or a new or empty folder.
        videos: Only these; every one when empty.
        backend: What keeps a new target: ``"embedded"`` or ``"lance"``; by its place when None.
        progress: Called with ``(done, total, stage)`` after each video.

    Raises:
        InputError: A video is not in the source, or source and target are one.
        LibraryError: The source is damaged, or the target cannot be written.
        LibraryMismatchError: The target was made by another model.
    """
    places = [place_of(source), place_of(target)]
    if len({str(p.resolve()) if isinstance(p, Path) else p for p in places}) == 1:
        raise InputError(f"the library {str(source)!r} cannot be copied into itself")
    with LibraryStore.open(source, readonly=True) as old:
        served = old.served()
        wanted = {library_key(video) for video in videos}
        missing = sorted(wanted - set(served.values()))
        if missing:
            raise InputError(f"{', '.join(missing)} is not in the library {str(source)!r}")
        begun = not LibraryStore.is_library(target)
        with LibraryStore.open_or_create(
            target, model=old.model, fingerprint=old.fingerprint, dim=old.dim, backend=backend
        ) as new:
            if begun:
                _settle(old, new)
            chosen = [path for _, path in sorted(served.items()) if not wanted or path in wanted]
            return _copied(old, new, chosen, progress)


def _settle(old: LibraryStore, new: LibraryStore) -> None:
    """Give a new library the choices of the one it is made of."""
    if old.asked:
        new.note_asked(old.asked)
    chosen = old.stats().chosen
    if chosen != IndexSettings():
        new.choose_index(chosen)


def _copied(old: LibraryStore, new: LibraryStore, chosen: list[str], progress: Progress | None) -> Copied:
    model = ClipShelf(old).model()
    stretches = model is not None and ClipShelf(new).model() in (None, model)
    if model is not None and stretches:
        ClipShelf(new).use(model)
    copied: list[str] = []
    unchanged: list[str] = []
    vectors = 0
    for n, video in enumerate(old.give(chosen, stretches=stretches), start=1):
        if new.same(video):
            unchanged.append(video.path)
        else:
            vectors += new.take(video)
            copied.append(video.path)
        if progress:
            progress(n, len(chosen), "copying")
    return Copied(tuple(copied), tuple(unchanged), vectors)
