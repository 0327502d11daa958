"""Who comes back: candidates are known again or told from others, and those out of sight are looked for."""

from __future__ import annotations

from collections.abc import Sequence

from seektrack.tracking.known import Known
from seektrack.tracking.memory import Detection, TrackMemory, TrackState
from seektrack.tracking.overlaps import Overlaps
from seektrack.tracking.recognise import already_followed, best_answer, best_known, has_jumped, recognise
from seektrack.tracking.seek import is_due
from seektrack.tracking.settings import IdentitySettings
from seektrack.tracking.step import Step

_IN_PLACE = (TrackState.ACTIVE, TrackState.OCCLUDED)


class Returns:
    """Gives ids back.

    Args:
        known: The objects.
        overlaps: Tells which are in a contest.
        settings: See `IdentitySettings`.
    """

    def __init__(self, known: Known, overlaps: Overlaps, settings: IdentitySettings) -> None:
        self.known, self._overlaps, self.settings = known, overlaps, settings
        self._looked_over_s: float | None = None

    def adopt(self, step: Step) -> None:
        """Give objects that began of late the id of one that was out of sight by then, and is what they are.

        The first mask of what comes into sight may show a part of it, or more, and look like nobody.
        """
        waiting = [m for m in self.known.all if m.hidden and m.obj_id not in step.seen]
        young = [i for i in step.seen if i in self.known.memories and self.known.memories[i].may_be_known]
        for obj_id in young:
            memory, seen = self.known.memories[obj_id], step.seen[obj_id]
            if abs(step.time_s - memory.born_s) > self.settings.adopt_s:
                memory.may_be_known = False
                continue
            known = best_known(waiting, memory, seen, self.settings)
            same = known is not None and known.obj_id == memory.takes_after
            memory.takes_after = None if known is None else known.obj_id
            if known is None or not same:
                continue
            waiting.remove(known)
            del step.seen[obj_id], self.known.memories[obj_id]
            memory.state = TrackState.ENDED
            step.merged.append((obj_id, known.obj_id))
            step.dropped.append(obj_id)
            step.corrected.add(known.obj_id)
            known.take_over(memory)
            self.known.see(step, known, seen, restart=False)

    def place(self, step: Step, candidates: Sequence[Detection]) -> list[int]:
        """Give each candidate the id of a followed object, of a hidden one, or a new one."""
        ids: dict[int, int] = {}
        for j, candidate in enumerate(candidates):
            obj_id = already_followed(candidate, step.seen, self.settings)
            if obj_id is not None:
                ids[j] = obj_id
        rest = [j for j in range(len(candidates)) if j not in ids]
        waiting = [m for m in self.known.all if m.obj_id not in step.seen]
        if rest and waiting:
            found = recognise(waiting, [candidates[j] for j in rest], step.time_s, self.settings)
            for row, column, _ in found.pairs:
                memory, candidate = waiting[row], candidates[rest[column]]
                ids[rest[column]] = memory.obj_id
                step.revived.append(memory.obj_id)
                restart = memory.state is TrackState.LOST or has_jumped(memory, candidate, self.settings)
                self.known.see(step, memory, candidate, restart=restart)
        for j in rest:
            if j not in ids:  # it may be another answer to one that was just recognised, or began
                obj_id = already_followed(candidates[j], step.seen, self.settings)
                ids[j] = self.known.next_id if obj_id is None else obj_id
                if obj_id is None:
                    self.known.begin(step, self.known.next_id, candidates[j])
        return [ids[j] for j in range(len(candidates))]

    def seek(self, step: Step) -> None:
        """Look for objects out of sight where motion and colours say they could be."""
        waiting = [
            m for m in self.known.all if m.obj_id not in step.seen and not self._overlaps.confused(m.obj_id)
        ]
        all_over = self._looks_all_over(step, waiting)
        for memory in sorted(waiting, key=lambda m: abs(step.time_s - m.seen_s))[: self.settings.max_sought]:
            memory.unseen += 1
            if step.glance is None or not (all_over or is_due(memory, memory.unseen)):
                continue
            found = best_answer(step, memory, self.settings, anywhere=all_over)
            memory.sighted = 0 if found is None else memory.sighted + 1
            memory.sighted_at = None if found is None else found.box
            if found is None:
                continue
            near = memory.state in _IN_PLACE and not has_jumped(memory, found, self.settings)
            if near or memory.sighted >= self.settings.return_looks:
                step.corrected.add(memory.obj_id)
                self.known.see(step, memory, found, restart=not near)

    def _looks_all_over(self, step: Step, waiting: Sequence[TrackMemory]) -> bool:
        """Whether the whole picture is looked over for those who wait: at intervals, and not at once."""
        if step.glance is None or step.glance.anywhere is None:
            return False
        every = self.settings.seek_all_s
        if not any(abs(step.time_s - m.seen_s) >= every / 2 for m in waiting):
            return False
        last = self._looked_over_s
        if last is not None and abs(step.time_s - last) < every - 1e-6:
            return False
        self._looked_over_s = step.time_s
        return True
