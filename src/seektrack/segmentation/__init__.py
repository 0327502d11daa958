"""SAM 2: masks of what a prompt points at, on one picture or through a video."""

from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.model import Sam2, load_sam2
from seektrack.segmentation.network import ImageFeatures
from seektrack.segmentation.propose import Proposal, propose
from seektrack.segmentation.session import VideoSession

__all__ = ["FrameMasks", "ImageFeatures", "Proposal", "Sam2", "VideoSession", "load_sam2", "propose"]
