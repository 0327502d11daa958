"""Masks made steadier over time: fused with their neighbours', and filled in where one or a few are missing.

Optical flow says where each pixel of a frame lay on its neighbours. Carried along it, the masks of the frames
around vote on each pixel together with the frame's own; what only one frame shows is noise, what all but one
show is a hole. A short gap is filled where the masks from before it and after it, carried into it, agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box, mask_to_box
from seektrack.segmentation.flow import Field, Flow, make_flow
from seektrack.types import Frame, Mask, Observation, Track, Tracks

_Votes = NDArray[np.float32]


@dataclass(frozen=True)
class FuseSettings:
    """How masks are made steadier.

    Attributes:
        around: Frames on either side that vote on each mask; 0 leaves masks as they are.
        own: Votes of the frame's own mask; each neighbour has at most one.
        max_gap: Longest gap in frames that is filled; 0 fills none.
        agreement: Least IoU of the masks from either side of a gap.
        flow: Optical flow, one of `seektrack.segmentation.flow.FLOWS`.
        side: Longer side in pixels of the pictures the flow is computed on.
    """

    around: int = 1
    own: float = 1.5
    max_gap: int = 5
    agreement: float = 0.5
    flow: str = "dis"
    side: int = 384


def fuse_masks(tracks: Tracks, frames: Iterable[Frame], settings: FuseSettings | None = None) -> Tracks:
    """Fuse each mask with those of the frames around it, and fill short gaps.

    Args:
        tracks: With masks.
        frames: Of the video, in order, at least those the tracks are on.
        settings: See `FuseSettings`.

    Returns:
        The tracks with steadier masks and boxes; observations of filled gaps are visible.
    """
    settings = settings or FuseSettings()
    known = {t.obj_id: {o.frame_index: o for o in t.observations} for t in tracks}
    gaps = {i: dict(_gaps(by_frame, settings.max_gap)) for i, by_frame in known.items()}
    reach = max(settings.around, settings.max_gap)
    out: dict[int, dict[int, Observation]] = {i: dict(by_frame) for i, by_frame in known.items()}
    seen = _Pictures(tracks.video.hw, settings)
    waiting: list[Frame] = []
    for frame in frames:
        seen.add(frame)
        waiting.append(replace(frame, image=np.empty((0, 0, 3), np.uint8)))
        while waiting and waiting[0].index + reach < frame.index:
            _settle(waiting.pop(0), known, gaps, out, seen, settings)
            seen.forget(before=waiting[0].index - reach if waiting else frame.index)
    for frame in waiting:
        _settle(frame, known, gaps, out, seen, settings)
    return replace(tracks, tracks=tuple(_with(track, out[track.obj_id]) for track in tracks))


def _with(track: Track, by_frame: Mapping[int, Observation]) -> Track:
    absences = tuple(
        a
        for a in track.absences
        if not all(f in by_frame and by_frame[f].visible for f in range(a.first_frame, a.last_frame + 1))
    )
    return replace(track, observations=tuple(by_frame[f] for f in sorted(by_frame)), absences=absences)


def _gaps(by_frame: Mapping[int, Observation], longest: int) -> Iterable[tuple[int, tuple[int, int]]]:
    """The frames without a mask, each with the frames around it that have one."""
    having = [f for f in sorted(by_frame) if by_frame[f].visible and by_frame[f].mask is not None]
    for a, b in pairwise(having):
        if 1 < b - a <= longest + 1:
            yield from ((f, (a, b)) for f in range(a + 1, b))


def _settle(
    frame: Frame,
    known: Mapping[int, Mapping[int, Observation]],
    gaps: Mapping[int, Mapping[int, tuple[int, int]]],
    out: dict[int, dict[int, Observation]],
    seen: _Pictures,
    settings: FuseSettings,
) -> None:
    """Fuse or fill in the masks of one frame."""
    for obj_id, by_frame in known.items():
        o = by_frame.get(frame.index)
        if o is not None and o.visible and o.mask is not None:
            fused = _fused(o, by_frame, seen, settings)
        elif frame.index in gaps[obj_id]:
            fused = _filled(frame, by_frame, gaps[obj_id][frame.index], seen, settings)
        else:
            continue
        if fused is not None:
            out[obj_id][frame.index] = fused


def _fused(
    o: Observation, by_frame: Mapping[int, Observation], seen: _Pictures, settings: FuseSettings
) -> Observation | None:
    near = [o.frame_index + d for d in range(-settings.around, settings.around + 1) if d]
    voters = [v for f in near if (v := by_frame.get(f)) is not None and v.visible and v.mask is not None]
    if o.mask is None or not voters:
        return None
    window = seen.window([o.box, *(v.box for v in voters)])
    own = _cut(o.mask, window)
    votes, most = settings.own * own, np.full_like(own, settings.own)
    for voter in voters:
        carried = seen.carried(voter, o.frame_index, window)
        if carried is not None:
            votes, most = votes + carried[0], most + carried[1]
    return _observed(o, votes * 2 >= most, window, seen.hw)


def _filled(
    frame: Frame,
    by_frame: Mapping[int, Observation],
    ends: tuple[int, int],
    seen: _Pictures,
    settings: FuseSettings,
) -> Observation | None:
    before, after = (by_frame[f] for f in ends)
    window = seen.window([before.box, after.box])
    carried = [seen.carried(end, frame.index, window) for end in (before, after)]
    if carried[0] is None or carried[1] is None:
        return None
    (a, _), (b, _) = carried[0], carried[1]
    both, either = ((a >= 0.5) & (b >= 0.5)).sum(), ((a >= 0.5) | (b >= 0.5)).sum()
    agreement = float(both / either) if either else 0.0
    if agreement < settings.agreement:
        return None
    share = (frame.index - ends[0]) / (ends[1] - ends[0])
    score = min(before.score, after.score) * agreement
    filled = Observation(frame.index, frame.time_s, before.box, None, score)
    return _observed(filled, a * (1 - share) + b * share >= 0.5, window, seen.hw)


def _observed(
    o: Observation, inside: NDArray[np.bool_], window: tuple[int, int, int, int], hw: tuple[int, int]
) -> Observation | None:
    whole = np.zeros(hw, dtype=bool)
    x0, y0, x1, y1 = window
    whole[y0:y1, x0:x1] = inside
    box = mask_to_box(whole)
    return None if box is None else replace(o, box=box, mask=Mask.from_array(whole), visible=True)


def _cut(mask: Mask, window: tuple[int, int, int, int]) -> _Votes:
    x0, y0, x1, y1 = window
    return mask.to_array()[y0:y1, x0:x1].astype(np.float32)


class _Pictures:
    """Small pictures of the latest frames, and where pixels of one lay on another."""

    def __init__(self, hw: tuple[int, int], settings: FuseSettings) -> None:
        self.hw = hw
        self._flow: Flow = make_flow(settings.flow)
        self._scale = min(settings.side / max(hw), 1.0)
        self._small: dict[int, NDArray[np.uint8]] = {}
        self._fields: dict[tuple[int, int], tuple[Field, _Votes]] = {}

    def add(self, frame: Frame) -> None:
        size = (max(round(self.hw[1] * self._scale), 16), max(round(self.hw[0] * self._scale), 16))
        small = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
        self._small[frame.index] = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)

    def forget(self, *, before: int) -> None:
        self._small = {f: s for f, s in self._small.items() if f >= before}
        self._fields = {k: v for k, v in self._fields.items() if min(k) >= before}

    def window(self, boxes: Iterable[Box]) -> tuple[int, int, int, int]:
        """A part of the picture around boxes, with a margin: x0, y0, x1, y1."""
        held = np.array(list(boxes))
        low, high = held[:, :2].min(axis=0), held[:, 2:].max(axis=0)
        margin = 4 + 0.05 * (high - low)
        x0, y0 = np.maximum(np.floor(low - margin), 0).astype(int)
        x1, y1 = np.ceil(high + margin).astype(int)
        return int(x0), int(y0), min(int(x1), self.hw[1]), min(int(y1), self.hw[0])

    def carried(
        self, o: Observation, frame_index: int, window: tuple[int, int, int, int]
    ) -> tuple[_Votes, _Votes] | None:
        """An observation's mask as it lies on another frame, in a window: votes for a pixel, and at most."""
        if o.mask is None or o.frame_index not in self._small or frame_index not in self._small:
            return None
        field, trust = self._between(frame_index, o.frame_index)
        x0, y0, x1, y1 = window
        grid_x, grid_y = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
        ratio = np.array([field.shape[1] / self.hw[1], field.shape[0] / self.hw[0]], dtype=np.float32)
        at = ((grid_x + 0.5) * ratio[0] - 0.5, (grid_y + 0.5) * ratio[1] - 0.5)
        moved = cv2.remap(field, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        sure = cv2.remap(trust, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        source = o.mask.to_array().astype(np.float32)
        votes = cv2.remap(
            source, grid_x + moved[..., 0] / ratio[0], grid_y + moved[..., 1] / ratio[1], cv2.INTER_LINEAR
        )
        return np.asarray(votes * sure, dtype=np.float32), np.asarray(sure, dtype=np.float32)

    def _between(self, here: int, there: int) -> tuple[Field, _Votes]:
        """Where each pixel of one frame lay on another, and how far that is trusted, in [0, 1]."""
        known = self._fields.get((here, there))
        if known is None:
            forth = self._flow(self._small[here], self._small[there])
            back = self._flow(self._small[there], self._small[here])
            ys, xs = np.mgrid[: forth.shape[0], : forth.shape[1]].astype(np.float32)
            returned = cv2.remap(
                back,
                xs + forth[..., 0],
                ys + forth[..., 1],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            size = (forth**2).sum(-1) + (returned**2).sum(-1)
            agrees = ((forth + returned) ** 2).sum(-1) < 0.01 * size + 0.5
            known = forth, agrees.astype(np.float32)
            self._fields[here, there] = known
        return known
