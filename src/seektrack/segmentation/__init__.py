"""SAM 2: masks of what a prompt points at, on one picture or through a video."""

from seektrack.segmentation.automatic import AutomaticMaskGenerator
from seektrack.segmentation.image_predictor import ImagePredictor
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.model import Sam2, load_sam2
from seektrack.segmentation.network import ImageFeatures
from seektrack.segmentation.propose import Proposal, propose
from seektrack.segmentation.session import VideoSession
from seektrack.segmentation.video import segment_video
from seektrack.segmentation.video_predictor import InferenceState, VideoPredictor

__all__ = [
    "AutomaticMaskGenerator",
    "FrameMasks",
    "ImageFeatures",
    "ImagePredictor",
    "InferenceState",
    "Proposal",
    "Sam2",
    "VideoPredictor",
    "VideoSession",
    "load_sam2",
    "propose",
    "segment_video",
]
