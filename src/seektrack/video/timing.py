"""How long a file lasts and how fast it runs: what its container says, where the packets agree."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction

from seektrack.video.decoder import Decoder
from seektrack.video.index import keeps_stamps

_USUAL_FPS = Fraction(25)
_RATES = [Fraction(n, d) for n in (24_000, 30_000, 48_000, 60_000, 120_000) for d in (1000, 1001)] + [
    Fraction(n) for n in (1, 2, 5, 10, 12, 15, 20, 25, 50, 90, 100, 144, 200, 240)
]
_LOOKED_AT = 64  # packets whose stamps tell the rate
_TAIL_S = 0.5  # of reading, at most, to find the end
_BEFORE_S = 1
_FAR = Fraction(3, 2)  # a stated rate is a mistake when it is so many times the one seen, or less by as much


def first_stamps(decoder: Decoder) -> list[int]:
    """Presentation stamps of the first packets from where the decoder stands, sorted."""
    stamps = []
    for packet in decoder.packets():
        if packet.pts is not None and packet.size and not packet.is_discard:
            stamps.append(packet.pts)
        if len(stamps) == _LOOKED_AT:
            break
    # The last of them may follow pictures that come later in the file.
    return sorted(set(stamps))[: max(4, len(stamps) - 4)]


def believed_rate(decoder: Decoder, stamps: Sequence[int], duration: Fraction | None) -> Fraction:
    """Frames per second: what is stated, unless the stamps of the first packets show otherwise.

    A stated average may differ from the rate at the beginning when as many frames are there as it says.
    """
    stream = decoder.stream
    stated = stream.average_rate or stream.guessed_rate
    seen = _seen_rate(stamps, stream.time_base)
    if seen is None:
        return Fraction(stated or _USUAL_FPS)
    if stated is None or not 0 < stated < 100_000:
        return seen
    if stated <= seen * _FAR and seen <= stated * _FAR:
        return Fraction(stated)
    if stream.frames and duration and abs(stream.frames / duration - stated) <= stated / 5:
        return Fraction(stated)
    return seen


def _seen_rate(stamps: Sequence[int], time_base: Fraction | None) -> Fraction | None:
    if len(stamps) < 4 or not time_base:
        return None
    rate = (len(stamps) - 1) / ((stamps[-1] - stamps[0]) * time_base)
    nearest = min(_RATES, key=lambda known: abs(known - rate))
    return nearest if abs(nearest - rate) * 100 <= rate else rate.limit_denominator(1000) or rate


def believed_end(decoder: Decoder, fps: Fraction) -> Fraction | None:
    """Seconds of the container's clock where the last picture ends, read from the file's last packets.

    None where the container cannot go there, what is read breaks off, or stamps are guessed after a jump.
    """
    stream, base = decoder.stream, decoder.stream.time_base
    if not base or not keeps_stamps(decoder):
        return None
    try:
        stated = stream.duration if stream.duration is not None else _container_ticks(decoder)
        if stated is None:
            return None
        before = max(0, stated - round(_BEFORE_S / base))  # the last picture is not always the last packet
        decoder.container.seek((stream.start_time or 0) + before, stream=stream, backward=True)
    except Exception:  # cannot seek: nothing is known of the end
        return None
    until = time.monotonic() + _TAIL_S
    end: Fraction | None = None
    for packet in decoder.packets():
        if packet.pts is not None and packet.size and not packet.is_discard:
            length = packet.duration * base if packet.duration else 1 / fps
            end = max(end or Fraction(0), packet.pts * base + length)
        if time.monotonic() > until:
            return None
    return None if decoder.errors else end


def _container_ticks(decoder: Decoder) -> int | None:
    length = decoder.container.duration
    base = decoder.stream.time_base
    return None if length is None or not base else int(Fraction(length, 1_000_000) / base)


def stated_seconds(decoder: Decoder) -> Fraction | None:
    """What the container says of the length of the pictures, or of all."""
    stream = decoder.stream
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    length = decoder.container.duration
    return None if length is None else Fraction(length, 1_000_000)


def believed_count(decoder: Decoder, fps: Fraction, duration: Fraction | None) -> int | None:
    """Frames as the container counts them, unless they do not fit into its length."""
    stated = decoder.stream.frames
    if not stated or duration is None:
        return stated or None
    return stated if abs(stated - fps * duration) <= max(2, stated / 20) else None
