"""seektrack: type what you are looking for, get the moments, the pixels and the paths.

::

    from seektrack import Library, track_objects

    library = Library("my-videos")
    library.index(["holiday/"])
    for moment in library.search("a red car"):
        print(moment)
    tracks = track_objects("holiday/road.mp4", "a red car", out="out/")

The nouns and the errors load at once (numpy only); ``Library``, ``track_objects``,
``track_videos`` and ``search_and_track`` load the networks' libraries when they are first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seektrack.errors import (
    InputError,
    LibraryError,
    LibraryMismatchError,
    ModelError,
    NothingFoundError,
    OutputError,
    PromptError,
    QueryError,
    SeekTrackError,
    VideoError,
)
from seektrack.lazy import lazily
from seektrack.types import Frame, Hit, Mask, Moment, Observation, Prompt, Track, Tracks, VideoInfo

if TYPE_CHECKING:
    from seektrack.library import Where
    from seektrack.pipeline import (
        Corrected,
        Correction,
        Library,
        Shards,
        TrackingSession,
        open_session,
        save_report,
        search_and_track,
        segment_frame,
        start_session,
        track_objects,
        track_pieces,
        track_tiles,
        track_videos,
    )
    from seektrack.query import Query, read
    from seektrack.serving import Client

__version__ = "0.1.0"

__all__ = [
    "Client",
    "Library",
    "Shards",
    "TrackingSession",
    "Correction",
    "Corrected",
    "open_session",
    "search_and_track",
    "segment_frame",
    "start_session",
    "track_objects",
    "track_pieces",
    "track_tiles",
    "track_videos",
    "save_report",
    "Query",
    "Where",
    "read",
    "Frame",
    "Hit",
    "Mask",
    "Moment",
    "Observation",
    "Prompt",
    "Track",
    "Tracks",
    "VideoInfo",
    "InputError",
    "LibraryError",
    "LibraryMismatchError",
    "ModelError",
    "NothingFoundError",
    "OutputError",
    "PromptError",
    "QueryError",
    "SeekTrackError",
    "VideoError",
    "__version__",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "library.rows": "Where",
        "pipeline": "Corrected Correction Library Shards TrackingSession open_session save_report "
        "search_and_track segment_frame start_session track_objects track_pieces track_tiles track_videos",
        "query": "Query read",
        "serving.client": "Client",
    },
)
