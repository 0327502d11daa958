"""Several libraries asked as one: a question goes to all at once, and their answers are merged.

For an encoder with a calibration of its own, as the pocket one has, the answer is that of one library with
all their videos; another encoder is calibrated on each library by itself.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from seektrack import defaults
from seektrack.closing import Closing
from seektrack.encoders import Templates
from seektrack.encoders.translation import Translator, as_translator
from seektrack.errors import (
    InputError,
    LibraryError,
    LibraryMismatchError,
    SeekTrackError,
    foreseen,
)
from seektrack.library import VideoRecord, Where
from seektrack.library.address import place_of
from seektrack.library.made_with import model_for
from seektrack.pipeline.answer import Answer
from seektrack.pipeline.asking import Only, Question, where_of
from seektrack.pipeline.library import Library
from seektrack.pipeline.models import Models
from seektrack.query import read
from seektrack.types import Hit, Moment

if TYPE_CHECKING:
    from seektrack.encoders.spelling import Correction
    from seektrack.retrieval import RankBy

T = TypeVar("T")

_MERGED_BY = ("confidence", "cosine")


class Shards(Closing):
    """Libraries of different videos, made by one model, open to be asked together.

    Args:
        paths: Their folders.
        model: As for :class:`Library`; what the first was made with when None.
        device, runtime: As for :class:`Library`.
        timeout_s: A library that has not answered after so many seconds is left out and named in
            :attr:`seektrack.pipeline.answer.Answer.unanswered`; every one is waited for when None. Those that
            did may be asked once more, how long their moments are beside the best of all.

    Raises:
        InputError: No library, one twice, or no time.
        ModelError: As for :class:`Library`.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        model: str | None = None,
        device: str | None = None,
        runtime: str | None = None,
        timeout_s: float | None = None,
    ) -> None:
        if not paths:
            raise InputError("there is no library to ask")
        if timeout_s is not None and not timeout_s > 0:
            raise InputError(f"timeout_s must be longer than 0 seconds, got {timeout_s:g}")
        places = [place_of(path) for path in paths]
        real = [place.resolve() if isinstance(place, Path) else place for place in places]
        twice = next((path for path in real if real.count(path) > 1), None)
        if twice is not None:
            raise InputError(f"the library {str(twice)!r} is given twice", hint="name each library once")
        self.models = Models(model_for(paths[0], model), device=device, runtime=runtime)
        self.timeout_s = timeout_s
        self.libraries = [
            Library(path, model=self.models.name, device=device, runtime=runtime) for path in paths
        ]
        for library in self.libraries:
            library.models = self.models

    def search(
        self,
        text: Question,
        *,
        k: int = defaults.K,
        video: str | Path | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        only: Only | None = None,
        label: str | None = None,
        min_confidence: float | None = None,
        per_video: int | None = None,
        missing: bool | None = None,
        where: Where | None = None,
        translate: str | Translator | None = None,
        templates: Templates = "auto",
        motion: bool = True,
        within_s: float = defaults.WITHIN_S,
    ) -> Answer[Moment]:
        """Moments of all libraries, best first; everything as for :meth:`Library.search`.

        Raises:
            LibraryMismatchError: One was made by another model.
            LibraryError: None of them answered; what the first said.
        """
        from seektrack.retrieval.limited import limited
        from seektrack.retrieval.moments import rank
        from seektrack.retrieval.sequence import Chain
        from seektrack.retrieval.sequence import rank as rank_chain

        there = where_of(
            where,
            video=video,
            start_s=start_s,
            end_s=end_s,
            only=only,
            label=label,
            min_confidence=min_confidence,
            per_video=per_video,
            missing=missing,
        )
        query = read(text, translate=as_translator(translate))
        how: dict[str, Any] = {"k": k, "templates": templates, "motion": motion, "within_s": within_s}
        found, unanswered = self._ask(
            lambda one: one._moments(query, where=there, best=None, **how), self._holding(there)
        )
        # A moment reaches as far as its frames are believed beside the best frame of all.
        best = _best([m for answer in found.values() for m in answer])
        short = [
            library
            for library, answer in found.items()
            if any(own < best[asked] for asked, own in _best(answer).items())
        ]
        if short:
            again, late = self._ask(lambda one: one._moments(query, where=there, best=best, **how), short)
            found = {
                one: again.get(one, answer) for one, answer in found.items() if str(one.path) not in late
            }
            unanswered |= late
        everything: list[Any] = [m for answer in found.values() for m in answer]
        chains = any(isinstance(one, Chain) for one in everything)
        merged = _once(sorted(everything, key=rank_chain if chains else rank))
        return self._answer(limited(merged, there.per_video)[:k], found, unanswered)

    def hits(
        self,
        text: Question,
        *,
        k: int = defaults.K,
        rank_by: RankBy = "confidence",
        translate: str | Translator | None = None,
        templates: Templates = "auto",
        motion: bool = True,
        where: Where | None = None,
        **filters: Any,
    ) -> Answer[Hit]:
        """Hits of all libraries, best first; everything as for :meth:`Library.hits`.

        Raises:
            InputError: Ranked by what differs from library to library.
        """
        from seektrack.retrieval.limited import limited

        if rank_by not in _MERGED_BY:
            raise InputError(
                f"several libraries cannot be ranked by {rank_by}: it depends on all a library holds",
                hint=f"rank by {' or '.join(_MERGED_BY)}",
            )
        there = where_of(where, **filters)
        query = read(text, translate=as_translator(translate))
        found, unanswered = self._ask(
            lambda one: one.hits(
                query, k=k, rank_by=rank_by, templates=templates, motion=motion, where=there
            ),
            self._holding(there),
        )

        def rank(hit: Hit) -> tuple[bool, float, float]:
            by = hit.score if rank_by == "cosine" else hit.confidence
            return rank_by == "confidence" and hit.domain == "outside", -by, -hit.score

        merged = sorted((h for answer in found.values() for h in answer), key=rank)
        return self._answer(limited(_once(merged), there.per_video)[:k], found, unanswered)

    def similar(
        self, image: NDArray[np.uint8], *, k: int = defaults.K, where: Where | None = None, **filters: Any
    ) -> Answer[Hit]:
        """Hits of all libraries that look like a picture; everything as for :meth:`Library.similar`."""
        from seektrack.retrieval.likeness import PER_VIDEO

        there = where_of(where, **filters)
        found, unanswered = self._ask(lambda one: one.similar(image, k=k, where=there), self._holding(there))
        merged = _once(
            sorted(
                (h for answer in found.values() for h in answer),
                key=lambda hit: (hit.domain == "outside", -hit.score),
            )
        )
        most = there.per_video or PER_VIDEO
        counts: dict[str, int] = {}
        first: list[tuple[int, Hit]] = []
        more: list[tuple[int, Hit]] = []
        for place, hit in enumerate(merged):
            counts[hit.video] = counts.get(hit.video, 0) + 1
            (first if counts[hit.video] <= most else more).append((place, hit))
        first = first[:k]
        if there.per_video is None:
            first = sorted(first + more[: k - len(first)], key=lambda one: one[0])
        return self._answer([hit for _, hit in first], found, unanswered)

    def corrected(self, text: str) -> Correction:
        """As :meth:`Library.corrected`."""
        return self.libraries[0].corrected(text)

    def videos(self) -> list[VideoRecord]:
        """Every video of every library, by path."""
        return sorted((video for one in self.libraries for video in one.videos()), key=lambda v: v.path)

    def close(self) -> None:
        """Close all libraries."""
        for library in self.libraries:
            library.close()

    def __repr__(self) -> str:
        return f"Shards({[str(library.path) for library in self.libraries]}, model={self.models.name!r})"

    def _holding(self, where: Where) -> list[Library]:
        """The libraries to ask: where one video is meant, those that hold it; all where none does."""
        if where.video is None:
            return self.libraries
        return [one for one in self.libraries if one.holds(where.video)] or self.libraries

    def _ask(
        self, question: Callable[[Library], Answer[T]], libraries: Sequence[Library]
    ) -> tuple[dict[Library, Answer[T]], dict[str, str]]:
        """What each library answers in time, and why those did not that did not, by path."""
        self.models.encoder  # noqa: B018  # loaded once, before several ask for it
        began = time.monotonic()
        came: queue.SimpleQueue[tuple[Library, Answer[T] | Exception]] = queue.SimpleQueue()

        def ask(one: Library) -> None:
            try:
                came.put((one, question(one)))
            except Exception as error:  # told by who waits
                came.put((one, error))

        for library in libraries:
            threading.Thread(target=ask, args=(library,), name="seektrack-shard", daemon=True).start()
        found: dict[Library, Answer[T]] = {}
        failed: dict[Library, SeekTrackError] = {}
        while len(found) + len(failed) < len(libraries):
            left = None if self.timeout_s is None else began + self.timeout_s - time.monotonic()
            try:
                one, said = came.get(timeout=None if left is None else max(left, 0.0))
            except queue.Empty:
                break
            if isinstance(said, Exception):
                failed[one] = foreseen(said, what=str(one.path))
            else:
                found[one] = said
        for error in failed.values():
            if not isinstance(error, LibraryError) or isinstance(error, LibraryMismatchError):
                raise error
        unanswered = {
            str(one.path): failed[one].message if one in failed else f"no answer in {self.timeout_s:g} s"
            for one in libraries
            if one not in found
        }
        if not found:
            raise next(iter(failed.values()), None) or LibraryError(
                f"no library answered in {self.timeout_s:g} s", hint="give more time, or ask fewer"
            )
        return {one: found[one] for one in libraries if one in found}, unanswered

    def _answer(
        self, kept: Sequence[T], found: Mapping[Library, Answer[T]], unanswered: Mapping[str, str]
    ) -> Answer[T]:
        answers = list(found.values())
        notices = [notice for answer in answers for notice in answer.notices]
        return Answer(kept, query=answers[0].query, notices=notices, unanswered=unanswered)


def _best(answer: Sequence[Moment]) -> dict[str, float]:
    """How much the best moment of an answer is believed, by what it answers."""
    best: dict[str, float] = {}
    for moment in answer:
        best[moment.query] = max(best.get(moment.query, 0.0), moment.confidence)
    return best


def _once(found: Sequence[T]) -> list[T]:
    """Without what two libraries hold alike."""
    seen: set[Any] = set()
    kept = []
    for one in found:
        at = (one.video, one.frame_index, one.box, one.query) if isinstance(one, Hit) else one
        if at not in seen:
            seen.add(at)
            kept.append(one)
    return kept
