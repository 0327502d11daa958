"""What happens in stretches of video, joined with what frames show: ``a red car moving left``.

Frames name things better than clips do, and cannot tell left from right, coming from going, or what came
first. So a query that asks for such a thing is taken apart (`motion_words`): its things are looked for in
frames and their regions as always, and each stretch that a temporal encoder embedded is asked whether they do
there what the text says, rather than the reverse or nothing. A frame is then believed as much as the things
on it, times what the best stretch around it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.translation import Translator
from seektrack.encoders.weighted import parse_weighted
from seektrack.library import LibraryStore, Where
from seektrack.library.clips import ClipRows, ClipShelf
from seektrack.retrieval.confidence import query_probability
from seektrack.retrieval.framing import unframed
from seektrack.retrieval.motion_words import MotionQuery, parse_motion


class TemporalTexts(Protocol):
    """The half of a temporal encoder that searches need."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def logit_scale(self) -> float: ...  # noqa: D102

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts as float32 (N, D) rows of unit length."""
        ...


@dataclass(frozen=True)
class MotionSettings:
    """How far clips are believed. Chosen on validation footage of the world.

    Attributes:
        temperature: Divides the temporal encoder's logits.
        weight: Exponent of what the clips say, beside what the frames say.
    """

    temperature: float = 2.0
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Happening:
    """What every stretch says to one query.

    Attributes:
        rows: S stretches.
        belief: (S,) in [0, 1], that it happens there if the things are there.
        each: The things need not show together: it is enough that each shows within the stretch.
    """

    rows: ClipRows
    belief: NDArray[np.float64]
    each: bool

    def on_frames(
        self, video_id: int, times: NDArray[np.float64], things: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What to multiply the belief in each frame of a video by, (T,) in [0, 1].

        Args:
            video_id: The video.
            times: (T,) seconds of its frames, ascending.
            things: (J, T), how well each frame shows each thing.
        """
        out = np.zeros(len(times))
        best = np.maximum(things.max(axis=0), 1e-12)
        for i in np.flatnonzero(self.rows.video_ids == video_id):
            first = int(np.searchsorted(times, self.rows.starts[i] - 1e-6))
            last = int(np.searchsorted(times, self.rows.ends[i] + 1e-6))
            if last == first:  # no frame was looked at while it lasted: the one before still stands for it
                first, last = max(first - 1, 0), max(first, 1)
            share = self.belief[i]
            if self.each:
                together = np.exp(np.log(np.maximum(things[:, first:last].max(axis=1), 1e-12)).mean())
                share *= min(together / best[first:last].max(), 1.0)
            out[first:last] = np.maximum(out[first:last], share)
        return out


class MotionScorer:
    """Asks the stretches of a library.

    Args:
        store: The library, which keeps stretches.
        load: Gives the temporal encoder that made them; called when a text first asks for something that
            happens.
        settings: How far it is believed.
    """

    def __init__(
        self,
        store: LibraryStore,
        load: Callable[[], TemporalTexts],
        *,
        settings: MotionSettings | None = None,
    ) -> None:
        self._shelf, self._load = ClipShelf(store), load
        self._settings = settings or MotionSettings()

    def read(self, text: str, translator: Translator | None = None) -> MotionQuery | None:
        """What a query asks of clips; None when frames alone can answer it.

        A query to be translated is read in translation, one with weights or exclusions is then left to the
        frames.
        """
        if translator is None:
            return parse_motion(unframed(text))
        shaped = parse_weighted(text)
        return None if shaped.without or shaped.emphasis else parse_motion(translator([text])[0])

    def happening(self, asked: MotionQuery, where: Where | None = None) -> Happening:
        """How far to believe each stretch, under a filter.

        Raises:
            LibraryMismatchError: The stretches were made by another temporal encoder.
        """
        encoder = self._load()
        self._shelf.require(name=encoder.name, fingerprint=encoder.fingerprint)
        rows = self._shelf.rows(None if where is None else replace(where, kinds=()))
        texts = list(dict.fromkeys(parse_weighted(t).text for t in (asked.text, *asked.against)))
        vectors = encoder.embed_texts(texts)
        s = self._settings
        share = query_probability(
            rows.vectors,
            vectors[0],
            vectors[1:],
            logit_scale=encoder.logit_scale,
            temperature=s.temperature,
        )
        # Before looking it is as likely as not, however many texts stand against it.
        odds = share / np.maximum(1 - share, 1e-12) * (len(texts) - 1)
        return Happening(rows, (odds / (1 + odds)) ** s.weight, len(asked.things) > 1)
