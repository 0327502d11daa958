"""One indexing run: videos become tasks, what comes of them goes into the library, in this process alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from seektrack.errors import ModelError, SeekTrackError, VideoError
from seektrack.library import DistanceShelf, LibraryStore, VideoWriterHandle
from seektrack.pipeline.bars import AllInOne, Each
from seektrack.pipeline.checks import check_shown
from seektrack.pipeline.clips import Clips
from seektrack.pipeline.embedding import Embedded, Embedding, EmbedTask, Ended
from seektrack.pipeline.failures import failure
from seektrack.pipeline.models import Models
from seektrack.pipeline.sounds import index_sound
from seektrack.pipeline.sources import NamedVideo
from seektrack.pipeline.workers import Came, Here, Workers
from seektrack.types import Progress

if TYPE_CHECKING:
    from seektrack.encoders.audio import SoundEncoder


@dataclass
class _Underway:
    """A video that is being written."""

    handle: VideoWriterHandle
    resumed: bool
    frames: int = 0
    distances: dict[int, float] = field(default_factory=dict)


class IndexRun:
    """Videos on their way into a library.

    Args:
        store: The library, which only this process writes to, whoever embeds.
        models: The networks.
        how: How videos are embedded.
        reindex: Index anew what is there.
        clips: Where stretches go; None when none are wanted.
        workers: Who embeds; this process when None.
        progress: Called with ``(done, total, stage)``.

    Attributes:
        indexed, skipped, frames, motion: See `IndexReport`.
        failed: Videos that failed, with the reason.
        moved: Where each video was that was known again under another path.
    """

    def __init__(
        self,
        store: LibraryStore,
        models: Models,
        how: Embedding,
        *,
        reindex: bool,
        clips: Clips | None,
        workers: Workers | None,
        progress: Progress | None,
    ) -> None:
        self._store, self._models, self._how, self._reindex = store, models, how, reindex
        self._clips, self._progress = clips, progress
        self._here = Here()
        self._workers: Workers = workers or self._here
        self._underway: dict[int, _Underway] = {}
        self.indexed = self.skipped = self.frames = self.motion = 0
        self.failed: list[tuple[str, SeekTrackError]] = []
        self.moved: dict[str, str] = {}

    def over(self, named: Sequence[NamedVideo]) -> None:
        """Index videos; one that fails, whatever the reason, is noted and the rest goes on.

        Raises:
            ModelError: The model cannot be used.
        """
        self._bars = (AllInOne if self._workers.many else Each)(self._progress, len(named))
        try:
            for came in self._workers.run(self._tasks(named), self._models):
                self._take(came)
        finally:
            for underway in self._underway.values():
                underway.handle.__exit__(BaseException, None, None)
            self._underway.clear()
        self._bars.end()

    def _tasks(self, named: Sequence[NamedVideo]) -> Iterator[EmbedTask]:
        """Those that need to be done; what cannot leave this process is done here meanwhile."""
        for i, video in enumerate(named):
            self._bars.next(i)
            try:
                task = self._begin(video)
            except ModelError:
                raise
            except Exception as error:  # whatever one video raises is that video's failure
                self._fail(video, error)
                continue
            if task is None:
                self._close(video)
            elif self._workers.many and not task.ships:
                for came in self._here.run([task], self._models):
                    self._take(came)
            else:
                yield task

    def _begin(self, video: NamedVideo) -> EmbedTask | None:
        """What is to be done of a video; None where it is up to date, or was done at once."""
        store, settings = self._store, str(self._how)
        if hasattr(self._models.encoder, "embed_sounds"):
            self._count(self._hear(video))
            return None
        status = store.status(video.key, settings=settings)
        if video.path is not None and status == "new":
            was_at = store.recognise(video.path)
            if was_at is not None:
                self.moved[video.key] = was_at
                status = store.status(video.key, settings=settings)
        anew = video.live or (self._reindex and store.making.fingerprint == store.fingerprint)
        if not anew and status == "done":
            self._count(None)
            return None
        source = video.source
        check_shown(source)
        self._bars.begin(video.name, source.info.n_frames or 0)
        handle = store.begin_video(video.key, source.info, settings=settings, restart=anew)
        task = EmbedTask(video, self._how, handle.last_frame_index)
        self._underway[id(task)] = _Underway(handle, resumed=task.after >= 0)
        if self._workers.many and task.ships:
            video.close()
        return task

    def _hear(self, video: NamedVideo) -> int | None:
        if video.path is None:
            raise VideoError(f"the sound of {video.key} cannot be indexed", hint="save it to a file first")
        hears = cast("SoundEncoder", self._models.encoder)
        return index_sound(self._store, hears, video.path, reindex=self._reindex, progress=self._progress)

    def _take(self, came: Came[EmbedTask]) -> None:
        """Write what came of a video."""
        task = came.task
        try:
            if came.error is not None:
                raise came.error
            if came.piece is not None:
                self._write(task, came.piece)
            if task.dropped:
                self._close(task.video)
        except ModelError:
            raise
        except Exception as error:  # whatever one video raises is that video's failure
            task.dropped = True
            if (underway := self._underway.pop(id(task), None)) is not None:
                underway.handle.__exit__(type(error), error, None)
            self._fail(task.video, error)

    def _write(self, task: EmbedTask, piece: Embedded | Ended) -> None:
        underway = self._underway[id(task)]
        if isinstance(piece, Embedded):
            underway.handle.append(piece.rows)
            task.after = piece.rows[-1].frame_index
            underway.distances |= {r.frame_index: r.distance for r in piece.rows if r.distance is not None}
            underway.frames += piece.frames
            self._bars.seen(task.video.name, piece.seen)
            return
        task.dropped = True  # there is no more to it, whatever becomes of its worker now
        del self._underway[id(task)]
        underway.handle.finish(damage=piece.damage, turns=piece.turns)
        domain = getattr(self._models.encoder, "domain", None)
        if domain is not None and not underway.resumed:  # what an earlier run measured was not kept
            DistanceShelf(self._store).put(task.video.key, underway.distances, domain.digest)
        self._bars.done(task.video.name)
        self._count(underway.frames)

    def _count(self, frames: int | None) -> None:
        self.indexed, self.skipped = self.indexed + (frames is not None), self.skipped + (frames is None)
        self.frames += frames or 0

    def _close(self, video: NamedVideo) -> None:
        """The frames of a video are there: its stretches follow."""
        try:
            if self._clips is not None:
                told = None if self._workers.many else self._progress
                self.motion += self._clips.index(video, reindex=self._reindex, progress=told)
        except ModelError:
            raise
        except Exception as error:  # whatever one video raises is that video's failure
            self._fail(video, error)
        finally:
            video.close()

    def _fail(self, video: NamedVideo, error: Exception) -> None:
        self.failed.append((video.key, failure(video, error)))
        video.close()
