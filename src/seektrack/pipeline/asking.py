"""What a library can be asked: moments, hits, pictures like one, chains of moments, scripts, wordings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.library import IndexManifest, IndexSettings, Kind, LibraryStore
from seektrack.pipeline.models import Models
from seektrack.types import Hit, Moment

if TYPE_CHECKING:
    from seektrack.encoders.spelling import Correction
    from seektrack.encoders.translation import Translator
    from seektrack.retrieval import Chain, Comparison, MotionScorer, RankBy, TimedText

Only = Literal["objects", "frames"]
_KINDS: dict[str, tuple[Kind, ...]] = {"objects": ("object", "tile"), "frames": ("frame",)}


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
        text: str,
        *,
        k: int = 10,
        video: str | Path | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        only: Only | None = None,
        translate: str | Translator | None = None,
        motion: bool = True,
    ) -> list[Moment]:
        """Moments that show what a text says, best first; empty when nothing does.

        Args:
            text: What to look for; weights and exclusions are read, ``"a (black:1.5) dog -night"``.
            k: At most so many.
            video: Only in this video.
            start_s, end_s: Only in this window of seconds.
            only: ``"objects"`` looks at proposed regions only, ``"frames"`` at whole frames only.
            translate: A translator, or the name, folder or hub id of one, for a text in another language.
            motion: Ask the temporal encoder about what the text says happens, in a library indexed with one.

        Raises:
            QueryError: The text is empty, or a weight in it cannot be read.
            LibraryError: There is no library here.
            LibraryMismatchError: It was made by another model.
        """
        from seektrack.retrieval import find_moments

        store = self._open_to_read()
        return find_moments(
            store,
            self.models.encoder,
            text,
            k=k,
            video=_name(video),
            start_s=start_s,
            end_s=end_s,
            kinds=_kinds(only),
            translator=_translator(translate),
            motion=self._motion(store) if motion else None,
        )

    def hits(
        self,
        text: str,
        *,
        k: int = 10,
        video: str | Path | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        only: Only | None = None,
        translate: str | Translator | None = None,
        motion: bool = True,
        label: str | None = None,
        min_confidence: float = 0.5,
        rank_by: RankBy = "confidence",
    ) -> list[Hit]:
        """Single frames and regions that show what a text says, best first; raises as :meth:`search`.

        Args:
            text, k, video, start_s, end_s, only, translate, motion: See :meth:`search`.
            label: Only pictures that also show this.
            min_confidence: Leave out what is less believed; 0 gives the best ``k`` whatever they are.
            rank_by: ``"confidence"``, ``"cosine"``, ``"centred"``, ``"whitened"`` or ``"qb-norm"``.
        """
        from seektrack.retrieval import search

        store = self._open_to_read()
        return search(
            store,
            self.models.encoder,
            text,
            k=k,
            video=_name(video),
            start_s=start_s,
            end_s=end_s,
            kinds=_kinds(only),
            translator=_translator(translate),
            motion=self._motion(store) if motion else None,
            label=label,
            min_confidence=min_confidence,
            rank_by=rank_by,
        )

    def similar(
        self,
        image: NDArray[np.uint8],
        *,
        k: int = 10,
        video: str | Path | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        only: Only | None = None,
    ) -> list[Hit]:
        """Frames and regions that look like an RGB uint8 (H, W, 3) picture, best first."""
        from seektrack.retrieval import search_image

        return search_image(
            self._open_to_read(),
            self.models.encoder,
            image,
            k=k,
            video=_name(video),
            start_s=start_s,
            end_s=end_s,
            kinds=_kinds(only),
        )

    def sequences(
        self,
        text: str,
        *,
        k: int = 10,
        video: str | Path | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        within_s: float = 30.0,
        translate: str | Translator | None = None,
        motion: bool = True,
    ) -> list[Chain]:
        """Chains of moments in the order asked, ``"a red car appears" -> "a dog leaves"``.

        Args:
            text: Any number of steps with arrows between them.
            k, video, start_s, end_s, translate, motion: See :meth:`search`.
            within_s: Most seconds from the end of one step to the beginning of the next.

        Raises:
            QueryError: A step is empty.
        """
        from seektrack.retrieval import FrameScorer, SequenceSettings, find_sequences

        store = self._open_to_read()
        scorer = FrameScorer(
            store,
            self.models.encoder,
            translator=_translator(translate),
            motion=self._motion(store) if motion else None,
        )
        return find_sequences(
            scorer,
            text,
            k=k,
            video=_name(video),
            start_s=start_s,
            end_s=end_s,
            settings=SequenceSettings(within_s=within_s),
        )

    def align(self, texts: Sequence[TimedText], video: str | Path) -> list[Moment]:
        """Place texts with intervals of their own in a video, in order; one moment each.

        Raises:
            QueryError: The texts are out of order.
            InputError: The video is not in the library.
        """
        from seektrack.retrieval import FrameScorer, align_texts

        return align_texts(FrameScorer(self._open_to_read(), self.models.encoder), texts, str(video))

    def compare(self, texts: Sequence[str], *, k: int = 10, templates: str = "auto") -> Comparison:
        """How each of some wordings ranks the frames of this library.

        Args:
            texts: The wordings.
            k: Frames listed for each.
            templates: How a noun phrase is worded; see `seektrack.encoders.embed_query`.

        Raises:
            QueryError: There is no wording, one has no words, or the templates are unknown.
        """
        from seektrack.retrieval import compare_prompts

        return compare_prompts(self._open_to_read(), self.models.encoder, texts, k=k, templates=templates)

    def corrected(self, text: str) -> Correction:
        """A query with mistyped words put right by what the model knows; nothing is searched."""
        from seektrack.encoders.spelling import speller_for

        return speller_for(self.models.encoder).correct(text)

    def build_index(self, settings: IndexSettings | None = None) -> IndexManifest:
        """Build the search index of a large library now, of a kind you choose; searches do so too."""
        return self._open_to_read(check=False).build_index(settings)


def _name(video: str | Path | None) -> str | None:
    return None if video is None else str(video)


def _kinds(only: str | None) -> tuple[Kind, ...]:
    if only is None:
        return ()
    if only not in _KINDS:
        raise InputError(f"cannot look only at {only!r}", hint=f"use {' or '.join(_KINDS)}")
    return _KINDS[only]


def _translator(translate: Any) -> Translator | None:
    if not isinstance(translate, str):
        translator: Translator | None = translate
        return translator
    from seektrack.encoders.translation import load_translator

    return load_translator(translate)
