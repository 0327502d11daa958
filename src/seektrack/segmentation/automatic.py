"""Automatic masks with the face of the reference's ``SAM2AutomaticMaskGenerator``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import rle_runs, xyxy_to_xywh
from seektrack.segmentation.crops import crop_layers, cut_edges, layer_grids
from seektrack.segmentation.loading import load_sam2
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.postprocess import fill_holes, remove_specks
from seektrack.segmentation.propose import EDGE, Proposal, propose
from seektrack.segmentation.suppression import box_iou_matrix, suppress
from seektrack.segmentation.windows import Window
from seektrack.types import Mask

OUTPUT_MODES = ("binary_mask", "uncompressed_rle", "coco_rle")


@dataclass(frozen=True, eq=False)
class _Found:
    """A proposal in source coordinates, and the crop it was found in."""

    proposal: Proposal
    crop: Window


class AutomaticMaskGenerator:
    """Masks of everything in a picture as a list of dicts, with the reference's parameters and defaults.

    Args:
        model: The network.
        points_per_side: Points along each side of the grid; None where ``point_grids`` is given.
        points_per_batch: Points decoded at once.
        pred_iou_thresh: Lowest predicted overlap kept.
        stability_score_thresh: Lowest stability kept.
        stability_score_offset: How far, in logits, the cut is moved to see whether the mask changes.
        mask_threshold: Logit above which a pixel is inside.
        box_nms_thresh: A mask whose box overlaps a surer one's by more is dropped.
        crop_n_layers: Layers of crops looked at besides the whole picture, layer i of ``2**i`` along a side.
        crop_nms_thresh: The same between crops, where masks from smaller crops win.
        crop_overlap_ratio: Overlap of crops in the first layer, as a fraction of the shorter side.
        crop_n_points_downscale_factor: In layer i the grid has so many times fewer points along a side,
            to the power of i.
        point_grids: For each layer a float (P, 2) array of ``(x, y)`` in [0, 1], in place of the grids.
        min_mask_region_area: Smaller holes are filled and smaller pieces removed, in source pixels.
        output_mode: ``binary_mask``, ``uncompressed_rle`` or ``coco_rle``.
        use_m2m: Ask once more with each answer as a dense prompt.
        multimask_output: Three masks a point, or one.

    Raises:
        InputError: An unknown output mode, both or neither of grid and grids, or not one grid a layer.
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
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: Sequence[NDArray[np.float64]] | None = None,
        min_mask_region_area: int = 0,
        output_mode: str = "binary_mask",
        use_m2m: bool = False,
        multimask_output: bool = True,
    ) -> None:
        if output_mode not in OUTPUT_MODES:
            raise InputError(f"output_mode {output_mode!r} is unknown", hint=f"take one of {OUTPUT_MODES}")
        if (points_per_side is None) == (point_grids is None):
            raise InputError("give either points_per_side or point_grids")
        if crop_n_layers < 0 or not 0 <= crop_overlap_ratio < 1 or crop_n_points_downscale_factor < 1:
            raise InputError(
                "crop_n_layers starts at 0, crop_overlap_ratio lies in [0, 1) and the downscale factor starts"
                f" at 1, got {crop_n_layers}, {crop_overlap_ratio} and {crop_n_points_downscale_factor}"
            )
        if point_grids is not None and len(point_grids) != crop_n_layers + 1:
            raise InputError(f"{crop_n_layers + 1} layers need as many point_grids, got {len(point_grids)}")
        self.sam2 = model
        self.output_mode = output_mode
        self.crop_n_layers = crop_n_layers
        self.crop_nms_thresh = crop_nms_thresh
        self.crop_overlap_ratio = crop_overlap_ratio
        self.box_nms_thresh = box_nms_thresh
        self.min_mask_region_area = min_mask_region_area
        self.point_grids = (
            list(point_grids)
            if point_grids is not None
            else layer_grids(points_per_side or 1, crop_n_layers, crop_n_points_downscale_factor)
        )
        self.settings: dict[str, Any] = {
            "points_per_batch": points_per_batch,
            "pred_iou_thresh": pred_iou_thresh,
            "stability_score_thresh": stability_score_thresh,
            "stability_score_offset": stability_score_offset,
            "mask_threshold": mask_threshold,
            "nms_thresh": box_nms_thresh,
            "nms_on": "box",
            "min_area": 1,
            "max_area_fraction": 1.0,
            "answers": "several" if multimask_output else "single",
            "require_point": False,
            "refine_once": use_m2m,
        }

    @classmethod
    def from_pretrained(cls, model_id: str = "pocket", **settings: Any) -> AutomaticMaskGenerator:
        """Load a checkpoint; ``settings`` are those of the generator."""
        return cls(load_sam2(model_id), **settings)

    def generate(self, image: NDArray[np.uint8]) -> list[dict[str, Any]]:
        """Masks of a picture, uint8 (H, W, 3) RGB.

        Returns:
            Dicts with ``segmentation`` (bool (H, W), or run lengths as COCO writes them), ``area``, ``bbox``
            (xywh), ``predicted_iou``, ``point_coords`` [[x, y]], ``stability_score`` and ``crop_box`` (xywh).
            Those from the smallest crops come first; from one crop, the surest.
        """
        found: list[_Found] = []
        hw = (int(image.shape[0]), int(image.shape[1])) if image.ndim == 3 else (0, 0)
        for layer, crop in crop_layers(hw, self.crop_n_layers, self.crop_overlap_ratio):
            x0, y0, x1, y1 = crop
            inside = propose(
                self.sam2,
                image[y0:y1, x0:x1],
                points=self.point_grids[layer],
                cut_edges=cut_edges(crop, hw, tolerance=EDGE),
                **self.settings,
            )
            here = [_Found(_uncropped(p, crop, hw), crop) for p in inside]
            found += _suppressed(here, [f.proposal.score for f in here], self.box_nms_thresh)
        if self.crop_n_layers:
            sizes = [-(f.crop[2] - f.crop[0]) * (f.crop[3] - f.crop[1]) for f in found]
            found = _suppressed(found, sizes, self.crop_nms_thresh)
        if self.min_mask_region_area > 0:
            found = self._cleaned(found)
        return [self._record(f) for f in found]

    def _cleaned(self, found: list[_Found]) -> list[_Found]:
        """Without small holes and pieces; of duplicates this makes, what was clean before wins."""
        out, unchanged = [], []
        for one in found:
            before = one.proposal.mask.to_array()
            after = fill_holes(before, self.min_mask_region_area)
            after = remove_specks(after, self.min_mask_region_area)
            mask = Mask.from_array(after)
            out.append(
                replace(one, proposal=replace(one.proposal, mask=mask, box=mask.box or one.proposal.box))
            )
            unchanged.append(float(np.array_equal(before, after)))
        return _suppressed(out, unchanged, max(self.box_nms_thresh, self.crop_nms_thresh))

    def _record(self, found: _Found) -> dict[str, Any]:
        p = found.proposal
        x0, y0, x1, y1 = found.crop
        return {
            "segmentation": self._written(p.mask),
            "area": p.mask.area,
            "bbox": list(xyxy_to_xywh(p.box)),
            "predicted_iou": p.score,
            "point_coords": [list(p.point)],
            "stability_score": p.stability,
            "crop_box": [x0, y0, x1 - x0, y1 - y0],
        }

    def _written(self, mask: Mask) -> Any:
        if self.output_mode == "binary_mask":
            return mask.to_array()
        if self.output_mode == "coco_rle":
            return mask.to_coco()
        return {"size": list(mask.size), "counts": rle_runs(mask.counts).tolist()}


def _uncropped(proposal: Proposal, crop: Window, hw: tuple[int, int]) -> Proposal:
    """A proposal of a crop in coordinates of the picture."""
    x0, y0, x1, y1 = crop
    if (x1 - x0, y1 - y0) == (hw[1], hw[0]):
        return proposal
    full = np.zeros(hw, dtype=bool)
    full[y0:y1, x0:x1] = proposal.mask.to_array()
    box = proposal.box
    return replace(
        proposal,
        mask=Mask.from_array(full),
        box=(box[0] + x0, box[1] + y0, box[2] + x0, box[3] + y0),
        point=(proposal.point[0] + x0, proposal.point[1] + y0),
    )


def _suppressed(found: list[_Found], scores: Sequence[float], threshold: float) -> list[_Found]:
    if not found:
        return []
    boxes = np.array([f.proposal.box for f in found], dtype=np.float32)
    kept = suppress(box_iou_matrix(boxes), np.array(scores, dtype=np.float32), threshold)
    return [found[i] for i in kept.tolist()]
