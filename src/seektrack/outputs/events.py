"""What happens to each object, in order: it appears, hides, returns, leaves, is lost, ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from seektrack.geometry import Box
from seektrack.outputs import documents
from seektrack.types import Observation, Track, Tracks

EventName = Literal["appears", "hides", "returns", "leaves", "is lost", "ends"]
Side = Literal["left", "top", "right", "bottom"]
_SIDES: tuple[Side, ...] = ("left", "top", "right", "bottom")
BORDER = 2.0
"""Pixels from the border within which a box touches it."""


@dataclass(frozen=True)
class Event:
    """One change in the life of an object.

    Attributes:
        frame_index, time_s: The first frame on which it is so.
        obj_id, label: The object.
        event: ``appears``: first seen. ``hides``: out of sight inside the picture, its place predicted.
            ``returns``: seen again. ``leaves``: over the border, or away with a cut. ``is lost``: not to be
            found. ``ends``: no word of it from the frame after this one on.
        side: The border it came or went over, where it touched one.
        box: Where it was seen last, ``xyxy`` pixels.
    """

    frame_index: int
    time_s: float
    obj_id: int
    label: str
    event: EventName
    side: Side | None
    box: Box

    def to_dict(self) -> dict[str, Any]:
        """As JSON tells it."""
        return {
            "frame_index": self.frame_index,
            "time_s": float(self.time_s),
            "obj_id": self.obj_id,
            "label": self.label,
            "event": self.event,
            "side": self.side,
            "box": [float(v) for v in self.box],
        }


def events(tracks: Tracks) -> list[Event]:
    """Everything that happens to the objects, in order of time."""
    found = [event for track in tracks for event in _of(track, tracks)]
    return sorted(found, key=lambda event: (event.frame_index, event.obj_id))


def side_of(box: Box, hw: tuple[int, int]) -> Side | None:
    """The border of a picture of size (H, W) that a box touches, the one it reaches furthest over."""
    over = (-box[0], -box[1], box[2] - hw[1], box[3] - hw[0])
    best = max(range(4), key=over.__getitem__)
    return _SIDES[best] if over[best] >= -BORDER else None


def _of(track: Track, tracks: Tracks) -> Iterator[Event]:
    hw, order = tracks.video.hw, documents.processed(tracks)
    last: Observation | None = None
    before: str | None = None
    for index in order:
        state, seen = track.state(index), track.at(index)
        shown = seen if seen is not None and seen.visible else None
        if shown is not None and (last is None or before != "visible"):
            name: EventName = "appears" if last is None else "returns"
            yield _event(track, tracks, index, name, shown, side_of(shown.box, hw))
        elif last is not None and state is not None and state != before and shown is None:
            gone: dict[str, EventName] = {"occluded": "hides", "out of view": "leaves", "lost": "is lost"}
            side = side_of(last.box, hw) if state == "out of view" else None
            yield _event(track, tracks, index, gone[state], last, side)
        elif last is not None and state is None and before is not None:
            yield _event(track, tracks, index, "ends", last, side_of(last.box, hw))
        last, before = shown or last, state


def _event(
    track: Track, tracks: Tracks, index: int, name: EventName, where: Observation, side: Side | None
) -> Event:
    time_s = documents.time_of(tracks, index)
    return Event(index, time_s, track.obj_id, track.label, name, side, where.box)
