"""A library of videos: index it, search it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from seektrack import defaults
from seektrack.checkpoints import stable_name
from seektrack.errors import ModelError, SeekTrackError, VideoError
from seektrack.grounding import GroundSettings
from seektrack.library import (
    DistanceShelf,
    IndexManifest,
    IndexSettings,
    LibraryStats,
    LibraryStore,
    Maker,
    TurnTimes,
    VideoRecord,
)
from seektrack.library.made_with import made_with, model_for
from seektrack.pipeline.asking import Asking
from seektrack.pipeline.checks import check_shown
from seektrack.pipeline.clips import Clips
from seektrack.pipeline.failures import done_by_others, failure, nothing_named
from seektrack.pipeline.models import Models
from seektrack.pipeline.regions import Regions, check_regions, embed_frames
from seektrack.pipeline.renewing import check_all_named, chosen_of, finish_switch, prune_below
from seektrack.pipeline.sounds import index_sound
from seektrack.pipeline.sources import NamedVideo, named_videos
from seektrack.types import Frame, Progress

if TYPE_CHECKING:
    from seektrack.encoders.audio import SoundEncoder
    from seektrack.retrieval import MotionScorer
    from seektrack.video import Opening, Sampling, VideoInput
    from seektrack.video.filters import Filters

_FRAMES_AT_ONCE = 8
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


class Library(Asking):
    """A folder of indexed videos, open.

    Args:
        path: The folder; made when first indexed into.
        model: What embeds pictures and texts; see :func:`seektrack.pipeline.parse_model`. When None, what the
            library was made with; for a new one SEEKTRACK_MODEL, or ``pocket``.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        ground: How objects are proposed when they are indexed.

    Raises:
        ModelError: The name is empty or the folder is not a model. Weights load when first needed.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        model: str | None = None,
        device: str | None = None,
        ground: GroundSettings | None = None,
    ) -> None:
        self.path = Path(path).expanduser()
        self.models = Models(model_for(self.path, model), device=device)
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
        how = _Indexing(chosen, cut, clean, "" if opening is None else str(opening), reindex)
        before = {video.path for video in store.videos()}
        indexed = skipped = frames = moving = 0
        for i, video in enumerate(named):
            if progress:
                progress(i, len(named), "videos")
            try:
                count = self._index_one(store, video, how, progress)
                moving += clips is not None and clips.index(video, reindex=reindex, progress=progress)
            except ModelError:
                raise
            except Exception as error:  # whatever one video raises is that video's failure
                failed.append((video.key, failure(video, error)))
                continue
            finally:
                video.close()
            indexed, skipped = indexed + (count is not None), skipped + (count is None)
            frames += count or 0
        if clips is not None:
            moving += clips.index_missing(failed, progress)
        measured = measure_missing(self.models, store, failed, progress)
        if progress:
            progress(len(named), len(named), "videos")
        waiting = finish_switch(store)
        self._note_model(store)
        manifest = None if kept is None else store.choose_index(kept)
        skipped += done_by_others(store, named, failed)
        pruned = prune_below(store, videos) if prune else ()
        keys = {video.key for video in named}
        records = [video for video in store.videos() if video.path in keys]
        return IndexReport(
            indexed,
            skipped,
            failed,
            frames,
            time.monotonic() - began,
            manifest,
            moving,
            waiting,
            measured=measured,
            passed_over=tuple(passed_over),
            outside=outside_videos(store),
            moved=tuple((old, new) for new, old in how.moved.items() if old in before),
            damaged=tuple((video.path, video.damage) for video in records if video.damage),
            pruned=tuple(pruned),
        )

    def _index_one(
        self, store: LibraryStore, video: NamedVideo, how: _Indexing, progress: Progress | None
    ) -> int | None:
        """Frames embedded, or None when the video was up to date."""
        from seektrack.video import Limits, prefetch, sample
        from seektrack.video.filtered import FilteredSource
        from seektrack.video.turns import Turns

        if hasattr(self.models.encoder, "embed_sounds"):
            hears = cast("SoundEncoder", self.models.encoder)
            if video.path is None:
                raise VideoError(
                    f"the sound of {video.key} cannot be indexed", hint="save it to a file first"
                )
            return index_sound(store, hears, video.path, reindex=how.reindex, progress=progress)
        by = f" by={self.models.sam2_fingerprint[:8]}" if how.regions == "objects" else ""
        settings = f"{how.sampling} regions={how.regions}{by}" + (
            f" filter={how.filters}" if how.filters else ""
        )
        settings += f" {how.opened}" if how.opened else ""
        status = store.status(video.key, settings=settings)
        if video.path is not None and status == "new":
            was_at = store.recognise(video.path)
            if was_at is not None:
                how.moved[video.key] = was_at
                status = store.status(video.key, settings=settings)
        anew = video.live or (how.reindex and store.making.fingerprint == store.fingerprint)
        if not anew and status == "done":
            return None
        source, count = video.source, 0
        check_shown(source)
        distances: dict[int, float] = {}
        total = source.info.n_frames or 0
        if progress:
            progress(0, total, f"indexing {video.name}")
        with store.begin_video(video.key, source.info, settings=settings, restart=anew) as handle:
            shown = FilteredSource(source, how.filters) if how.filters else source
            at_once = Limits.current().fitting(3 * source.frame_bytes, _FRAMES_AT_ONCE)
            turns = Turns(
                frame_s=float(1 / source.info.fps),
                min_change=how.sampling.min_change,
                most_held=Limits.current().fitting(source.frame_bytes, 16),
            )
            sampled = prefetch(sample(shown, how.sampling, turns=turns), depth=2 * at_once)
            resumed = handle.last_frame_index >= 0
            fresh = (frame for frame in sampled if frame.index > handle.last_frame_index)
            for chunk in iter(partial(_take, fresh, at_once), []):
                rows = embed_frames(self.models, chunk, how.regions, settings=self.ground)
                distances |= {r.frame_index: r.distance for r in rows if r.distance is not None}
                handle.append(rows)
                count += len(chunk)
                if progress:
                    seen = chunk[-1].index + 1
                    progress(min(seen, total - 1) if total else seen, total, f"indexing {video.name}")
            handle.finish(
                damage="" if source.damage is None else str(source.damage),
                turns=TurnTimes(turns.begins, turns.end_s),
            )
        domain = getattr(self.models.encoder, "domain", None)
        if domain is not None and not resumed:  # what an earlier run measured was not kept: measure_missing
            DistanceShelf(store).put(video.key, distances, domain.digest)
        if progress:
            progress(max(total, 1), max(total, 1), f"indexing {video.name}")
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

    def holds(self, video: str) -> bool:
        """Whether a video is in the library under this path; cheap also where there are many."""
        return self._open_to_read(check=False).holds(video)

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
        identity = {"model": stable_name(self.models.encoder_name), "fingerprint": encoder.fingerprint}
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class _Indexing:
    """How the videos of one run are indexed."""

    sampling: Sampling
    regions: Regions
    filters: Filters | None
    opened: str
    reindex: bool
    moved: dict[str, str] = field(default_factory=dict)


def _take(frames: Iterator[Frame], count: int) -> list[Frame]:
    return list(islice(frames, count))
