"""Where live pictures come from, each as it arrives: a network stream, a camera, another source."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol

import av
import cv2
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from seektrack.errors import VideoError
from seektrack.video.container import chosen
from seektrack.video.convert import Converter
from seektrack.video.network import without_password
from seektrack.video.source import VideoSource
from seektrack.video.wall import reason

# A network stream may not name files of this machine.
_PROTOCOLS = "tcp,udp,rtp,rtsp,rtsps,rtmp,rtmps,srt,http,https,tls,crypto,httpproxy"
_USUAL_FPS = Fraction(25)
PIPE = "-"
"""Standard input, as a name."""


class Pixels(Protocol):
    """A decoded picture, not yet converted."""

    def rgb(self) -> NDArray[np.uint8]: ...  # noqa: D102
    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]: ...  # noqa: D102


class Feed(Protocol):
    """Where a live stream's pictures come from, each as it arrives."""

    hw: tuple[int, int]
    fps: Fraction
    has_end: bool

    @property
    def is_hd(self) -> bool | None:
        """Whether colours that are not tagged are read as BT.709; None where none need to be."""

    def __iter__(self) -> Iterator[tuple[Fraction, Pixels]]: ...

    def close(self) -> None:
        """Release the device or connection; pictures end."""


class _Decoded:
    def __init__(self, raw: av.VideoFrame, converter: Converter) -> None:
        self._raw, self._converter = raw, converter

    def rgb(self) -> NDArray[np.uint8]:
        return self._converter.rgb(self._raw)

    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]:
        return self._converter.luma(self._raw, hw)


class StreamFeed:
    """An address, or a file at its own pace.

    Args:
        name: The address or file.
        options: For FFmpeg.
        timeout_s: Longest wait for the stream to open, and for a picture.
        paced: Give a recording at its own pace, not as fast as it comes.
        is_hd: As of `Converter`.
    """

    def __init__(
        self,
        name: str,
        options: dict[str, str],
        timeout_s: float,
        *,
        paced: bool = True,
        is_hd: bool | None = None,
    ) -> None:
        shown = without_password(name)
        is_pipe = name == PIPE
        is_file = "://" not in name and not is_pipe
        if is_file and not os.path.isfile(name):
            raise VideoError(
                f"no such camera, stream or file: {name}", hint="a camera is a number, a stream has a ://"
            )
        guarded = {"protocol_whitelist": "file" if is_file else "pipe" if is_pipe else _PROTOCOLS}
        if name.startswith("rtsp"):
            guarded["rtsp_transport"] = "tcp"
        if not is_file:
            guarded["analyzeduration"] = "1000000"  # begin after a second, not after five
        try:
            self._container = av.open(
                f"file:{name}" if is_file else "pipe:0" if is_pipe else name,
                "r",
                options=guarded | options,
                timeout=(timeout_s, timeout_s),
                metadata_errors="replace",
            )
            stream = chosen(self._container.streams.video)
            if stream is None:
                raise VideoError(f"no video in the stream {shown}", hint="it may be sound only")
            self._stream = stream
            self._stream.thread_type = "SLICE"  # frame threads would hold pictures back
            self._frames = self._container.decode(self._stream)
            self._first = next(self._frames, None)
        except VideoError:
            raise
        except Exception as error:
            raise VideoError(
                f"cannot open the stream {shown}: {reason(error)}",
                hint="check the address, and that it is reachable from here",
            ) from error
        if self._first is None:
            raise VideoError(f"the stream {shown} shows no picture", hint="is it still being sent?")
        # What has a length is a recording, which the network may bring faster than anyone can look at it.
        self._endless = name.startswith("http") and self._container.size <= 0
        self.has_end = is_file or bool(self._container.duration)
        self._paced = paced and (self.has_end or is_pipe)
        self._converter = Converter(
            self._first, path=shown, pixel_aspect=self._stream.sample_aspect_ratio, is_hd=is_hd
        )
        self.is_hd = self._converter.is_hd
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
        """End the connection."""
        self._container.close()


class _Bgr:
    def __init__(self, image: NDArray[np.uint8]) -> None:
        self._image = image

    def rgb(self) -> NDArray[np.uint8]:
        return np.asarray(cv2.cvtColor(self._image, cv2.COLOR_BGR2RGB), dtype=np.uint8)

    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]:
        small = cv2.resize(self._image, (hw[1], hw[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


class CameraFeed:
    """A camera of this machine, through OpenCV, which knows them on every system."""

    has_end, is_hd = False, None

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
        self.fps = (Fraction(rate).limit_denominator(1000) if 0 < rate < 1000 else None) or _USUAL_FPS

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
        """Give the camera back."""
        self._capture.release()


class SourceFeed:
    """Any other source at its own pace: a folder of images, a scan, pictures in memory."""

    has_end, is_hd = True, None

    def __init__(self, source: VideoSource) -> None:
        self._source = source
        self.hw, self.fps = source.info.hw, source.info.fps

    def __iter__(self) -> Iterator[tuple[Fraction, Pixels]]:
        began, origin = time.monotonic(), None
        for picture in self._source.pictures():
            origin = picture.timestamp if origin is None else origin
            at = picture.timestamp - origin
            time.sleep(max(0.0, began + float(at) - time.monotonic()))
            yield at, picture

    def close(self) -> None:
        """Release what is open."""
        self._source.close()
