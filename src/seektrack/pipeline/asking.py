"""What a library can be asked: moments, hits, pictures like one, chains of moments, scripts, wordings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from seektrack import defaults
from seektrack.encoders import Templates, check_language, check_templates
from seektrack.encoders.translation import Translator, as_translator
from seektrack.errors import InputError
from seektrack.library import IndexManifest, IndexSettings, LibraryStore, Where
from seektrack.pipeline.answer import Answer
from seektrack.pipeline.models import Models
from seektrack.query import Query, left_aside, read
from seektrack.types import Hit, Moment

if TYPE_CHECKING:
    from seektrack.encoders.spelling import Correction
    from seektrack.retrieval import Chain, Comparison, MotionScorer, RankBy, TimedText

Only = Literal["objects", "frames"]
Question = str | Sequence[str] | Query
"""What is asked: a text, several texts, or a question that was read."""


class Asking(ABC):
    """The questions a `Library` answers; see there."""

    models: Models

    @abstractmethod
    def _open_to_read(self, *, check: bool = True) -> LibraryStore:
        """The library's store, after a check that the model fits it."""

    @abstractmethod
    def _motion(self, store: LibraryStore) -> MotionScorer | None:
        """What asks the stretches of the library; None when it keeps none."""

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
        """Moments that show what a question asks for, best first; empty when nothing does.

        Args:
            text: What to look for: a text, several, or what :func:`seektrack.query.read` made of them. Things
                in one sentence have to show together; a list, or ``;``, asks for each by itself; an order of
                events gives :class:`seektrack.retrieval.Chain`, which are moments too.
            k: At most so many.
            video: Only in this video.
            start_s, end_s: Only in this window of seconds; moments are cut to it.
            only: ``"objects"`` looks at proposed regions only, ``"frames"`` at whole frames only.
            label: Only pictures that also show this.
            min_confidence: A moment has at least one frame believed this much; unless said, what the model's
                calibration says, 0.88 for pocket.
            per_video: At most so many of one video.
            missing: Also videos whose file is gone.
            where: All of these filters in one, instead of them.
            translate: A translator, or the name, folder or hub id of one, for a text in another language.
            templates: How a noun phrase is worded: see :func:`seektrack.encoders.embed_query`; one's own
                wordings, ``["a scan of {}"]``; or ``"library"``, by what this library shows.
            motion: Ask the temporal encoder about what the text says happens, in a library indexed with one.
            within_s: Most seconds between two steps of an order of events.

        Raises:
            QueryError: The text is empty, or a mark in it cannot be read.
            InputError: A filter that cannot be met, such as a video that is not in the library.
            LibraryError: There is no library here.
            LibraryMismatchError: It was made by another model.
        """
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
        return self._moments(
            query, k=k, where=there, templates=templates, motion=motion, within_s=within_s, best=None
        )

    def _moments(
        self,
        query: Query,
        *,
        k: int,
        where: Where,
        templates: Templates,
        motion: bool,
        within_s: float,
        best: Mapping[str, float] | None,
    ) -> Answer[Moment]:
        """As `search`; ``best`` is how much the best frame of other libraries is believed, by question."""
        from seektrack.retrieval import SequenceSettings, find_moments

        asked = self._asked(query, "search", None, templates, motion=motion)
        found = find_moments(
            asked.store,
            self.models.encoder,
            asked.query,
            k=k,
            where=where,
            motion=asked.motion,
            templates=asked.templates,
            sequences=SequenceSettings(within_s=within_s),
            best=best,
        )
        return Answer(found, query=asked.query, notices=asked.notices)

    def hits(
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
        rank_by: RankBy = "confidence",
    ) -> Answer[Hit]:
        """Single frames and regions that show what a text says, best first; raises as :meth:`search`.

        Args:
            text, k, video, start_s, end_s, only, label, per_video, missing, where, translate, templates,
                motion: See :meth:`search`.
            min_confidence: Leave out what is less believed, 0.5 unless said; 0 gives the best ``k`` whatever
                they are.
            rank_by: ``"confidence"``, ``"cosine"``, ``"centred"``, ``"whitened"`` or ``"qb-norm"``.
        """
        from seektrack.retrieval import search

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
        asked = self._asked(text, "hits", translate, templates, motion=motion)
        found = search(
            asked.store,
            self.models.encoder,
            asked.query,
            k=k,
            where=there,
            motion=asked.motion,
            templates=asked.templates,
            rank_by=rank_by,
        )
        return Answer(found, query=asked.query, notices=asked.notices)

    def similar(
        self,
        image: NDArray[np.uint8],
        *,
        k: int = defaults.K,
        video: str | Path | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        only: Only | None = None,
        where: Where | None = None,
        per_video: int | None = None,
        missing: bool | None = None,
        min_confidence: float | None = None,
    ) -> Answer[Hit]:
        """Frames and regions that look like an RGB uint8 (H, W, 3) picture, best first; none when none does.

        Args:
            image: The picture.
            k, video, start_s, end_s, only, missing, where: See :meth:`search`.
            per_video: At most so many of one video; three while others have some to show when None.
            min_confidence: Leave out what is less believed, 0.5 when None; 0 gives the nearest ``k``.
        """
        from seektrack.retrieval import search_image

        there = where_of(
            where,
            video=video,
            start_s=start_s,
            end_s=end_s,
            only=only,
            min_confidence=min_confidence,
            per_video=per_video,
            missing=missing,
        )
        store = self._open_to_read()
        return Answer(search_image(store, self.models.encoder, image, k=k, where=there))

    def sequences(
        self,
        text: Question,
        *,
        k: int = defaults.K,
        video: str | Path | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        per_video: int | None = None,
        missing: bool | None = None,
        where: Where | None = None,
        within_s: float = defaults.WITHIN_S,
        translate: str | Translator | None = None,
        templates: Templates = "auto",
        motion: bool = True,
    ) -> Answer[Chain]:
        """Chains of moments in the order asked, ``"a red car appears" -> "a dog leaves"``.

        :meth:`search` gives the same for a text with an order; here the texts of a list are its steps.

        Args:
            text: Any number of steps with arrows between them, or a list of steps.
            k, video, start_s, end_s, per_video, missing, where, translate, templates, motion: See
                :meth:`search`.
            within_s: Most seconds from the end of one step to the beginning of the next.

        Raises:
            QueryError: A step is empty.
        """
        from seektrack.retrieval import FrameScorer, SequenceSettings, find_sequences, known_video

        there = where_of(
            where, video=video, start_s=start_s, end_s=end_s, per_video=per_video, missing=missing
        )
        asked = self._asked(text, "search", translate, templates, motion=motion, ordered=True)
        scorer = FrameScorer(asked.store, self.models.encoder, motion=asked.motion, templates=asked.templates)
        found = find_sequences(
            scorer,
            asked.query,
            k=k,
            where=known_video(asked.store, there),
            settings=SequenceSettings(within_s=within_s),
        )
        return Answer(found, query=asked.query, notices=asked.notices)

    def align(
        self,
        texts: Sequence[TimedText],
        video: str | Path,
        *,
        translate: str | Translator | None = None,
        templates: Templates = "auto",
        motion: bool = True,
    ) -> Answer[Moment]:
        """Place texts with intervals of their own in a video, in order; one moment each.

        Args:
            texts: In order; each is read as a question whose things show together.
            video: In which they are placed.
            translate, templates, motion: See :meth:`search`.

        Raises:
            QueryError: The texts are out of order.
            InputError: The video is not in the library.
        """
        from seektrack.retrieval import FrameScorer, align_texts

        lines = [self._asked(text.text, "align", translate, templates, motion=motion) for text in texts]
        store = self._open_to_read()
        scorer = FrameScorer(
            store,
            self.models.encoder,
            motion=self._motion(store) if motion else None,
            templates=self._templates(store, templates),
        )
        read_before = [replace(text, text=one.query) for text, one in zip(texts, lines, strict=True)]
        found = align_texts(scorer, read_before, str(video))
        return Answer(found, notices=(notice for one in lines for notice in one.notices))

    def compare(
        self,
        texts: Sequence[str | Query],
        *,
        k: int = defaults.K,
        translate: str | Translator | None = None,
        templates: Templates = "auto",
    ) -> Comparison:
        """How each of some wordings ranks the frames of this library.

        Args:
            texts: The wordings, read as :meth:`search` reads them.
            k: Frames listed for each.
            translate, templates: See :meth:`search`.

        Raises:
            QueryError: There is no wording, one has no words, or the templates are unknown.
        """
        from seektrack.retrieval import compare_prompts

        asked = [self._asked(text, "compare", translate, templates, motion=False) for text in texts]
        store = self._open_to_read()
        compared = compare_prompts(
            store,
            self.models.encoder,
            [one.query for one in asked],
            k=k,
            templates=self._templates(store, templates),
        )
        return replace(compared, notices=tuple(dict.fromkeys(n for one in asked for n in one.notices)))

    def _asked(
        self,
        text: Question,
        door: str,
        translate: str | Translator | None,
        templates: Templates,
        *,
        motion: bool,
        ordered: bool = False,
    ) -> _Asked:
        """A question, read once, with what it is asked of."""
        query = read(text, translate=as_translator(translate))
        if ordered and not query.ordered:
            query = replace(query, ordered=True)
        store = self._open_to_read()
        encoder = self.models.encoder
        clips = self._motion(store) if motion else None
        notices = (
            *query.notices,
            *check_language(encoder, query),
            *left_aside(query, door=door, clips=clips is not None),
        )
        return _Asked(query, store, clips, self._templates(store, templates), notices)

    def _templates(self, store: LibraryStore, templates: Templates) -> Templates:
        """The wordings; those by what the library shows are made of it."""
        from seektrack.retrieval import library_templates

        if templates == "library":
            return library_templates(store, self.models.encoder)
        return check_templates(templates)

    def corrected(self, text: str) -> Correction:
        """A query with mistyped words put right by what the library's model knows; nothing is searched."""
        from seektrack.encoders.spelling import speller_for

        self._open_to_read()  # another model is told before it is fetched or loaded
        return speller_for(self.models.encoder).correct(text)

    def build_index(self, settings: IndexSettings | None = None) -> IndexManifest:
        """Build the search index of a large library now, of a kind you choose; searches do so too."""
        return self._open_to_read(check=False).build_index(settings)


@dataclass(frozen=True)
class _Asked:
    query: Query
    store: LibraryStore
    motion: MotionScorer | None
    templates: Templates
    notices: tuple[str, ...]


def where_of(where: Where | None, **given: Any) -> Where:
    """All filters in one, given so or one by one; those that are None were not given."""
    said = {name: value for name, value in given.items() if value is not None}
    if where is not None and said:
        raise InputError(
            f"both where and {', '.join(said)} given", hint="put all filters into where=Where(...)"
        )
    return Where.of(**said) if where is None else where
