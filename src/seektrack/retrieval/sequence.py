"""First this, then that: ``"a red car appears" -> "a dog leaves"`` found as chains of moments in one video.

Each step is scored over the stretches of a video; dynamic programming takes the best chain of stretches in
order, each beginning after the one before and no more than a window after its end. The work is linear in the
number of stretches and steps.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seektrack import defaults
from seektrack.errors import InputError
from seektrack.library import Where
from seektrack.query import Query, read
from seektrack.retrieval.segments import SegmentScorer, SegmentScores
from seektrack.types import Moment

Event = Literal["shows", "appears", "leaves"]
TINY = 1e-6


@dataclass(frozen=True)
class Step:
    """One link of a temporal query.

    Attributes:
        query: What it is about.
        event: Whether it has to show, to come into view, or to go out of it.
    """

    query: Query
    event: Event = "shows"


@dataclass(frozen=True)
class SequenceSettings:
    """What makes a chain.

    Attributes:
        within_s: Most seconds from the end of one step to the beginning of the next.
        min_confidence: Each step is believed at least this much.
        haste: Log-belief a second of waiting costs, so that of equal chains the tightest is taken.
        max_overlap: Of two chains of a video whose spans overlap by more (intersection over union), one
            stays.
        at_start: Belief that what shows in a video's first frame has just come into view.
    """

    within_s: float = defaults.WITHIN_S
    min_confidence: float = 0.5
    haste: float = 0.005
    max_overlap: float = 0.5
    at_start: float = 0.3


@dataclass(frozen=True)
class Chain(Moment):
    """Moments of one video that answer the steps of a temporal query, in order.

    It is a moment itself, from where the first step begins to where the last ends; its key is that of the
    first step, its confidence the geometric mean of the steps' beliefs.

    Attributes:
        moments: One a step.
    """

    moments: tuple[Moment, ...] = ()

    @classmethod
    def of(cls, moments: Sequence[Moment], confidence: float, *, query: str = "") -> Chain:
        """The chain of some moments of one video, in order."""
        first, end_s = moments[0], max(m.end_s for m in moments)
        outside = any(m.domain == "outside" for m in moments)
        return cls(
            first.video, first.start_s, end_s, first.key, confidence, query,
            domain="outside" if outside else first.domain, moments=tuple(moments),
        )  # fmt: skip


def steps_of(query: str | Sequence[str] | Query) -> tuple[Step, ...]:
    """The steps of a question.

    A thing that is asked for twice in a row has to come into view again for the second time.
    """
    asked = read(query)
    steps: list[Step] = []
    for one in asked.alone():
        events = {c.event for c in one.concepts}
        event: Event = "shows"
        if events <= {"appears", "leaves"} and len(events) == 1:
            event = "appears" if events == {"appears"} else "leaves"
            still = tuple(replace(c, event=None, clause=None) for c in one.concepts)
            one = replace(one, typed=one.text, groups=(still,))
        if event == "shows" and steps and steps[-1].query.text == one.text and steps[-1].event != "leaves":
            event = "appears"
        steps.append(Step(one, event))
    return tuple(steps)


def find_sequences(
    scorer: SegmentScorer,
    query: str | Sequence[str] | Query,
    *,
    k: int = defaults.K,
    where: Where | None = None,
    settings: SequenceSettings | None = None,
) -> list[Chain]:
    """Chains of moments that answer a question's steps in order, best first.

    Args:
        scorer: Where beliefs come from, such as a `FrameScorer`.
        query: A question with arrows, ``first … then …``, or a list of steps; any number.
        k: At most so many chains.
        where: Only there.
        settings: What makes a chain.

    Returns:
        Chains; none when no video shows all steps in order.

    Raises:
        QueryError: There is no step, or one is empty.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    s = settings or SequenceSettings()
    question = read(query)
    asked, there = steps_of(question), where or Where()
    if there.min_confidence is not None:
        s = replace(s, min_confidence=there.min_confidence)
    scored = {one: scorer(one, there) for one in dict.fromkeys(step.query for step in asked)}
    by_video: dict[str, dict[Query, SegmentScores]] = {}
    for one, of_videos in scored.items():
        for scores in of_videos:
            by_video.setdefault(scores.path, {})[one] = scores
    chains: list[Chain] = []
    for of_query in by_video.values():
        if len(of_query) == len(scored):
            most = k if there.per_video is None else min(k, there.per_video)
            chains += _chains_of([of_query[step.query] for step in asked], asked, most, s)
    return [replace(c, query=question.typed) for c in sorted(chains, key=rank)[:k]]


def event_belief(belief: NDArray[np.float64], event: Event, *, at_start: float = 0.3) -> NDArray[np.float64]:
    """Belief that an event happens at each stretch, from the belief that the thing shows there.

    It comes into view where it shows and did not just before; it leaves where it does not and did just
    before.
    """
    if event == "shows" or len(belief) == 0:
        return belief
    before = np.concatenate([belief[:1], belief[:-1]])
    if event == "leaves":
        return np.asarray(before * (1 - belief), dtype=np.float64)
    out = belief * (1 - before)
    out[0] = at_start * belief[0]
    return np.asarray(out, dtype=np.float64)


def best_chains(
    beliefs: Sequence[NDArray[np.float64]],
    starts: Sequence[NDArray[np.float64]],
    ends: Sequence[NDArray[np.float64]],
    *,
    within_s: float,
    haste: float = 0.0,
) -> tuple[NDArray[np.float64], list[NDArray[np.int64]]]:
    """Dynamic programme over one video.

    Args:
        beliefs: For each step, (S_i,) in [0, 1].
        starts, ends: For each step, (S_i,) seconds, ascending.
        within_s: See `SequenceSettings`.
        haste: See `SequenceSettings`.

    Returns:
        ``(values, back)``: for each stretch of the last step the log-belief of the best chain that ends there
        (-inf where there is none), and for each step but the first the stretch of the step before it, -1
        where there is none.
    """
    value = np.log(np.maximum(beliefs[0], TINY))
    back: list[NDArray[np.int64]] = []
    for i in range(1, len(beliefs)):
        came = np.full(len(beliefs[i]), -1, dtype=np.int64)
        best = np.full(len(beliefs[i]), -math.inf)
        # Waiting costs in proportion to time, so it is credited in advance and a running maximum suffices.
        credited = value + haste * starts[i - 1]
        window: deque[int] = deque()
        entering = 0
        for j, start in enumerate(starts[i]):
            while entering < len(credited) and starts[i - 1][entering] < start:
                while window and credited[window[-1]] <= credited[entering]:
                    window.pop()
                window.append(entering)
                entering += 1
            while window and ends[i - 1][window[0]] < start - within_s:
                window.popleft()
            if window and credited[window[0]] > -math.inf:
                came[j] = window[0]
                best[j] = credited[window[0]] - haste * start
        value = best + np.log(np.maximum(beliefs[i], TINY))
        back.append(came)
    return value, back


def _chains_of(
    scores: Sequence[SegmentScores], steps: Sequence[Step], k: int, s: SequenceSettings
) -> list[Chain]:
    beliefs = [
        event_belief(one.belief, step.event, at_start=s.at_start)
        for one, step in zip(scores, steps, strict=True)
    ]
    if any(b.max(initial=0.0) < s.min_confidence for b in beliefs):
        return []  # a chain is believed as little as its least step
    value, back = best_chains(
        beliefs,
        [one.starts for one in scores],
        [one.ends for one in scores],
        within_s=s.within_s,
        haste=s.haste,
    )
    found: list[Chain] = []
    order = np.argsort(-value, kind="stable")
    for last in order[beliefs[-1][order] >= s.min_confidence]:
        if value[last] == -math.inf or len(found) == k:
            break
        path = _walk_back(int(last), back)
        believed = [float(b[at]) for b, at in zip(beliefs, path, strict=True)]
        if min(believed) < s.min_confidence:
            continue
        moments = _moments(scores, steps, path, believed, s)
        confidence = float(np.exp(np.mean(np.log(believed))))
        chain = Chain.of(moments, confidence)
        if all(_span_iou(chain, other) <= s.max_overlap for other in found):
            found.append(chain)
    return found


def _walk_back(last: int, back: Sequence[NDArray[np.int64]]) -> list[int]:
    path = [last]
    for came in reversed(back):
        path.append(int(came[path[-1]]))
    return path[::-1]


def _moments(
    scores: Sequence[SegmentScores],
    steps: Sequence[Step],
    path: Sequence[int],
    believed: Sequence[float],
    s: SequenceSettings,
) -> tuple[Moment, ...]:
    """The steps as moments, none of which reaches back before the one in front of it began."""
    out: list[Moment] = []
    for one, step, at, belief in zip(scores, steps, path, believed, strict=True):
        begin = float("-inf") if not out else out[-1].key.time_s
        out.append(_moment(one, step, at, belief, s, begin))
    return tuple(out)


def _moment(
    one: SegmentScores, step: Step, at: int, belief: float, s: SequenceSettings, begin: float
) -> Moment:
    text = step.query.typed
    if step.event == "leaves":
        shown = max(at - 1, 0)
        start, end = float(one.starts[shown]), float(one.starts[at])
        return Moment(one.path, start, end, one.key(shown), belief, text)
    first = last = at
    stay = min(s.min_confidence, belief)
    while (
        step.event == "shows"
        and first > 0
        and one.belief[first - 1] >= stay
        and one.starts[first - 1] > begin
    ):
        first -= 1
    while last + 1 < len(one.belief) and one.belief[last + 1] >= stay:
        last += 1
    return Moment(one.path, float(one.starts[first]), float(one.ends[last]), one.key(at), belief, text)


def rank(chain: Chain) -> tuple[float, float, str, float]:
    """What chains are ordered by, best first."""
    return -round(chain.confidence, 4), chain.end_s - chain.start_s, chain.video, chain.start_s


def _span_iou(a: Chain, b: Chain) -> float:
    inter = max(0.0, min(a.end_s, b.end_s) - max(a.start_s, b.start_s))
    union = (a.end_s - a.start_s) + (b.end_s - b.start_s) - inter
    return inter / union if union > 0 else 1.0
