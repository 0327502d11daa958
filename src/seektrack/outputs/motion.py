"""Velocity and speed along a track, in pixels a second."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seektrack.types import Track


def velocities(track: Track) -> NDArray[np.float64]:
    """Velocity of the box centre at each observation, by central differences over presentation time.

    The ends take the difference to their only neighbour; a track of one observation stands still.

    Returns:
        float (T, 2), ``(vx, vy)`` pixels a second, x to the right, y down.
    """
    n = len(track.observations)
    if n < 2:
        return np.zeros((n, 2))
    times = np.array([o.time_s for o in track.observations])
    centres = np.array([o.centre for o in track.observations])
    before, after = np.maximum(np.arange(n) - 1, 0), np.minimum(np.arange(n) + 1, n - 1)
    dt = times[after] - times[before]
    moved = centres[after] - centres[before]
    return np.asarray(np.divide(moved, dt[:, None], out=np.zeros_like(moved), where=dt[:, None] > 0))


def mean_speed(track: Track) -> float:
    """Length of the centre's path over its duration, pixels a second; 0 for a single observation."""
    if len(track.observations) < 2:
        return 0.0
    centres = np.array([o.centre for o in track.observations])
    duration = track.observations[-1].time_s - track.observations[0].time_s
    length = float(np.linalg.norm(np.diff(centres, axis=0), axis=1).sum())
    return length / duration if duration > 0 else 0.0
