"""The mask that a person's clicks ask for in a session: by what the session knows of the object elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import BoolMask
from seektrack.pipeline.session_edits import pending
from seektrack.pipeline.session_held import HeldSession
from seektrack.pipeline.session_rows import Said, Seen, unpack_seen
from seektrack.types import Mask

if TYPE_CHECKING:
    from seektrack.segmentation.click_answers import Clicks, Expected
    from seektrack.segmentation.network import ImageFeatures

_SHOWN = 2
"""Frames a person spoke of that the network is shown of an object before it answers a click."""
_AWAY = 3
"""Frames from a click from which on a track is taken to be right, where no person spoke of the object."""
_NEAR = 9
"""Nearest frames that say how large an object is."""


def clicked_mask(session: HeldSession, obj_id: int, frame_index: int, said: Said) -> Mask:
    """The mask of an object on a frame by clicks and a box; others keep their pixels unless clicked."""
    from seektrack.segmentation.click_answers import Clicks, Expected
    from seektrack.segmentation.clicks import mask_of_clicks, puts_right

    frame, features = session._looked(frame_index)
    held = session._objects.get(obj_id)
    clicks = Clicks(said.positive, said.negative, said.box)
    expected = Expected()
    if held is not None:
        now = held.frames.get(frame_index)
        seen = None if now is None or not now.observation.visible else now.observation.mask
        before = None if seen is None else seen.to_array()
        sure = _sure(held.frames, frame_index)
        known = _looked_at(session, sure, frame_index)
        shown = known
        if not known and (before is None or puts_right(clicks, before)):
            shown = _looked_at(session, _beside(held.frames, frame_index), frame_index)
        expected = Expected(
            before,
            _usual_area(held.frames, frame_index),
            _likeness(frame.image, [(image, mask) for _, image, mask, _ in known]),
            [(there, mask, away) for there, _, mask, away in shown],
        )
        taken = None if before is None else _others_mask(session, obj_id, frame_index, clicks, expected)
        if taken is not None:
            return taken
    mask = mask_of_clicks(session.sam2, features, frame.image, clicks, expected)
    return Mask.from_array(_less_others(session, mask, obj_id, frame_index, clicks))


def _others_mask(
    session: HeldSession, obj_id: int, frame_index: int, clicks: Clicks, expected: Expected
) -> Mask | None:
    """The mask of another object whose middle was clicked, where the two have likely changed places.

    The object was held elsewhere, and the other's mask is about as large as it.
    """
    from seektrack.segmentation.click_answers import pixel_of

    own, usual = expected.before, expected.area
    theirs = [
        held.frames[frame_index].observation
        for i, held in session._objects.items()
        if i != obj_id and frame_index in held.frames and held.frames[frame_index].said is None
    ]
    for edit, i in pending(session._store.edits()):
        was = session._store.before(edit.id, (i, frame_index))
        if i != obj_id and was is not None and edit.what["frame_index"] == frame_index:
            theirs.append(unpack_seen(frame_index, was).observation)  # what it was before it was put right
    for o in theirs:
        if own is None or usual is None or o.mask is None or not o.visible or not clicks.positive:
            continue
        pixels = o.mask.to_array()
        depth = cv2.distanceTransform(np.pad(pixels.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        hw = o.mask.size
        inside = all(depth[pixel_of(p, hw)] >= 0.5 * depth.max() for p in clicks.positive)
        refused = clicks.box is not None or any(pixels[pixel_of(p, hw)] for p in clicks.negative)
        alike = 0.5 <= o.mask.area / max(usual, 1.0) <= 2.0
        if inside and alike and not refused and not (pixels & own).any():
            return o.mask
    return None


def _sure(frames: Mapping[int, Seen], frame_index: int) -> dict[int, Mask]:
    """The nearest other frames a person spoke of, and the object's masks there."""
    sure = {
        f: s.observation.mask
        for f, s in frames.items()
        if s.said is not None and s.observation.mask is not None and f != frame_index
    }
    return {f: sure[f] for f in sorted(sure, key=lambda f: abs(f - frame_index))[:_SHOWN]}


def _beside(frames: Mapping[int, Seen], frame_index: int) -> dict[int, Mask]:
    """The nearest frames before and after, some way off, that show an object at half its size or more."""
    seen = {
        f: s.observation.mask
        for f, s in frames.items()
        if s.observation.visible and s.observation.mask is not None and abs(f - frame_index) >= _AWAY
    }
    usual = float(np.median([mask.area for mask in seen.values()])) if seen else 0.0
    whole = [f for f, mask in seen.items() if 2 * mask.area >= usual]
    near = [
        max((f for f in whole if f < frame_index), default=None),
        min((f for f in whole if f > frame_index), default=None),
    ]
    return {f: seen[f] for f in near if f is not None}


def _looked_at(
    session: HeldSession, masks: Mapping[int, Mask], frame_index: int
) -> list[tuple[ImageFeatures, NDArray[np.uint8], Mask, int]]:
    """Features, picture and mask of frames, and how many frames away each is."""
    out = []
    for f, mask in masks.items():
        there, features = session._looked(f)
        out.append((features, there.image, mask, f - frame_index))
    return out


def _likeness(
    image: NDArray[np.uint8], known: list[tuple[NDArray[np.uint8], Mask]]
) -> Callable[[BoolMask], float] | None:
    """How like an object a mask looks by its colours; None where nobody knows what it looks like."""
    from seektrack.tracking.cues import colours

    looks = [v for there, mask in known if (v := colours(there, mask.to_array())) is not None]
    if not looks:
        return None

    def likeness(mask: BoolMask) -> float:
        vector = colours(image, mask)
        return 0.0 if vector is None else max(float(vector @ look) for look in looks)

    return likeness


def _usual_area(frames: Mapping[int, Seen], frame_index: int) -> float | None:
    """Pixels an object has on frames near one, those a person put right first; None where nobody knows."""
    seen = [s for f, s in frames.items() if s.observation.visible and s.observation.mask and f != frame_index]
    sure = [s for s in seen if s.said is not None]
    near = sorted(sure or seen, key=lambda s: abs(s.observation.frame_index - frame_index))[:_NEAR]
    areas = [s.observation.mask.area for s in near if s.observation.mask is not None]
    return float(np.median(areas)) if areas else None


def _less_others(
    session: HeldSession, mask: BoolMask, obj_id: int, frame_index: int, clicks: Clicks
) -> BoolMask:
    """The mask without what bled over onto other objects, unless the clicks lie there."""
    from seektrack.segmentation.click_answers import pixel_of

    hw = (int(mask.shape[0]), int(mask.shape[1]))
    for other, theirs in session.masks(frame_index).items():
        pixels = theirs.to_array()
        clicked = any(pixels[pixel_of(p, hw)] for p in clicks.positive)
        if other != obj_id and not clicked and 0 < (mask & pixels).sum() < 0.5 * mask.sum():
            mask = mask & ~pixels
    return mask
