"""SAM 2: masks of what a prompt points at, on one picture or through a video.

Of what is named here only ``VideoPredictor`` loads torch; others do with the network they are given.
"""

from typing import TYPE_CHECKING

from seektrack.lazy import lazily
from seektrack.segmentation.automatic import AutomaticMaskGenerator
from seektrack.segmentation.chain import PostProcess, compose, parse_steps
from seektrack.segmentation.features import ImageFeatures
from seektrack.segmentation.finish import Finish, FinishedMasks, FinishedSession
from seektrack.segmentation.flow_session import FlowSession, open_session, resume_session
from seektrack.segmentation.image_predictor import ImagePredictor
from seektrack.segmentation.inference_state import InferenceState
from seektrack.segmentation.loading import load_sam2
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.memory import REMEMBER, Remember, check_remember
from seektrack.segmentation.model import PRECISIONS, Sam2
from seektrack.segmentation.propagation import LazyFeatures, PropagationSettings
from seektrack.segmentation.propose import Proposal, propose
from seektrack.segmentation.refine import Refined, RefineSettings, refine
from seektrack.segmentation.session import VideoSession
from seektrack.segmentation.video import segment_video

if TYPE_CHECKING:
    from seektrack.segmentation.video_predictor import VideoPredictor

__all__ = [
    "PRECISIONS",
    "REMEMBER",
    "AutomaticMaskGenerator",
    "Finish",
    "FinishedMasks",
    "FinishedSession",
    "FlowSession",
    "FrameMasks",
    "ImageFeatures",
    "ImagePredictor",
    "InferenceState",
    "LazyFeatures",
    "PostProcess",
    "PropagationSettings",
    "Proposal",
    "RefineSettings",
    "Refined",
    "Remember",
    "Sam2",
    "VideoPredictor",
    "VideoSession",
    "check_remember",
    "compose",
    "load_sam2",
    "open_session",
    "parse_steps",
    "propose",
    "refine",
    "resume_session",
    "segment_video",
]

__getattr__, __dir__ = lazily(__name__, {"video_predictor": "VideoPredictor"})
