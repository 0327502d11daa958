"""What ``seektrack track`` does to a video, to several, in a session and in a library's best moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack import defaults
from seektrack.cli.common import (
    Screen,
)
from seektrack.cli.sessions import SessionWork
from seektrack.cli.tracked import (
    Done,
    failure,
    of_result,
    of_tracks,
)
from seektrack.errors import InputError
from seektrack.query import Query
from seektrack.types import Prompt, Tracks

if TYPE_CHECKING:
    from seektrack.distributed import RayWorkers
    from seektrack.pipeline.models import Models
    from seektrack.tracking import FollowSettings
    from seektrack.video import Opening


@dataclass(frozen=True)
class Asked:
    """What is done to each video."""

    query: Query | None
    prompts: list[Prompt]
    model: str
    device: str | None
    resolution: int | None
    filters: str | None
    templates: dict[str, Any]
    settings: FollowSettings | None
    out: Path
    formats: tuple[str, ...]
    overlay: bool | str
    detections: Path | None = None
    masks: bool = False
    paged: bool = False
    runtime: str | None = None

    def common(self) -> dict[str, Any]:
        """What every function of the pipeline that follows takes."""
        return {
            "filters": self.filters,
            **self.templates,
            "settings": self.settings,
            "out": self.out,
            "formats": self.formats,
            "overlay": self.overlay,
        }

    def by_model(self) -> dict[str, Any]:
        """The model, at a resolution or by a runtime of its own where one is asked for."""
        if self.resolution is None and self.runtime is None:
            return {"model": self.model, "device": self.device}
        return {"model": self.models(), "device": None}

    def models(self) -> Models:
        """The networks, loaded when first needed."""
        from seektrack.pipeline.models import Models

        return Models(self.model, device=self.device, resolution=self.resolution, runtime=self.runtime)


def follow_one(
    screen: Screen,
    video: str,
    asked: Asked,
    how: Opening | None,
    *,
    pieces: float | None,
    tile: int | None,
    workers: RayWorkers | None,
) -> Done:
    """Follow in one video."""
    from seektrack.pipeline import track_objects, track_pieces, track_tiles

    with screen.progress() as progress:
        if pieces is not None:
            tracks = track_pieces(
                video,
                asked.query or "",
                piece_s=pieces,
                overlap_s=min(defaults.OVERLAP_S, pieces),
                opening=how,
                workers=workers,
                progress=progress,
                **asked.by_model(),
                **asked.common(),
            )
            return of_tracks(tracks, asked.out, asked.formats, overlay=asked.overlay, paged=asked.paged)
        if tile is not None:
            tracks = track_tiles(
                video,
                asked.query or "",
                tile=tile,
                opening=how,
                workers=workers,
                progress=progress,
                **asked.by_model(),
                **asked.common(),
            )
            return of_tracks(tracks, asked.out, asked.formats, overlay=asked.overlay, paged=asked.paged)
        tracks = track_objects(
            video,
            asked.query,
            prompts=asked.prompts or None,
            detections=asked.detections,
            masks=asked.masks,
            opening=how,
            progress=progress,
            **asked.by_model(),
            **asked.common(),
        )
    return of_tracks(tracks, asked.out, asked.formats, overlay=asked.overlay, paged=asked.paged)


def follow_in_session(screen: Screen, work: SessionWork, asked: Asked, how: Opening | None) -> Done:
    """Follow, or put right, in a session."""
    from seektrack.pipeline import track_objects
    from seektrack.pipeline.checks import check_outputs

    check_outputs(asked.out, asked.formats, overlay=asked.overlay)
    special = asked.detections is not None or (asked.settings is not None and asked.settings.tracker)
    with screen.progress() as progress:

        def followed() -> Tracks:
            return track_objects(
                work.video or "",
                asked.query,
                detections=asked.detections,
                masks=asked.masks,
                opening=how,
                progress=progress,
                **asked.by_model(),
                **{**asked.common(), "out": None},
            )

        with work.run(followed if special else None, progress) as session:
            tracks = session.write(asked.out, formats=asked.formats, overlay=asked.overlay, progress=progress)
    return of_tracks(tracks, asked.out, asked.formats, overlay=asked.overlay, paged=asked.paged)


def follow_many(
    screen: Screen,
    videos: Sequence[str],
    asked: Asked,
    how: Opening | None,
    *,
    fresh: bool,
    workers: RayWorkers | None,
) -> list[Done]:
    """Follow in several videos, one after another; those an earlier run has done are passed over."""
    from seektrack.pipeline import track_videos
    from seektrack.video import count_reasons

    done: list[Done] = []
    passed_over: list[str] = []
    with screen.progress() as progress:
        for followed in track_videos(
            videos,
            asked.query,
            prompts=asked.prompts or None,
            opening=how,
            fresh=fresh,
            workers=workers,
            on_passed_over=lambda _path, why: passed_over.append(why),
            progress=progress,
            **asked.by_model(),
            **asked.common(),
        ):
            done.append(of_result(followed, overlay=asked.overlay, paged=asked.paged))
            screen.note(done[-1].in_one_line())
    if passed_over:
        screen.note(f"passed over: {count_reasons(passed_over)}")
    return done


def follow_in_library(
    screen: Screen,
    library: Path,
    asked: Asked,
    how: Opening | None,
    *,
    top: int,
    workers: RayWorkers | None,
) -> list[Done]:
    """Follow in the best moments of a library."""
    if how is not None and replace(how, start_s=None, end_s=None, cache=None) != type(how)():
        raise InputError(
            "--frames, --fps, --window and --interpolate go with a video, not with --library",
            hint="name the video, or leave them out",
        )
    from seektrack.pipeline import Library, search_and_track

    failed: list[Done] = []
    opened_as: dict[str, Any] = {"model": asked.model, "device": asked.device, "runtime": asked.runtime}
    with Library(library, **opened_as) as opened, screen.progress() as progress:
        if asked.resolution is not None:
            opened.models.resolution = asked.resolution
        results = search_and_track(
            opened,
            asked.query or "",
            top=top,
            start_s=None if how is None else how.start_s,
            end_s=None if how is None else how.end_s,
            cache=None if how is None else how.cache,
            workers=workers,
            on_error=lambda video, error: failed.append(failure(video, error)),
            progress=progress,
            **asked.common(),
        )
    return [
        of_tracks(
            one.tracks, one.folder or asked.out, asked.formats, overlay=asked.overlay, paged=asked.paged
        )
        for one in results
    ] + failed
