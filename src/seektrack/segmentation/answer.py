"""What is asked of the network for one object on one frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seektrack.segmentation.memory import Recall
from seektrack.segmentation.prompts import PointInputs
from seektrack.types import Prompt


@dataclass(frozen=True, eq=False)
class Job:
    """One object to be answered on the frame being stepped.

    Attributes:
        obj_id: Stable identity.
        recall: What it remembers; None on a prompted frame that starts afresh.
        points: Its points and box corners; None when following or prompted by a mask.
        mask: The prompt holding a mask, or None.
    """

    obj_id: int
    recall: Recall | None
    points: PointInputs | None = None
    mask: Prompt | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Jobs of equal key run in one batch; how much each remembers may differ."""
        n_points = None if self.points is None else len(self.points.labels)
        return self.mask is not None, n_points, self.recall is not None


def batches(jobs: Sequence[Job], size: int) -> Iterator[list[Job]]:
    """Jobs of equal key together, at most so many at once."""
    groups: dict[tuple[object, ...], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.key].append(job)
    for group in groups.values():
        yield from (group[i : i + size] for i in range(0, len(group), size))
