"""What a tracker tells on itself: where a track is likely wrong, and why that is thought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

AnomalyKind = Literal["lost", "swap", "false detection", "speed", "acceleration", "appearance", "drift"]
"""See `Anomaly`."""
KINDS: tuple[AnomalyKind, ...] = get_args(AnomalyKind)
Severity = Literal["low", "medium", "high"]
"""How sure and how grave: ``high`` where one would bet on it, ``low`` where it is worth a look."""
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

_ABOUT: dict[AnomalyKind, str] = {
    "lost": "lost sight of while it should still show",
    "swap": "seems to have changed places with {other}",
    "false detection": "may be no object at all",
    "speed": "moved faster than it can",
    "acceleration": "changed its speed faster than it can",
    "appearance": "does not look like itself",
    "drift": "left its object and stayed on something else",
}


@dataclass(frozen=True)
class Anomaly:
    """One place where a track is likely wrong.

    Attributes:
        kind: ``lost``: it ends inside the picture, of a sudden. ``swap``: two tracks went on with each
            other's object. ``false detection``: what was followed is no object. ``speed``, ``acceleration``:
            it moved as it cannot. ``appearance``: for a while it does not look like itself. ``drift``: from
            here on it does not.
        obj_id: The track.
        first_frame, last_frame: The stretch, both included; one frame where it happens at once.
        time_s: Seconds of the first frame.
        severity: How sure and how grave.
        evidence: Numbers it rests on, by name; what they are is told in the guide.
        other: The second track of a swap; the track a drift went to; None otherwise.
        repaired: Whether the tracks it stands with have been put right.
    """

    kind: AnomalyKind
    obj_id: int
    first_frame: int
    last_frame: int
    time_s: float
    severity: Severity
    evidence: Mapping[str, float] = field(default_factory=dict, hash=False)
    other: int | None = None
    repaired: bool = False

    @property
    def about(self) -> str:
        """What is thought to have happened, in one sentence."""
        other = "another" if self.other is None else f"object {self.other}"
        done = "; put right" if self.repaired else ""
        return f"object {self.obj_id} {_ABOUT[self.kind].format(other=other)}{done}"
