"""Whether identities outlived what a staged clip does to them: gaps, crossings and cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.metrics import FrameMatch
from seektrack.types import Track, Tracks
from seektrack.world.staged import Staged, runs

_COVERED = 0.3
"""Mask IoU from which an id sits on an object."""
_STRANGER = 0.1
_LONG_GAP = 4


@dataclass(frozen=True)
class Kept:
    """Whether identities outlived what the condition does to them.

    Attributes:
        returns, returned: Objects that were away or hidden and came back, and those back under their id.
        crossings, uncrossed: Pairs that crossed, and those of which both ids stayed.
        after_cut, strangers: Frames of ids after a cut, and those on which an id sat on another object.
    """

    returns: int = 0
    returned: int = 0
    crossings: int = 0
    uncrossed: int = 0
    after_cut: int = 0
    strangers: int = 0

    def __add__(self, other: Kept) -> Kept:
        names = ("returns", "returned", "crossings", "uncrossed", "after_cut", "strangers")
        return Kept(**{name: getattr(self, name) + getattr(other, name) for name in names})


def kept_identities(staged: Staged, wanted: Tracks, frames: Sequence[FrameMatch]) -> Kept:
    """What became of identities over gaps, crossings and cuts.

    Args:
        staged: The clip.
        wanted: Truth of the objects asked for.
        frames: Their overlap with what was found, one a frame from 0 on.
    """
    holders = {t.obj_id: _holders(t.obj_id, frames) for t in wanted}
    kept = Kept()
    for track in wanted:
        kept += _over_gaps(track, holders[track.obj_id])
    if staged.condition == "look-alikes":
        kept += _over_crossing(wanted, holders)
    if staged.cuts:
        kept += _over_cuts(staged, wanted, frames)
    return kept


def _holders(obj_id: int, frames: Sequence[FrameMatch]) -> NDArray[np.int64]:
    """The id that covers a true object best on each frame (T,), -1 where none does."""
    out = np.full(len(frames), -1, np.int64)
    for t, match in enumerate(frames):
        row = np.flatnonzero(match.gt_ids == obj_id)
        if len(row) and match.similarity.shape[1]:
            best = int(match.similarity[row[0]].argmax())
            if match.similarity[row[0], best] >= _COVERED:
                out[t] = match.pred_ids[best]
    return out


def _mostly(ids: NDArray[np.int64]) -> int:
    held = ids[ids >= 0]
    return int(np.bincount(held).argmax()) if len(held) else -1


def _over_gaps(track: Track, holders: NDArray[np.int64]) -> Kept:
    seen = np.zeros(len(holders), bool)
    seen[[o.frame_index for o in track.observations if o.frame_index < len(holders)]] = True
    returns = returned = 0
    for start, end in runs(~seen):
        before, after = seen[:start].sum(), seen[end:].sum()
        if end - start >= _LONG_GAP and before >= _LONG_GAP and after >= _LONG_GAP:
            returns += 1
            first = _mostly(holders[:start])
            returned += first >= 0 and first == _mostly(holders[end:])
    return Kept(returns=returns, returned=returned)


def _over_crossing(wanted: Tracks, holders: dict[int, NDArray[np.int64]]) -> Kept:
    if not {1, 2} <= holders.keys():
        return Kept()
    fifth = len(holders[1]) // 5
    before = [_mostly(holders[i][:fifth]) for i in (1, 2)]
    after = [_mostly(holders[i][-fifth:]) for i in (1, 2)]
    same = before == after and before[0] != before[1] and min(before) >= 0
    return Kept(crossings=1, uncrossed=int(same))


def _over_cuts(staged: Staged, wanted: Tracks, frames: Sequence[FrameMatch]) -> Kept:
    """Frames after the first cut on which an id of before it sits on anything but its own object."""
    first = staged.cuts[0]
    own: dict[int, dict[int, int]] = {}
    for match in frames[:first]:
        for row, gt in enumerate(match.gt_ids):
            for column, pred in enumerate(match.pred_ids):
                if match.similarity[row, column] >= _COVERED:
                    counts = own.setdefault(int(pred), {})
                    counts[int(gt)] = counts.get(int(gt), 0) + 1
    belongs = {pred: max(counts, key=lambda gt: counts[gt]) for pred, counts in own.items()}
    after = strangers = 0
    for match in frames[first:]:
        for column, pred in enumerate(match.pred_ids):
            if int(pred) not in belongs:
                continue
            after += 1
            rows = np.flatnonzero(match.gt_ids == belongs[int(pred)])
            right = len(rows) > 0 and match.similarity[rows[0], column] >= _STRANGER
            strangers += not right
    return Kept(after_cut=after, strangers=strangers)
