"""What is believed of bytes from outside: the bounds of sizes, numbers and files, in one place.

A size in a file is a claim; memory is only asked for once the claim lies within these. Each bound can be
set by an environment variable of its name with ``SEEKTRACK_`` before it, read when seektrack is imported.
"""

from __future__ import annotations

import os


def _bound(name: str, default: int) -> int:
    """The bound of that name: what the environment says, where it is a whole number above 0."""
    text = os.environ.get(f"SEEKTRACK_{name}", "")
    return int(text) if text.isdecimal() and int(text) > 0 else default


MAX_SIDE = _bound("MAX_SIDE", 65_536)
"""Pixels of the longer side of a picture or mask."""
MAX_PIXELS = _bound("MAX_PIXELS", 178_956_970)
"""Pixels of one picture or mask; as for pictures of a video, and Pillow's own bound."""
MAX_VOLUME = _bound("MAX_VOLUME", 2**33)
"""Pixels of all masks of one array in a file."""
MAX_FRAME_INDEX = _bound("MAX_FRAME_INDEX", 2**31 - 1)
"""Index of a frame."""
MAX_ID = _bound("MAX_ID", 2**53 - 1)
"""Identity of an object; what JSON readers keep exactly."""
MAX_TIME_S = _bound("MAX_TIME_S", 10**9)
"""Seconds before or after the start of a video."""
MAX_FPS = _bound("MAX_FPS", 10**6)
"""Frames a second."""
MAX_COORDINATE = _bound("MAX_COORDINATE", 10**7)
"""Pixels of a coordinate, on either side of 0."""
MAX_FILLED = _bound("MAX_FILLED", 10**6)
"""Frames filled in from one key frame to the next."""
MAX_FILE_BYTES = _bound("MAX_FILE_BYTES", 2**31)
"""Bytes of one file of tracks or prompts."""
