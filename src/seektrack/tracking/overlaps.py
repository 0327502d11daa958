"""Two ids on the same pixels: one object found twice, which is merged, or two, which contest their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seektrack import geometry
from seektrack.tracking import association
from seektrack.tracking.contest import Contests, exclusive, go_straight, shared_out, swapped
from seektrack.tracking.likeness import may_be_taken_for
from seektrack.tracking.memory import Detection, TrackMemory, TrackState
from seektrack.tracking.recognise import fits_place, has_left, overlap_and_cover
from seektrack.tracking.settings import IdentitySettings
from seektrack.tracking.step import Step

_APART = 0.15
"""Share of the smaller of two masks, or of their boxes, from which they are not apart."""


class Overlaps:
    """Settles overlaps, frame after frame.

    Args:
        memories: Of all objects, by id; those that turn out to be another are taken out.
        hw: Height and width of the frames, pixels.
        settings: See `IdentitySettings`.
    """

    def __init__(
        self, memories: dict[int, TrackMemory], hw: tuple[int, int], settings: IdentitySettings
    ) -> None:
        self._memories, self.hw, self.settings = memories, hw, settings
        self._together: dict[tuple[int, int], int] = {}
        self._contests = Contests()

    def contested(self, obj_id: int) -> bool:
        """Whether an object is in a contest."""
        return bool(self._contests.of(obj_id))

    def confused(self, obj_id: int) -> bool:
        """Whether an object is in a contest with one that it may be taken for."""
        others = {i for pair in self._contests.of(obj_id) for i in pair} - {obj_id}
        pairs = ((self._memories[obj_id], self._memories[i]) for i in others if i in self._memories)
        return any(may_be_taken_for(*pair, self.settings.likeness) for pair in pairs)

    def clear(self) -> None:
        """Forget who was with whom, as at a cut."""
        self._together.clear()
        self._contests.since.clear()

    def settle(self, step: Step) -> None:
        """Merge ids that were never apart; let those that were contest their pixels."""
        ids = [i for i, d in step.seen.items() if d.mask is not None]
        iou, cover = association.overlaps([step.seen[i].mask for i in ids])
        merging, contests = {}, {}
        touching = {ids[k] for k in np.flatnonzero((cover >= _APART).any(axis=1))}
        for a, b in zip(*np.nonzero(np.triu(cover >= _APART, 1)), strict=True):
            older, younger = sorted((ids[a], ids[b]), key=self._seniority)
            if older not in step.seen or younger not in step.seen:
                continue
            pair = (min(older, younger), max(older, younger))
            known = pair in self._contests.since
            if min(self._lived_apart(older), self._lived_apart(younger)) >= self.settings.merge_frames:
                if known or cover[a, b] >= self.settings.contest_cover:
                    contests[pair] = self._contests.since.get(pair, step.time_s)
                    for obj_id in pair:
                        if not known and not self._contests.of(obj_id):
                            go_straight(self._memories[obj_id])
            elif iou[a, b] >= self.settings.merge_iou and self.settings.merge:
                merging[pair] = self._together.get(pair, 0) + 1
                if merging[pair] >= self.settings.merge_frames:
                    self._merge(step, older, younger)
        self._together = merging
        ended = {pair: since for pair, since in self._contests.since.items() if pair not in contests}
        self._contests.since = contests
        for pair, since in ended.items():
            self._end_contest(step, pair, since)
        for pair in list(contests):
            self._contest(step, pair)
        for obj_id in step.seen.keys() - touching:
            if obj_id in self._memories:
                self._memories[obj_id].lived_apart += 1

    def share(self, step: Step) -> None:
        """Give each pixel that two claim to one of them, in what is shown of the frame.

        What is remembered of an object, and what its engine keeps, is all of its mask.
        """
        if not self.settings.share:
            return
        ids = [i for i, d in step.seen.items() if d.mask is not None and i in self._memories]
        boxes = np.array([step.seen[i].box for i in ids]).reshape(-1, 4)
        for a, b in zip(*np.nonzero(np.triu(geometry.box_iou(boxes, boxes) > 0, 1)), strict=True):
            pair = [self._memories[ids[k]] for k in (a, b)]
            seen = [step.shown(ids[k]) for k in (a, b)]
            if self.settings.merge and min(m.lived_apart for m in pair) < self.settings.merge_frames:
                continue  # they may be one object
            depth = None if step.depth is None else step.depth()
            shared = exclusive(pair, seen, image=step.image, depth=depth)
            for k, mask in zip((a, b), shared or (), strict=False):
                box = mask.box
                if box is not None:
                    step.share[ids[k]] = replace(step.seen[ids[k]], mask=mask, box=box)

    def _merge(self, step: Step, older: int, younger: int) -> None:
        del step.seen[younger]
        step.merged.append((younger, older))
        step.dropped.append(younger)
        self._memories.pop(younger).state = TrackState.ENDED

    def _end_contest(self, step: Step, pair: tuple[int, int], since: float) -> None:
        """Apart again: ids go by motion and looks, not by which object the engine left with."""
        if not all(i in self._memories for i in pair):
            return
        unseen = [self._memories[i] for i in pair if i not in step.seen]
        if unseen:  # the contest may not be over, unless one went out of the picture
            left = any(m.state is TrackState.OUT_OF_VIEW or has_left(m, self.hw) for m in unseen)
            if not left and abs(step.time_s - since) < self.settings.max_contest_s:
                self._contests.since[pair] = since
            return
        memories = [self._memories[i] for i in pair]
        if swapped(memories, [step.seen[i] for i in pair], self.settings.likeness):
            one, two = pair
            step.seen[one], step.seen[two] = step.seen[two], step.seen[one]
            step.swapped.append(pair)
            step.restarts -= set(pair)

    def _contest(self, step: Step, pair: tuple[int, int]) -> None:
        """Share contested pixels out, or, where both must be apart by now, ask for each at its place.

        Where one is out of sight, which of the two the other mask shows cannot be told while they may be
        together.
        """
        if not all(i in step.seen and i in self._memories for i in pair):
            step.contested |= {i for i in pair if i in step.seen and self._may_be_both(step, i, pair)}
            return
        memories = [self._memories[i] for i in pair]
        answers: tuple[Detection | None, Detection | None] | None = self._asked(step, memories)
        if answers is not None:
            step.corrected |= set(pair)
            del self._contests.since[pair]
        else:
            given = [step.seen[i] for i in pair]
            depth = None if step.depth is None else step.depth()
            answers = shared_out(memories, given, image=step.image, depth=depth)
            changed = zip(pair, answers, given, strict=True)
            step.contested |= set(pair)
            step.denied |= {i for i, answer, was in changed if answer is not was}
        for obj_id, answer in zip(pair, answers, strict=True):
            if answer is None:
                del step.seen[obj_id]
            else:
                step.seen[obj_id] = answer

    def _may_be_both(self, step: Step, shown: int, pair: tuple[int, int]) -> bool:
        """Whether the one of a pair that is out of sight must be where the other's mask is."""
        hidden = pair[1] if shown == pair[0] else pair[0]
        memory = self._memories.get(hidden)
        if memory is None or has_left(memory, self.hw):
            return False
        boxes = np.array([memory.kalman.box, step.seen[shown].box])
        return bool(geometry.box_iou(boxes[:1], boxes[1:])[0, 0] >= _APART)

    def _asked(self, step: Step, memories: Sequence[TrackMemory]) -> tuple[Detection, Detection] | None:
        """Each of two objects where motion says it is, if both are there to see and apart."""
        boxes = np.array([m.kalman.box for m in memories])
        if step.glance is None or geometry.box_iou(boxes[:1], boxes[1:])[0, 0] >= _APART:
            return None
        if any(has_left(m, self.hw) or not m.straight for m in memories):
            return None
        one, two = step.glance.answers([geometry.clip_box(m.kalman.box, self.hw) for m in memories])
        if one is None or two is None or overlap_and_cover(one, two)[1] >= _APART:
            return None
        fits = all(fits_place(m, d, self.settings) for m, d in zip(memories, (one, two), strict=True))
        return (one, two) if fits else None

    def _lived_apart(self, obj_id: int) -> int:
        memory = self._memories.get(obj_id)
        return 0 if memory is None else memory.lived_apart

    def _seniority(self, obj_id: int) -> tuple[int, int, float]:
        memory = self._memories.get(obj_id)
        return (1, 0, 0.0) if memory is None else (0, -memory.hits, -memory.score)
