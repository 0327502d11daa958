"""Reading, sampling and writing videos.

Every source of pictures (a file, an address, a folder of images, arrays in memory) is a `VideoSource`:
iterate it for `Frame`s, ask it for the frame at an index or near a time, walk it backwards. Times are exact.
A `LiveSource` (camera, network stream) can only be iterated, from now on; `open_video` records a piece of it.
"""

from typing import TYPE_CHECKING

from seektrack.lazy import lazily
from seektrack.limits import Limits

if TYPE_CHECKING:
    from seektrack.video.ahead import prefetch
    from seektrack.video.damage import Damage
    from seektrack.video.finding import Found, count_reasons, find_videos, look_for_videos
    from seektrack.video.how import Opening, VideoInput
    from seektrack.video.live import LiveSource
    from seektrack.video.opening import open_video
    from seektrack.video.sampling import Sampling, sample
    from seektrack.video.source import Picture, VideoSource
    from seektrack.video.stills import read_image
    from seektrack.video.writer import VideoWriter

__all__ = [
    "Damage",
    "Found",
    "Limits",
    "LiveSource",
    "Opening",
    "Picture",
    "Sampling",
    "VideoInput",
    "VideoSource",
    "VideoWriter",
    "find_videos",
    "count_reasons",
    "look_for_videos",
    "open_video",
    "prefetch",
    "read_image",
    "sample",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "ahead": "prefetch",
        "damage": "Damage",
        "finding": "Found count_reasons find_videos look_for_videos",
        "how": "Opening VideoInput",
        "live": "LiveSource",
        "opening": "open_video",
        "sampling": "Sampling sample",
        "source": "Picture VideoSource",
        "stills": "read_image",
        "writer": "VideoWriter",
    },
)
