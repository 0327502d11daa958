"""One open container: its packets, its pictures, its place."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, cast

import av
import numpy as np
from av.buffer import Buffer
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from seektrack.errors import VideoError
from seektrack.video.source import Picture

# Demuxers that make a "video" of text, or follow what a file says to other files.
_REFUSED_FORMATS = frozenset({"tty", "hls", "concat", "dash", "lavfi", "bin", "xbin", "adf", "idf"})


class KeyPacket(NamedTuple):
    """Where decoding may start: presentation and decoding stamps in the stream's time base."""

    pts: int
    dts: int


class Decoder:
    """One open file; `frames` goes on from where it stands, `seek` moves it.

    Args:
        path: The file.
        keys_only: Decode only pictures that need no other.

    Raises:
        VideoError: Missing, empty, not a video, or without a video stream.
    """

    def __init__(self, path: Path, *, keys_only: bool = False) -> None:
        self.path = path
        self._keys_only = keys_only
        self._pending: av.Packet[av.VideoStream] | None = None
        self.keys: list[KeyPacket] = []
        self.damage: list[str] = []
        self._open()

    def _open(self) -> None:
        self._container, self.stream = _open_container(self.path)
        self.stream.thread_type = "AUTO"
        if self._keys_only:
            self.stream.codec_context.skip_frame = "NONKEY"

    def restart(self) -> None:
        """Go back to the very beginning, also where the container cannot seek."""
        self.close()
        self._pending = None
        self.keys.clear()
        self.damage.clear()
        self._open()

    @property
    def container_duration_s(self) -> float | None:
        """Seconds the container says it lasts, or None."""
        return None if self._container.duration is None else self._container.duration / av.time_base

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def packets(self) -> Iterator[av.Packet[av.VideoStream]]:
        """Packets from here to the end; what cannot be read ends them and is noted in ``damage``."""
        demuxed = self._container.demux(self.stream)
        while True:
            packet: av.Packet[av.VideoStream] | None = self._pending
            self._pending = None
            if packet is None:
                try:
                    packet = next(demuxed, None)
                except FFmpegError as error:
                    self.damage.append(_reason(error))
            if packet is None or (packet.dts is None and not packet.size):
                return
            if packet.is_keyframe and packet.pts is not None:
                self.keys.append(KeyPacket(packet.pts, packet.pts if packet.dts is None else packet.dts))
            if packet.is_corrupt:
                self.damage.append("a packet is cut short")
            yield packet

    def frames(self) -> Iterator[av.VideoFrame]:
        """Decoded pictures from here to the end, in presentation order.

        A packet that cannot be decoded is passed over and noted in ``damage``.
        """
        for packet in self.packets():
            if packet.size:
                yield from self._decode(packet)
        yield from self._decode(None)

    def _decode(self, packet: av.Packet[av.VideoStream] | None) -> list[av.VideoFrame]:
        try:
            return self.stream.decode(packet)
        except FFmpegError as error:
            self.damage.append(_reason(error))
            return []

    def seek(self, pts: int, keys: Sequence[KeyPacket]) -> None:
        """Move to a key frame at or before a time, as near as the container allows.

        Containers search by decoding time, and some land late; so each landing is checked by its first
        key packet, and an earlier one is tried until it serves.

        Args:
            pts: The wanted picture, in the stream's time base.
            keys: The file's key packets, by rising ``pts``.
        """
        at = bisect_right(keys, pts, key=lambda k: k.pts) - 1
        offsets = [pts] if at < 0 else [keys[at].pts, keys[at].dts]
        offsets += [keys[i].dts for i in (at - 1, at - 2) if i >= 0]
        for offset in offsets:
            self._pending = None
            try:
                self._container.seek(offset, stream=self.stream, backward=True)
                landed = next((p for p in self._container.demux(self.stream) if p.is_keyframe), None)
            except FFmpegError:
                continue
            if landed is not None and landed.pts is not None and landed.pts <= pts:
                self._pending = landed
                return
        self.restart()


def _open_container(path: Path) -> tuple[av.container.InputContainer, av.VideoStream]:
    try:
        if not path.exists():
            raise VideoError(f"no such video: {path}", hint="check the path")
        if path.stat().st_size == 0:
            raise VideoError(f"the file is empty: {path}", hint="was the download or recording cut off?")
    except OSError as error:
        raise VideoError(f"cannot read {path}: {error.strerror}", hint="check its rights and name") from error
    try:
        container = av.open(str(path), "r", container_options={"protocol_whitelist": "file"})
    except (FFmpegError, OSError) as error:
        raise VideoError(
            f"not a readable video: {path} ({_reason(error)})",
            hint="the file is no video, or is damaged where the container keeps its index",
        ) from error
    if container.format.name in _REFUSED_FORMATS:
        container.close()
        raise VideoError(f"not a video: {path} is text or a playlist", hint="give the video file itself")
    streams = [s for s in container.streams.video if not s.disposition & type(s.disposition).attached_pic]
    if not streams:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        container.close()
        raise VideoError(f"no video stream in {path}: it holds {kinds}", hint="give a file with pictures")
    return container, streams[0]


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)


class _Reformatters(threading.local):
    """One set per thread: a reformatter must not work on two pictures at once."""

    def __init__(self) -> None:
        self.to_rgb = VideoReformatter()
        self.to_small = VideoReformatter()


class Converter:
    """Turns decoded pictures into RGB of one size, upright as the display matrix says.

    The colour matrix and range come from the picture's own tags (BT.601 where it has none): pixel for
    pixel what PyAV's ``to_ndarray(format="rgb24")`` gives, without setting up a scaler for each picture.

    Args:
        first: The first decoded picture; later ones of another size are scaled to its.
    """

    def __init__(self, first: av.VideoFrame) -> None:
        self._coded_wh = first.width, first.height
        self._matrix = _display_matrix(first)
        turned = self._matrix is not None and self._matrix[0] == 0
        self.hw = (first.width, first.height) if turned else (first.height, first.width)
        self._own = _Reformatters()

    def rgb(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """uint8 (H, W, 3), contiguous."""
        width, height = self._coded_wh
        image = self._own.to_rgb.reformat(frame, width, height, "rgb24").to_ndarray()
        return np.ascontiguousarray(self._upright(image), dtype=np.uint8)

    def luma(self, frame: av.VideoFrame, hw: tuple[int, int]) -> NDArray[np.uint8]:
        """A small grey copy of size (h, w), not turned."""
        small = self._own.to_small.reformat(frame, hw[1], hw[0], "gray", interpolation=Interpolation.AREA)
        return np.ascontiguousarray(small.to_ndarray(), dtype=np.uint8)

    def _upright(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        if self._matrix is None:
            return image
        a, b, c, d = self._matrix
        return image[::d, ::a] if a else image.swapaxes(0, 1)[::b, ::c]


def _display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int] | None:
    """Signs (a, b, c, d) of ``x' = a·x + c·y``, ``y' = b·x + d·y``; None when the picture is upright.

    Turns that are no multiple of 90° are rounded to one.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    m = np.frombuffer(bytes(cast(Buffer, data)), dtype=np.int32)
    a, b, c, d = (float(m[i]) for i in (0, 1, 3, 4))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        signs = (int(np.sign(a)) or 1, 0, 0, int(np.sign(d)) or 1)
        return None if signs == (1, 0, 0, 1) else signs
    return 0, int(np.sign(b)) or 1, int(np.sign(c)) or 1, 0


class DecodedPicture(Picture):
    """A decoded picture, still in the codec's own pixel format."""

    def __init__(self, index: int, timestamp: Fraction, raw: av.VideoFrame, converter: Converter) -> None:
        super().__init__(index, timestamp)
        self.key = bool(raw.key_frame)
        self._raw = raw
        self._converter = converter

    def rgb(self) -> NDArray[np.uint8]:
        """The picture as uint8 (H, W, 3)."""
        return self._converter.rgb(self._raw)

    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]:
        """A small grey copy of size (h, w)."""
        return self._converter.luma(self._raw, hw)
