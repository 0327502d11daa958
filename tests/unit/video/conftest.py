"""Small films of any kind, written with plain PyAV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

WriteFilm = Callable[..., Path]


def moving_square(n: int = 20, *, h: int = 120, w: int = 160) -> list[NDArray[np.uint8]]:
    """Pictures no two of which are alike: a red square crosses grey noise."""
    images = []
    for i in range(n):
        image = np.random.default_rng(i).integers(40, 90, (h, w, 3)).astype(np.uint8)
        x = (w - 30) * i // max(1, n - 1)
        image[h // 3 : h // 3 + 30, x : x + 30] = (220, 30, 30)
        images.append(image)
    return images


@pytest.fixture(scope="session")
def write_film() -> WriteFilm:
    """Writes pictures: RGB arrays, or ready `av.VideoFrame`s where the pixel format is the point.

    ``ms`` are stamps in milliseconds; ``sound_s`` adds a tone that begins there; ``setup`` gets the codec
    context; other keywords go to `av.open`. For one or two pictures give x265 ``bframes=0``: it takes the
    dts of a film shorter than its reordering from memory it never set, and the writer refuses what comes.
    """

    def write(
        file: Any,
        pictures: Sequence[Any],
        *,
        fps: int = 10,
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        ms: Sequence[int] | None = None,
        gop: int = 12,
        options: dict[str, str] | None = None,
        sound_s: float | None = None,
        setup: Callable[[Any], None] | None = None,
        **how: Any,
    ) -> Any:
        with av.open(str(file) if isinstance(file, Path) else file, "w", **how) as container:
            stream = container.add_stream(codec, rate=fps, options=options or {})
            first = pictures[0]
            stream.height, stream.width = (
                (first.height, first.width) if isinstance(first, av.VideoFrame) else first.shape[:2]
            )
            stream.pix_fmt = pix_fmt
            stream.codec_context.gop_size = gop
            stream.codec_context.thread_count = 1
            if ms is not None:
                stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
            if setup:
                setup(stream.codec_context)
            sound = None
            if sound_s is not None:
                sound = container.add_stream("aac", rate=16_000, layout="mono")
            for i, picture in enumerate(pictures):
                frame = (
                    picture
                    if isinstance(picture, av.VideoFrame)
                    else av.VideoFrame.from_ndarray(picture, "rgb24")
                )
                if ms is not None:
                    frame.pts, frame.time_base = ms[i], Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
            if sound is not None:
                for k in range(40):
                    tone = np.sin(np.arange(1024) / 6)[None].astype(np.float32)
                    stretch = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
                    stretch.rate, stretch.time_base = 16_000, Fraction(1, 16_000)
                    stretch.pts = k * 1024 + round(sound_s * 16_000)
                    container.mux(sound.encode(stretch))
                container.mux(sound.encode())
        return file

    return write


@pytest.fixture(scope="session")
def pictures() -> Callable[..., list[NDArray[np.uint8]]]:
    """Makes pictures no two of which are alike."""
    return moving_square
