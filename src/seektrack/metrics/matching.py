"""What the tracking measures compare: the identities on a frame and how much they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.errors import InputError
from seektrack.types import Mask, Tracks


@dataclass(frozen=True, eq=False)
class FrameMatch:
    """Everything the measures need to know of one frame.

    Attributes:
        gt_ids: int (G,), true identities on the frame, unique.
        pred_ids: int (P,), predicted identities, unique.
        similarity: float (G, P) in [0, 1]: the IoU of boxes or of masks.
    """

    gt_ids: NDArray[np.int64]
    pred_ids: NDArray[np.int64]
    similarity: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuse what would make the counts wrong without a word."""
        for name, ids in (("gt_ids", self.gt_ids), ("pred_ids", self.pred_ids)):
            if len(np.unique(ids)) != len(ids):
                raise InputError(f"{name} holds an id twice on one frame: {list(map(int, ids))}")
        expected = (len(self.gt_ids), len(self.pred_ids))
        if self.similarity.shape != expected:
            raise InputError(f"similarity must be (G, P) = {expected}, got {self.similarity.shape}")
        if self.similarity.size and not np.isfinite(self.similarity).all():
            raise InputError("similarity holds values that are not finite", hint="use 0 for no overlap")

    @classmethod
    def from_boxes(
        cls,
        gt_ids: Sequence[int],
        gt_boxes: NDArray[np.floating],
        pred_ids: Sequence[int],
        pred_boxes: NDArray[np.floating],
    ) -> FrameMatch:
        """Similarity by IoU of ``xyxy`` boxes, (G, 4) and (P, 4)."""
        return cls(_ids(gt_ids), _ids(pred_ids), geometry.box_iou(gt_boxes, pred_boxes))

    @classmethod
    def from_masks(
        cls,
        gt_ids: Sequence[int],
        gt_masks: Sequence[Mask],
        pred_ids: Sequence[int],
        pred_masks: Sequence[Mask],
    ) -> FrameMatch:
        """Similarity by IoU of masks of one size."""
        similarity = geometry.rle_iou(
            [(m.size, m.counts) for m in gt_masks], [(m.size, m.counts) for m in pred_masks]
        )
        return cls(_ids(gt_ids), _ids(pred_ids), similarity)


def frame_matches(gt: Tracks, pred: Tracks, *, by: Literal["box", "mask"] = "box") -> list[FrameMatch]:
    """Compare two results of the same video, frame by frame.

    Only visible observations count. With ``by="mask"`` those without a mask, or with an empty one, are
    left out too. Frames are those either side processed.

    Raises:
        InputError: ``by`` is neither ``box`` nor ``mask``.
    """
    if by not in ("box", "mask"):
        raise InputError(f"unknown similarity {by!r}", hint="use 'box' or 'mask'")
    seen = {o.frame_index for side in (gt, pred) for t in side for o in t.observations}
    matches = []
    for index in sorted(seen | set(gt.frame_times) | set(pred.frame_times)):
        sides = []
        for tracks in (gt, pred):
            found = [(t.obj_id, o) for t, o in tracks.at(index) if o.visible]
            if by == "mask":
                found = [(i, o) for i, o in found if o.mask is not None and o.mask.area > 0]
            sides.append(found)
        ids = [[i for i, _ in side] for side in sides]
        if by == "box":
            boxes = [np.array([o.box for _, o in side], dtype=np.float64).reshape(-1, 4) for side in sides]
            matches.append(FrameMatch.from_boxes(ids[0], boxes[0], ids[1], boxes[1]))
        else:
            masks = [[o.mask for _, o in side if o.mask is not None] for side in sides]
            matches.append(FrameMatch.from_masks(ids[0], masks[0], ids[1], masks[1]))
    return matches


@dataclass(frozen=True, eq=False)
class DenseSequence:
    """A sequence with identities renumbered from 0.

    Attributes:
        frames: ``(gt (G,), pred (P,), similarity (G, P))`` a frame.
        gt_count, pred_count: Detections of each identity.
    """

    frames: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]
    gt_count: NDArray[np.int64]
    pred_count: NDArray[np.int64]

    @classmethod
    def of(cls, frames: Sequence[FrameMatch]) -> DenseSequence:
        """Renumber the identities of a sequence, in order of their value."""
        renumbered, counts = [], []
        for side in ("gt_ids", "pred_ids"):
            ids = [getattr(f, side) for f in frames]
            flat = np.concatenate(ids) if ids else np.zeros(0, dtype=np.int64)
            _, inverse, count = np.unique(flat, return_inverse=True, return_counts=True)
            renumbered.append(np.split(inverse, np.cumsum([len(i) for i in ids])[:-1]) if ids else [])
            counts.append(count.astype(np.int64))
        similarity = [f.similarity for f in frames]
        return cls(list(zip(*renumbered, similarity, strict=True)), counts[0], counts[1])


def _ids(ids: Sequence[int]) -> NDArray[np.int64]:
    return np.asarray(ids, dtype=np.int64).reshape(-1)
