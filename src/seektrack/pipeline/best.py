"""From a library to tracks: a text followed through the videos that show it best."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seektrack import defaults
from seektrack.encoders import Templates
from seektrack.encoders.translation import Translator, as_translator
from seektrack.errors import ModelError, QueryError, SeekTrackError, VideoError, foreseen
from seektrack.library import Where
from seektrack.outputs.told import written
from seektrack.pipeline.checks import check_outputs
from seektrack.pipeline.folders import OutputFolders, Record
from seektrack.pipeline.following import FollowTask, check_written
from seektrack.pipeline.sources import NamedVideo, OnError
from seektrack.pipeline.workers import Came, Here, Workers
from seektrack.query import Query, read
from seektrack.types import Hit, Moment, Progress, Tracks
from seektrack.video import Opening
from seektrack.video.network import is_address

if TYPE_CHECKING:
    from seektrack.outputs import OverlayStyle
    from seektrack.pipeline.library import Library
    from seektrack.tracking import FollowSettings

_BOXES = 6
"""Regions of a video that are taken along from the search."""


@dataclass(frozen=True)
class SearchAndTrackResult:
    """One video of a library in which something was found and followed.

    Attributes:
        video: Its path.
        moments: Where the text was found, best first.
        tracks: Every matching object through the video.
        files: What was written, by format; ``overlay`` is the video.
        folder: Where; None when nothing was written.
    """

    video: str
    moments: tuple[Moment, ...]
    tracks: Tracks
    files: dict[str, Path] = field(default_factory=dict)
    folder: Path | None = None


def search_and_track(
    library: Library,
    text: str | Sequence[str] | Query,
    *,
    top: int = defaults.TOP,
    start_s: float | None = None,
    end_s: float | None = None,
    cache: str | None = None,
    filters: str | None = None,
    translate: str | Translator | None = None,
    templates: Templates = "auto",
    min_confidence: float | None = None,
    settings: FollowSettings | None = None,
    out: str | Path | None = None,
    formats: Iterable[str] = defaults.FORMATS,
    overlay: bool | str | OverlayStyle = True,
    workers: Workers | None = None,
    on_error: OnError | None = None,
    progress: Progress | None = None,
) -> list[SearchAndTrackResult]:
    """From a library to tracks: find the videos that show a text, then follow it through each.

    Args:
        library: An open library.
        text: What to find and follow.
        top: Most videos.
        start_s, end_s: Look for it, and follow it, only in this part of each video, in seconds.
        min_confidence: Least confidence, in [0, 1], of a track that is kept.
        settings: How objects are found, followed and recognised; a tracker and a grounder by name with it.
        out: Folder for the results, one subfolder a video; nothing is written when None.
        workers: Who follows, as :class:`seektrack.distributed.RayWorkers`, several videos at once; this
            process when None.
        on_error: Told of each video that shows the text and is gone or cannot be followed; the next best
            takes its place. When None, a warning says so.
        cache, filters, translate, templates, formats, overlay, progress: As for
            :func:`seektrack.pipeline.track_objects`.

    Returns:
        The best videos in order; empty when nothing in the library matches.

    Raises:
        InputError: As :func:`seektrack.pipeline.track_objects`.
        LibraryError: As :meth:`seektrack.pipeline.Library.search`.
        SeekTrackError: Every video that shows the text failed; the reason of the best.
    """
    chosen = check_outputs(out, formats, overlay=overlay)
    query = read(text, translate=as_translator(translate))
    moments = library.search(query, k=max(50, 10 * top), start_s=start_s, end_s=end_s, templates=templates)
    wordings = "auto" if templates == "library" else templates
    by_video: dict[str, list[Moment]] = {}
    for moment in moments:
        by_video.setdefault(moment.video, []).append(moment)
    run = _Run(
        library,
        query,
        by_video,
        wordings,
        {
            "filters": filters,
            "templates": wordings,
            "min_confidence": min_confidence,
            "settings": settings,
            "formats": chosen,
            "overlay": overlay,
        },
        Opening(start_s=start_s, end_s=end_s, cache=cache),
        None if out is None else OutputFolders(out),
        on_error,
        progress,
    )
    return run.best(top, workers or Here())


@dataclass
class _Run:
    """The videos that show a text, to be followed as far as they are wanted."""

    library: Library
    query: Query
    by_video: dict[str, list[Moment]]
    wordings: Templates
    asked: dict[str, Any]
    opening: Opening
    folders: OutputFolders | None
    on_error: OnError | None
    progress: Progress | None
    results: dict[str, SearchAndTrackResult] = field(default_factory=dict)
    failed: list[SeekTrackError] = field(default_factory=list)

    def best(self, top: int, workers: Workers) -> list[SearchAndTrackResult]:
        """The best ``top`` videos that can be followed; for each that fails the next best is tried."""
        videos = list(self.by_video)
        tried = 0
        while len(self.results) < top and tried < len(videos):
            chosen = videos[tried : tried + top - len(self.results)]
            tried += len(chosen)
            for came in workers.run(self._tasks(chosen, many=workers.many), self.library.models):
                if not came.ended:
                    self._take(came)
                if workers.many and self.progress:
                    self.progress(len(self.results), top, "videos")
        if workers.many and self.progress:
            self.progress(top, top, "videos")
        if self.failed and not self.results:
            raise self.failed[0]
        return [self.results[video] for video in videos if video in self.results]

    def _tasks(self, videos: Sequence[str], *, many: bool) -> Iterator[FollowTask]:
        for video in videos:
            found = self.by_video[video]
            try:
                _check_there(self.library, video)
                asked = {
                    **self.asked,
                    "text": self.query,
                    "seeds": _seeds(self.library, self.query, video, found, self.wordings),
                    "scanned": None if self.asked["filters"] else _scanned(self.library, video),
                    "retrieval_score": max(moment.confidence for moment in found),
                    "out": self._folder(video, many=many),
                }
            except (ModelError, QueryError):
                raise
            except Exception as error:
                self._fail(video, error)
                continue
            named = NamedVideo(video, video, opening=self.opening)
            task = FollowTask(named, asked, None if many else self.progress)
            if task.ships or not many:
                yield task
                continue
            for came in Here().run([task], self.library.models):
                if not came.ended:
                    self._take(came)

    def _folder(self, video: str, *, many: bool) -> Path | None:
        folder = None if self.folders is None else self.folders.of(video)
        return folder.absolute() if folder is not None and many else folder

    def _take(self, came: Came[FollowTask]) -> None:
        video = came.task.name
        if isinstance(came.error, (ModelError, QueryError)):
            raise came.error
        try:
            if came.error is not None:
                raise came.error
            tracks: Tracks = came.piece
            came.task.dropped = True  # that was all of it
            folder = came.task.asked["out"]
            files = {}
            if folder is not None:
                check_written(folder, video)
                files = written(folder, self.asked["formats"], overlay=self.asked["overlay"])
                Record.of(tracks, video, [], {"text": self.query.typed}, files).write(folder)
        except Exception as error:
            self._fail(video, error)
            return
        moments = tuple(self.by_video[video])
        self.results[video] = SearchAndTrackResult(video, moments, tracks, files, folder)

    def _fail(self, video: str, error: Exception) -> None:
        self.failed.append(foreseen(error, what=video))
        _tell(self.on_error, video, self.failed[-1])


def _seeds(
    library: Library, query: Query, video: str, found: Sequence[Moment], templates: Templates
) -> list[Hit]:
    """The best frame of each moment, and the boxes of its regions that show the one thing asked for."""
    frames = [moment.key for moment in found]
    if len(query.concepts) != 1 or all(hit.box is not None for hit in frames):
        return frames
    inside = library.hits(query, k=_BOXES, video=video, only="objects", templates=templates)
    return [*frames, *inside]


def _scanned(library: Library, video: str) -> dict[int, NDArray[np.float32]]:
    """Embeddings of the frames the library looked at, float32 (D,) by frame: they need not be made again."""
    vectors, rows = library._open_to_read().vectors(where=Where(video=video, kinds=("frame",)))
    return dict(zip(rows.frame_indices.tolist(), vectors.astype(np.float32), strict=True))


def _check_there(library: Library, video: str) -> None:
    if not is_address(video) and not os.path.exists(video):
        where, what = shlex.quote(str(library.path)), shlex.quote(video)
        raise VideoError(
            f"{video} is in the library but not on disk any more",
            hint=f"bring it back, or take it out: seektrack videos --library {where} --remove {what}",
        )


def _tell(on_error: OnError | None, video: str, error: SeekTrackError) -> None:
    if on_error is not None:
        on_error(video, error)
    else:
        warnings.warn(f"{video} was passed over: {error}", stacklevel=3)
