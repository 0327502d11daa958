"""Sharing out pixels for the formats in which each belongs to one object."""

from __future__ import annotations

import numpy as np

from seektrack.geometry import BoolMask
from seektrack.types import Track, Tracks


def exclusive_masks(tracks: Tracks, frame_index: int) -> list[tuple[Track, BoolMask]]:
    """Masks of the visible objects on a frame, without overlap: contested pixels go to the surer object.

    Returns:
        Each track with its bool (H, W) mask, in the order of the tracks; a mask wholly covered is empty.
    """
    seen = [
        (track, o.score, o.mask.to_array())
        for track, o in tracks.at(frame_index)
        if o.visible and o.mask is not None
    ]
    taken = np.zeros(seen[0][2].shape if seen else (0, 0), dtype=np.bool_)
    kept: dict[int, BoolMask] = {}
    for position in sorted(range(len(seen)), key=lambda i: (-seen[i][1], i)):
        mask = seen[position][2] & ~taken
        kept[position] = mask
        taken |= mask
    return [(seen[i][0], kept[i]) for i in range(len(seen))]
