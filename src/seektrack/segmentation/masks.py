"""The engine's answer for one frame, and its masks in source resolution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import BoolMask
from seektrack.segmentation import arrays
from seektrack.segmentation.features import Array

if TYPE_CHECKING:
    from seektrack.segmentation.memory import Row
    from seektrack.segmentation.model import Sam2


@dataclass(frozen=True, eq=False)
class FrameMasks:
    """What the engine found on one frame, objects in the order they were added.

    Attributes:
        frame_index: 0-based.
        obj_ids: N stable identities.
        logits: float (N, h, h) on the network's device, positive inside; h is a quarter of the resolution.
        object_scores: float (N,), belief in [0, 1] that the object is on the frame.
        iou_scores: float (N,), predicted overlap of the mask with the truth.
        pointers: float (N, C), what the network calls the object by; near for the same object.
        hw: Height and width of the source picture.
    """

    frame_index: int
    obj_ids: list[int]
    logits: Array
    object_scores: Array
    iou_scores: Array
    pointers: Array
    hw: tuple[int, int]

    @classmethod
    def of_rows(
        cls, sam2: Sam2, rows: Mapping[int, Row], *, frame_index: int, hw: tuple[int, int]
    ) -> FrameMasks:
        """The answer that holds each object's row, in their order."""
        answers, side = list(rows.values()), sam2.resolution // 4
        network = sam2.network

        def column(values: Iterable[Array], *shape: int) -> Array:
            held = list(values)
            return arrays.namespace(*held).stack(held) if held else network.array(np.zeros((0, *shape)))

        return cls(
            frame_index=frame_index,
            obj_ids=list(rows),
            logits=column((r.logits for r in answers), side, side),
            object_scores=arrays.sigmoid(column(r.score for r in answers)),
            iou_scores=column(r.iou for r in answers),
            pointers=column((r.pointer for r in answers), network.sizes.hidden_dim),
            hw=hw,
        )

    def masks(
        self, hw: tuple[int, int] | None = None, *, threshold: float = 0.0, exclusive: bool = False
    ) -> NDArray[np.bool_]:
        """Masks in a picture of size ``hw``, the source's if not given.

        Args:
            hw: Height and width of the result.
            threshold: A pixel belongs to the object above this logit.
            exclusive: Give a pixel claimed by several objects to the surest one.

        Returns:
            bool (N, H, W).
        """
        size = hw or self.hw
        out = np.zeros((len(self.obj_ids), *size), dtype=bool)
        surest = np.full(size, threshold, dtype=np.float32)
        for slot in range(len(self.obj_ids)):
            logits = self.logits[slot]
            if not bool((logits > threshold).any()):
                continue
            full = upsample(logits, size)
            if not exclusive:
                out[slot] = full > threshold
                continue
            won = full > surest
            out[:slot, won] = False
            out[slot] = won
            np.copyto(surest, full, where=won)
        return out

    def mask(self, obj_id: int, hw: tuple[int, int] | None = None, *, threshold: float = 0.0) -> BoolMask:
        """One object's mask, bool (H, W).

        Raises:
            KeyError: The object is not on this frame's list.
        """
        if obj_id not in self.obj_ids:
            raise KeyError(f"object {obj_id} is not among {self.obj_ids}")
        return np.asarray(upsample(self.logits[self.obj_ids.index(obj_id)], hw or self.hw) > threshold)

    def __len__(self) -> int:
        return len(self.obj_ids)

    def __repr__(self) -> str:
        return f"FrameMasks(frame_index={self.frame_index}, obj_ids={self.obj_ids}, hw={self.hw})"


def upsample(logits: Array, hw: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear resize of one mask's logits (h, w) to float32 (H, W)."""
    if not isinstance(logits, np.ndarray) and logits.device.type != "cpu":
        from torch.nn.functional import interpolate

        full = interpolate(logits.float()[None, None], hw, mode="bilinear", align_corners=False)
        return np.asarray(full[0, 0].cpu().numpy())
    import cv2

    small = np.ascontiguousarray(arrays.floats(logits))
    return np.asarray(cv2.resize(small, (hw[1], hw[0]), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
