"""One long video cut in time: pieces followed side by side, and joined."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack import defaults
from seektrack.encoders import Templates
from seektrack.encoders.translation import Translator, as_translator
from seektrack.errors import InputError
from seektrack.pipeline.checks import check_outputs, check_shown
from seektrack.pipeline.following import FollowTask
from seektrack.pipeline.models import Models
from seektrack.pipeline.source_to_tracks import write_results
from seektrack.pipeline.sources import NamedVideo, named_videos
from seektrack.pipeline.workers import Here, Workers
from seektrack.query import Query, read
from seektrack.types import Progress, Tracks
from seektrack.video import Opening

if TYPE_CHECKING:
    from seektrack.outputs import OverlayStyle
    from seektrack.tracking import FollowSettings
    from seektrack.tracking.seams import SeamSettings
    from seektrack.video import VideoInput, VideoSource


def track_pieces(
    video: VideoInput,
    text: str | Sequence[str] | Query,
    *,
    piece_s: float,
    overlap_s: float = defaults.OVERLAP_S,
    seams: SeamSettings | None = None,
    model: str | Models = defaults.MODEL,
    device: str | None = None,
    opening: Opening | None = None,
    filters: str | None = None,
    translate: str | Translator | None = None,
    templates: Templates = "auto",
    settings: FollowSettings | None = None,
    out: str | Path | None = None,
    formats: Iterable[str] = defaults.FORMATS,
    overlay: bool | str | OverlayStyle = True,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> Tracks:
    """Follow a text through one long video in pieces, so that several workers share it.

    Args:
        video: What has an end: no camera or stream.
        text: What to follow. Prompts lie in one piece only and cannot be given.
        piece_s: Seconds of a piece; the last one may be up to twice as long.
        overlap_s: Seconds that a piece has in common with the next.
        seams: When objects of two pieces are one.
        workers: Who follows the pieces, as :class:`seektrack.distributed.RayWorkers`; this process, one after
            another, when None.
        model, device, opening, filters, translate, templates, settings, out, formats, overlay, progress: As
            for :func:`seektrack.pipeline.track_objects`.

    Returns:
        As :func:`seektrack.pipeline.track_objects`; each object has one id in all pieces.

    Raises:
        InputError: A length that is no length, a video without an end, or ``opening`` with ``frames`` or
            ``interpolate``, which count from a beginning.
        QueryError, VideoError, OutputError, ModelError: As :func:`seektrack.pipeline.track_objects`.
    """
    from seektrack.tracking.seams import join_pieces

    how = opening or Opening()
    _check(piece_s, overlap_s, how)
    query = read(text, translate=as_translator(translate))
    chosen = check_outputs(out, formats, overlay=overlay)
    models = model if isinstance(model, Models) else Models(model, device=device)
    models.check()
    whole = one_video(video, how)
    asked: dict[str, Any] = {
        "text": query,
        "filters": filters,
        "templates": templates,
        "settings": settings,
    }
    try:
        source = whole.source
        check_outputs(out, chosen, overlay=overlay, sources=[source.info.path])
        check_shown(source)
        # What cannot leave this process is open already, and only cut.
        what, opened = (whole.what, how) if whole.ships else (source, Opening())
        named = [
            NamedVideo(what, whole.key, opening=replace(opened, start_s=a, end_s=b))
            for a, b in pieces_of(source, piece_s, overlap_s)
        ]
        tasks = [FollowTask(piece, asked) for piece in named]
        pieces = follow_tasks(tasks, models, workers, progress, called="pieces")
        tracks = join_pieces(pieces, source=source, video=source.info, settings=seams)
        if out is not None:
            write_results(tracks, source, Path(out), chosen, overlay=overlay, progress=progress)
        return tracks
    finally:
        whole.close()


def pieces_of(source: VideoSource, piece_s: float, overlap_s: float) -> list[tuple[float, float]]:
    """Beginning and end of each piece of a video in seconds; the last one takes what is left."""
    begin = source._start_s or 0.0
    end = source._end_s if source._end_s is not None else source.info.duration_s
    if end is None or (source.info.duration_s is not None and end > source.info.duration_s):
        times = source._all_times()
        end = float(times[-1] + 1 / source.info.fps) if times else begin
    count = max(1, math.floor((end - begin) / piece_s))
    stop = source._end_s if source._end_s is not None else end + 1.0
    starts = [begin + k * piece_s for k in range(count)]
    return [(a, min(a + piece_s + overlap_s, stop) if k < count - 1 else stop) for k, a in enumerate(starts)]


def follow_tasks(
    tasks: Sequence[FollowTask],
    models: Models,
    workers: Workers | None,
    progress: Progress | None,
    *,
    called: str,
) -> list[Tracks]:
    """The tracks of each part of one video, in order.

    Raises:
        SeekTrackError: A part failed.
    """
    ships = all(task.ships for task in tasks)
    chosen = workers if workers is not None and ships else Here()
    if not chosen.many:
        for task in tasks:
            task.progress = progress
    places = {id(task): k for k, task in enumerate(tasks)}
    found: dict[int, Tracks] = {}

    def counted() -> Iterator[FollowTask]:
        for k, task in enumerate(tasks):
            if progress and not chosen.many:
                progress(k, len(tasks), called)
            yield task

    for came in chosen.run(counted(), models):
        if came.error is not None:
            raise came.error
        if came.piece is not None:
            came.task.dropped = True
            found[places[id(came.task)]] = came.piece
            if progress:
                progress(len(found), len(tasks), called)
    return [found[k] for k in range(len(tasks))]


def one_video(video: VideoInput, how: Opening) -> NamedVideo:
    """The one video that is named, which has an end.

    Raises:
        InputError: Several are named, or one without an end.
    """
    named = named_videos(video, opening=how)
    if len(named) != 1:
        raise InputError(f"one video is cut, got {len(named)}", hint="name one video")
    if named[0].live:
        raise InputError("what has no end cannot be cut", hint="record it first")
    return named[0]


def _check(piece_s: float, overlap_s: float, how: Opening) -> None:
    if not (math.isfinite(piece_s) and piece_s > 0):
        raise InputError(f"a piece must be longer than 0 seconds, got {piece_s}")
    if not 0 < overlap_s <= piece_s:
        raise InputError(
            f"the overlap must be longer than 0 and no longer than a piece of {piece_s:g} s, got {overlap_s}"
        )
    if how.frames is not None or how.interpolate > 1:
        raise InputError("pieces are cut by seconds: no frames, and nothing interpolated", hint="use end_s")
