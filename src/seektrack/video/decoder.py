"""One open container: its packets, its pictures, its place."""

from __future__ import annotations

import os
import stat
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeVar

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from seektrack.errors import VideoError
from seektrack.video.convert import Converter
from seektrack.video.keys import decodes_whole, nal_length
from seektrack.video.limits import Limits
from seektrack.video.source import Picture
from seektrack.video.wall import reason, wall

# Demuxers that make a "video" of text, or follow what a file says to other files.
_REFUSED_FORMATS = frozenset({"tty", "hls", "concat", "dash", "lavfi", "bin", "xbin", "adf", "idf"})
_NO_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
_DEFAULT_COUNTS = 5_000_000  # as many pixels the default stream is ahead, in ffmpeg's own choice
_JOINED_WITHIN = 2  # packets from one called torn to the key packet of the next recording

S = TypeVar("S", av.VideoStream, av.AudioStream)


class KeyPacket(NamedTuple):
    """Where decoding may start: stamps in the stream's time base, and how many packets lie before it."""

    pts: int
    dts: int
    before: int


class Decoder:
    """One open file; `frames` goes on from where it stands, `seek` moves it.

    Args:
        path: The file.
        keys_only: Decode only pictures that need no other.

    Attributes:
        keys: Key packets met from which every later picture comes out whole.
        errors: What could not be read or decoded, in words.
        packets_read: Packets with a picture met since the first key packet.

    Raises:
        VideoError: Missing, empty, not a video, without a video stream, or too large.
    """

    def __init__(self, path: Path, *, keys_only: bool = False) -> None:
        self.path = path
        self._keys_only = keys_only
        self._silent_s = Limits.current().silent_s
        self._heard = time.monotonic()
        self._pending: av.Packet[av.VideoStream] | None = None
        self.keys: list[KeyPacket] = []
        self.errors: list[str] = []
        self.packets_read = 0
        self._open()

    def _open(self) -> None:
        self._container = open_container(self.path)
        try:
            self.stream = _video_stream(self.path, self._container)
            context = self.stream.codec_context
            with wall(self.path):
                self._nal_length = nal_length(context)
                self.stream.thread_type = "AUTO"
                self.stream.thread_count = _threads(context.width * context.height)
                if self._keys_only:
                    context.skip_frame = "NONKEY"
        except BaseException:
            self._container.close()
            raise

    def restart(self) -> None:
        """Go back to the very beginning, also where the container cannot seek."""
        self.close()
        self._pending = None
        self.keys.clear()
        self.errors.clear()
        self.packets_read = 0
        self._open()

    @property
    def container(self) -> av.container.InputContainer:
        """The open container."""
        return self._container

    def close(self) -> None:
        """Close the file."""
        self._settle()
        self._container.close()

    def __del__(self) -> None:
        if hasattr(self, "_container"):
            self.close()

    def _settle(self) -> None:
        """Let the decoder's threads come to rest where they may want to write a log.

        A program that listens to FFmpeg's log has each line brought to Python, which takes the interpreter's
        lock; PyAV holds that lock while it waits for the threads to end. Draining waits without it.
        """
        if av.logging.get_level() is None or not hasattr(self, "stream"):
            return
        try:
            self.stream.decode(None)
        except Exception:  # drained already, or nothing in it
            return

    def packets(self) -> Iterator[av.Packet[av.VideoStream]]:
        """Packets from here to the end; what cannot be read ends them and is noted in ``errors``."""
        demuxed = self._container.demux(self.stream)
        while True:
            packet: av.Packet[av.VideoStream] | None = self._pending
            self._pending = None
            if packet is None:
                try:
                    packet = next(demuxed, None)
                except BlockingIOError as error:  # a stretch without a packet; what follows may have some
                    self.errors.append(reason(error))
                    demuxed = self._container.demux(self.stream)
                    if time.monotonic() - self._heard <= self._silent_s:
                        continue
                except Exception as error:
                    self.errors.append(reason(error))
            if packet is None or (packet.dts is None and not packet.size):
                return
            if packet.is_keyframe and decodes_whole(packet, self._nal_length):
                self._note_key(packet)
            self.packets_read += bool(packet.size and not packet.is_discard and self.keys)
            yield packet

    def _note_key(self, packet: av.Packet[av.VideoStream]) -> None:
        pts = packet.dts if packet.pts is None else packet.pts
        if pts is not None:
            dts = pts if packet.dts is None else packet.dts
            self.keys.append(KeyPacket(pts, dts, self.packets_read))

    def frames(self) -> Iterator[av.VideoFrame]:
        """Decoded pictures from here to the end, in presentation order.

        A packet that cannot be decoded is passed over and noted in ``errors``, and so is the rest of a file
        that gives no picture for `Limits.silent_s`.
        """
        self._heard = time.monotonic()
        suspect = 0
        for packet in self.packets():
            if not packet.size:
                continue
            suspect = self._suspected(packet, suspect)
            for frame in self._decode(packet):
                yield frame
                self._heard = time.monotonic()
            if time.monotonic() - self._heard > self._silent_s:
                self.errors.append(f"no picture came for {self._silent_s} s")
                return
        if suspect:
            self.errors.append("the last packet is cut short")
        yield from self._decode(None)

    def _suspected(self, packet: av.Packet[av.VideoStream], left: int) -> int:
        """Packets to wait for before a torn one counts as damage.

        Where two recordings are joined, the last packets of the first are called torn too; they are not, as
        the second begins with a key packet.
        """
        if packet.is_corrupt:
            return _JOINED_WITHIN
        if packet.is_keyframe or not left:
            return 0
        if left == 1:
            self.errors.append("a packet is cut short")
        return left - 1

    def _decode(self, packet: av.Packet[av.VideoStream] | None) -> list[av.VideoFrame]:
        try:
            return self.stream.decode(packet)
        except EOFError:
            return []
        except Exception as error:
            self.errors.append(reason(error))
            return []

    def seek(self, pts: int, keys: Sequence[KeyPacket]) -> None:
        """Move to a key frame at or before a time, as near as the container allows.

        Containers search by decoding time, and some land late; so each landing is checked: it must be on
        one of the file's key packets, with the stamps it has from the front. An earlier one is tried until
        it serves.

        Args:
            pts: The wanted picture, in the stream's time base.
            keys: The file's key packets, by rising ``pts``.
        """
        at = bisect_right(keys, pts, key=lambda k: k.pts) - 1
        offsets = [keys[at].pts, keys[at].dts] if at >= 0 else []
        offsets += [keys[i].dts for i in (at - 1, at - 2) if i >= 0]
        good = {(key.pts, key.dts) for key in keys[: at + 1]}
        for offset in offsets:
            landed = self._landed(offset)
            if landed is None or landed.pts is None:
                continue
            if (landed.pts, landed.pts if landed.dts is None else landed.dts) in good:
                self._pending = landed
                return
        self.restart()

    def jump(self, key: KeyPacket) -> None:
        """Move near a key packet, where stamps are not the same after a jump; else to the front."""
        landed = self._landed(key.dts)
        if landed is None:
            self.restart()
        else:
            self._pending = landed

    def _landed(self, offset: int) -> av.Packet[av.VideoStream] | None:
        """The key packet a seek lands on; None where it fails."""
        self._pending = None
        try:
            self._settle()
            self._container.seek(offset, stream=self.stream, backward=True)
            return next((p for p in self._container.demux(self.stream) if p.is_keyframe), None)
        except Exception:  # the next one, or the front
            return None


def open_container(path: Path) -> av.container.InputContainer:
    """Open a media file, as a file whatever its name looks like.

    Raises:
        VideoError: Missing, empty, no file, text or a playlist, or not readable.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise VideoError(f"no such video: {path}", hint="check the path") from None
    except (OSError, ValueError) as error:
        raise VideoError(f"cannot read {path}: {reason(error)}", hint="check its rights and name") from error
    if not stat.S_ISREG(status.st_mode):
        raise VideoError(f"{path} is no file", hint="a camera or a pipe is opened with LiveSource")
    if status.st_size == 0:
        raise VideoError(f"the file is empty: {path}", hint="was the download or recording cut off?")
    try:
        container = av.open(
            f"file:{path}",
            "r",
            options={"max_pixels": str(Limits.current().max_pixels)},
            container_options={"protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except MemoryError as error:
        raise VideoError(f"{path} does not fit into memory", hint="is it damaged?") from error
    except Exception as error:
        raise VideoError(
            f"not a readable video: {path} ({reason(error)})",
            hint="the file is no video, or is damaged where the container keeps its index",
        ) from error
    if container.format.name in _REFUSED_FORMATS:
        container.close()
        raise VideoError(f"not a video: {path} is text or a playlist", hint="give the video file itself")
    return container


def _video_stream(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    stream = chosen([s for s in container.streams.video if not s.disposition & _NO_PICTURES])
    if stream is None:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise VideoError(f"no video stream in {path}: it holds {kinds}", hint="give a file with pictures")
    if stream.codec_context is None:
        raise VideoError(f"no decoder for the pictures of {path}", hint="convert it with a tool that has one")
    pixels, limit = stream.width * stream.height, Limits.current().max_pixels
    if pixels > limit:
        raise VideoError(
            f"the pictures of {path} have {pixels} pixels, more than {limit}",
            hint="make it smaller, or set SEEKTRACK_MAX_PIXELS",
        )
    return stream


def chosen(streams: Sequence[S]) -> S | None:
    """The stream ffmpeg takes of several of one kind: the default one, then the largest, then the first.

    Those without a decoder count last.
    """

    def merit(stream: S) -> tuple[bool, int]:
        if stream.codec_context is None:
            return False, 0
        size = stream.width * stream.height if isinstance(stream, av.VideoStream) else stream.channels
        return True, size + _DEFAULT_COUNTS * bool(stream.disposition & Disposition.default)

    return max(streams, key=merit, default=None)


def origin(container: av.container.InputContainer, stream: av.VideoStream | None) -> Fraction:
    """Seconds of the container's clock that a player counts as 0.

    It is where the first of picture and sound begins, so that both count alike when they start apart. Sound
    before zero is what its codec needs to run in, and does not count.
    """
    media = [*container.streams.video, *container.streams.audio]
    starts = [
        s.start_time * s.time_base
        for s in media
        if s.start_time is not None and s.time_base is not None and not s.disposition & _NO_PICTURES
    ]
    first = max(min(starts, default=Fraction(0)), Fraction(0))
    if stream is None or stream.start_time is None or stream.time_base is None:
        return first
    return min(first, stream.start_time * stream.time_base)


def _threads(pixels: int) -> int:
    """Threads for a decoder, each of which holds pictures of its own; 0 lets FFmpeg choose."""
    fitting = max(1, Limits.current().ahead_bytes // max(1, 4 * pixels))
    return fitting if fitting < (os.cpu_count() or 1) else 0


class DecodedPicture(Picture):
    """A decoded picture, still in the codec's own pixel format."""

    def __init__(self, index: int, timestamp: Fraction, raw: av.VideoFrame, converter: Converter) -> None:
        super().__init__(index, timestamp)
        self.key = bool(raw.key_frame)
        self.raw = raw
        self._converter = converter

    def rgb(self) -> NDArray[np.uint8]:
        """The picture as uint8 (H, W, 3)."""
        return self._converter.rgb(self.raw)

    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]:
        """A small grey copy of size (h, w)."""
        return self._converter.luma(self.raw, hw)
