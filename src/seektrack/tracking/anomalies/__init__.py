"""Where tracks are likely wrong: lost, swapped, no object, impossible motion, other looks, drift.

`look_at` takes what the pictures say of tracks, `find_anomalies` judges tracks by it, or by their paths
alone, and `put_right` repairs what is proven. Tracks may come from anywhere.
"""

from seektrack.tracking.anomalies.find import find_anomalies
from seektrack.tracking.anomalies.looks import Onlooker, TrackLooks, look_at
from seektrack.tracking.anomalies.repair import put_right, tell_on
from seektrack.tracking.anomalies.settings import AnomalySettings

__all__ = [
    "AnomalySettings",
    "Onlooker",
    "TrackLooks",
    "find_anomalies",
    "look_at",
    "put_right",
    "tell_on",
]
