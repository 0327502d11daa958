"""First this, then that: ``"a red car appears" -> "a dog leaves"`` found as chains of moments in one video.

Each step is scored over the stretches of a video; dynamic programming takes the best chain of stretches in
order, each beginning after the one before and no more than a window after its end. The work is linear in the
number of stretches and steps.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, QueryError
from seektrack.library import Where
from seektrack.retrieval.segments import SegmentScorer, SegmentScores
from seektrack.types import Moment

Event = Literal["shows", "appears", "leaves"]
TINY = 1e-6
_ARROW = re.compile(r'\s*(?:->|→)\s*(?=(?:[^"]*"[^"]*")*[^"]*$)')
_LEADING = re.compile(r"^(?:and\s+)?(?:then|next|afterwards)[,\s]+", re.IGNORECASE)
_APPEARS = re.compile(
    r"\s+(?:appears?|shows?\s+up|enters?|arrives?|comes?\s+(?:in|into\s+(?:view|the\s+(?:picture|scene|frame)))|"
    r"turns?\s+up)(?:\s+(?:the\s+)?(?:picture|scene|frame|view))?$",
    re.IGNORECASE,
)
_LEAVES = re.compile(
    r"\s+(?:disappears?|leaves?|exits?|vanish(?:es)?|goes\s+(?:away|out\s+of\s+(?:view|the\s+(?:picture|scene)))|"
    r"is\s+gone)(?:\s+(?:the\s+)?(?:picture|scene|frame|view))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Step:
    """One link of a temporal query.

    Attributes:
        text: What it is about.
        event: Whether it has to show, to come into view, or to go out of it.
    """

    text: str
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

    within_s: float = 30.0
    min_confidence: float = 0.5
    haste: float = 0.005
    max_overlap: float = 0.5
    at_start: float = 0.3


@dataclass(frozen=True)
class Chain:
    """Moments of one video that answer the steps of a temporal query, in order.

    Attributes:
        video: Path of the video as the library knows it.
        moments: One a step.
        confidence: Geometric mean of the steps' beliefs, in [0, 1].
    """

    video: str
    moments: tuple[Moment, ...]
    confidence: float

    @property
    def start_s(self) -> float:
        """Seconds where the first step begins."""
        return self.moments[0].start_s

    @property
    def end_s(self) -> float:
        """Seconds where the last step ends."""
        return max(m.end_s for m in self.moments)


def is_sequence(text: str) -> bool:
    """Whether a query holds an arrow, outside quotes."""
    return _ARROW.search(text) is not None


def parse_sequence(text: str) -> tuple[Step, ...]:
    """Read ``"a red car appears" -> "a dog" -> "the dog leaves"``; the quotes may be left out.

    Raises:
        QueryError: A step is empty.
    """
    parts = [p.strip() for p in _ARROW.split(text)]
    steps = []
    for part in parts:
        bare = part[1:-1].strip() if len(part) > 1 and part[0] == part[-1] == '"' else part
        step = parse_step(bare)
        if not any(c.isalnum() for c in step.text):
            raise QueryError(
                f"a step of {text!r} is empty", hint='write "a red car appears" -> "a dog leaves"'
            )
        steps.append(step)
    return tuple(steps)


def parse_step(text: str) -> Step:
    """What a step is about, and whether it shows, comes or goes."""
    bare = _LEADING.sub("", text.strip().rstrip(".!? "))
    for pattern, event in ((_APPEARS, "appears"), (_LEAVES, "leaves")):
        thing = pattern.sub("", bare)
        if thing != bare and thing.strip():
            return Step(thing.strip(), "appears" if event == "appears" else "leaves")
    return Step(bare)


def find_sequences(
    scorer: SegmentScorer,
    steps: str | Sequence[Step],
    *,
    k: int = 10,
    video: str | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    settings: SequenceSettings | None = None,
) -> list[Chain]:
    """Chains of moments that answer steps in order, best first.

    Args:
        scorer: Where beliefs come from, such as a `FrameScorer`.
        steps: A query with arrows, or its steps; any number.
        k: At most so many chains.
        video: Only in this video.
        start_s: Only from this second on.
        end_s: Only before this second.
        settings: What makes a chain.

    Returns:
        Chains; none when no video shows all steps in order.

    Raises:
        QueryError: There is no step, or one is empty.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    s = settings or SequenceSettings()
    asked = parse_sequence(steps) if isinstance(steps, str) else tuple(steps)
    if not asked:
        raise QueryError("a temporal query needs at least one step")
    where = Where(video, start_s, end_s)
    scored = {text: scorer(text, where) for text in dict.fromkeys(step.text for step in asked)}
    by_video: dict[str, dict[str, SegmentScores]] = {}
    for text, of_videos in scored.items():
        for one in of_videos:
            by_video.setdefault(one.path, {})[text] = one
    chains: list[Chain] = []
    for of_text in by_video.values():
        if len(of_text) == len(scored):
            chains += _chains_of([of_text[step.text] for step in asked], asked, k, s)
    return sorted(chains, key=_rank)[:k]


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
    value, back = best_chains(
        beliefs,
        [one.starts for one in scores],
        [one.ends for one in scores],
        within_s=s.within_s,
        haste=s.haste,
    )
    found: list[Chain] = []
    for last in np.argsort(-value, kind="stable"):
        if value[last] == -math.inf or len(found) == k:
            break
        path = _walk_back(int(last), back)
        believed = [float(b[at]) for b, at in zip(beliefs, path, strict=True)]
        if min(believed) < s.min_confidence:
            continue
        moments = tuple(
            _moment(one, step, at, belief, s)
            for one, step, at, belief in zip(scores, steps, path, believed, strict=True)
        )
        confidence = float(np.exp(np.mean(np.log(believed))))
        chain = Chain(scores[0].path, moments, confidence)
        if all(_span_iou(chain, other) <= s.max_overlap for other in found):
            found.append(chain)
    return found


def _walk_back(last: int, back: Sequence[NDArray[np.int64]]) -> list[int]:
    path = [last]
    for came in reversed(back):
        path.append(int(came[path[-1]]))
    return path[::-1]


def _moment(one: SegmentScores, step: Step, at: int, belief: float, s: SequenceSettings) -> Moment:
    if step.event == "leaves":
        shown = max(at - 1, 0)
        return Moment(one.path, float(one.starts[shown]), float(one.starts[at]), one.key(shown), belief)
    first = last = at
    stay = min(s.min_confidence, belief)
    while step.event == "shows" and first > 0 and one.belief[first - 1] >= stay:
        first -= 1
    while last + 1 < len(one.belief) and one.belief[last + 1] >= stay:
        last += 1
    return Moment(one.path, float(one.starts[first]), float(one.ends[last]), one.key(at), belief)


def _rank(chain: Chain) -> tuple[float, float, str, float]:
    return -round(chain.confidence, 4), chain.end_s - chain.start_s, chain.video, chain.start_s


def _span_iou(a: Chain, b: Chain) -> float:
    inter = max(0.0, min(a.end_s, b.end_s) - max(a.start_s, b.start_s))
    union = (a.end_s - a.start_s) + (b.end_s - b.start_s) - inter
    return inter / union if union > 0 else 1.0
