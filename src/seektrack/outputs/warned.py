"""Anomalies drawn on the picture: brackets around the object, and what is thought to be wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seektrack.anomaly import Anomaly, AnomalyKind, Severity
from seektrack.geometry import Box
from seektrack.outputs.tags import draw_notes, text_size
from seektrack.types import Tracks

SHOWN_S = 0.75
"""Seconds an anomaly of one frame stays drawn."""
SHORT: dict[AnomalyKind, str] = {
    "lost": "lost",
    "swap": "swap?",
    "false detection": "no object?",
    "speed": "too fast",
    "acceleration": "jolt",
    "appearance": "looks odd",
    "drift": "drifted",
}
COLOURS: dict[Severity, tuple[int, int, int]] = {
    "high": (229, 57, 53),
    "medium": (251, 140, 0),
    "low": (253, 216, 53),
}
_REPAIRED = (120, 200, 120)


def warnings_at(tracks: Tracks, index: int, time_s: float) -> list[tuple[Anomaly, Box]]:
    """Anomalies to show on a frame, each with the box of its object there or where it was seen last."""
    found = []
    for anomaly in tracks.anomalies:
        lasting = anomaly.first_frame <= index <= anomaly.last_frame
        if not lasting and not 0 <= time_s - anomaly.time_s <= SHOWN_S:
            continue
        for obj_id in (anomaly.obj_id, anomaly.other):
            box = None if obj_id is None else _box(tracks, obj_id, index)
            if box is not None:
                found.append((anomaly, box))
    return found


def draw_warnings(out: NDArray[np.uint8], tracks: Tracks, index: int, time_s: float) -> None:
    """Draw the anomalies of a frame onto uint8 (H, W, 3) RGB, in place."""
    notes = []
    for anomaly, box in warnings_at(tracks, index, time_s):
        colour = _REPAIRED if anomaly.repaired else COLOURS[anomaly.severity]
        _brackets(out, box, colour)
        below = box[3] + 2 * text_size((out.shape[0], out.shape[1]))
        text = SHORT[anomaly.kind] + (" put right" if anomaly.repaired else "")
        notes.append((text, (box[0], below, box[2], below + 1), colour))
    draw_notes(out, notes)


def _box(tracks: Tracks, obj_id: int, index: int) -> Box | None:
    track = next((t for t in tracks if t.obj_id == obj_id), None)
    if track is None or not track.observations:
        return None
    here = track.at(index)
    before = (o.box for o in reversed(track.observations) if o.frame_index <= index)
    return here.box if here is not None else next(before, None)


def _brackets(out: NDArray[np.uint8], box: Box, colour: tuple[int, int, int]) -> None:
    import cv2

    unit = max(1.0, min(out.shape[:2]) / 360)
    x0, y0, x1, y1 = (round(v) for v in box)
    gap, width = round(3 * unit), max(1, round(2 * unit))
    x0, y0, x1, y1 = x0 - gap, y0 - gap, x1 + gap, y1 + gap
    long = max(4, min(x1 - x0, y1 - y0) // 4)
    for x, y, dx, dy in ((x0, y0, 1, 1), (x1, y0, -1, 1), (x0, y1, 1, -1), (x1, y1, -1, -1)):
        cv2.line(out, (x, y), (x + dx * long, y), colour, width, cv2.LINE_AA)
        cv2.line(out, (x, y), (x, y + dy * long), colour, width, cv2.LINE_AA)
