"""Parts of one thing that were followed as several: a face and a shirt are not two persons.

Where the segmenter halves an object, each half may pass for the whole. On one frame that is hard to tell from
two objects side by side; over time it is not. Halves are together wherever they are seen, and together look
more like what was asked for than either does; of two objects the surer one looks as much like it alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

from seektrack.grounding.merging import masked_confidence, touch
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.record import Record
from seektrack.types import Frame, Mask, Observation

_MOST_PAIRS = 6
"""Pairs looked at on a frame, those of the largest masks first."""
_CHECKED = 24
"""Frames on which it is checked that two touch."""


@dataclass(frozen=True)
class HalvesSettings:
    """When two tracks are parts of one thing.

    Attributes:
        gain: How many times as sure both together must be as the surer one, over all looks at them; 0 joins
            none.
        looks: Fewest looks at both together.
        together: Share of the shorter track's sights on which both are seen.
        touching: Share of those on which they touch.
    """

    gain: float = 1.05
    looks: int = 3
    together: float = 0.8
    touching: float = 0.9


@dataclass
class TouchingLooks:
    """Looks at objects that touch, at intervals.

    Attributes:
        eyes: Look; nobody does where there are none, or they do not judge.
        every_s: Seconds between two looks.
    """

    eyes: Eyes | None
    every_s: float
    _looked_s: float | None = None

    def look(self, record: Record, frame: Frame, seen: Mapping[int, Observation]) -> None:
        """Write down how sure touching objects of one label look, together and each alone.

        Args:
            record: Where it is written.
            frame: The frame.
            seen: By id, what is observed on it.
        """
        eyes = self.eyes
        if eyes is None or not eyes.judges:
            return
        if self._looked_s is not None and abs(frame.time_s - self._looked_s) < self.every_s - 1e-6:
            return
        self._looked_s = frame.time_s
        masks = {i: o.mask for i, o in seen.items() if o.visible and o.mask is not None and o.mask.area}
        label = record.labels
        near = (
            (min(pair), max(pair))
            for pair in combinations(sorted(masks, key=lambda i: -masks[i].area), 2)
            if label.get(pair[0], "") == label.get(pair[1], "") and touch(*(masks[i] for i in pair))
        )
        for one, other in islice(near, _MOST_PAIRS):
            shown = [_both(masks[one], masks[other]), masks[one], masks[other]]
            sure = masked_confidence(
                eyes.scorer(label.get(one, "")), frame.image, shown, margin=eyes.settings.margin
            )
            count, total = record.touching.get((one, other), (0, np.zeros(3)))
            record.touching[one, other] = count + 1, total + sure


def join_halves(record: Record, settings: HalvesSettings) -> list[tuple[int, int]]:
    """Join tracks that are parts of one thing into that of the surer part.

    Args:
        record: What was followed; joined tracks show both parts where both were seen.
        settings: See `HalvesSettings`.

    Returns:
        ``(gone, survivor)`` of each pair, in the order they were joined.
    """
    joined: list[tuple[int, int]] = []
    if settings.gain <= 0:
        return joined
    ranked = sorted(record.touching.items(), key=lambda item: -_gain(item[1][1]))
    for pair, (count, total) in ranked:
        alive = all(i in record.observations for i in pair)
        if not alive or count < settings.looks or _gain(total) < settings.gain:
            continue
        one, other = (record.observations[i] for i in pair)
        if not _belong(one, other, settings):
            continue
        survivor, gone = pair if total[1] >= total[2] else pair[::-1]
        parts = record.observations[gone]
        whole = {f: _joined(o, parts[f]) for f, o in record.observations[survivor].items() if f in parts}
        record.looks.pop(gone, None)  # a part looks less like the whole
        record.merge(gone, survivor)
        record.observations[survivor].update(whole)
        joined.append((gone, survivor))
    return joined


def _gain(sure: NDArray[np.float64]) -> float:
    return float(sure[0] / max(sure[1], sure[2], 1e-9))


def _belong(a: Mapping[int, Observation], b: Mapping[int, Observation], settings: HalvesSettings) -> bool:
    """Whether two are seen together, and touch, wherever the one that is seen less is."""
    both = [f for f in sorted(a) if f in b and a[f].visible and b[f].visible]
    shorter = min(sum(o.visible for o in frames.values()) for frames in (a, b))
    if not both or len(both) < settings.together * shorter:
        return False
    checked = both[:: max(len(both) // _CHECKED, 1)]
    pairs: Sequence[tuple[Mask | None, Mask | None]] = [(a[f].mask, b[f].mask) for f in checked]
    met = sum(one is not None and other is not None and touch(one, other) for one, other in pairs)
    return met >= settings.touching * len(checked)


def _joined(o: Observation, part: Observation) -> Observation:
    if not (o.visible and part.visible) or o.mask is None or part.mask is None:
        return o if o.visible or not part.visible else part
    mask = _both(o.mask, part.mask)
    return replace(o, mask=mask, box=mask.box or o.box, score=max(o.score, part.score))


def _both(a: Mask, b: Mask) -> Mask:
    return Mask.from_array(a.to_array() | b.to_array())
