"""The stages composed: a library you can fill and search, and text to tracks in one call.

The only package that knows the whole way from video to outputs.
"""

from typing import TYPE_CHECKING

from seektrack.lazy import lazily

if TYPE_CHECKING:
    from seektrack.pipeline.best import SearchAndTrackResult, search_and_track
    from seektrack.pipeline.library import IndexReport, Library
    from seektrack.pipeline.live import watch
    from seektrack.pipeline.live_track import LiveResult, LiveTracking, track_live
    from seektrack.pipeline.many import FollowedVideo, track_videos
    from seektrack.pipeline.models import Models, parse_model
    from seektrack.pipeline.pages import save_report
    from seektrack.pipeline.pieces import track_pieces
    from seektrack.pipeline.regions import REGIONS, Regions
    from seektrack.pipeline.segment import FrameSegmenter, segment_frame
    from seektrack.pipeline.session import TrackingSession
    from seektrack.pipeline.session_corrections import Corrected, Correction
    from seektrack.pipeline.session_repair import PropagatedMask
    from seektrack.pipeline.session_start import open_session, start_session
    from seektrack.pipeline.session_store import Edit
    from seektrack.pipeline.shards import Shards
    from seektrack.pipeline.tiles import track_tiles
    from seektrack.pipeline.track import track_objects

__all__ = [
    "REGIONS",
    "Corrected",
    "Correction",
    "Edit",
    "FollowedVideo",
    "FrameSegmenter",
    "IndexReport",
    "Library",
    "LiveResult",
    "LiveTracking",
    "Models",
    "PropagatedMask",
    "Regions",
    "SearchAndTrackResult",
    "Shards",
    "TrackingSession",
    "open_session",
    "parse_model",
    "save_report",
    "search_and_track",
    "segment_frame",
    "start_session",
    "track_live",
    "track_objects",
    "track_pieces",
    "track_tiles",
    "track_videos",
    "watch",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "best": "SearchAndTrackResult search_and_track",
        "library": "IndexReport Library",
        "live": "watch",
        "live_track": "LiveResult LiveTracking track_live",
        "many": "FollowedVideo track_videos",
        "models": "Models parse_model",
        "pages": "save_report",
        "pieces": "track_pieces",
        "tiles": "track_tiles",
        "regions": "REGIONS Regions",
        "segment": "FrameSegmenter segment_frame",
        "session": "TrackingSession",
        "session_corrections": "Corrected Correction",
        "session_repair": "PropagatedMask",
        "session_start": "open_session start_session",
        "session_store": "Edit",
        "shards": "Shards",
        "track": "track_objects",
    },
)
