"""A piece of a live stream, taken as it comes and kept, so that it can be gone through in any order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Protocol

from av.error import FFmpegError

from seektrack.errors import InputError, VideoError
from seektrack.types import Progress, VideoInfo
from seektrack.video.cache import CachedSource
from seektrack.video.feeds import Pixels
from seektrack.video.images import ImagePicture
from seektrack.video.source import Picture, VideoSource

JPEG_QUALITY = 95
"""Recorded pictures are kept as JPEG unless asked otherwise: raw, a minute of 1080p takes 9 GB."""


class Bounds(Protocol):
    """Which piece of a stream."""

    @property
    def start_s(self) -> float | None: ...  # noqa: D102
    @property
    def end_s(self) -> float | None: ...  # noqa: D102
    @property
    def frames(self) -> int | None: ...  # noqa: D102


class Stretch(VideoSource):
    """The pictures of a stream up to an end, iterated once.

    Args:
        info: What is known of the stream.
        feed: Time in seconds from the first picture on, and the picture.
        how: Its ``start_s`` and ``end_s`` are seconds of the stream, ``frames`` pictures that are kept.
        progress: Called with ``(done, total, stage)``.
    """

    def __init__(
        self,
        info: VideoInfo,
        feed: Iterable[tuple[Fraction, Pixels]],
        *,
        how: Bounds,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(info, start_s=how.start_s, end_s=how.end_s)
        self._feed, self._frames, self._progress = feed, how.frames, progress
        self._times: list[Fraction] = []

    def _all_times(self) -> Sequence[Fraction]:
        return self._times

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        """Pictures as they come; those before ``start_s`` are passed over by who iterates."""
        low, high = self._interval(None, None)
        total = self._total()
        kept = 0
        for index, (timestamp, pixels) in enumerate(self._feed):
            if high is not None and timestamp >= high:
                break
            self._times.append(timestamp)
            if timestamp < low:
                continue
            yield ImagePicture(index, timestamp, lambda _, pixels=pixels: pixels.rgb())  # type: ignore[misc]
            kept += 1
            if self._progress:
                self._progress(min(kept, max(total - 1, 1)), total, "recording")
            if self._frames is not None and kept >= self._frames:
                break
        if self._progress:
            self._progress(max(kept, 1), max(kept, 1), "recording")

    def _picture_at(self, index: int) -> Picture:
        raise InputError(f"{self.info.path} is a live stream: it has no frames to go back to")

    def _total(self) -> int:
        if self._frames is not None or self._end_s is None:
            return self._frames or 0
        return math.ceil((self._end_s - (self._start_s or 0)) * self.info.fps)


def recorded(stretch: Stretch, *, exact: bool = False) -> VideoSource:
    """Take a piece of a stream now, in the time it takes, and keep it in a temporary file.

    Args:
        stretch: Which.
        exact: Keep the pictures raw instead of as JPEG.

    Raises:
        VideoError: The stream breaks off before its first picture, or there is no room.
    """
    info = stretch.info
    kept = CachedSource(stretch, jpeg_quality=None if exact else JPEG_QUALITY)
    try:
        times = kept.times()
    except FFmpegError as error:
        raise VideoError(f"{info.path} broke off: {error.strerror or error}", hint="try again") from error
    if not times:
        raise VideoError(f"{info.path} ended before the first picture asked for", hint="start earlier")
    step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1 / info.fps
    kept._info = replace(info, n_frames=len(kept._all_times()), duration_s=float(times[-1] + step))
    return kept
