"""H.264 in mp4, for layouts that keep videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.defaults import X264

_CRF = "16"


def write_mp4(path: Path, frames: NDArray[np.uint8], *, fps: Fraction) -> None:
    """Write uint8 (T, H, W, 3) as H.264 yuv420p, BT.709 and tagged so; odd sizes grow by a repeated edge."""
    import av
    from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

    path.parent.mkdir(parents=True, exist_ok=True)
    _, height, width, _ = frames.shape
    even = ((0, height % 2), (0, width % 2), (0, 0))
    to_yuv = VideoReformatter()
    with av.open(str(path), "w", format="mp4", container_options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": _CRF, **X264})
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = 1 / fps
        codec = stream.codec_context
        codec.colorspace = codec.color_primaries = codec.color_trc = 1
        codec.color_range = ColorRange.MPEG
        for index, picture in enumerate(frames):
            rgb = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(np.pad(picture, even, mode="edge")), "rgb24"
            )
            frame = to_yuv.reformat(
                rgb, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = index, 1 / fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
