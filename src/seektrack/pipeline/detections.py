"""What `track_objects` is asked for, checked; and detections from anywhere followed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack.errors import InputError
from seektrack.query import Query
from seektrack.types import Mask, Prompt, Tracks

if TYPE_CHECKING:
    from seektrack.pipeline.models import Models
    from seektrack.tracking import Detection, FollowSettings
    from seektrack.video import VideoSource

Detections = str | Path | Mapping[int, Sequence["Detection"]]
"""A file of detections, or detections by frame."""


def check_asked(
    text: str | Sequence[str] | Query | None,
    prompts: Sequence[Prompt] | None,
    detections: Detections | None,
    *,
    masks: bool,
    tracker: str | None,
    grounder: str | None,
) -> None:
    """See that one thing is asked for, and that what goes with it is known.

    Raises:
        InputError: Nothing or several things are asked for, a name is unknown, or an option goes with another
            way of asking.
    """
    from seektrack.grounding import parse_grounder
    from seektrack.tracking import TRACKERS

    given = [text is not None, bool(prompts), detections is not None]
    if sum(given) != 1:
        raise InputError(
            "give one of a text, prompts and detections" if any(given) else "nothing to follow",
            hint='pass text="a red car", prompts=[Prompt(...)], or detections="det.txt"',
        )
    if tracker is not None:
        TRACKERS.named(tracker)
        if prompts:
            raise InputError("a tracker by name goes with a text or detections, not with prompts")
    if grounder is not None:
        parse_grounder(grounder)
        if text is None:
            raise InputError("a grounder goes with a text: it finds what that names")
    if masks and detections is None:
        raise InputError("masks=True goes with detections: a text and prompts give masks anyway")


def chosen_settings(
    settings: FollowSettings | None,
    *,
    tracker: str | None = None,
    ground_every: int | None = None,
    grounder: str | None = None,
    min_confidence: float | None = None,
) -> FollowSettings:
    """The settings with what was asked for by name.

    Raises:
        InputError: The confidence does not lie in [0, 1], or ``ground_every`` is below 1.
    """
    from seektrack.grounding import parse_grounder
    from seektrack.tracking import FollowSettings

    chosen = settings or FollowSettings()
    if tracker is not None:
        chosen = replace(chosen, tracker=tracker)
    if ground_every is not None:
        if ground_every < 1:
            raise InputError(f"ground_every must be at least 1, got {ground_every}")
        chosen = replace(chosen, ground_every=ground_every)
    if grounder is not None:
        chosen = replace(chosen, grounder=grounder)
        if settings is None and min_confidence is None:
            min_confidence = parse_grounder(grounder)[0].min_confidence
    if min_confidence is not None:
        if not (math.isfinite(min_confidence) and 0 <= min_confidence <= 1):
            raise InputError(f"min_confidence must lie within 0 to 1, got {min_confidence}")
        least = min(chosen.ground.min_confidence, min_confidence)
        chosen = replace(
            chosen, min_confidence=min_confidence, ground=replace(chosen.ground, min_confidence=least)
        )
    return chosen


def follow_given(
    detections: Detections,
    source: VideoSource,
    models: Models,
    *,
    settings: FollowSettings,
    masks: bool,
    progress: Callable[[int, int, str], None] | None,
) -> Tracks:
    """Give detections identities; the networks are loaded only where they are needed.

    Raises:
        InputError: The file cannot be read, a row is refused, or none lies on a frame that is shown.
    """
    from seektrack.outputs.detected import read_detections
    from seektrack.tracking import TRACKERS, follow_detections
    from seektrack.tracking.engine import Sam2Engine

    if isinstance(detections, (str, Path)):
        by_frame: Mapping[int, Sequence[Detection]] = read_detections(detections, source.info)
    else:
        by_frame = detections
    start, stop = source._range()
    if not any(start <= frame < stop for frame in by_frame):
        frames = f"{min(by_frame)} to {max(by_frame)}" if by_frame else "none"
        raise InputError(
            f"no detection lies on a frame that is shown: they are on frames {frames}",
            hint=f"frames are {start} to {stop - 1}, counted from 0" if stop > start else "",
        )
    kind = TRACKERS.named(settings.tracker or "seektrack")
    return follow_detections(
        source,
        by_frame,
        settings=settings,
        engine=Sam2Engine(models.sam2.for_video(source), settings.engine) if masks else None,
        encoder=models.encoder if "embedding" in kind.needs else None,
        progress=progress,
    )


def to_rows(detections: Mapping[int, Sequence[Detection]]) -> list[dict[str, Any]]:
    """Detections as JSON holds them, a row each; what `from_rows` reads."""
    return [
        {
            "frame_index": int(frame),
            "box": [float(v) for v in one.box],
            "score": float(one.score),
            "label": one.label,
            "mask": None if one.mask is None else one.mask.to_coco(),
        }
        for frame, found in detections.items()
        for one in found
    ]


def from_rows(rows: Sequence[Mapping[str, Any]]) -> dict[int, list[Detection]]:
    """Detections by frame.

    Raises:
        InputError: A mask is none.
    """
    from seektrack.tracking import Detection

    found: dict[int, list[Detection]] = {}
    for row in rows:
        mask = None if row["mask"] is None else Mask.from_coco(row["mask"])
        x0, y0, x1, y1 = row["box"]
        found.setdefault(int(row["frame_index"]), []).append(
            Detection((x0, y0, x1, y1), mask, row["score"], label=row["label"])
        )
    return found
