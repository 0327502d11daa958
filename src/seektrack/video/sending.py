"""Sending pictures on as a stream: to an RTSP, RTMP or SRT server, or over UDP or TCP as MPEG-TS."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from seektrack.closing import Closing
from seektrack.errors import InputError, OutputError
from seektrack.video.network import without_password

KINDS = {"rtsp": "rtsp", "rtmp": "flv", "udp": "mpegts", "tcp": "mpegts", "srt": "mpegts"}
"""Protocol of an address → container."""


def check_stream_address(address: str) -> str:
    """The container for an address.

    Raises:
        InputError: Nothing can be sent there.
    """
    kind = KINDS.get(address.partition("://")[0].lower()) if "://" in address else None
    if kind is None:
        raise InputError(
            f"cannot send a stream to {without_password(address)}",
            hint=f"give an address of one of {', '.join(f'{name}://' for name in KINDS)}",
        )
    return kind


class PictureSender(Closing):
    """Encodes pictures as they come, without delay, and sends them to an address.

    Args:
        address: Of one of `KINDS`.
        width, height: Of the pictures.
        fps: Nominal rate.

    Raises:
        InputError: Nothing can be sent to such an address.
        OutputError: Nobody takes it there.
    """

    def __init__(self, address: str, *, width: int, height: int, fps: Fraction) -> None:
        kind = check_stream_address(address)
        self._shown, self._last = without_password(address), -1
        options = {"rtsp_transport": "tcp"} if kind == "rtsp" else {}
        try:
            self._out = av.open(address, "w", format=kind, options=options, timeout=(10.0, 10.0))
            stream = self._out.add_stream(
                "libx264",
                rate=max(round(fps), 1),
                options={"preset": "ultrafast", "tune": "zerolatency", "g": "25"},
            )
            stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            self._out.start_encoding()  # connects
        except (FFmpegError, OSError) as error:
            raise self._refused(error) from error
        self._stream = stream

    def send(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Send uint8 (H, W, 3) RGB, shown at a time.

        Raises:
            OutputError: The receiver has gone.
        """
        if image.shape[0] % 2 or image.shape[1] % 2:
            padding = ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0))
            image = np.pad(image, padding, mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
        self._last = max(round(time_s * 1000), self._last + 1)
        picture.pts, picture.time_base = self._last, Fraction(1, 1000)
        try:
            self._out.mux(self._stream.encode(picture))
        except (FFmpegError, OSError) as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Send what is left and end the stream."""
        try:
            self._out.mux(self._stream.encode(None))
        except (FFmpegError, OSError):
            pass
        finally:
            self._out.close()

    def _refused(self, error: Exception) -> OutputError:
        why = getattr(error, "strerror", None) or str(error)
        return OutputError(f"cannot send to {self._shown}: {why}", hint="is the receiver listening?")
