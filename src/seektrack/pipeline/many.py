"""Several videos followed one after another: those of a folder, or all that were named."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack import defaults
from seektrack.encoders import Templates
from seektrack.encoders.translation import Translator, as_translator
from seektrack.errors import ModelError, QueryError, SeekTrackError, VideoError, foreseen
from seektrack.library.identity import identify
from seektrack.outputs.remarks import Remarks
from seektrack.outputs.told import summary, written
from seektrack.pipeline.checks import check_outputs
from seektrack.pipeline.folders import OutputFolders, Record, read_record
from seektrack.pipeline.following import FollowTask, check_written
from seektrack.pipeline.models import Models
from seektrack.pipeline.sources import NamedVideo, OnPassedOver, named_videos
from seektrack.pipeline.workers import Came, Here, Workers
from seektrack.query import Query, in_short, read
from seektrack.types import Progress, Prompt, Tracks
from seektrack.video import Opening

if TYPE_CHECKING:
    from seektrack.outputs import OverlayStyle
    from seektrack.tracking import FollowSettings
    from seektrack.video import VideoInput


@dataclass(frozen=True)
class FollowedVideo:
    """One of several videos that were followed.

    Attributes:
        video: Its absolute path or address.
        query: The text; empty when prompted by hand.
        found: Of each track ``obj_id``, ``label``, ``score``, ``first_s``, ``last_s``, ``frames`` and
            ``visible_frames``.
        frames: Frames gone through.
        folder: Where its results lie; None when nothing was written.
        files: What was written, by format; ``overlay`` is the video.
        tracks: The tracks; None when they were made by an earlier run, or the video failed.
        unchanged: Whether an earlier run had done it already.
        error: Why it failed; None when it did not.
        remarks: What the result says of itself: unknown footage, damage, why nothing was found.
    """

    video: str
    query: str = ""
    found: tuple[dict[str, Any], ...] = ()
    frames: int = 0
    folder: Path | None = None
    files: dict[str, Path] = field(default_factory=dict)
    tracks: Tracks | None = None
    unchanged: bool = False
    error: SeekTrackError | None = None
    remarks: Remarks = field(default_factory=Remarks)


def track_videos(
    videos: VideoInput | Iterable[VideoInput],
    text: str | Sequence[str] | Query | None = None,
    *,
    prompts: Sequence[Prompt] | None = None,
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
    fresh: bool = False,
    workers: Workers | None = None,
    on_passed_over: OnPassedOver | None = None,
    progress: Progress | None = None,
) -> Iterator[FollowedVideo]:
    """Follow the same text, or the same prompts, through several videos, one after another.

    Each video has a folder of its own below ``out``. A video that an earlier run followed to its end, asked
    the same, is not followed again, so a run that was interrupted goes on where it stopped. A video that
    fails, whatever the reason, is told as failed and the rest goes on.

    Args:
        videos: One or several of what :func:`seektrack.video.open_video` takes, and folders searched for
            videos.
        opening: How the videos are opened.
        fresh: Follow videos again that an earlier run has done.
        workers: Who follows them, as :class:`seektrack.distributed.RayWorkers`, several at once, which all
            see the same disk; this process when None.
        on_passed_over: Told of each file of a folder that is no video, and why.
        text, prompts, model, device, filters, translate, templates, settings, formats, overlay, progress: As
            for :func:`seektrack.pipeline.track_objects`.
        out: Folder for the results, one folder a video in it; nothing is written when None.

    Yields:
        Each video when it is done, with ``workers`` in the order in which they are.

    Raises:
        VideoError: Nothing that was given is there, or there is no video in it.
        InputError, QueryError, OutputError, ModelError: As :func:`seektrack.pipeline.track_objects`, where
            it is not about one of the videos.
    """
    run = _Run(
        None if text is None else read(text, translate=as_translator(translate)),
        tuple(prompts or ()),
        model if isinstance(model, Models) else Models(model, device=device),
        opening or Opening(),
        filters,
        templates,
        settings,
        None if out is None else OutputFolders(out),
        check_outputs(out, formats, overlay=overlay),
        overlay,
        progress,
    )
    missing: list[FollowedVideo] = []
    named = named_videos(
        videos,
        opening=opening,
        on_error=lambda path, error: missing.append(FollowedVideo(path, error=error)),
        on_passed_over=on_passed_over,
        progress=progress,
    )
    if not named:
        none = VideoError("there are no videos in what was named", hint="name video files or folders")
        raise next((one.error for one in missing if one.error is not None), none)
    yield from missing
    yield from run.over(named, workers or Here(), fresh=fresh)
    if progress:
        progress(len(named), len(named), "videos")


@dataclass(frozen=True)
class _Run:
    """What is done to every video of one run."""

    query: Query | None
    prompts: tuple[Prompt, ...]
    models: Models
    opening: Opening
    filters: str | None
    templates: Templates
    settings: FollowSettings | None
    folders: OutputFolders | None
    formats: tuple[str, ...]
    overlay: bool | str | OverlayStyle
    progress: Progress | None

    def asked(self) -> dict[str, Any]:
        """Everything that changes the results, as JSON can hold it."""
        return {
            "text": None if self.query is None else [self.query.typed, in_short(self.query)],
            "templates": self.templates if isinstance(self.templates, str) else list(self.templates),
            "prompts": [repr(prompt) for prompt in self.prompts],
            "model": [self.models.name, self.models.resolution],
            "opened": str(self.opening),
            "cache": self.opening.cache,
            "filters": self.filters,
            "settings": repr(self.settings),
            "formats": sorted(self.formats),
            "overlay": self.overlay if isinstance(self.overlay, bool | str) else repr(self.overlay),
        }

    def over(self, named: Sequence[NamedVideo], workers: Workers, *, fresh: bool) -> Iterator[FollowedVideo]:
        """Follow videos, each told when it is done."""
        told: deque[FollowedVideo] = deque()
        places: dict[int, Path | None] = {}

        def tasks() -> Iterator[FollowTask]:
            for i, video in enumerate(named):
                if not workers.many and self.progress:
                    self.progress(i, len(named), "videos")
                folder = None if self.folders is None else self.folders.of(video.key)
                before = None if fresh else self._done_before(video, folder)
                if before is not None:
                    told.append(before)
                    continue
                task = self._task(video, folder, many=workers.many)
                places[id(task)] = folder
                if task.ships or not workers.many:
                    yield task
                    continue
                told.extend(self._told(came, folder) for came in Here().run([task], self.models))

        done = 0
        for came in workers.run(tasks(), self.models):
            while told:
                done += 1
                yield told.popleft()
            if not came.ended:
                done += 1
                yield self._told(came, places[id(came.task)])
            if workers.many and self.progress:
                self.progress(done, len(named), "videos")
        yield from told

    def _done_before(self, video: NamedVideo, folder: Path | None) -> FollowedVideo | None:
        """What an earlier run did, asked the same; None where it did not."""
        done = None if folder is None or video.live else read_record(folder)
        if folder is None or done is None:
            return None
        if not done.answers(folder, video.key, _identity(video), self.asked()):
            return None
        kept = {name: folder / file for name, file in done.files.items()}
        return FollowedVideo(
            video.key,
            str(self.query or ""),
            tuple(done.found),
            done.frames,
            folder,
            kept,
            unchanged=True,
            remarks=Remarks.read(done.remarks),
        )

    def _task(self, video: NamedVideo, folder: Path | None, *, many: bool) -> FollowTask:
        asked = {
            "text": self.query,
            "prompts": self.prompts or None,
            "filters": self.filters,
            "templates": self.templates,
            "settings": self.settings,
            "out": folder.absolute() if folder is not None and many else folder,
            "formats": self.formats,
            "overlay": self.overlay,
        }
        return FollowTask(video, asked, None if many else self.progress)

    def _told(self, came: Came[FollowTask], folder: Path | None) -> FollowedVideo:
        """What came of a video, noted in its folder.

        Raises:
            ModelError, QueryError: It would be the same for every video.
        """
        video = came.task.video
        if isinstance(came.error, (ModelError, QueryError)):
            raise came.error
        try:
            if came.error is not None:
                raise came.error
            tracks: Tracks = came.piece
            came.task.dropped = True  # that was all of it
            files: dict[str, Path] = {}
            if folder is not None:
                check_written(folder, video.key)
                files = written(folder, self.formats, overlay=self.overlay)
                Record.of(tracks, video.key, _identity(video), self.asked(), files).write(folder)
        except Exception as error:
            return FollowedVideo(video.key, error=foreseen(error, what=video.key))
        found, frames = tuple(summary(tracks)), len(tracks.frame_times)
        said = Remarks.of(tracks)
        return FollowedVideo(video.key, tracks.query, found, frames, folder, files, tracks, remarks=said)


def _identity(video: NamedVideo) -> list[Any]:
    if video.path is None:
        return []
    try:
        seen = identify(video.path)
    except (SeekTrackError, OSError):
        return []
    return [seen.size, seen.mtime_ns, seen.digest]
