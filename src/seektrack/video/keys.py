"""Which key packets decoding may begin from: behind some, pictures are whole only after a while."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av

_SLICE, _IDR, _SEI = 1, 5, 6
_RECOVERY_POINT = 6
_AVCC_VERSION, _START = 1, b"\0\0\1"


def nal_length(context: av.VideoCodecContext) -> int | None:
    """Bytes of the length before each H.264 unit, 0 where start codes part them; None of other codecs."""
    if context.codec.canonical_name != "h264":
        return None
    extra = context.extradata
    return (extra[4] & 3) + 1 if extra and len(extra) > 4 and extra[0] == _AVCC_VERSION else 0


def decodes_whole(packet: av.Packet[Any], length: int | None) -> bool:
    """Whether the pictures from this key packet on come out whole when decoding begins with it.

    Not with intra refresh, which FFmpeg calls a key frame too: its recovery point (ITU-T H.264, D.2.8) says
    after how many frames the picture is whole, and these, shown early, are not what they were.

    Args:
        packet: A packet with the key flag.
        length: As `nal_length` gives it.
    """
    if length is None:
        return True
    for unit in _units(bytes(packet), length):
        kind = unit[0] & 31
        if kind == _IDR:
            return True
        if kind == _SEI and (whole := _recovers_at_once(unit)) is not None:
            return whole
        if kind == _SLICE:
            return True
    return True


def _recovers_at_once(sei: bytes) -> bool | None:
    """Whether a recovery point is met at once; None when there is none in this unit."""
    at = 1
    while at + 2 < len(sei):
        kind = size = 0
        while at < len(sei) - 1 and sei[at] == 255:
            kind, at = kind + 255, at + 1
        kind, at = kind + sei[at], at + 1
        while at < len(sei) - 1 and sei[at] == 255:
            size, at = size + 255, at + 1
        size, at = size + sei[at], at + 1
        if kind == _RECOVERY_POINT and at < len(sei):
            return bool(sei[at] & 0x80)  # recovery_frame_cnt is an Exp-Golomb number: 0 is a single 1
        at += size
    return None


def _units(data: bytes, length: int) -> Iterator[bytes]:
    """The units of a packet, without length or start code; of slices, only the beginning is looked at."""
    at = 0
    if length:
        while at + length < len(data):
            size = int.from_bytes(data[at : at + length], "big")
            yield data[at + length : at + length + min(size, 4096)] or b"\0"
            at += length + size
        return
    at = data.find(_START)
    while at >= 0:
        after = data.find(_START, at + 3)
        unit = data[at + 3 : min(at + 4099, after if after >= 0 else len(data))]
        if unit:
            yield unit
        at = after
