"""Automatic masks with the face of the reference's ``SAM2AutomaticMaskGenerator``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import xyxy_to_xywh
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.propose import propose

OUTPUT_MODES = ("binary_mask", "coco_rle")


class AutomaticMaskGenerator:
    """Masks of everything in a picture as a list of dicts, with the reference's defaults.

    Args:
        model: The network.
        points_per_side: Points along each side of the grid; None where ``point_grids`` is given.
        points_per_batch: Points decoded at once.
        pred_iou_thresh: Lowest predicted overlap kept.
        stability_score_thresh: Lowest stability kept.
        stability_score_offset: How far, in logits, the cut is moved to see whether the mask changes.
        mask_threshold: Logit above which a pixel is inside.
        box_nms_thresh: A mask whose box overlaps a surer one's by more is dropped.
        point_grids: One float (P, 2) array of ``(x, y)`` in [0, 1] in place of the grid.
        min_mask_region_area: Smallest mask kept, in source pixels.
        output_mode: ``binary_mask`` or ``coco_rle``.
        multimask_output: Three masks a point, or one.

    Raises:
        InputError: An unknown output mode, or not one grid.
    """

    def __init__(
        self,
        model: Sam2,
        points_per_side: int | None = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float = 0.8,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        mask_threshold: float = 0.0,
        box_nms_thresh: float = 0.7,
        point_grids: Sequence[NDArray[np.float64]] | None = None,
        min_mask_region_area: int = 0,
        output_mode: str = "binary_mask",
        multimask_output: bool = True,
    ) -> None:
        if output_mode not in OUTPUT_MODES:
            raise InputError(f"output_mode {output_mode!r} is unknown", hint=f"take one of {OUTPUT_MODES}")
        if (points_per_side is None) == (point_grids is None):
            raise InputError("give either points_per_side or point_grids")
        if point_grids is not None and len(point_grids) != 1:
            raise InputError(f"point_grids must hold one grid, got {len(point_grids)}")
        self.sam2 = model
        self.output_mode = output_mode
        self.settings: dict[str, Any] = {
            "points_per_side": points_per_side or 1,
            "points": None if point_grids is None else point_grids[0],
            "points_per_batch": points_per_batch,
            "pred_iou_thresh": pred_iou_thresh,
            "stability_score_thresh": stability_score_thresh,
            "stability_score_offset": stability_score_offset,
            "mask_threshold": mask_threshold,
            "nms_thresh": box_nms_thresh,
            "nms_on": "box",
            "min_area": max(min_mask_region_area, 1),
            "max_area_fraction": 1.0,
            "answers": "several" if multimask_output else "single",
            "require_point": False,
        }

    def generate(self, image: NDArray[np.uint8]) -> list[dict[str, Any]]:
        """Masks of a picture, uint8 (H, W, 3) RGB, surest first.

        Returns:
            Dicts with ``segmentation`` (bool (H, W), or COCO's run-length form), ``area``, ``bbox`` (xywh),
            ``predicted_iou``, ``point_coords`` [[x, y]], ``stability_score`` and ``crop_box`` (xywh of the
            picture).
        """
        height, width = image.shape[:2]
        return [
            {
                "segmentation": p.mask.to_array() if self.output_mode == "binary_mask" else p.mask.to_coco(),
                "area": p.mask.area,
                "bbox": list(xyxy_to_xywh(p.box)),
                "predicted_iou": p.score,
                "point_coords": [list(p.point)],
                "stability_score": p.stability,
                "crop_box": [0, 0, width, height],
            }
            for p in propose(self.sam2, image, **self.settings)
        ]
