"""A very large picture cut in space: tiles followed side by side, and joined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack import defaults
from seektrack.encoders import Templates
from seektrack.encoders.translation import Translator, as_translator
from seektrack.errors import InputError
from seektrack.pipeline.checks import check_outputs, check_shown
from seektrack.pipeline.following import FollowTask
from seektrack.pipeline.models import Models
from seektrack.pipeline.pieces import follow_tasks, one_video
from seektrack.pipeline.source_to_tracks import write_results
from seektrack.pipeline.sources import NamedVideo
from seektrack.pipeline.track import track_objects
from seektrack.pipeline.workers import Workers
from seektrack.query import Query, read
from seektrack.types import Progress, Tracks
from seektrack.video import Opening

if TYPE_CHECKING:
    from seektrack.outputs import OverlayStyle
    from seektrack.tracking import FollowSettings
    from seektrack.tracking.tiles import TileSettings, Window
    from seektrack.video import VideoInput

SMALLEST = 64
"""Pixels of a tile's side, at least."""


@dataclass
class TileTask(FollowTask):
    """One tile of a video to be followed.

    Attributes:
        tile: ``x0, y0, x1, y1`` in pixels of the video.
    """

    tile: Window = (0, 0, 0, 0)

    def run(self, models: Models) -> Iterator[Tracks]:
        """Follow it; raises as `track_objects`."""
        from seektrack.video.cropped import CroppedSource

        try:
            shown = CroppedSource(self.video.source, self.tile)
            yield track_objects(shown, model=models, progress=self.progress, **self.asked)
        finally:
            self.video.close()


def track_tiles(
    video: VideoInput,
    text: str | Sequence[str] | Query,
    *,
    tile: int,
    overlap: float = defaults.TILE_OVERLAP,
    joining: TileSettings | None = None,
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
    """Follow a text through a video of very large pictures in overlapping tiles.

    A network looks at a picture at its own size, so what is small in a large picture is lost to it; in a tile
    it is not. Several workers may share the tiles.

    Args:
        video: What has an end: no camera or stream.
        text: What to follow. Prompts are in pixels of the whole picture and cannot be given.
        tile: Side of a tile in pixels; a picture no larger is followed as it is.
        overlap: Neighbours share at least this fraction of the side, in (0, 1): wider than what is followed.
        joining: When objects of two tiles are one.
        workers: Who follows the tiles, as :class:`seektrack.distributed.RayWorkers`; this process, one after
            another, when None.
        model, device, opening, filters, translate, templates, settings, out, formats, overlay, progress: As
            for :func:`seektrack.pipeline.track_objects`.

    Returns:
        As :func:`seektrack.pipeline.track_objects`; each object has one id in all tiles.

    Raises:
        InputError: A side or an overlap out of range, or a video without an end.
        QueryError, VideoError, OutputError, ModelError: As :func:`seektrack.pipeline.track_objects`.
    """
    from seektrack.segmentation.windows import tile_windows
    from seektrack.tracking.tiles import join_tiles

    if tile < SMALLEST or not 0 < overlap < 1:
        raise InputError(
            f"a tile has at least {SMALLEST} pixels a side and an overlap in (0, 1), got {tile} and {overlap}"
        )
    how = opening or Opening()
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
        windows = tile_windows(source.info.hw, tile, overlap=overlap)
        what, opened = (whole.what, how) if whole.ships else (source, Opening())
        tasks: list[FollowTask] = [
            TileTask(NamedVideo(what, whole.key, opening=opened), asked, tile=window) for window in windows
        ]
        tiles = follow_tasks(tasks, models, workers, progress, called="tiles")
        tracks = join_tiles(tiles, windows, video=source.info, settings=joining)
        if out is not None:
            write_results(tracks, source, Path(out), chosen, overlay=overlay, progress=progress)
        return tracks
    finally:
        whole.close()
