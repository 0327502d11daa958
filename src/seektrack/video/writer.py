"""Writing video with the times it is given: H.264, or with transparency QuickTime Animation."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from seektrack.defaults import X264
from seektrack.errors import InputError, OutputError
from seektrack.files import NewFile
from seektrack.video.source import describe, exact_fps

_SUFFIXES = (".mp4", ".m4v", ".mov")


class VideoWriter:
    """An H.264 yuv420p file under construction; it takes its name only once it is whole.

    With ``alpha`` it is lossless QuickTime Animation of RGBA pictures instead, which editors take.

    Written beside its target under a hidden name and renamed by `close`; an error inside the ``with``
    block removes it and leaves an older file of that name as it was. Colours are BT.709, and tagged so. Odd
    sizes grow by one repeated row or column. The same pictures and times are the same bytes, however
    many processors there are.

    Args:
        path: Target, ending in .mp4, .m4v or .mov; its folder is created.
        width, height: Of the pictures to come.
        fps: Rate of pictures written without a timestamp, and the nominal rate.
        crf: x264 quality, 0 (lossless) to 51.
        preset: x264 speed, ``ultrafast`` to ``veryslow``.
        sources: Files being read, none of which may be the target.
        alpha: Pictures are RGBA, and the file a .mov.

    Raises:
        OutputError: The target cannot be written.
        InputError: A size, rate or quality out of range.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        width: int,
        height: int,
        fps: float | Fraction,
        crf: int = 20,
        preset: str = "veryfast",
        sources: Iterable[str | os.PathLike[str]] = (),
        alpha: bool = False,
    ) -> None:
        if width < 1 or height < 1:
            raise InputError(f"a video needs a size of at least 1x1, got {width}x{height}")
        if not 0 <= crf <= 51:
            raise InputError(f"crf must lie in 0..51, got {crf}")
        self.path = Path(path)
        self.n_written = 0
        self._hw = height, width
        self._alpha = alpha
        self._fps = exact_fps(fps)
        self._time_base = Fraction(1, math.lcm(90_000, self._fps.numerator))
        if self._time_base.denominator >= 2**31:
            self._time_base = Fraction(1, 90_000)
        self._last_pts: int | None = None
        self._closed = False
        self._to_yuv = VideoReformatter()
        suffixes = (".mov",) if alpha else _SUFFIXES
        if self.path.suffix.lower() not in suffixes:
            kind = "video with transparency" if alpha else "H.264"
            raise OutputError(f"cannot write {self.path} as {kind}", hint=f"end it in {', '.join(suffixes)}")
        self._file = NewFile(self.path, sources=sources)
        self._open(crf, preset)

    def _open(self, crf: int, preset: str) -> None:
        try:
            self._file.temporary.touch(exist_ok=False)
            self._container = av.open(
                str(self._file.temporary),
                "w",
                format="mov" if self._alpha else "mp4",
                container_options={"movflags": "+faststart"},
            )
            options = {} if self._alpha else {**X264, "crf": str(crf), "preset": preset}
            codec_name: Literal["libx264"] = "qtrle" if self._alpha else "libx264"  # type: ignore[assignment]
            self._stream = self._container.add_stream(codec_name, rate=self._fps, options=options)
        except (OSError, FFmpegError) as error:
            self._discard()
            raise self._failed(error) from error
        height, width = self._hw
        codec = self._stream.codec_context
        if self._alpha:
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "argb"
            self._stream.time_base = codec.time_base = self._time_base
            codec.gop_size = max(1, round(2 * self._fps))
            return
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = codec.time_base = self._time_base
        codec.gop_size = max(1, round(2 * self._fps))
        codec.colorspace = codec.color_primaries = codec.color_trc = 1
        codec.color_range = ColorRange.MPEG

    def write(self, image: NDArray[np.uint8], timestamp: Fraction | float | None = None) -> None:
        """Append a picture.

        Args:
            image: uint8 (H, W, 3), RGB, of the writer's size; with ``alpha`` (H, W, 4).
            timestamp: Seconds, rising from picture to picture; None: one frame length after the last.

        Raises:
            InputError: Another size or type, or a time that does not rise.
            OutputError: The file cannot be written, or is already closed.
        """
        if self._closed:
            raise OutputError(f"{self.path} is already closed")
        shape = (*self._hw, 4 if self._alpha else 3)
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != shape:
            raise InputError(f"the picture must be uint8 {shape}, got {describe(image)}")
        pts = self._pts(timestamp)
        frame = self._animation(image) if self._alpha else self._yuv(image)
        frame.pts, frame.time_base = pts, self._time_base
        self._mux(frame)
        self._last_pts = pts
        self.n_written += 1

    def _animation(self, image: NDArray[np.uint8]) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgba").reformat(format="argb")

    def _yuv(self, image: NDArray[np.uint8]) -> av.VideoFrame:
        h, w = self._hw
        if h % 2 or w % 2:
            image = np.pad(image, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge")
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
        return self._to_yuv.reformat(
            rgb, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )

    def close(self) -> None:
        """Finish the file and give it its name; closing twice does nothing.

        Raises:
            OutputError: No picture was written, or the file cannot be finished.
        """
        if self._closed:
            return
        if self.n_written == 0:
            self._discard()
            raise OutputError(f"no picture was written to {self.path}", hint="a video has at least one frame")
        self._mux(None)
        self._closed = True
        try:
            self._container.close()
        except (OSError, FFmpegError) as error:
            self._discard()
            raise self._failed(error) from error
        self._file.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._discard()

    def _pts(self, timestamp: Fraction | float | None) -> int:
        if timestamp is None:
            if self._last_pts is None:
                return 0
            return self._last_pts + max(1, round(1 / self._fps / self._time_base))
        if not (math.isfinite(timestamp) and timestamp >= 0):
            raise InputError(f"a timestamp must be seconds ≥ 0, got {timestamp}")
        pts = round(Fraction(timestamp) / self._time_base)
        if self._last_pts is not None and pts <= self._last_pts:
            last = float(self._last_pts * self._time_base)
            raise InputError(f"timestamps must rise: {float(timestamp):.6f} s came after {last:.6f} s")
        return pts

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (OSError, FFmpegError) as error:
            self._discard()
            raise self._failed(error) from error

    def _discard(self) -> None:
        self._closed = True
        with contextlib.suppress(AttributeError, OSError, FFmpegError):
            self._container.close()
        self._file.discard()

    def _failed(self, error: BaseException) -> OutputError:
        why = getattr(error, "strerror", None) or error
        hint = "check the folder, its rights and the space left"
        return OutputError(f"cannot write {self.path}: {why}", hint=hint)
