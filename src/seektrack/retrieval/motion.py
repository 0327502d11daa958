"""What happens in stretches of video, joined with what frames show: ``a red car moving left``.

Frames name things better than clips do, and cannot tell left from right, coming from going, or what came
first. So where a query asks for such a thing, its things are looked for in frames and their regions as
always, and each stretch that a temporal encoder embedded is asked whether they do there what the text says,
rather than the reverse or nothing. A frame is then believed as much as the things on it, times what the best
stretch around it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.library import LibraryStore, Where
from seektrack.library.clips import ClipRows, ClipShelf
from seektrack.query import Concept, Query, languages, read
from seektrack.retrieval.confidence import query_probability


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
class Asked:
    """One text that clips are asked.

    Attributes:
        text: What the temporal encoder is asked.
        against: Texts that say it of the same things but otherwise, or nothing of what they do.
    """

    text: str
    against: tuple[str, ...]


@dataclass(frozen=True)
class MotionQuery:
    """What a question asks that only clips show.

    Attributes:
        clauses: What clips are asked; all of it has to happen.
        things: What frames are asked: one text, or two where an order of events is asked.
        each: The things need not show together.
    """

    clauses: tuple[Asked, ...]
    things: tuple[str, ...]
    each: bool = False

    @property
    def text(self) -> str:
        """The first text clips are asked."""
        return self.clauses[0].text

    @property
    def against(self) -> tuple[str, ...]:
        """What stands against it."""
        return self.clauses[0].against


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

    def happening(self, asked: MotionQuery, where: Where | None = None) -> Happening:
        """How far to believe each stretch, under a filter.

        Raises:
            LibraryMismatchError: The stretches were made by another temporal encoder.
        """
        encoder = self._load()
        self._shelf.require(name=encoder.name, fingerprint=encoder.fingerprint)
        rows = self._shelf.rows(None if where is None else replace(where, kinds=()))
        s = self._settings
        belief = np.ones(len(rows))
        for one in asked.clauses:
            texts = list(dict.fromkeys((one.text, *one.against)))
            vectors = encoder.embed_texts(texts)
            share = query_probability(
                rows.vectors,
                vectors[0],
                vectors[1:],
                logit_scale=encoder.logit_scale,
                temperature=s.temperature,
            )
            # Before looking it is as likely as not, however many texts stand against it.
            odds = share / np.maximum(1 - share, 1e-12) * (len(texts) - 1)
            belief *= (odds / (1 + odds)) ** s.weight
        return Happening(rows, belief, asked.each)


def parse_motion(query: str | Query) -> MotionQuery | None:
    """What a question asks of clips, or None when single frames can answer it.

    >>> parse_motion("a red car moving left").things
    ('a red car',)
    >>> parse_motion("a running dog") is None
    True
    """
    asked = read(query)
    if asked.ordered:
        return _order(asked) if asked.close and len(asked.groups) == 2 else None
    (group, *others) = asked.groups
    asks = [] if others else list(dict.fromkeys(c.clause for c in group if c.clause is not None))
    if not asks:
        return None
    things = " and ".join(c.text for c in group)
    clauses = [Asked(clause.text, (*clause.otherwise, things)) for clause in asks]
    return MotionQuery(tuple(clauses), (things,))


def _order(query: Query) -> MotionQuery | None:
    first, second = (group[0] for group in query.groups)
    if first.clause is None or second.clause is None or any(len(g) > 1 for g in query.groups):
        return None
    language = languages()[first.language]
    then, both = language.order
    one, other = first.clause.text, second.clause.text
    whole = f"{one}, {then} {other}"
    things = (first.text,) if _same(first, second) else (first.text, second.text)
    return MotionQuery(
        (Asked(whole, (f"{other}, {then} {one}", f" {both} ".join(things))),), things, each=len(things) > 1
    )


def _same(first: Concept, second: Concept) -> bool:
    """``a car stops, then the car starts``: one thing, not two."""
    alike = second.colour is None or second.colour == first.colour
    return second.category == "it" or (second.category == first.category and alike)
