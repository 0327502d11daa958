"""A script laid along a video: texts with intervals of their own find where each is shown, in order.

The texts' own times (of a shooting script, subtitles of another cut, a list of steps) need not fit the video:
what counts is their order, how long each lasts, and about how far apart they lie. Dynamic programming places
them so that the mean belief over each stretch is high and the distances are kept where nothing speaks against
it.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, QueryError
from seektrack.library import Where
from seektrack.query import Query, read
from seektrack.retrieval.segments import SegmentScorer, SegmentScores
from seektrack.types import Moment

MAX_PLACES = 2000
"""Beginnings looked at in one video; of more, an even sample."""
TINY = 1e-3
TOO_SHORT = 10.0
"""Log-belief it costs to lay a text on the one before it, where the video has no room for both."""
_SRT_TIME = r"(\d+):(\d\d):(\d\d)[,.](\d{1,3})"
_SRT_LINE = re.compile(rf"^\s*{_SRT_TIME}\s*-->\s*{_SRT_TIME}")


@dataclass(frozen=True)
class TimedText:
    """A text and the interval it was meant for.

    Attributes:
        text: What shows, in words or as it was read.
        start_s, end_s: Seconds on a clock of its own.
    """

    text: str | Query
    start_s: float
    end_s: float


@dataclass(frozen=True)
class AlignSettings:
    """What an alignment is judged by.

    Attributes:
        stretch: Log-belief a second costs by which two texts lie nearer or farther apart than on their own
            clock.
        max_overlap_s: How far one text may begin before the one before it has ended.
    """

    stretch: float = 0.03
    max_overlap_s: float = 0.5


def align_texts(
    scorer: SegmentScorer,
    texts: Sequence[TimedText],
    video: str,
    *,
    settings: AlignSettings | None = None,
) -> list[Moment]:
    """Place every text in a video, in order.

    Args:
        scorer: Where beliefs come from, such as a `FrameScorer`.
        texts: In order; each lasts as long as its interval.
        video: The video.
        settings: What an alignment is judged by.

    Returns:
        A moment for each text; its confidence is the mean belief over it, low where the text shows nowhere.

    Raises:
        QueryError: No texts, an interval that ends before it begins, or texts out of order.
        InputError: The video is not in the library.
    """
    s = settings or AlignSettings()
    _check(texts)
    scores = [_only(scorer(_one(text), Where(video=video)), video) for text in texts]
    first = scores[0]
    starts = first.starts[:: -(-len(first.starts) // MAX_PLACES)]
    lengths = [t.end_s - t.start_s for t in texts]
    held = [_mean_belief(one, starts, length) for one, length in zip(scores, lengths, strict=True)]
    place = _place(held, starts, texts, s)
    return [
        _moment(one, float(starts[at]), length, float(mean[at]))
        for one, at, length, mean in zip(scores, place, lengths, held, strict=True)
    ]


def _one(text: TimedText) -> Query:
    """What a line says; all of it is looked for at once."""
    query = read(text.text)
    together = tuple(concept for group in query.groups for concept in group)
    return replace(query, groups=(together,), ordered=False, close=False)


def read_srt(text: str) -> list[TimedText]:
    """Subtitles in SubRip form as timed texts.

    Raises:
        QueryError: There is not one line of times followed by text.
    """
    found: list[TimedText] = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip("\ufeff\n ")):
        lines = block.split("\n")
        at = next((i for i, line in enumerate(lines) if _SRT_LINE.match(line)), None)
        if at is None:
            continue
        match = _SRT_LINE.match(lines[at])
        spoken = " ".join(re.sub(r"<[^>]+>", "", line).strip() for line in lines[at + 1 :]).strip()
        if match and spoken:
            found.append(TimedText(spoken, _seconds(match.groups()[:4]), _seconds(match.groups()[4:])))
    if not found:
        raise QueryError(
            "no timed text found", hint="write SubRip: 00:00:01,000 --> 00:00:03,000 and the text below it"
        )
    return found


def _seconds(parts: Sequence[str]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _check(texts: Sequence[TimedText]) -> None:
    if not texts:
        raise QueryError("there are no texts to align")
    for text in texts:
        if not (math.isfinite(text.start_s) and text.end_s >= text.start_s):
            raise QueryError(
                f"the interval {text.start_s:g}–{text.end_s:g} s of {str(text.text)!r} ends before it begins"
            )
    for before, after in itertools.pairwise(texts):
        if after.start_s < before.start_s:
            raise QueryError(
                f"{str(after.text)!r} begins before {str(before.text)!r}",
                hint="list the texts in order of time",
            )


def _only(scores: Sequence[SegmentScores], video: str) -> SegmentScores:
    if len(scores) != 1 or not len(scores[0].starts):
        raise InputError(f"the library holds nothing of {video!r}", hint="index the video first")
    return scores[0]


def _mean_belief(one: SegmentScores, starts: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """Mean belief from each beginning over a length of seconds, stretches weighted by their share in it."""
    edges = np.append(one.starts, one.ends[-1])
    widths = np.maximum(np.diff(edges), 0)
    area = np.concatenate([[0.0], np.cumsum(one.belief * widths)])
    if length <= 0:
        at = np.clip(np.searchsorted(one.starts, starts, side="right") - 1, 0, len(one.belief) - 1)
        return np.asarray(one.belief[at], dtype=np.float64)
    until = starts + length
    held = np.interp(until, edges, area) - np.interp(starts, edges, area)
    return np.asarray(np.clip(held / length, 0.0, 1.0), dtype=np.float64)


def _place(
    held: Sequence[NDArray[np.float64]],
    starts: NDArray[np.float64],
    texts: Sequence[TimedText],
    s: AlignSettings,
) -> list[int]:
    value = np.log(np.maximum(held[0], TINY))
    back: list[NDArray[np.int64]] = []
    apart = starts[:, None] - starts[None, :]  # from row to column before it, in seconds
    for before, text, mean in zip(texts, texts[1:], held[1:], strict=False):
        meant = text.start_s - before.start_s
        least = min(before.end_s - before.start_s - s.max_overlap_s, meant)
        step = value[None, :] - s.stretch * np.abs(apart - meant)
        step = np.where(apart >= max(least, 0.0), step, -math.inf)
        came = step.argmax(axis=1)
        best = step[np.arange(len(starts)), came]
        # A video too short for all texts still places them, one on the other at its end.
        stuck = np.isneginf(best)
        came = np.where(stuck, np.arange(len(starts)), came)
        best = np.where(stuck, value - TOO_SHORT, best)
        value = best + np.log(np.maximum(mean, TINY))
        back.append(came)
    path = [int(value.argmax())]
    for came in reversed(back):
        path.append(int(came[path[-1]]))
    return path[::-1]


def _moment(one: SegmentScores, start: float, length: float, confidence: float) -> Moment:
    inside = np.flatnonzero((one.starts >= start - 1e-9) & (one.starts <= start + max(length, 0.0)))
    at = int(inside[one.belief[inside].argmax()]) if len(inside) else int(np.argmax(one.starts >= start))
    end = min(start + length, float(one.ends[-1]))
    key = one.key(at)
    return Moment(one.path, start, end, key, confidence, domain=key.domain)
