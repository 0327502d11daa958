"""A library of videos: index it, search it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from seektrack import defaults
from seektrack.checkpoints import stable_name
from seektrack.closing import Closing
from seektrack.errors import SeekTrackError
from seektrack.grounding import GroundSettings
from seektrack.library import (
    IndexManifest,
    IndexSettings,
    LibraryStats,
    LibraryStore,
    Maker,
    VideoRecord,
)
from seektrack.library.address import Backend, backend_of, place_of
from seektrack.library.made_with import made_with, model_for
from seektrack.pipeline.asking import Asking
from seektrack.pipeline.clips import Clips
from seektrack.pipeline.embedding import Embedding
from seektrack.pipeline.failures import done_by_others, nothing_named
from seektrack.pipeline.indexing import IndexRun
from seektrack.pipeline.models import Models
from seektrack.pipeline.regions import check_regions
from seektrack.pipeline.renewing import check_all_named, chosen_of, finish_switch, prune_below
from seektrack.pipeline.sources import named_videos
from seektrack.pipeline.workers import Workers
from seektrack.types import Progress

if TYPE_CHECKING:
    from seektrack.retrieval import MotionScorer
    from seektrack.video import Opening, Sampling, VideoInput

INDEX_POINTS_PER_SIDE = 12
"""Grid of proposals while indexing; coarser than when tracking, as every sampled frame pays for it."""


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
        moved: Videos known again under another path: where each was, and where it is.
        damaged: Videos that could be read in part only, with what was wrong.
        pruned: Videos taken out as their files are gone.
        passed_over: Files of the folders given that are no videos, with the reason.
        measured: Videos indexed earlier whose frames were now compared with what the encoder was shown.
        outside: Videos of the library that show what it was not shown, by path; how sure it is of them is
            unknown.
    """

    indexed: int = 0
    skipped: int = 0
    failed: list[tuple[str, SeekTrackError]] = field(default_factory=list)
    frames: int = 0
    seconds: float = 0.0
    index: IndexManifest | None = None
    motion: int = 0
    waiting: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    damaged: tuple[tuple[str, str], ...] = ()
    pruned: tuple[str, ...] = ()
    measured: int = 0
    passed_over: tuple[tuple[str, str], ...] = ()
    outside: list[str] = field(default_factory=list)


class Library(Asking, Closing):
    """A folder of indexed videos, open.

    Args:
        path: The folder, or an address as ``s3://bucket/name``; made when first indexed into.
        model: What embeds pictures and texts; see :func:`seektrack.pipeline.parse_model`. When None, what the
            library was made with; for a new one SEEKTRACK_MODEL, or ``pocket``.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        ground: How objects are proposed when they are indexed.
        runtime: Who computes: ``torch``, ``onnx`` or ``onnx:PROVIDER``; what the model's folder holds when
            None.
        backend: What keeps a new library: ``"embedded"``, or ``"lance"`` (LanceDB, the extra ``lance``),
            which many machines may write at once; by its place when None.

    Raises:
        InputError: The back end is unknown, or cannot keep a library there.
        LibraryError: No library can lie at the address.
        ModelError: The name is empty or the folder is not a model. Weights load when first needed.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        model: str | None = None,
        device: str | None = None,
        ground: GroundSettings | None = None,
        runtime: str | None = None,
        backend: Backend | None = None,
    ) -> None:
        self.path = place_of(path)
        self.backend = backend_of(path, backend)
        self.models = Models(model_for(self.path, model), device=device, runtime=runtime)
        self.ground = ground or GroundSettings(points_per_side=INDEX_POINTS_PER_SIDE)
        self._store: LibraryStore | None = None
        self._clips: Clips | None = None

    def index(
        self,
        videos: VideoInput | Iterable[VideoInput],
        *,
        opening: Opening | None = None,
        sampling: str | Sampling = defaults.SAMPLING,
        regions: str = defaults.REGIONS,
        filters: str | None = None,
        ann: str | IndexSettings | None = None,
        temporal: bool | str | None = None,
        reindex: bool = False,
        exclude: Iterable[str] = (),
        prune: bool = False,
        settled_s: float = 0.0,
        workers: Workers | None = None,
        progress: Progress | None = None,
    ) -> IndexReport:
        """Bring videos into the library, or up to date.

        An unchanged video is skipped, an interrupted one goes on where it stopped, and one that cannot be
        read, whatever the reason, is reported while the rest goes on.

        Args:
            videos: Whatever :func:`seektrack.video.open_video` takes, one or several, and folders searched
                for videos. Of cameras and streams a piece is recorded, as ``opening`` says.
            opening: How they are opened: which part, at which rate, through which window. What was indexed
                otherwise is indexed anew.
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
            exclude: Patterns, as ``*.tmp.mp4`` or ``cache/*``, of paths to pass over; matched against the
                name, the whole path and every end of it.
            prune: Take out videos at or below the paths named whose files are gone.
            settled_s: Pass over files that changed less than so many seconds ago, as one being copied does.
            workers: Who embeds, as :class:`seektrack.distributed.RayWorkers`; this process when None, which
                alone writes the library either way.
            progress: Called with ``(done, total, stage)``; frames within a video, videos within the run.

        Raises:
            VideoError: Nothing that was given is there, or no video is in it.
            LibraryMismatchError: The library was made by another model.
            InputError: An unknown sampling, regions, filter or search index.
        """
        from seektrack.pipeline.known import measure_missing, outside_videos
        from seektrack.video import Sampling
        from seektrack.video.filters import parse_filter

        began = time.monotonic()
        chosen = Sampling.parse(sampling) if isinstance(sampling, str) else sampling
        cut = check_regions(regions)
        clean = None if filters is None else parse_filter(filters)
        kept = IndexSettings(kind=cast("Any", ann)) if isinstance(ann, str) else ann
        failed: list[tuple[str, SeekTrackError]] = []
        passed_over: list[tuple[str, str]] = []
        named = named_videos(
            videos,
            opening=opening,
            on_error=lambda path, error: failed.append((path, error)),
            on_passed_over=lambda path, why: passed_over.append((path, why)),
            progress=progress,
        )
        if not named and not prune:
            raise nothing_named(videos, failed)
        self.models.progress = progress
        named = chosen_of(named, exclude=exclude, settled_s=settled_s)
        store = self._open_to_write(reindex=reindex, named=[video.key for video in named])
        self._note_model(store)
        clips = self._clips_to_write(store, temporal)
        how = Embedding(
            chosen,
            cut,
            clean,
            "" if opening is None else str(opening),
            self.ground,
            self.models.encoder.fingerprint,
            self.models.sam2_fingerprint if cut == "objects" and self._sees else "",
        )
        before = {video.path for video in store.videos()}
        run = IndexRun(
            store, self.models, how, reindex=reindex, clips=clips, workers=workers, progress=progress
        )
        run.failed = failed
        run.over(named)
        if clips is not None:
            run.motion += clips.index_missing(failed, progress)
        measured = measure_missing(self.models, store, failed, progress)
        waiting = finish_switch(store)
        self._note_model(store)
        store.tidy()
        manifest = None if kept is None else store.choose_index(kept)
        skipped = run.skipped + done_by_others(store, named, failed)
        pruned = prune_below(store, videos) if prune else ()
        keys = {video.key for video in named}
        records = [video for video in store.videos() if video.path in keys]
        return IndexReport(
            run.indexed,
            skipped,
            failed,
            run.frames,
            time.monotonic() - began,
            manifest,
            run.motion,
            waiting,
            measured=measured,
            passed_over=tuple(passed_over),
            outside=outside_videos(store),
            moved=tuple((old, new) for new, old in run.moved.items() if old in before),
            damaged=tuple((video.path, video.damage) for video in records if video.damage),
            pruned=tuple(pruned),
        )

    @property
    def _sees(self) -> bool:
        """Whether the encoder embeds pictures, and not sound."""
        return not hasattr(self.models.encoder, "embed_sounds")

    def _clips_to_write(self, store: LibraryStore, temporal: bool | str | None) -> Clips | None:
        """Where stretches go; None when none are wanted."""
        if temporal is False:
            Clips(store).shelf.forget()
            self._clips = None
        elif temporal is not None:
            name = "temporal" if temporal is True else temporal
            self._clips = self._new_clips(store, name)
        return self._clips_of(store)

    def _clips_of(self, store: LibraryStore) -> Clips | None:
        if self._clips is None or self._clips.name is None:
            self._clips = self._new_clips(store, None)
        return None if self._clips.name is None else self._clips

    def _new_clips(self, store: LibraryStore, name: str | None) -> Clips:
        return Clips(store, name=name, device=self.models.device, runtime=self.models.runtime)

    def _motion(self, store: LibraryStore) -> MotionScorer | None:
        clips = self._clips_of(store)
        return None if clips is None else clips.scorer()

    def videos(self) -> list[VideoRecord]:
        """Every video of the library."""
        return self._open_to_read(check=False).videos()

    def holds(self, video: str) -> bool:
        """Whether a video is in the library under this path; cheap also where there are many."""
        return self._open_to_read(check=False).holds(video)

    def stats(self) -> LibraryStats:
        """The library in numbers."""
        return self._open_to_read(check=False).stats()

    def remove(self, path: str | Path) -> bool:
        """Forget a video; False when it was not there."""
        store = self._open_to_read(check=False)
        removed = store.remove(path)
        store.tidy()
        return removed

    def prune(self) -> list[str]:
        """Forget every video whose file is gone; their paths."""
        store = self._open_to_read(check=False)
        gone = store.prune()
        store.tidy()
        return gone

    def close(self) -> None:
        """Close the library; it opens again when used."""
        if self._store is not None:
            self._store.close()
            self._store = self._clips = None

    def _open_to_write(self, *, reindex: bool, named: Iterable[str]) -> LibraryStore:
        encoder = self.models.encoder
        made_by = Maker(stable_name(self.models.encoder_name), encoder.fingerprint, encoder.dim)
        if reindex and LibraryStore.is_library(self.path):
            store = self._open_to_read(check=False)
            if store.fingerprint != encoder.fingerprint:
                check_all_named(store, made_by, named)
                store.make_with(made_by)
            return store
        if self._store is None:
            self._store = LibraryStore.open_or_create(
                self.path,
                model=made_by.model,
                fingerprint=made_by.fingerprint,
                dim=made_by.dim,
                backend=self.backend,
            )
        return self._store

    def _open_to_read(self, *, check: bool = True) -> LibraryStore:
        if self._store is None:
            readonly = isinstance(self.path, Path) and not os.access(self.path, os.W_OK)
            self._store = LibraryStore.open(self.path, readonly=readonly)
        if check:
            self._check_model(self._store)
        return self._store

    def _note_model(self, store: LibraryStore) -> None:
        """Keep what was asked for, once it is what the library serves."""
        if store.fingerprint == self.models.encoder.fingerprint:
            store.note_asked(self.models.stable_name)

    def _check_model(self, store: LibraryStore) -> None:
        """Whether the model is the library's, before anything of another one is loaded or fetched."""
        name = stable_name(self.models.encoder_name)
        if name != store.model:
            store.require(model=name, fingerprint=self.models.encoder_fingerprint)
        store.require(model=name, fingerprint=self.models.encoder.fingerprint)

    def __repr__(self) -> str:
        made = made_with(self.path)
        holds = "nothing indexed yet" if made is None else f"made with {made!r}"
        return f"Library({str(self.path)!r}, model={self.models.name!r}, {holds})"
