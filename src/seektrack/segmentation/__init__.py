"""SAM 2: masks of what a prompt points at, on one picture or through a video."""

from seektrack.segmentation.model import Sam2, load_sam2
from seektrack.segmentation.network import ImageFeatures

__all__ = ["ImageFeatures", "Sam2", "load_sam2"]
