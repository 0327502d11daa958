"""Objects through time: motion, association, identity, and the passes that follow a text through a video."""

from seektrack.tracking.anomalies import AnomalySettings, find_anomalies, look_at, tell_on
from seektrack.tracking.association import CueWeights, Matches, assign, fuse_costs
from seektrack.tracking.backward import BackwardSettings
from seektrack.tracking.detected import follow_detections
from seektrack.tracking.finish import finish_tracks
from seektrack.tracking.follow import follow
from seektrack.tracking.follow_pointed import follow_prompts
from seektrack.tracking.follow_settings import FollowSettings
from seektrack.tracking.fuse import FuseSettings, fuse_masks
from seektrack.tracking.hidden_parts import HiddenPartSettings, add_hidden_parts
from seektrack.tracking.identity import IdentityTracker
from seektrack.tracking.kalman import KalmanSettings, KalmanState
from seektrack.tracking.link import LinkSettings, link
from seektrack.tracking.memory import Detection, FrameIdentities, TrackMemory, TrackState
from seektrack.tracking.motion import CameraMotion, MotionSettings, agrees
from seektrack.tracking.predict import PREDICTORS, Predictor
from seektrack.tracking.predictors import load_predictor
from seektrack.tracking.settings import EngineSettings, IdentitySettings
from seektrack.tracking.tracker import Tracker, TrackerContext, TrackerKind
from seektrack.tracking.trackers import TRACKERS
from seektrack.tracking.where_to_look import Looks, LookSettings

__all__ = [
    "AnomalySettings",
    "BackwardSettings",
    "CameraMotion",
    "CueWeights",
    "Detection",
    "EngineSettings",
    "FollowSettings",
    "FrameIdentities",
    "FuseSettings",
    "HiddenPartSettings",
    "IdentitySettings",
    "IdentityTracker",
    "KalmanSettings",
    "KalmanState",
    "LinkSettings",
    "LookSettings",
    "Looks",
    "Matches",
    "MotionSettings",
    "PREDICTORS",
    "Predictor",
    "TRACKERS",
    "TrackMemory",
    "TrackState",
    "Tracker",
    "TrackerContext",
    "TrackerKind",
    "add_hidden_parts",
    "agrees",
    "assign",
    "finish_tracks",
    "find_anomalies",
    "follow",
    "follow_detections",
    "follow_prompts",
    "link",
    "load_predictor",
    "look_at",
    "tell_on",
    "fuse_costs",
    "fuse_masks",
]
