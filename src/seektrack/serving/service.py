"""What one server holds: its libraries, networks, jobs, videos and results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import partial
from typing import TYPE_CHECKING, Any

from seektrack import defaults
from seektrack.errors import ModelError, SeekTrackError
from seektrack.library.made_with import made_with, taught_for
from seektrack.pipeline import FrameSegmenter, Library, Models
from seektrack.pipeline.answer import Answer
from seektrack.pipeline.workers import Workers
from seektrack.query import read
from seektrack.retrieval import Comparison, TimedText
from seektrack.serving import work
from seektrack.serving.events import Board
from seektrack.serving.following import check_following, follow_settings
from seektrack.serving.jobs import Job, Jobs
from seektrack.serving.people import Clicks, Gate
from seektrack.serving.pool import Pool, Running
from seektrack.serving.refusals import not_found
from seektrack.serving.results import Results
from seektrack.serving.roots import Roots
from seektrack.serving.sessions import Sessions
from seektrack.serving.settings import ServerSettings
from seektrack.serving.state import State
from seektrack.serving.streams import Streams
from seektrack.serving.videos import Named, Videos
from seektrack.serving.wire import prompt_of
from seektrack.types import Hit, Moment, Observation

if TYPE_CHECKING:
    from seektrack.distributed import RayWorkers
    from seektrack.pipeline.follow_words import FollowSettings


class Service:
    """A server's inside; `seektrack.serving.app` puts HTTP around it.

    Args:
        settings: What is served.

    Raises:
        LibraryError: Another server holds the same state.
        OutputError: Its folder cannot be written.
        ModelError: A library's model is none.
        ClusterError: Nobody answers at the cluster.
    """

    def __init__(self, settings: ServerSettings) -> None:
        bounds = settings.bounds
        self.settings = settings
        self._cluster = _cluster(settings)
        self.libraries: dict[str, Library] = {}
        self._models: dict[str, Models] = {}
        for name, path in settings.named_libraries.items():
            own = settings.model if taught_for(path, settings.model) else made_with(path)
            library = Library(path, device=settings.device, model=own or settings.model)
            library.models = self._models.setdefault(library.models.name, library.models)
            self.libraries[name] = library
        usual = settings.model or next(iter(self._models), defaults.MODEL)
        if usual not in self._models:
            self._models[usual] = Models(usual, device=settings.device)
        self.usual_model = usual
        self.state = State(settings.state_folder)
        settings.uploads.mkdir(parents=True, exist_ok=True)
        self.indexing = {name: threading.Lock() for name in self.libraries}
        self.board, self.gate = Board(), Gate()
        self.jobs = Jobs(self.state, queued=bounds.queued)
        self.results = Results(settings.state_folder / "results", held_bytes=bounds.results_mb * 2**20)
        self.videos = Videos(
            self.state,
            Roots([*settings.roots, settings.uploads]),
            self.libraries.values,
            most_s=bounds.video_s,
        )
        self.clicks = Clicks(
            self.gate, threads=settings.clicks, waiting=bounds.waiting, seconds=bounds.click_s
        )
        self.pool = Pool(
            self.jobs,
            self.gate,
            self.board,
            partial(work.do, self),
            workers=settings.workers,
            watched=work.WATCHED,
            ended=self._ended,
            seconds=bounds.job_s,
        )
        self.sessions = Sessions(
            self.state,
            settings.state_folder / "sessions",
            self.videos,
            self.results,
            self.models_named,
            self.board,
            self.follow_settings,
        )
        self.streams = Streams(
            settings.streams, self.board, self.gate, self.models_named, self.follow_settings
        )
        self.ending = False
        self._segmenters: dict[str, FrameSegmenter] = {}
        self._loading = threading.RLock()

    def start(self) -> None:
        """Take up what an earlier server left, and begin."""
        for job in self.jobs.interrupted():
            done = self.results.finished(job.id)
            if done is not None:
                self.jobs.finish(job.id, done)
            elif job.cancelling:
                self.jobs.stopped(job.id)
            else:
                self.jobs.begin_again(job.id)
        self.pool.start()

    def stop(self) -> None:
        """End; what runs is done again by the next server."""
        self.ending = True
        self.streams.close()
        self.pool.stop()
        self.clicks.close()
        self.sessions.close()
        self.videos.close()
        for library in self.libraries.values():
            library.close()
        self.state.close()
        if self._cluster is not None:
            self._cluster.close()

    def _ended(self, job: Job) -> None:
        """Tell those who watch a session that its job is over."""
        if "session" in job.request:
            content = {"id": job.id, "kind": job.kind, "state": job.state, "error": job.error}
            self.sessions.news.tell(job.request["session"], "job", content)

    def sharing(self, running: Running) -> Workers | None:
        """Who does a job: the workers of the cluster; None where this process does it."""
        if self._cluster is None:
            return None
        return self._cluster.watched(lambda: running.progress(*astuple(running.step)))

    def library(self, name: str) -> Library:
        """The library of a name.

        Raises:
            RefusedError: There is none.
        """
        if name not in self.libraries:
            hint = f"there are {', '.join(self.libraries)}"
            raise not_found(f"library {name[:80]!r}", hint=hint, code="bad_library")
        return self.libraries[name]

    def models_named(self, name: str | None) -> Models:
        """The networks of a name, loaded; only those the server was started with can be named.

        Raises:
            ModelError: It was not, or they cannot be loaded.
        """
        self.check_model(name)
        return self.ready(self._models[name or self.usual_model])

    def check_model(self, name: str | None) -> None:
        """Refuse a model the server was not started with.

        Raises:
            ModelError: It was not.
        """
        if (name or self.usual_model) not in self._models:
            raise ModelError(
                f"the model {name!r} is not served", hint=f"this server has {', '.join(self._models)}"
            )

    def check_following(self, asked: dict[str, Any]) -> None:
        """Refuse what this server cannot follow; see `check_following`."""
        check_following(asked, self.videos.roots, self.settings.networks)

    def follow_settings(self, asked: dict[str, Any], models: Models) -> FollowSettings | None:
        """The settings a request means; see `follow_settings`."""
        return follow_settings(asked, models, self.videos.roots, self.settings.networks)

    @property
    def model_names(self) -> tuple[str, ...]:
        """Models that are served."""
        return tuple(self._models)

    def ready(self, models: Models, *, sam2: bool = True) -> Models:
        """The networks, loaded once, whoever asks first.

        Raises:
            ModelError: They cannot be loaded.
        """
        with self._loading:
            _ = models.encoder
            if sam2:
                _ = models.sam2
        return models

    def warm(self) -> None:
        """Load what the first request would wait for; what is wrong is told to that request."""
        for library in self.libraries.values():
            try:
                self.ready(library.models)
                library.hits("anything", k=1)
            except SeekTrackError:
                continue

    def asked(
        self,
        name: str,
        ask: Callable[[Library, Any], Answer[Any]],
        text: str | Sequence[str],
        *,
        correct: bool,
    ) -> tuple[Answer[Any], str | Sequence[str]]:
        """What a library answers, and the question that was read.

        Args:
            name: Of the library.
            ask: Puts the question.
            text: The question.
            correct: Put mistyped words right first.

        Raises:
            SeekTrackError: As :meth:`seektrack.Library.search`.
        """
        library = self.library(name)
        self.ready(library.models, sam2=False)
        if correct and isinstance(text, str):
            text = library.corrected(text).text
        return ask(library, text), text

    def find(self, name: str, asked: dict[str, Any]) -> tuple[Answer[Moment], str | Sequence[str]]:
        """Moments of a library."""
        given = dict(asked)
        text, correct = given.pop("text"), given.pop("correct")
        return self.asked(name, lambda library, t: library.search(t, **given), text, correct=correct)

    def hits(self, name: str, asked: dict[str, Any]) -> tuple[Answer[Hit], str | Sequence[str]]:
        """Frames and regions of a library."""
        given = dict(asked)
        text, correct = given.pop("text"), given.pop("correct")
        return self.asked(name, lambda library, t: library.hits(t, **given), text, correct=correct)

    def sequences(self, name: str, asked: dict[str, Any]) -> Answer[Any]:
        """Chains of moments of a library."""
        given = dict(asked)
        text = given.pop("text")
        return self.asked(name, lambda library, t: library.sequences(t, **given), text, correct=False)[0]

    def compare(self, name: str, asked: dict[str, Any]) -> Comparison:
        """Wordings compared on a library."""
        library = self.library(name)
        self.ready(library.models, sam2=False)
        texts = [read(text) for text in asked["texts"]]
        return library.compare(texts, k=asked["k"], templates=asked["templates"])

    def align(self, name: str, asked: dict[str, Any]) -> Answer[Moment]:
        """Timed texts placed in a video of a library."""
        library = self.library(name)
        self.ready(library.models, sam2=False)
        texts = [TimedText(one["text"], one["start_s"], one["end_s"]) for one in asked["texts"]]
        return library.align(texts, asked["video"], templates=asked["templates"], motion=asked["motion"])

    def segment(
        self, named: Named, prompts: Sequence[dict[str, Any]], model: str | None
    ) -> tuple[int, float, dict[int, Observation]]:
        """Masks of what is pointed at on one frame: its number, its time, and an observation an object."""
        models = self.models_named(model)
        with self._loading:
            segmenter = self._segmenters.setdefault(models.name, FrameSegmenter(models))
        frame = self.videos.frame(named, index=prompts[0]["frame_index"])
        asked = [prompt_of(one) for one in prompts]
        found = segmenter.segment(frame, asked, name=named.version)
        return frame.index, frame.time_s, found


def _cluster(settings: ServerSettings) -> RayWorkers | None:
    if settings.ray is None:
        return None
    from seektrack.distributed import RayWorkers

    # Other servers may fill it for long: their jobs end, and ours begins.
    return RayWorkers(address=settings.ray, patience_s=settings.bounds.job_s)
