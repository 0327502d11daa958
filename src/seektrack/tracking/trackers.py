"""Trackers by name.

A package of one's own adds a tracker by an entry point of the group ``seektrack.trackers`` whose object is a
`TrackerKind`.
"""

from __future__ import annotations

from seektrack.registry import Registry
from seektrack.tracking.identity import IdentityTracker
from seektrack.tracking.rivals import rival
from seektrack.tracking.tracker import TrackerContext, TrackerKind

GROUP = "seektrack.trackers"
DEFAULT = "seektrack"


def _ours(context: TrackerContext) -> IdentityTracker:
    return IdentityTracker(context.hw, settings=context.identity)


TRACKERS: Registry[TrackerKind] = Registry(
    TrackerKind,
    GROUP,
    (
        TrackerKind(DEFAULT, "ours: motion, overlap and looks", _ours, frozenset({"embedding"})),
        TrackerKind("sort", "SORT: Kalman filter and box overlap", rival("SORTTracker")),
        TrackerKind(
            "bytetrack", "ByteTrack: the doubtful detections in a second round", rival("ByteTrackTracker")
        ),
        TrackerKind("ocsort", "OC-SORT: what was observed over what was predicted", rival("OCSORTTracker")),
        TrackerKind(
            "botsort",
            "BoT-SORT: ByteTrack with the camera's motion taken off",
            rival("BoTSORTTracker", sees=True),
            frozenset({"image"}),
        ),
    ),
    what="tracker",
)
