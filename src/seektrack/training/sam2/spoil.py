"""Wrong memories to learn from: a mask that lost a part, faded, or took its neighbour in.

A network that follows an object feeds on its own answers, and a small mistake grows: a hole is remembered,
answered again, and remembered larger. Such mistakes are rare in a training's short clips. Here memory is
given them on purpose, for some frames, and the truth stays what is asked for; the first frame's memory and
the picture hold what is needed to see through them. (Noise on the conditioning, as Ho et al., Cascaded
Diffusion Models, arXiv:2106.15282, use it against the same compounding of errors.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

PATCHES, CUT, FADED, LEAK = "patches", "cut", "faded", "leak"
KINDS = (PATCHES, CUT, FADED, LEAK)
_CHANCES = (0.3, 0.3, 0.15, 0.25)
_CELLS = 5
_MOST_FRAMES = 8


@dataclass(frozen=True, eq=False)
class Fault:
    """What is wrong with the memories of one object, in shares of its own box, so that it moves along.

    Attributes:
        kind: One of ``KINDS``.
        first, last: Frames it shows on, both included.
        depth: Logits by which it is wrong, above 0.
        centre: (x, y) of a round region, in half sides of the box from its middle.
        radius: Of the region, in half sides of the box.
        cells: float (5, 5), what is missing of the box where ``patches`` are: above ``share``.
        share: See ``cells``, in [0, 1].
    """

    kind: str
    first: int
    last: int
    depth: float
    centre: tuple[float, float]
    radius: float
    cells: Tensor
    share: float


class Spoiler:
    """Faults of the objects of one clip step, drawn when made.

    Args:
        rng: Draws them.
        objects: How many objects there are.
        frames: Frames of the clip, T.
        lead: Frames before the first one that gives a loss.
        chance: Of each object to have a fault.
    """

    def __init__(
        self, rng: np.random.Generator, *, objects: int, frames: int, lead: int, chance: float
    ) -> None:
        self.faults: dict[int, Fault] = {}
        if chance <= 0 or frames < 3:
            return
        for number in range(objects):
            if rng.random() < chance:
                self.faults[number] = _drawn(rng, frames, lead)

    def __call__(self, t: int, logits: Tensor, others: Tensor) -> Tensor:
        """The logits that memory is told on frame ``t``.

        Args:
            t: The frame.
            logits: float (B, h, h), the network's answers.
            others: float (B, S, S), pixels of other objects, which an object leaks into.
        """
        at_work = [(n, f) for n, f in self.faults.items() if f.first <= t <= f.last]
        if not at_work:
            return logits
        rows = list(logits.unbind(0))
        for number, fault in at_work:
            rows[number] = _spoilt(rows[number], others[number], fault)
        return torch.stack(rows)


def _drawn(rng: np.random.Generator, frames: int, lead: int) -> Fault:
    kind = str(rng.choice(KINDS, p=_CHANCES))
    first = int(rng.integers(max(1, lead - _MOST_FRAMES + 2), frames - 1))
    angle = float(rng.uniform(0, 2 * np.pi))
    reach = float(rng.uniform(0.7, 1.4) if kind == LEAK else rng.uniform(0.0, 1.0))
    return Fault(
        kind=kind,
        first=first,
        last=first + int(rng.integers(0, _MOST_FRAMES)),
        depth=float(rng.uniform(0.5, 6.0)),
        centre=(reach * float(np.cos(angle)), reach * float(np.sin(angle))),
        radius=float(rng.uniform(0.35, 1.0)),
        cells=torch.from_numpy(rng.random((_CELLS, _CELLS), np.float32)),
        share=float(rng.uniform(0.3, 0.85)),
    )


def _spoilt(logits: Tensor, others: Tensor, fault: Fault) -> Tensor:
    """Logits (h, h) with a fault; as they are where there is no object on them."""
    there = logits > 0
    rows, columns = there.any(1).nonzero().flatten(), there.any(0).nonzero().flatten()
    if not len(rows):
        return logits
    if fault.kind == FADED:
        return logits - fault.depth
    side, device = logits.shape[-1], logits.device
    x0, x1 = int(columns[0]), int(columns[-1]) + 1
    y0, y1 = int(rows[0]), int(rows[-1]) + 1
    if fault.kind == PATCHES:
        missing = torch.zeros_like(there)
        cells = fault.cells.to(device)[None, None]
        missing[y0:y1, x0:x1] = F.interpolate(cells, (y1 - y0, x1 - x0), mode="nearest")[0, 0] > fault.share
        return torch.where(missing & there, -fault.depth, logits)
    x = (torch.arange(side, device=device) + 0.5 - (x0 + x1) / 2) / ((x1 - x0) / 2)
    y = (torch.arange(side, device=device) + 0.5 - (y0 + y1) / 2) / ((y1 - y0) / 2)
    inside = (x - fault.centre[0])[None] ** 2 + (y - fault.centre[1])[:, None] ** 2 < fault.radius**2
    if fault.kind == CUT:
        return torch.where(inside & there, -fault.depth, logits)
    neighbour = F.adaptive_max_pool2d(others[None, None], side)[0, 0] > 0
    wide = (x.abs() < 2.5)[None] & (y.abs() < 2.5)[:, None]
    leaked = neighbour & wide if bool((neighbour & wide).any()) else inside
    return torch.where(leaked & ~there, fault.depth, logits)
