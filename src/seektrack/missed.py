"""Why a text was not found in a video: which stage failed, where it came nearest, and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from seektrack.geometry import Box
from seektrack.known import Known

Stage = Literal["frame", "mask", "lost", "doubted", "motion"]
"""Where following a text ended: see `Missed`."""
_MISSED = {
    "frame": (
        "no frame looked like {label}",
        "see what comes nearest: seektrack search --hits; point at it: seektrack frame shows the picture, "
        "--box follows what lies in it; or take another --model",
    ),
    "mask": (
        "frames look like {label}, most of all at {time}, but no mask the segmenter proposed is it",
        "draw a --box around it: seektrack frame shows the picture to point into; or take another --model",
    ),
    "lost": (
        "{label} was found at {time} and lost at once",
        "draw a --box around it on that frame, or take a --model with another segmenter",
    ),
    "doubted": (
        "something was followed as {label} from {time} on, but on most of its way it does not look like it",
        "see it all the same with a lower --min-confidence, draw a --box around it on that frame, or take "
        "another --model",
    ),
    "motion": (
        "{label} was followed, but none moves or is of the size that was asked for",
        "leave out what says how it moves and how large it is",
    ),
}
_OUTSIDE = (
    "the footage lies outside what this encoder knows, so its word means little here ({reason})",
    "take a model that knows such footage: --model base (once: seektrack models fetch base); or point at it: "
    "seektrack frame shows the picture, --box X0,Y0,X1,Y1@FRAME follows what lies in it",
)


def furthest(missed: Sequence[Missed]) -> Missed:
    """That which came furthest on its way, and so tells most, of at least one."""
    return max(missed, key=lambda one: get_args(Stage).index(one.stage))


@dataclass(frozen=True)
class Missed:
    """Why a text ended with no track.

    Attributes:
        stage: ``frame``: no frame looked like it. ``mask``: frames did, but no proposed mask was it.
            ``lost``: a mask was found and lost at once. ``doubted``: it was followed, but looks otherwise.
            ``motion``: it was followed, but does not move, or is not of the size, as asked.
        label: What was asked for.
        frame_index, time_s: The frame that came nearest, or None.
        box: Where on it, ``xyxy`` pixels, or None.
        confidence: Belief in [0, 1] there, or None.
        domain: Whether the encoder was shown frames like these; ``outside``, the confidence means nothing.
    """

    stage: Stage
    label: str
    frame_index: int | None = None
    time_s: float | None = None
    box: Box | None = None
    confidence: float | None = None
    domain: Known = "unmeasured"

    @property
    def reason(self) -> str:
        """What failed, in one sentence."""
        when = "some time" if self.time_s is None else f"{self.time_s:.1f} s"
        reason = _MISSED[self.stage][0].format(label=repr(self.label), time=when)
        return _OUTSIDE[0].format(reason=reason) if self.domain == "outside" else reason

    @property
    def hint(self) -> str:
        """What to try; never other words: what was asked is not what failed."""
        return _OUTSIDE[1] if self.domain == "outside" else _MISSED[self.stage][1]
