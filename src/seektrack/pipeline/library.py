"""A library of videos: index it, search it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from seektrack.errors import LibraryError, SeekTrackError, VideoError
from seektrack.grounding import GroundSettings
from seektrack.library import (
    IndexManifest,
    IndexSettings,
    LibraryStats,
    LibraryStore,
    Maker,
    VideoRecord,
    library_key,
)
from seektrack.pipeline.asking import Asking
from seektrack.pipeline.clips import Clips
from seektrack.pipeline.models import Models
from seektrack.pipeline.regions import Regions, check_regions, embed_frames
from seektrack.pipeline.renewing import check_all_named, finish_switch
from seektrack.pipeline.sounds import index_sound
from seektrack.types import Frame

if TYPE_CHECKING:
    from seektrack.encoders.audio import SoundEncoder
    from seektrack.retrieval import MotionScorer
    from seektrack.video import Sampling
    from seektrack.video.filters import Filters

Progress = Callable[[int, int, str], None]
_FRAMES_AT_ONCE = 8
INDEX_POINTS_PER_SIDE = 12
"""Grid of proposals while indexing; coarser than when tracking, as every sampled frame pays for it."""


def _unreadable(file: Path, error: OSError | MemoryError) -> VideoError:
    if isinstance(error, MemoryError):
        return VideoError(f"{file} does not fit into memory", hint="make its pictures smaller")
    return VideoError(f"cannot read {file}: {error.strerror or error}")


@dataclass(frozen=True)
class IndexReport:
    """What an indexing run did.

    Attributes:
        indexed, skipped: Videos read, and videos unchanged since they were.
        failed: Videos that could not be read, with the reason.
        frames: Frames embedded.
        seconds: It took.
        index: The search index, where its kind was chosen and the library is large enough for one.
        motion: Videos whose stretches were embedded.
        waiting: Videos another model has not finished yet, so that the library still serves what it did.
    """

    indexed: int = 0
    skipped: int = 0
    failed: list[tuple[str, SeekTrackError]] = field(default_factory=list)
    frames: int = 0
    seconds: float = 0.0
    index: IndexManifest | None = None
    motion: int = 0
    waiting: tuple[str, ...] = ()


class Library(Asking):
    """A folder of indexed videos, open.

    Args:
        path: The folder; made when first indexed into.
        model: What embeds pictures and texts; see :func:`seektrack.pipeline.parse_model`.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        ground: How objects are proposed when they are indexed.

    Raises:
        ModelError: The name is empty or the folder is not a model. Weights load when first needed.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        model: str = "pocket",
        device: str | None = None,
        ground: GroundSettings | None = None,
    ) -> None:
        self.path = Path(path).expanduser()
        self.models = Models(model, device=device)
        self.ground = ground or GroundSettings(points_per_side=INDEX_POINTS_PER_SIDE)
        self._store: LibraryStore | None = None
        self._clips: Clips | None = None

    def index(
        self,
        paths: Iterable[str | Path] | str | Path,
        *,
        sampling: str | Sampling = "adaptive",
        regions: str = "objects",
        filters: str | None = None,
        ann: str | IndexSettings | None = None,
        temporal: bool | str | None = None,
        reindex: bool = False,
        progress: Progress | None = None,
    ) -> IndexReport:
        """Bring videos into the library, or up to date.

        An unchanged video is skipped, an interrupted one goes on where it stopped, and one that cannot be
        read is reported while the rest goes on.

        Args:
            paths: Video files, or folders searched for them.
            sampling: Which frames: ``adaptive``, ``keyframes``, ``fps=2``, ``every=5``, or a ``Sampling``.
            regions: What of a frame besides the whole: ``objects``, ``tiles`` or ``none``. A video whose
                objects another SAM 2 proposed is indexed anew.
            filters: What is done to a frame before it is looked at, as in
                :func:`seektrack.video.filters.parse_filter`; other filters index a video anew.
            ann: The search index to keep from now on, once there are enough pictures for one: ``auto``,
                ``flat`` (exact), ``ivf-sq8``, ``ivf-pq`` or ``hnsw``, or all settings. None leaves it.
            temporal: Also embed what happens over time, so that ``"a red car moving left"`` can be searched:
                True for the built-in temporal encoder, or its name or folder. None does as the library did
                before; False forgets what there was. Frames are not indexed anew for it, and videos indexed
                earlier get theirs too.
            reindex: Index everything anew, also with another model.
            progress: Called with ``(done, total, stage)``; frames within a video, videos within the run.

        Raises:
            VideoError: A path is missing, or no video is under the paths.
            LibraryMismatchError: The library was made by another model.
            InputError: An unknown sampling, regions, filter or search index.
        """
        from seektrack.video import Sampling, find_videos
        from seektrack.video.filters import parse_filter

        began = time.monotonic()
        chosen = Sampling.parse(sampling) if isinstance(sampling, str) else sampling
        cut = check_regions(regions)
        clean = None if filters is None else parse_filter(filters)
        kept = IndexSettings(kind=cast("Any", ann)) if isinstance(ann, str) else ann
        listed = [paths] if isinstance(paths, (str, Path)) else list(paths)
        failed: list[tuple[str, SeekTrackError]] = []
        files = find_videos(listed, on_error=lambda path, error: failed.append((str(path), error)))
        if not files and not failed:
            raise VideoError(
                f"no videos under {', '.join(map(str, listed))}", hint="name video files or folders"
            )
        store = self._open_to_write(reindex=reindex, named=map(library_key, files))
        clips = self._clips_to_write(store, temporal)
        indexed = skipped = frames = moving = 0
        for i, file in enumerate(files):
            if progress:
                progress(i, len(files), "videos")
            try:
                count = self._index_one(store, file, chosen, cut, clean, reindex=reindex, progress=progress)
                moving += clips is not None and clips.index(file, reindex=reindex, progress=progress)
            except (VideoError, LibraryError) as error:
                failed.append((str(file), error))
                continue
            except (OSError, MemoryError) as error:
                failed.append((str(file), _unreadable(file, error)))
                continue
            indexed, skipped = indexed + (count is not None), skipped + (count is None)
            frames += count or 0
        if clips is not None:
            moving += clips.index_missing(failed, progress)
        if progress:
            progress(len(files), len(files), "videos")
        waiting = finish_switch(store)
        manifest = None if kept is None else store.choose_index(kept)
        seconds = time.monotonic() - began
        return IndexReport(indexed, skipped, failed, frames, seconds, manifest, moving, waiting)

    def _index_one(
        self,
        store: LibraryStore,
        file: Path,
        sampling: Sampling,
        regions: Regions,
        filters: Filters | None,
        *,
        reindex: bool,
        progress: Progress | None,
    ) -> int | None:
        """Frames embedded, or None when the video was up to date."""
        from seektrack.video import open_video, prefetch, sample
        from seektrack.video.filtered import FilteredSource

        if hasattr(self.models.encoder, "embed_sounds"):
            hears = cast("SoundEncoder", self.models.encoder)
            return index_sound(store, hears, file, reindex=reindex, progress=progress)
        by = f" by={self.models.sam2_fingerprint[:8]}" if regions == "objects" else ""
        settings = f"{sampling} regions={regions}{by}" + (f" filter={filters}" if filters else "")
        if store.status(file, settings=settings) == "new":
            store.recognise(file)
        anew = reindex and store.making.fingerprint == store.fingerprint
        if not anew and store.status(file, settings=settings) == "done":
            return None
        count = 0
        with open_video(file) as source:
            total = source.info.n_frames or 0
            with store.begin_video(file, source.info, settings=settings, restart=anew) as handle:
                shown = FilteredSource(source, filters) if filters else source
                sampled = prefetch(sample(shown, sampling), depth=2 * _FRAMES_AT_ONCE)
                fresh = (frame for frame in sampled if frame.index > handle.last_frame_index)
                for chunk in iter(partial(_take, fresh, _FRAMES_AT_ONCE), []):
                    handle.append(embed_frames(self.models, chunk, regions, settings=self.ground))
                    count += len(chunk)
                    if progress:
                        progress(chunk[-1].index + 1, total, f"indexing {file.name}")
                handle.finish()
        if progress and total:
            progress(total, total, f"indexing {file.name}")
        return count

    def _clips_to_write(self, store: LibraryStore, temporal: bool | str | None) -> Clips | None:
        """Where stretches go; None when none are wanted."""
        if temporal is False:
            Clips(store).shelf.forget()
            self._clips = None
        elif temporal is not None:
            name = "temporal" if temporal is True else temporal
            self._clips = Clips(store, name=name, device=self.models.device)
        return self._clips_of(store)

    def _clips_of(self, store: LibraryStore) -> Clips | None:
        if self._clips is None or self._clips.name is None:
            self._clips = Clips(store, device=self.models.device)
        return None if self._clips.name is None else self._clips

    def _motion(self, store: LibraryStore) -> MotionScorer | None:
        clips = self._clips_of(store)
        return None if clips is None else clips.scorer()

    def videos(self) -> list[VideoRecord]:
        """Every video of the library."""
        return self._open_to_read(check=False).videos()

    def stats(self) -> LibraryStats:
        """The library in numbers."""
        return self._open_to_read(check=False).stats()

    def remove(self, path: str | Path) -> bool:
        """Forget a video; False when it was not there."""
        return self._open_to_read(check=False).remove(path)

    def prune(self) -> list[str]:
        """Forget every video whose file is gone; their paths."""
        return self._open_to_read(check=False).prune()

    def close(self) -> None:
        """Close the library; it opens again when used."""
        if self._store is not None:
            self._store.close()
            self._store = self._clips = None

    def _open_to_write(self, *, reindex: bool, named: Iterable[str]) -> LibraryStore:
        encoder = self.models.encoder
        identity = {"model": self.models.encoder_name, "fingerprint": encoder.fingerprint}
        if reindex and LibraryStore.is_library(self.path):
            store = self._open_to_read(check=False)
            if store.fingerprint != encoder.fingerprint:
                made_by = Maker(**identity, dim=encoder.dim)
                check_all_named(store, made_by, named)
                store.make_with(made_by)
            return store
        if self._store is None:
            self._store = LibraryStore.open_or_create(self.path, **identity, dim=encoder.dim)
        return self._store

    def _open_to_read(self, *, check: bool = True) -> LibraryStore:
        if self._store is None:
            self._store = LibraryStore.open(self.path, readonly=not os.access(self.path, os.W_OK))
        if check:
            self._store.require(model=self.models.encoder_name, fingerprint=self.models.encoder.fingerprint)
        return self._store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _take(frames: Iterator[Frame], count: int) -> list[Frame]:
    return list(islice(frames, count))
