"""Streams that do not wait: a camera, a network stream, or a file played at its own pace."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NoReturn

import numpy as np
from av.error import ExitError
from numpy.typing import NDArray

from seektrack.errors import InputError, VideoError
from seektrack.types import VideoInfo
from seektrack.video.feeds import PIPE, CameraFeed, Feed, Pixels, SourceFeed, StreamFeed
from seektrack.video.network import as_name, without_password
from seektrack.video.source import Picture, VideoSource


class LivePicture(Picture):
    """A picture of a stream.

    Attributes:
        received_at: `time.monotonic` when it arrived.
    """

    def __init__(self, index: int, timestamp: Fraction, raw: Pixels, received_at: float) -> None:
        super().__init__(index, timestamp)
        self.received_at = received_at
        self._raw = raw

    def rgb(self) -> NDArray[np.uint8]:
        """The picture as uint8 (H, W, 3)."""
        return self._raw.rgb()

    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]:
        """A small grey copy of size (h, w)."""
        return self._raw.luma(hw)


class LiveSource(VideoSource):
    """A stream as it happens: whoever asks gets the newest picture, those missed meanwhile are dropped.

    It can be iterated once, from now on; there is no past to seek in. ``index`` counts received pictures,
    the dropped ones too, and ``timestamp`` is the stream's own, from the first picture on. The stream is read
    in a thread of its own that keeps one picture, so memory does not grow and nothing waits in a queue.

    Args:
        source: A camera's number (``0``), an address (``rtsp://``, ``http://``, ``srt://``…), a file, ``-``
            for standard input, or a source of any other kind. What has an end, here or at an address, is
            played at its own pace.
        options: For FFmpeg, such as ``{"rtsp_transport": "tcp"}``.
        timeout_s: Longest wait for the stream to open, and for a picture.
        is_hd: Whether colours that are not tagged are BT.709; the first picture's size says when None.

    Attributes:
        received, dropped: Pictures so far.
        is_hd: As it was given, or found; None where colours need no such reading.

    Raises:
        VideoError: It cannot be opened, or shows no picture in time.
    """

    def __init__(
        self,
        source: str | int | os.PathLike[str] | VideoSource,
        *,
        options: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        is_hd: bool | None = None,
    ) -> None:
        if not timeout_s > 0:
            raise InputError(f"timeout_s must be seconds > 0, got {timeout_s}")
        self._feed, name = _feed(source, dict(options or {}), timeout_s, is_hd)
        self.is_hd = self._feed.is_hd
        self._timeout_s, self._piped = timeout_s, source == PIPE
        self._ready = threading.Condition()
        self._newest: LivePicture | None = None
        self._error: BaseException | None = None
        self._ended = self._closed = self._started = False
        self.received = self.dropped = 0
        height, width = self._feed.hw
        info = VideoInfo(path=without_password(name), width=width, height=height, fps=self._feed.fps)
        super().__init__(info, start_s=None, end_s=None)

    @property
    def live(self) -> bool:
        """Whether it can only be iterated once, from now on."""
        return True

    @property
    def lasting(self) -> bool:
        """Whether it has no end of its own, so that one that ends may come back: no file, no pipe."""
        return not self._feed.has_end and not self._piped

    def close(self) -> None:
        """End the stream."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        if not self._started:
            self._feed.close()

    def _receive(self) -> None:
        try:
            for index, (timestamp, raw) in enumerate(self._feed):
                with self._ready:
                    if self._closed:
                        break
                    self.received += 1
                    self.dropped += self._newest is not None
                    self._newest = LivePicture(index, timestamp, raw, time.monotonic())
                    self._ready.notify_all()
        except BaseException as error:  # raised where the pictures are asked for
            self._error = error
        finally:
            self._feed.close()
            with self._ready:
                self._ended = True
                self._ready.notify_all()

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        if self._started:
            raise InputError(f"{self.info.path} is a live stream, read already", hint="open it again")
        self._started = True
        threading.Thread(target=self._receive, name="seektrack-live", daemon=True).start()
        while (picture := self._wait()) is not None:
            yield picture

    def _wait(self) -> LivePicture | None:
        with self._ready:
            arrived = self._ready.wait_for(
                lambda: self._newest is not None or self._ended or self._closed, self._timeout_s
            )
            picture, self._newest = self._newest, None
            if not arrived or (picture is None and isinstance(self._error, ExitError) and not self._closed):
                self._closed = True
                raise VideoError(
                    f"{self.info.path} sent no picture for {self._timeout_s:g} s", hint="is the camera on?"
                )
            if picture is None and self._error is not None and not self._closed:
                why = getattr(self._error, "strerror", None) or self._error
                raise VideoError(f"{self.info.path} broke off: {why}", hint="open it again") from self._error
            return None if self._closed else picture

    def _all_times(self) -> Sequence[Fraction]:
        self._no_past()

    def _picture_at(self, index: int) -> Picture:
        self._no_past()

    def _no_past(self) -> NoReturn:
        raise InputError(
            f"{self.info.path} is a live stream: it has no length and no frames to go back to",
            hint="record it to a file first",
        )


def _feed(
    source: str | int | os.PathLike[str] | VideoSource,
    options: dict[str, str],
    timeout_s: float,
    is_hd: bool | None,
) -> tuple[Feed, str]:
    """Where the pictures come from, and what that is called."""
    if isinstance(source, VideoSource):
        return SourceFeed(source), source.info.path
    name = str(source) if isinstance(source, int) else as_name(source)
    if is_camera(name):
        return CameraFeed(int(name)), name
    return StreamFeed(name, options, timeout_s, is_hd=is_hd), name


def is_camera(name: str) -> bool:
    """Whether a name is a camera's number, 0 to 999."""
    return name.isascii() and name.isdigit() and len(name) <= 3
