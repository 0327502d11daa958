"""One open container: its packets, its pictures, its place."""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from seektrack.limits import Limits
from seektrack.video.container import has_hole, open_container, video_stream
from seektrack.video.convert import Converter
from seektrack.video.keys import decodes_whole, nal_length
from seektrack.video.losses import Losses
from seektrack.video.source import Picture
from seektrack.video.wall import reason, wall

_WITHOUT_INDEX = frozenset({"mpegts", "mpeg"})
# Bytes between two packets in which other streams alone would be many, and how often to look into such.
_FAR_ON, _GAPS = 1 << 16, 64
_JOINED_WITHIN = 2  # packets from one called torn to the key packet of the next recording


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
        losses: What the packets met tell of those that were lost.

    Raises:
        VideoError: Missing, empty, not a video, without a video stream, or too large.
    """

    def __init__(self, path: Path, *, keys_only: bool = False) -> None:
        self.path = path
        self._keys_only = keys_only
        self._silent_s = Limits.current().silent_s
        self._heard = time.monotonic()
        self._read_to: int | None = None
        self._gaps = 0
        self._pending: av.Packet[av.VideoStream] | None = None
        self.keys: list[KeyPacket] = []
        self.errors: list[str] = []
        self.packets_read = 0
        self._open()

    def _open(self) -> None:
        self._container = open_container(self.path)
        try:
            self.stream = video_stream(self.path, self._container)
            self.losses = Losses(self.path, self._container, self.stream)
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
        lock; PyAV holds that lock while it waits for the threads to end. So a decoder has no threads while
        somebody listens, and one opened before is drained, which waits without the lock.
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
                except BlockingIOError:  # what follows may have some again
                    self.errors.append("a stretch holds no packets")
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
            self.losses.note(packet)
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
            self._look_for_hole(packet)
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
        if not left or packet.is_keyframe:
            return 0
        if left == 1:
            self.errors.append("a packet is cut short")
            return 0
        return left - 1

    def _look_for_hole(self, packet: av.Packet[av.VideoStream]) -> None:
        """Note a stretch that was never written; streams without an index pass over it in silence."""
        end = self._read_to
        if packet.pos is None or self._container.format.name not in _WITHOUT_INDEX:
            return
        self._read_to = packet.pos + packet.size
        if end is not None and packet.pos - end > _FAR_ON and self._gaps < _GAPS:
            self._gaps += 1
            if has_hole(self.path, end, packet.pos):
                self.errors.append("a stretch was never written")

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
        self._pending = self._read_to = None
        try:
            self._settle()
            self._container.seek(offset, stream=self.stream, backward=True)
            return next((p for p in self._container.demux(self.stream) if p.is_keyframe), None)
        except Exception:  # the next one, or the front
            return None


def _threads(pixels: int) -> int:
    """Threads for a decoder, each of which holds pictures of its own; 0 lets FFmpeg choose.

    One where the program listens to FFmpeg's log, see `Decoder._settle`.
    """
    if av.logging.get_level() is not None:
        return 1
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
