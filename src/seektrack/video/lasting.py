"""A stream that lasts: through stalls, restarts and changes of size, its frames go on in one numbering.

Colours that are not tagged are read as those of the first picture: who does not tag them seldom changes
them with the size.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from seektrack.errors import InputError, VideoError
from seektrack.types import Frame, VideoInfo
from seektrack.video.live import LivePicture, LiveSource
from seektrack.video.source import VideoSource

RETRY_S = 0.5
"""Seconds between two attempts to open a stream again."""


@dataclass(frozen=True, eq=False)
class Arrived:
    """One frame of a stream.

    Attributes:
        frame: Numbered and timed from the first frame on, over all restarts, in the first one's size.
        received_at: `time.monotonic` when it arrived.
        restarted: Whether the stream was away before it.
        resized_from: The size (H, W) it came in, where that is another.
    """

    frame: Frame
    received_at: float
    restarted: bool = False
    resized_from: tuple[int, int] | None = None


class LastingStream:
    """Iterates a stream's newest pictures; where it stalls or breaks off, it is opened again.

    Args:
        source: As for `LiveSource`: a camera's number, an address, a file, ``-`` for standard input.
        options: For FFmpeg.
        timeout_s: Longest wait for the stream to open, and for a picture, before it counts as stalled.
        patience_s: Time for which attempts to open it again are begun; 0 never tries.

    Attributes:
        restarts: How often it was opened again.

    Raises:
        VideoError: It cannot be opened; while iterating: it did not come back in time.
    """

    def __init__(
        self,
        source: str | int | os.PathLike[str] | VideoSource,
        *,
        options: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        patience_s: float = 15.0,
    ) -> None:
        if not patience_s >= 0:
            raise InputError(f"patience_s must be seconds ≥ 0, got {patience_s}")
        self._source, self._options = source, dict(options or {})
        self._timeout_s, self._patience_s = timeout_s, patience_s
        self._live = LiveSource(source, options=self._options, timeout_s=timeout_s)
        self._info = self._live.info
        self._received = self._dropped = self.restarts = 0
        self._closed = False

    @property
    def info(self) -> VideoInfo:
        """What is known of the stream, as it was first opened."""
        return self._info

    @property
    def received(self) -> int:
        """Pictures that came so far."""
        return self._received + self._live.received

    @property
    def dropped(self) -> int:
        """Pictures that came while another was looked at."""
        return self._dropped + self._live.dropped

    def close(self) -> None:
        """End the stream; iterating it ends."""
        self._closed = True
        self._live.close()

    def __iter__(self) -> Iterator[Arrived]:
        number, base, last_s, last_at = 0, Fraction(0), Fraction(-1), time.monotonic()
        restarted = False
        while True:
            first_index = first_s = None
            error: VideoError | None = None
            try:
                for picture in self._live.pictures():
                    if first_index is None:
                        first_index, first_s = picture.index, picture.timestamp
                        number = number if restarted else picture.index
                        if restarted:
                            away = Fraction(time.monotonic() - last_at).limit_denominator(1000)
                            base = last_s + max(away, Fraction(1, 1000))
                    last_s = base + picture.timestamp - (first_s or 0)
                    index = number + picture.index - first_index
                    yield self._arrived(picture, index, last_s, restarted and picture.index == first_index)
                    last_at = time.monotonic()
            except VideoError as broken:
                error = broken
            if first_index is not None:
                number = index + 1
            if self._closed or not self._again(error):
                return
            restarted = True

    def _arrived(self, picture: object, index: int, at: Fraction, restarted: bool) -> Arrived:
        if not isinstance(picture, LivePicture):
            raise InputError("a live stream gives live pictures")
        image, hw = picture.rgb(), self._info.hw
        came = (int(image.shape[0]), int(image.shape[1]))
        if came != hw:
            image = np.asarray(cv2.resize(image, hw[::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)
        frame = Frame(index, at, image)
        return Arrived(frame, picture.received_at, restarted, None if came == hw else came)

    def _again(self, error: VideoError | None) -> bool:
        """Whether the stream is open again; what has an end of its own, or had none to wait for, is not.

        Raises:
            VideoError: It broke off and did not come back.
        """
        lasting = self._live.lasting and self._patience_s > 0
        until = time.monotonic() + self._patience_s
        self._received, self._dropped = self.received, self.dropped
        self._live.received = self._live.dropped = 0
        self._live.close()
        while lasting and not self._closed and time.monotonic() < until:
            try:
                self._live = LiveSource(
                    self._source, options=self._options, timeout_s=self._timeout_s, is_hd=self._live.is_hd
                )
            except VideoError:
                time.sleep(min(RETRY_S, max(until - time.monotonic(), 0.0)))
                continue
            self.restarts += 1
            return True
        if error is not None:
            raise error
        return False
