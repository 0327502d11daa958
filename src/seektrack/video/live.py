"""Streams that do not wait: a camera, a network stream, or a file played at its own pace."""

from __future__ import annotations

import errno
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NoReturn, Protocol

import av
import cv2
import numpy as np
from av.error import ExitError, FFmpegError
from numpy.typing import NDArray

from seektrack.errors import InputError, VideoError
from seektrack.types import VideoInfo
from seektrack.video.decoder import Converter
from seektrack.video.source import Picture, VideoSource

# A network stream may not name files of this machine.
_PROTOCOLS = "tcp,udp,rtp,rtsp,rtsps,rtmp,rtmps,srt,http,https,tls,crypto,httpproxy"
_USUAL_FPS = Fraction(25)


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


class Pixels(Protocol):
    """A decoded picture, not yet converted."""

    def rgb(self) -> NDArray[np.uint8]: ...  # noqa: D102
    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]: ...  # noqa: D102


class Feed(Protocol):
    """Where a live stream's pictures come from, each as it arrives."""

    hw: tuple[int, int]
    fps: Fraction

    def __iter__(self) -> Iterator[tuple[Fraction, Pixels]]: ...

    def close(self) -> None:
        """Release the device or connection; pictures end."""


class LiveSource(VideoSource):
    """A stream as it happens: whoever asks gets the newest picture, those missed meanwhile are dropped.

    It can be iterated once, from now on; there is no past to seek in. ``index`` counts received pictures,
    the dropped ones too, and ``timestamp`` is the stream's own, from the first picture on. The stream is read
    in a thread of its own that keeps one picture, so memory does not grow and nothing waits in a queue.

    Args:
        source: A camera's number (``0``), an address (``rtsp://``, ``http://``, ``srt://``…), or a file. A
            file, here or at an address, is played at its own pace.
        options: For FFmpeg, such as ``{"rtsp_transport": "tcp"}``.
        timeout_s: Longest wait for the stream to open, and for a picture.

    Attributes:
        received, dropped: Pictures so far.

    Raises:
        VideoError: It cannot be opened, or shows no picture in time.
    """

    def __init__(
        self,
        source: str | int | os.PathLike[str],
        *,
        options: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        if not timeout_s > 0:
            raise InputError(f"timeout_s must be seconds > 0, got {timeout_s}")
        name = os.fspath(source) if not isinstance(source, int) else str(source)
        self._feed: Feed = (
            _Camera(int(name)) if name.isdigit() else _Stream(name, dict(options or {}), timeout_s)
        )
        self._timeout_s = timeout_s
        self._ready = threading.Condition()
        self._newest: LivePicture | None = None
        self._error: BaseException | None = None
        self._ended = self._closed = self._started = False
        self.received = self.dropped = 0
        height, width = self._feed.hw
        info = VideoInfo(path=without_password(name), width=width, height=height, fps=self._feed.fps)
        super().__init__(info, start_s=None, end_s=None)

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


def without_password(address: str) -> str:
    """An address as it may be shown: ``rtsp://me:secret@host/1`` becomes ``rtsp://me:…@host/1``."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*(?:@[^/@]*)*@", r"\1:…@", address)


class _Decoded:
    def __init__(self, raw: av.VideoFrame, converter: Converter) -> None:
        self._raw, self._converter = raw, converter

    def rgb(self) -> NDArray[np.uint8]:
        return self._converter.rgb(self._raw)

    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]:
        return self._converter.luma(self._raw, hw)


class _Stream:
    """An address, or a file at its own pace."""

    def __init__(self, name: str, options: dict[str, str], timeout_s: float) -> None:
        shown = without_password(name)
        is_file = "://" not in name
        if is_file and not os.path.isfile(name):
            raise VideoError(
                f"no such camera, stream or file: {name}", hint="a camera is a number, a stream has a ://"
            )
        guarded = {"protocol_whitelist": "file" if is_file else _PROTOCOLS}
        if name.startswith("rtsp"):
            guarded["rtsp_transport"] = "tcp"
        if not is_file:
            guarded["analyzeduration"] = "1000000"  # begin after a second, not after five
        try:
            self._container = av.open(name, "r", options=guarded | options, timeout=(timeout_s, timeout_s))
            if not self._container.streams.video:
                raise VideoError(f"no video in the stream {shown}", hint="it may be sound only")
            self._stream = self._container.streams.video[0]
            self._stream.thread_type = "SLICE"  # frame threads would hold pictures back
            self._frames = self._container.decode(self._stream)
            self._first = next(self._frames, None)
        except (FFmpegError, OSError) as error:
            raise VideoError(
                f"cannot open the stream {shown}: {getattr(error, 'strerror', None) or error}",
                hint="check the address, and that it is reachable from here",
            ) from error
        if self._first is None:
            raise VideoError(f"the stream {shown} shows no picture", hint="is it still being sent?")
        # What has a length is a recording, which the network may bring faster than anyone can look at it.
        self._endless = name.startswith("http") and self._container.size <= 0
        self._paced = is_file or bool(self._container.duration)
        self._converter = Converter(self._first)
        self.hw = self._converter.hw
        self.fps = Fraction(self._stream.average_rate or self._stream.guessed_rate or _USUAL_FPS)

    def __iter__(self) -> Iterator[tuple[Fraction, Pixels]]:
        began, origin, last = time.monotonic(), None, Fraction(-1)
        raw = self._first
        while raw is not None:
            base = raw.time_base or self._stream.time_base or Fraction(1, 90_000)
            stamp = last + 1 / self.fps if raw.pts is None else raw.pts * base
            origin = stamp if origin is None else origin
            at = stamp - origin
            if at <= last:  # a stream that starts over, or stands still
                at = last + 1 / self.fps
            last = at
            if self._paced:
                time.sleep(max(0.0, began + float(at) - time.monotonic()))
            yield at, _Decoded(raw, self._converter)
            raw = self._next()

    def _next(self) -> av.VideoFrame | None:
        try:
            return next(self._frames, None)
        except FFmpegError as error:
            # FFmpeg calls it an input error when a server that announced no length closes; it is the end.
            if self._endless and error.errno == errno.EIO:
                return None
            raise

    def close(self) -> None:
        self._container.close()


class _Bgr:
    def __init__(self, image: NDArray[np.uint8]) -> None:
        self._image = image

    def rgb(self) -> NDArray[np.uint8]:
        return np.asarray(cv2.cvtColor(self._image, cv2.COLOR_BGR2RGB), dtype=np.uint8)

    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]:
        small = cv2.resize(self._image, (hw[1], hw[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


class _Camera:
    """A camera of this machine, through OpenCV, which knows them on every system."""

    def __init__(self, number: int) -> None:
        self._capture = cv2.VideoCapture(number)
        ok, first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not ok or first is None:
            self._capture.release()
            where = f" (/dev/video{number})" if sys.platform == "linux" else ""
            raise VideoError(
                f"camera {number}{where} cannot be opened", hint="is it plugged in, and used by nobody else?"
            )
        self._first = np.asarray(first, dtype=np.uint8)
        self.hw = int(first.shape[0]), int(first.shape[1])
        rate = float(self._capture.get(cv2.CAP_PROP_FPS) or 0)
        self.fps = Fraction(rate).limit_denominator(1000) if 0 < rate < 1000 else _USUAL_FPS

    def __iter__(self) -> Iterator[tuple[Fraction, Pixels]]:
        began = time.monotonic()
        yield Fraction(0), _Bgr(self._first)
        while True:
            ok, image = self._capture.read()
            if not ok or image is None:
                return
            at = Fraction(time.monotonic() - began).limit_denominator(1_000_000)
            yield at, _Bgr(np.asarray(image, dtype=np.uint8))

    def close(self) -> None:
        self._capture.release()
