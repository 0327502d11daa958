"""From a library to tracks: a text followed through the videos that show it best."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

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
from seektrack.pipeline.sources import OnError
from seektrack.pipeline.track import track_objects
from seektrack.query import Query, read
from seektrack.types import Hit, Moment, Progress, Tracks
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
    folders = None if out is None else OutputFolders(out)
    results: list[SearchAndTrackResult] = []
    failed: list[SeekTrackError] = []
    for video, found in by_video.items():
        if len(results) == top:
            break
        folder = None if folders is None else folders.of(video)
        try:
            _check_there(library, video)
            tracks = track_objects(
                video,
                query,
                model=library.models,
                seeds=_seeds(library, query, video, found, wordings),
                start_s=start_s,
                end_s=end_s,
                cache=cache,
                filters=filters,
                templates=wordings,
                min_confidence=min_confidence,
                settings=settings,
                scanned=None if filters else _scanned(library, video),
                retrieval_score=max(moment.confidence for moment in found),
                out=folder,
                formats=chosen,
                overlay=overlay,
                progress=progress,
            )
            files = {} if folder is None else written(folder, chosen, overlay=overlay)
            if folder is not None:
                Record.of(tracks, video, [], {"text": query.typed}, files).write(folder)
        except (ModelError, QueryError):
            raise
        except Exception as error:
            failed.append(foreseen(error, what=video))
            _tell(on_error, video, failed[-1])
            continue
        results.append(SearchAndTrackResult(video, tuple(found), tracks, files, folder))
    if failed and not results:
        raise failed[0]
    return results


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
