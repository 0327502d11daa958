"""Following through an open video, and writing what was followed: what every door to tracks shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from seektrack import defaults
from seektrack.encoders import Templates
from seektrack.pipeline.models import Models
from seektrack.query import Query
from seektrack.types import Hit, Progress, Prompt, Tracks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seektrack.outputs import OverlayStyle
    from seektrack.tracking import FollowSettings
    from seektrack.tracking.engine import Engine
    from seektrack.video import VideoSource


def follow_source(
    source: VideoSource,
    models: Models,
    target: Query | None,
    prompts: Sequence[Prompt],
    *,
    settings: FollowSettings,
    engine: Engine | None = None,
    seeds: Sequence[int | Hit] = (),
    templates: Templates = "auto",
    scanned: Mapping[int, NDArray[np.float32]] | None = None,
    progress: Progress | None = None,
) -> Tracks:
    """Follow what a question names, or what is pointed at, through an open video; see `track_objects`.

    Args:
        engine: Makes the masks; that of ``models`` when None.
    """
    from seektrack.tracking import finish_tracks
    from seektrack.tracking.engine import Sam2Engine
    from seektrack.tracking.follow import follow_with
    from seektrack.tracking.follow_pointed import follow_prompts_with

    engine = engine or Sam2Engine(models.sam2.for_video(source), settings.engine)
    if target is None:
        encoder = models.encoder if settings.know_by_encoder else None
        tracks = follow_prompts_with(
            engine, source, prompts, encoder=encoder, settings=settings, progress=progress
        )
    else:
        tracks = follow_with(
            engine,
            models.encoder,
            source,
            target,
            seeds=seeds,
            settings=settings,
            templates=templates,
            device=models.device,
            scanned=scanned,
            progress=progress,
        )
        tracks = replace(tracks, min_confidence=settings.min_confidence)
    return finish_tracks(tracks, source, settings, progress=progress)


def write_results(
    tracks: Tracks,
    source: VideoSource,
    folder: Path,
    formats: Iterable[str] = defaults.FORMATS,
    *,
    overlay: bool | str | OverlayStyle = True,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Write tracks in several formats, and the overlay video as far as they were followed, into a folder.

    Returns:
        The path of each format; ``overlay`` is the video.
    """
    from seektrack.outputs import overlay_style, save_formats, write_overlay

    style = overlay_style(overlay)
    written = save_formats(tracks, folder, formats)
    if style is not None:
        total = len(tracks.frame_times)
        last = max(tracks.frame_times, default=-1)

        def counted() -> Iterable[object]:
            for i, frame in enumerate(takewhile(lambda frame: frame.index <= last, source)):
                if progress:
                    progress(i + 1, total, "drawing")
                yield frame

        target = folder / style.filename
        write_overlay(counted(), tracks, target, style=style)  # type: ignore[arg-type]  # the generator yields Frames
        written["overlay"] = target
    return written
