"""What the frames of many videos lend each other, at once, equal to the bit to doing one after another.

What a frame lends to the next is a recursion, so the frames of one video follow each other; videos do not. A
long one is cut into lanes, and each lane begins some frames early from the prior: the chain forgets where it
began, so that by its own first frame it has come to what the lane before it found. Where it has not, to the
last bit, the lane is done again from there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE_BY_SIDE = 12
"""Lanes from which on doing them side by side is quicker than in plain numbers."""
LANE = 512
"""Frames of a lane, at least; long enough that beginning early costs little."""
FORGOTTEN = 48.0
"""Dwell times after which nothing of the beginning is left in 53 bits, with some to spare."""


@dataclass(frozen=True, eq=False)
class _Lanes:
    """First frame of each lane, the one after its last, and the one it begins early from; in order."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    early: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)


def passed_on(
    prior: float, ratio: NDArray[np.float64], decay: NDArray[np.float64], bounds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Belief in each frame by those before it in its video alone.

    Args:
        prior: Belief in the first frame of a video.
        ratio: (T,) odds of what each frame says, over the prior.
        decay: (T,) share of the belief in a frame that is left at the next; that of a video's last frame is
            not looked at.
        bounds: (V + 1,) where the frames of each video begin, and T.

    Returns:
        (T,) in (0, 1).
    """
    lanes = _lanes(decay, bounds)
    if len(lanes) >= SIDE_BY_SIDE:
        out, before = _side_by_side(prior, ratio, decay, lanes)
        _mend(prior, ratio, decay, lanes, before, out)
        return out
    out = np.empty(len(ratio))
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        out[first:last] = _along(prior, ratio[first:last].tolist(), decay[first:last].tolist())
    return out


def _along(prior: float, ratio: list[float], decay: list[float]) -> list[float]:
    """One video, in plain numbers, which Python is quicker with than with arrays of one."""
    belief, out = prior, []
    for own, gap in zip(ratio, decay, strict=True):
        out.append(belief)
        belief = _step(prior, belief, own, gap)
    return out


def _step(prior: float, belief: float, own: float, gap: float) -> float:
    present = belief * own
    return prior + gap * (present / (present + 1 - belief) - prior)


def _lanes(decay: NDArray[np.float64], bounds: NDArray[np.int64]) -> _Lanes:
    lengths = np.diff(bounds)
    videos = np.flatnonzero(lengths)
    lost = -math.log(min(max(float(np.median(decay)), 1e-300), 1.0)) if len(decay) else 0.0
    lead = math.ceil(FORGOTTEN / lost) if lost * len(decay) > FORGOTTEN else len(decay)
    lane = max(LANE, 4 * lead)
    pieces = -(-lengths[videos] // lane)
    of = np.repeat(videos, pieces)
    nth = np.arange(len(of)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts = bounds[of] + nth * lane
    return _Lanes(starts, np.minimum(starts + lane, bounds[of + 1]), np.maximum(starts - lead, bounds[of]))


def _side_by_side(
    prior: float, ratio: NDArray[np.float64], decay: NDArray[np.float64], lanes: _Lanes
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Beliefs (T,), and what each lane found of the frame before its first; NaN where it began with it."""
    order = np.argsort(lanes.early - lanes.ends, kind="stable")  # the longest first
    early, starts = lanes.early[order], lanes.starts[order]
    lengths = lanes.ends[order] - early
    steps = np.arange(lengths[0])
    going = len(lengths) - np.searchsorted(lengths[::-1], steps, side="right")
    offsets = np.append(0, np.cumsum(going))
    lane = np.arange(offsets[-1]) - np.repeat(offsets[:-1], going)
    frame = early[lane] + np.repeat(steps, going)
    own, gap, found = ratio[frame], decay[frame], np.empty(len(frame))
    belief = np.full(len(early), prior)
    for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        found[a:b] = belief = belief[: b - a]
        present = belief * own[a:b]
        belief = prior + gap[a:b] * (present / (present + 1 - belief) - prior)
    out, before = np.empty(len(ratio)), np.full(len(lanes), np.nan)
    mine, last = frame >= starts[lane], frame == starts[lane] - 1
    out[frame[mine]] = found[mine]
    before[order[lane[last]]] = found[last]
    return out, before


def _mend(
    prior: float,
    ratio: NDArray[np.float64],
    decay: NDArray[np.float64],
    lanes: _Lanes,
    before: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Do again, frame by frame, what went on from something else than was found before it."""
    for i in np.flatnonzero(lanes.early < lanes.starts).tolist():
        at = int(lanes.starts[i])
        if before[i] == out[at - 1]:
            continue
        belief = float(out[at - 1])
        while at < lanes.ends[i]:
            belief = _step(prior, belief, float(ratio[at - 1]), float(decay[at - 1]))
            if belief == out[at]:
                break
            out[at] = belief
            at += 1
