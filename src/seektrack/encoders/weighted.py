"""Weights and exclusions inside a query: ``a (black:1.5) dog -night -"a leash"``.

``(words:w)`` makes words count ``w`` times; ``-word``, ``-"more words"`` and ``-(words:w)`` ask for what does
not show them. The weight works on any encoder: what words add to a text is the difference its embedding makes
when they are left out, and ``w - 1`` times that difference is added (the scheme that diffusion prompting
calls compel weighting).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.base import Encoder, l2_normalise
from seektrack.encoders.prompts import TemplateChoice, clean_query, embed_queries
from seektrack.errors import QueryError

MAX_WEIGHT = 5.0
_NUMBER = r"\d*\.?\d+"
_EMPHASIS = re.compile(rf"\(\s*(?P<words>[^():]+?)\s*:\s*(?P<weight>{_NUMBER})\s*\)")
_EXCLUSION = re.compile(
    rf"(?:^|(?<=\s))-(?:\(\s*(?P<group>[^():]+?)\s*(?::\s*(?P<weight>{_NUMBER})\s*)?\)"
    r'|"(?P<quoted>[^"]+)"|(?P<word>[^\W_][^\s()":]*))(?=\s|$)'
)
_LEFT_OVER = re.compile(r"\([^()]*:[^()]*\)|\([^()]*:")


@dataclass(frozen=True)
class Weighted:
    """Some words and how much they count.

    Attributes:
        text: The words.
        weight: 1 is as usual; 0 leaves them out.
    """

    text: str
    weight: float


@dataclass(frozen=True)
class WeightedQuery:
    """A query taken apart.

    Attributes:
        text: What is asked for, without marks.
        emphasis: Words of ``text`` that count more or less.
        without: What must not show.
    """

    text: str
    emphasis: tuple[Weighted, ...] = ()
    without: tuple[Weighted, ...] = ()


def parse_weighted(text: str) -> WeightedQuery:
    """Read a query with weights and exclusions.

    >>> parse_weighted("a (black:1.5) dog -night").text
    'a black dog'

    Raises:
        QueryError: A weight is malformed or out of range, or nothing but exclusions is left.
    """
    without = tuple(
        Weighted(
            clean_query(m["group"] or m["quoted"] or m["word"]), _weight(m["weight"] or "1", m[0].strip())
        )
        for m in _EXCLUSION.finditer(text)
    )
    rest = _EXCLUSION.sub(" ", text)
    emphasis = tuple(Weighted(m["words"], _weight(m["weight"], m[0])) for m in _EMPHASIS.finditer(rest))
    plain = _EMPHASIS.sub(lambda m: str(m["words"]), rest)
    if _LEFT_OVER.search(plain):
        raise QueryError(
            f"cannot read the weight in {text!r}", hint='write (words:number), such as "a (black:1.5) dog"'
        )
    if without and not any(c.isalnum() for c in plain):
        raise QueryError(
            f"{text!r} says only what must not show", hint='say what to look for too: "a car -night"'
        )
    return WeightedQuery(clean_query(plain), emphasis, without)


def embed_weighted(
    encoder: Encoder, query: WeightedQuery, *, templates: TemplateChoice = "auto"
) -> NDArray[np.float32]:
    """Embed what is asked for with its emphasis, float32 (D,) of unit length; exclusions are not looked at.

    Raises:
        QueryError: The template set is unknown.
    """
    shorter = [_leave_out(query.text, e.text) for e in query.emphasis]
    kept = [(e, text) for e, text in zip(query.emphasis, shorter, strict=True) if text]
    rows = embed_queries(encoder, [query.text, *(text for _, text in kept)], templates=templates)
    vector = rows[0].copy()
    for (emphasis, _), without_it in zip(kept, rows[1:], strict=True):
        vector += (emphasis.weight - 1) * (rows[0] - without_it)
    return l2_normalise(vector)


def _weight(number: str, shown: str) -> float:
    weight = float(number)
    if not 0 <= weight <= MAX_WEIGHT:
        raise QueryError(f"the weight in {shown!r} must be from 0 to {MAX_WEIGHT:g}, got {number}")
    return weight


def _leave_out(text: str, words: str) -> str:
    """``text`` without some of its words; empty when nothing would be left to embed."""
    left = re.sub(rf"\s*(?<!\w){re.escape(words)}(?!\w)", "", text, count=1).strip()
    article = re.fullmatch(r"(?:an?|the)", left, re.IGNORECASE)
    return "" if article or not any(c.isalnum() for c in left) else left
