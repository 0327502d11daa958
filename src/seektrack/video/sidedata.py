"""What a decoded picture carries besides pixels, whatever kinds of it FFmpeg has learnt since."""

from __future__ import annotations

import struct
from typing import cast

import av
import numpy as np
from av.buffer import Buffer
from av.filter import Graph

# PyAV names kinds up to 27 and refuses a whole picture for one it has no name for (EXIF, view id, …).
_FIRST_UNNAMED, _LAST_UNNAMED = 28, 47


def side_data(frame: av.VideoFrame, kind: str) -> bytes | None:
    """The bytes of one kind of side data, by PyAV's name for it, or None."""
    try:
        found = frame.side_data.get(kind)
    except ValueError:
        found = _named_only(frame).side_data.get(kind)
    except KeyError:
        return None
    return None if found is None else bytes(cast(Buffer, found))


def _named_only(frame: av.VideoFrame) -> av.VideoFrame:
    """The same picture without the kinds that PyAV has no name for."""
    graph = Graph()
    last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    for kind in range(_FIRST_UNNAMED, _LAST_UNNAMED + 1):
        try:
            cleaner = graph.add("sidedata", mode="delete", type=str(kind))
        except (av.FFmpegError, ValueError):  # FFmpeg itself knows no more
            break
        last.link_to(cleaner)
        last = cleaner
    last.link_to(graph.add("buffersink"))
    graph.configure()
    graph.push(frame)
    return cast("av.VideoFrame", graph.pull())


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int] | None:
    """Signs (a, b, c, d) of ``x' = a·x + c·y``, ``y' = b·x + d·y``; None when the picture is upright.

    Turns that are no multiple of 90° are rounded to one.
    """
    data = side_data(frame, "DISPLAYMATRIX")
    if data is None or len(data) < 36:
        return None
    m = np.frombuffer(data, dtype=np.int32)
    a, b, c, d = (float(m[i]) for i in (0, 1, 3, 4))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        signs = (int(np.sign(a)) or 1, 0, 0, int(np.sign(d)) or 1)
        return None if signs == (1, 0, 0, 1) else signs
    return 0, int(np.sign(b)) or 1, int(np.sign(c)) or 1, 0


def peak_nits(frame: av.VideoFrame) -> float | None:
    """The brightest light of an HDR film in cd/m²: MaxCLL, else the mastering display's peak, else None."""
    light = side_data(frame, "CONTENT_LIGHT_LEVEL")
    if light and len(light) >= 4:
        brightest = struct.unpack_from("<I", light)[0]
        if brightest:
            return float(brightest)
    mastering = side_data(frame, "MASTERING_DISPLAY_METADATA")
    # AVMasteringDisplayMetadata: eight rationals of chromaticity, then least and most light, then two flags.
    if mastering and len(mastering) >= 88:
        numerator, denominator = struct.unpack_from("<ii", mastering, 72)
        has_luminance = struct.unpack_from("<i", mastering, 84)[0]
        if has_luminance and denominator > 0 and numerator > 0:
            return float(numerator / denominator)
    return None
