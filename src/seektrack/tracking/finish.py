"""What is done to tracks once a video is followed, where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from seektrack.tracking.anomalies.repair import tell_on
from seektrack.tracking.follow_settings import FollowSettings
from seektrack.tracking.fuse import FuseSettings, fuse_masks
from seektrack.tracking.hidden_parts import add_hidden_parts
from seektrack.types import Frame, Progress, Tracks
from seektrack.video import VideoSource


def finish_tracks(
    tracks: Tracks, source: VideoSource, settings: FollowSettings, *, progress: Progress | None = None
) -> Tracks:
    """Tell where tracks are likely wrong, fuse masks over time and estimate hidden parts, as settings ask.

    Args:
        tracks: Of the source.
        source: Read once more where masks are fused.
        settings: See `FollowSettings`.
        progress: Called after every frame that is read again.
    """
    if settings.anomalies is not None and tracks.tracks:
        tracks = _told_on(tracks, source, settings, progress)
    if settings.fuse > 0 and tracks.tracks:
        last, total = max(tracks.frame_times, default=-1), len(tracks.frame_times)

        def counted() -> Iterator[Frame]:
            for done, frame in enumerate(takewhile(lambda frame: frame.index <= last, source), start=1):
                if progress:
                    progress(done, total, "fusing")
                yield frame

        tracks = fuse_masks(tracks, counted(), FuseSettings(around=settings.fuse))
    return add_hidden_parts(tracks) if settings.amodal else tracks


def _told_on(
    tracks: Tracks, source: VideoSource, settings: FollowSettings, progress: Progress | None
) -> Tracks:
    """The tracks with their anomalies, what is proven put right; the video is read once more."""
    total = len(tracks.frame_times)

    def counted() -> Iterator[Frame]:
        for done, frame in enumerate(source, start=1):
            if progress:
                progress(min(done, total), total, "checking")
            yield frame

    frames = None if source.live else counted()
    return tell_on(tracks, frames, repair=settings.repair, settings=settings.anomalies)
