"""Which frame is shown when: the table that makes indices exact under seeking."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from zlib import crc32

import av
import numpy as np

from seektrack.video.decoder import Decoder, KeyPacket

# Codecs whose every packet gives exactly one picture, so that the container's packets are the frames.
_ONE_PICTURE_A_PACKET = frozenset({"h264", "hevc", "vp9", "av1", "mjpeg", "png", "prores", "dnxhd", "ffv1"})
# Of these, the ones whose pictures need no other, so that order and stamps cannot be guessed wrong.
_ALONE = frozenset(
    {"mjpeg", "png", "prores", "dnxhd", "rawvideo", "huffyuv", "ffvhuff", "utvideo", "dvvideo"}
)
# Containers that store when each packet is shown; in others FFmpeg guesses, differently after a seek.
_STAMPED = frozenset({"mov", "matroska", "mpegts", "mxf", "flv", "asf", "nut", "ivf", "gif", "apng"})
_LEADING = 8  # pictures behind a key packet that may be shown before it


@dataclass(frozen=True)
class FrameIndex:
    """Every frame's time, and where decoding may start.

    Attributes:
        times: Seconds, strictly increasing; position is frame index.
        pts: The same in the stream's time base, strictly increasing; empty when the file's own stamps are
            missing or run backwards, and frames can only be found by counting.
        keys: Key packets by rising ``pts``; where there are marks, by the frames before them.
        decoded: Whether the table was made by decoding every frame, not by reading packets only.
        marks: A checksum of each frame's pixels, in containers whose stamps cannot be trusted after a seek;
            else empty.
    """

    times: tuple[Fraction, ...]
    pts: tuple[int, ...]
    keys: tuple[KeyPacket, ...]
    decoded: bool
    marks: tuple[int, ...] = ()

    @property
    def by_stamps(self) -> bool:
        """Whether a frame can be found by its stamp."""
        return bool(self.pts and self.keys and not self.marks)

    @property
    def seekable(self) -> bool:
        """Whether a frame can be found without beginning at the front, by its stamp or by its pixels."""
        return self.by_stamps or bool(self.marks and self.keys)

    def position(self, pts: int) -> int | None:
        """Index of the frame with this stamp, or None."""
        i = bisect_left(self.pts, pts)
        return i if i < len(self.pts) and self.pts[i] == pts else None

    def key_for(self, index: int) -> KeyPacket | None:
        """The key packet to begin from to reach a frame; None for the front."""
        k = self._key_number(index)
        return None if k < 0 else self.keys[k]

    def without_key_for(self, index: int) -> FrameIndex:
        """The same without the key packet that did not lead to a frame."""
        k = self._key_number(index)
        return replace(self, keys=() if k < 0 else self.keys[:k] + self.keys[k + 1 :])

    def key_before(self, index: int) -> int:
        """Index of the frame decoding must start from to reach ``index``."""
        key = self.key_for(index)
        if key is None:
            return 0
        return bisect_left(self.pts, key.pts) if self.by_stamps else key.before

    def _key_number(self, index: int) -> int:
        if self.by_stamps:
            return bisect_right(self.keys, self.pts[index], key=lambda key: key.pts) - 1
        if self.seekable:
            return bisect_right(self.keys, index - _LEADING, key=lambda key: key.before) - 1
        return -1


class Clock:
    """Times of frames from their stamps; where those are missing or stand still, one frame length on.

    Args:
        origin: Seconds of the container's clock that count as time 0.
        time_base: Seconds per tick.
        fps: Nominal rate, for frames without a usable stamp.
    """

    def __init__(self, *, origin: Fraction, time_base: Fraction, fps: Fraction) -> None:
        self._origin, self._time_base, self._step = origin, time_base, 1 / fps
        self.times: list[Fraction] = []
        self.pts: list[int] = []
        self.exact = True

    def time_of(self, pts: int) -> Fraction:
        """Seconds of a stamp."""
        return pts * self._time_base - self._origin

    def tick(self, pts: int | None) -> Fraction:
        """Time of the next frame in presentation order."""
        time = None if pts is None else self.time_of(pts)
        if time is None or (self.times and time <= self.times[-1]):
            self.exact = False
            time = self.times[-1] + self._step if self.times else Fraction(0)
        if self.exact and pts is not None:
            self.pts.append(pts)
        self.times.append(time)
        return time

    def index(self, keys: list[KeyPacket], *, decoded: bool, marks: Sequence[int] = ()) -> FrameIndex:
        """The table of all frames ticked."""
        pts = tuple(self.pts) if self.exact else ()
        ordered = sorted(set(keys), key=(lambda key: key.before) if marks else None)
        return FrameIndex(tuple(self.times), pts, tuple(ordered), decoded, tuple(marks))


def index_by_packets(decoder: Decoder, clock: Clock, *, interlaced: bool) -> FrameIndex | None:
    """Build the table by reading packets, without decoding.

    Args:
        decoder: Fresh, standing at the beginning.
        clock: Fresh.
        interlaced: Whether the first picture was; two packets may then make one picture.

    Returns:
        None when packets may not be frames (a codec with hidden pictures, missing or repeated stamps, a
        stream that begins between key frames, damage): then only decoding tells.
    """
    if interlaced or not counts_packets(decoder) or not keeps_stamps(decoder):
        return None
    stamps: list[int] = []
    first_key: int | None = None
    for packet in decoder.packets():
        if packet.pts is None or not packet.size or packet.is_corrupt:
            return None
        if first_key is None:
            if not packet.is_keyframe:
                return None
            first_key = packet.pts
        if packet.is_discard:
            continue
        stamps.append(packet.pts)
    if decoder.errors or not stamps or len(set(stamps)) != len(stamps) or min(stamps) < (first_key or 0):
        return None
    for pts in sorted(stamps):
        clock.tick(pts)
    return clock.index(decoder.keys, decoded=False)


def counts_packets(decoder: Decoder) -> bool:
    """Whether every packet of this codec gives one picture."""
    return decoder.stream.codec_context.codec.canonical_name in _ONE_PICTURE_A_PACKET


def keeps_stamps(decoder: Decoder) -> bool:
    """Whether a picture has the same stamp after a seek as from the front."""
    alone = decoder.stream.codec_context.codec.canonical_name in _ALONE
    return alone or decoder.container.format.name.split(",")[0] in _STAMPED


def mark(frame: av.VideoFrame) -> int:
    """A checksum of a decoded picture: equal pixels, equal mark."""
    try:
        pixels = frame.to_ndarray()
    except ValueError:  # a format PyAV has no array for
        pixels = frame.to_ndarray(format="rgb24")
    return crc32(np.ascontiguousarray(pixels).data)
