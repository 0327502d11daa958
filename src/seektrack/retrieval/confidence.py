"""How far to believe that a picture shows what was asked: pure functions over arrays.

A cosine has no meaning by itself: 0.91 is a match for one query and noise for another. Two steps turn it
into a belief in [0, 1]:

1. `query_probability`: the query competes with texts of everything else the picture could show, in the
   softmax the model was trained with.
2. `temporal_evidence`: what is there stays there for a while. A two-state Markov chain over the sampled
   frames (present, absent) weighs each frame against its neighbours, so that several good sightings in a row
   are believed and a single flash among clear misses is not.

Every number that can be calibrated is in `ConfidenceSettings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seektrack.query import singular, words_of
from seektrack.query.spoken.en import LANGUAGE as ENGLISH
from seektrack.retrieval.lanes import passed_on

if TYPE_CHECKING:
    from seektrack.retrieval.kinds import Kinds

BLOCK = 8192
IN_CACHE = 256
"""Rows of which everything is done while they are near the processor."""
_FRAMING_WORDS = """
photo photograph picture image frame video close up of there is are in on at the scene with and find show
it its
"""
_FRAMING = frozenset(_FRAMING_WORDS.split()) | ENGLISH.articles
_ANYTHING = frozenset({"object", "thing", "something", "anything", "item"})


@dataclass(frozen=True)
class ConfidenceSettings:
    """What decides how scores become beliefs.

    Attributes:
        temperature: Divides the logits; above 1 the model is taken to be less sure than it says.
        max_cosine: A contrast text nearer to the query than this says the same and does not compete.
        dwell_s: How long, in seconds, a thing stays in view or out of view on average.
        prior: Share of frames that show what is asked for, before looking. An isolated frame keeps its own
            probability whatever this is; below it, a neighbour counts as evidence of absence.
        weight: How much one neighbouring frame counts, as neighbours repeat each other; 1 takes them as
            independent witnesses.
        floor: No single frame is surer than this of absence, or of presence than its complement.
    """

    temperature: float = 1.0
    max_cosine: float = 0.97
    dwell_s: float = 1.5
    prior: float = 0.2
    weight: float = 0.15
    floor: float = 0.01


@lru_cache(maxsize=16_384)
def content_words(text: str) -> tuple[str, ...]:
    """Words that say what is shown, in the singular, in order; framing such as "a photo of" is left out."""
    words = [singular(w) for w in words_of(text) if w not in _FRAMING]
    specific = [w for w in words if w not in _ANYTHING]
    return tuple(specific or words)


def competitors(
    query: str,
    query_vector: NDArray[np.float32],
    texts: Sequence[str],
    vectors: NDArray[np.float32],
    *,
    max_cosine: float = 0.97,
    kinds: Kinds | None = None,
) -> NDArray[np.bool_]:
    """Which contrast texts a query has to beat: all but those it agrees with.

    A text does not compete when a picture of it is a picture of the query (``"a red car"`` for ``"a car"``,
    ``"a bee"`` for ``"an insect"`` or the other way round), when it says a part of the query (``"a red car"``
    for ``"a red car on a bridge"``), or when the encoder takes the two for the same.

    Args:
        query: What is asked for.
        query_vector: Its embedding, float32 (D,), unit length.
        texts: C contrast texts.
        vectors: Their embeddings, float32 (C, D), unit length.
        max_cosine: See `ConfidenceSettings`.
        kinds: What is a kind of what; nothing when None.

    Returns:
        bool (C,).
    """
    asked = content_words(query)
    keep = vectors @ query_vector <= max_cosine
    if kinds is not None:
        keep &= ~kinds.related(query, texts)
    words = frozenset(asked)
    for i, text in enumerate(texts):
        said = content_words(text)
        shows_it = bool(asked) and words.issubset(said)
        says_part = (
            bool(said)
            and said[0] in words
            and any(asked[j : j + len(said)] == said for j in range(len(asked)))
        )
        if shows_it or says_part:
            keep[i] = False
    return np.asarray(keep, dtype=bool)


def supporters(query: str, labels: Sequence[str], *, kinds: Kinds | None = None) -> NDArray[np.bool_]:
    """Which of C names are kinds of what is asked for, bool (C,).

    ``"a red car"`` for ``"a car"``; with ``kinds`` also ``"a bee"`` for ``"an insect"``.
    """
    asked = set(content_words(query)) - _ANYTHING
    said = np.array([bool(asked) and asked < set(content_words(label)) for label in labels], dtype=bool)
    return said if kinds is None else said | kinds.below(query, labels)


def query_probability(
    vectors: NDArray[np.floating],
    query: NDArray[np.float32],
    contrast: NDArray[np.float32],
    *,
    logit_scale: float,
    temperature: float = 1.0,
    support: NDArray[np.float32] | None = None,
    group: bool = False,
    shares_from: int | None = None,
) -> NDArray[np.float64]:
    """Share of the query in a softmax against the contrast texts, for each picture.

    With ``support``, the best of the query and these texts takes the query's place: a model that was taught
    "a red car" and "a blue car" places pictures of cars at those names, and "a car" lies between them. Where
    names were learnt as shares of one whole, they count together: what may be a man and may be a woman is
    a person. A ``group`` is believed by its members alone, all of them together; its own text competes with
    them, as what is like "a vehicle" and like no vehicle in particular is hardly one.

    Args:
        vectors: (N, D) picture embeddings of unit length.
        query: (D,) query embedding of unit length.
        contrast: (C, D) embeddings of the texts that compete.
        logit_scale: The encoder's.
        temperature: See `ConfidenceSettings`.
        support: (A, D) embeddings of kinds of what is asked for, or None.
        group: Whether the query names these kinds together and nothing that is shown by itself.
        shares_from: Pictures with more than half of their squared length in the numbers of their embedding
            from this one on have names that are shares of one whole; None where no picture has.

    Returns:
        (N,) in (0, 1); with no contrast texts, all 1.
    """
    own = query[None] if support is None else np.concatenate([query[None], support])
    texts = np.concatenate([own, contrast]).astype(np.float32, copy=False)
    out = np.empty(len(vectors), dtype=np.float64)
    for start, cosines in cosines_in_blocks(vectors, texts.T):
        for first in range(0, len(cosines), IN_CACHE):
            logits = cosines[first : first + IN_CACHE]
            logits *= np.float32(logit_scale / temperature)
            logits -= logits.max(axis=1, keepdims=True)
            shares = np.exp(logits, out=logits)
            kinds = shares[:, : len(own)]
            here = slice(start + first, start + first + len(shares))
            asked = (kinds[:, 1:].sum(axis=1) if group else kinds.max(axis=1)).astype(np.float64)
            rest = shares[:, len(own) :].sum(axis=1)
            against = rest + kinds[:, 0] if group else rest
            if shares_from is not None and len(own) > 1:
                part = np.asarray(vectors[here, shares_from:], np.float32)
                whole = np.einsum("nd,nd->n", part, part) > 0.5
                asked, against = np.where(whole, (kinds.sum(axis=1), rest), (asked, against))
            out[here] = asked / (asked + against)
    return out


def cosines_in_blocks(
    vectors: NDArray[np.floating], texts: NDArray[np.float32]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Inner products of (N, D) pictures with (D, C) texts, block by block: its first row and (B, C).

    What is given is written over by the next block; fresh memory costs as much as the products do.
    """
    n = min(BLOCK, len(vectors))
    rows = None if vectors.dtype == np.float32 else np.empty((n, len(texts)), dtype=np.float32)
    out = np.empty((n, texts.shape[1]), dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        if rows is not None:
            rows[: len(block)] = block
            block = rows[: len(block)]
        yield start, np.matmul(block, texts, out=out[: len(block)])


def temporal_evidence(
    probability: NDArray[np.float64],
    times: NDArray[np.float64],
    settings: ConfidenceSettings | None = None,
    *,
    bounds: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Belief that the thing is present on each sampled frame, given all frames of its video.

    The posterior of a continuous-time two-state Markov chain (forward-backward, Rabiner 1989), its
    stationary distribution ``prior``, its relaxation time ``dwell_s``. Each frame's own probability is its
    posterior when seen alone, so far-apart frames keep it; close ones lend each other ``weight`` of their
    evidence.

    Args:
        probability: (T,) of each frame alone, in [0, 1].
        times: (T,) seconds, ascending within a video; gaps of any size.
        settings: Defaults when None.
        bounds: (V + 1,) where the frames of each of several videos begin, and T; all are of one when None.

    Returns:
        (T,) in (0, 1).
    """
    s = settings or ConfidenceSettings()
    n = len(probability)
    if n == 0:
        return np.zeros(0)
    bounds = np.array([0, n]) if bounds is None else bounds
    base = np.array([1 - s.prior, s.prior])
    evidence = log_odds(np.clip(probability, s.floor, 1 - s.floor)) - log_odds(np.float64(s.prior))
    ratio = np.exp(s.weight * evidence)
    gaps = np.zeros(n)
    gaps[:-1] = np.diff(times)
    gaps[bounds[1:][np.diff(bounds) > 0] - 1] = 0.0
    decay = np.exp(-gaps / s.dwell_s)
    # Log odds of presence from the frames before, and from those behind.
    ahead = log_odds(passed_on(float(base[1]), ratio, decay, bounds))
    back = np.append(decay[-2::-1], 1.0)
    behind = log_odds(passed_on(float(base[1]), ratio[::-1], back, n - bounds[::-1]))[::-1]
    neighbours = (ahead - log_odds(base[1])) + (behind - log_odds(base[1]))
    own = log_odds(np.clip(probability, 1e-9, 1 - 1e-9))
    return sigmoid(own + neighbours)


def frame_best(
    of_row: NDArray[np.int64], firsts: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The row of greatest value of each frame, the first where several are; (T,).

    Args:
        of_row: (N,) frame of each row, ascending.
        firsts: (T,) first row of each frame.
        values: (N,) value of each row.
    """
    if not len(firsts):
        return np.zeros(0, dtype=np.int64)
    greatest = np.flatnonzero(values == np.maximum.reduceat(values, firsts)[of_row])
    frames = of_row[greatest]
    first = np.ones(len(frames), dtype=bool)
    first[1:] = frames[1:] != frames[:-1]
    return np.asarray(greatest[first], dtype=np.int64)


def shift_rows(
    rows: NDArray[np.float64], frame_before: NDArray[np.float64], frame_after: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give each row the change, in log odds, that the evidence over time made to its frame's best row."""
    tiny = 1e-9
    clip = [np.clip(x, tiny, 1 - tiny) for x in (rows, frame_before, frame_after)]
    return sigmoid(log_odds(clip[0]) + log_odds(clip[2]) - log_odds(clip[1]))


def log_odds(p: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    """``log(p / (1 - p))`` of probabilities strictly between 0 and 1."""
    return np.asarray(np.log(p) - np.log1p(-p), dtype=np.float64)


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of `log_odds`, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(x / 2)), dtype=np.float64)
