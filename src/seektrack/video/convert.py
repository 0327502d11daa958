"""From a decoded picture to the picture a player shows: its colours, its shape, its lines."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from seektrack.limits import Limits
from seektrack.video.colour import PQ, USUAL_PEAK_NITS, display_for, needs_display
from seektrack.video.sidedata import display_matrix, peak_nits
from seektrack.video.wall import wall

# Matrices of H.273 that swscale knows; the others it refuses with the whole picture.
_RGB, _UNTOLD, _YCGCO, _BT2020_CONSTANT = 0, 2, 8, 10
_KNOWN = frozenset({_RGB, 1, 4, 5, 6, 7, 9})
_WIDEST_PIXEL = 10
"""Pixel aspects beyond 10:1 are taken for errors, no format has them."""


class Converter:
    """Turns decoded pictures into RGB of one size, as a player shows them.

    Range and matrix come from the picture's own tags; without one, the matrix is BT.709 from 1280 pixels of
    width or 577 lines on and BT.601 below, by the first picture: colours stay when the size changes. HDR and
    wide gamuts are brought to the display, see `Display`. Pixels that are not square are stretched the longer
    way, so that none is lost. What is transparent lies over white. Interlaced pictures whose fields differ
    are deinterlaced, each by itself. At last they are turned and mirrored as the display matrix says.

    Args:
        first: The first decoded picture; later ones of another size are scaled to its.
        path: The file, for messages.
        pixel_aspect: Width of a pixel over its height; None or 0 for square ones.
        is_hd: Whether colours that are not tagged are BT.709; the first picture's size says when None.

    Attributes:
        is_hd: As it was given, or found.
    """

    def __init__(
        self,
        first: av.VideoFrame,
        *,
        path: str | Path,
        pixel_aspect: Fraction | None = None,
        is_hd: bool | None = None,
    ) -> None:
        self._path = path
        self.is_hd = _is_hd(first) if is_hd is None else is_hd
        self._wh = _square(first.width, first.height, pixel_aspect)
        self._stretched = self._wh != (first.width, first.height)
        self._matrix = display_matrix(first)
        self._peak = (peak_nits(first) if first.color_trc == PQ else None) or USUAL_PEAK_NITS
        turned = self._matrix is not None and self._matrix[0] == 0
        self.hw = self._wh if turned else self._wh[::-1]
        self._own = _Reformatters()
        self._transparent: dict[str, bool] = {}

    def rgb(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """uint8 (H, W, 3), contiguous.

        Raises:
            VideoError: The picture cannot be converted.
        """
        with wall(self._path):
            if frame.interlaced_frame:
                frame = deinterlaced(frame)
            return np.ascontiguousarray(self._upright(self._shown(frame)), dtype=np.uint8)

    def luma(self, frame: av.VideoFrame, hw: tuple[int, int]) -> NDArray[np.uint8]:
        """A small grey copy of size (h, w), not turned.

        Raises:
            VideoError: The picture cannot be converted.
        """
        with wall(self._path):
            small = self._own.to_small.reformat(
                frame, hw[1], hw[0], "gray", interpolation=Interpolation.AREA, **_source(frame, self.is_hd)
            )
            return np.ascontiguousarray(small.to_ndarray(), dtype=np.uint8)

    def _shown(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        if frame.colorspace == _YCGCO:
            return self._from_ycgco(frame)
        if needs_display(frame.color_trc, frame.color_primaries):
            wide = np.asarray(self._scaled(frame, "rgb48le"), dtype=np.uint16)
            return display_for(frame.color_trc, frame.color_primaries, self._peak)(wide)
        if self._is_transparent(frame):
            return over_white(self._scaled(frame, "rgba"))
        return self._scaled(frame, "rgb24")

    def _scaled(self, frame: av.VideoFrame, pixel_format: str) -> NDArray[np.uint8]:
        how = Interpolation.BICUBIC if self._stretched else None
        width, height = self._wh
        done = self._own.to_rgb.reformat(
            frame, width, height, pixel_format, interpolation=how, **_source(frame, self.is_hd)
        )
        return cast("NDArray[np.uint8]", done.to_ndarray())

    def _from_ycgco(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Y, Cg, Co of full range to RGB, H.273 equations 50 to 53; swscale has no such matrix."""
        width, height = self._wh
        told, frame.colorspace = frame.colorspace, _UNTOLD
        try:
            planes = self._own.to_rgb.reformat(
                frame, width, height, "yuv444p", dst_color_range=ColorRange.JPEG
            )
        finally:
            frame.colorspace = told
        y, cg, co = planes.to_ndarray().astype(np.int16)
        rest = y - (cg - 128)
        rgb = np.stack([rest + (co - 128), y + (cg - 128), rest - (co - 128)], axis=-1)
        return np.asarray(np.clip(rgb, 0, 255), dtype=np.uint8)

    def _is_transparent(self, frame: av.VideoFrame) -> bool:
        name = frame.format.name
        if name not in self._transparent:
            alpha = any(component.is_alpha for component in frame.format.components)
            self._transparent[name] = alpha or frame.format.has_palette
        return self._transparent[name]

    def _upright(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._matrix is None:
            return image
        a, b, c, d = self._matrix
        return image[::d, ::a] if a else image.swapaxes(0, 1)[::b, ::c]


class _Reformatters(threading.local):
    """One set per thread: a reformatter must not work on two pictures at once."""

    def __init__(self) -> None:
        self.to_rgb = VideoReformatter()
        self.to_small = VideoReformatter()


def _is_hd(frame: av.VideoFrame) -> bool:
    """Whether a picture is of a size whose colours are BT.709 where nothing is said."""
    return bool(frame.width >= 1280 or frame.height > 576)


def _source(frame: av.VideoFrame, is_hd: bool) -> dict[str, int]:
    """What swscale must be told of a picture beyond, or against, its own tags."""
    told: dict[str, int] = {}
    if frame.color_range not in (ColorRange.UNSPECIFIED, ColorRange.MPEG, ColorRange.JPEG):
        told["src_color_range"] = ColorRange.MPEG
    if frame.colorspace in _KNOWN or frame.format.is_rgb:
        return told
    if frame.colorspace == _BT2020_CONSTANT:
        told["src_colorspace"] = Colorspace.BT2020
    elif is_hd:
        told["src_colorspace"] = Colorspace.ITU709
    elif frame.colorspace != _UNTOLD:
        told["src_colorspace"] = Colorspace.ITU601
    return told


def _square(width: int, height: int, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """(width, height) in square pixels; what would be no picture any more stays as it is."""
    if not pixel_aspect or not Fraction(1, _WIDEST_PIXEL) <= pixel_aspect <= _WIDEST_PIXEL:
        return width, height
    shown = (
        (round(width * pixel_aspect), height) if pixel_aspect > 1 else (width, round(height / pixel_aspect))
    )
    return shown if shown[0] * shown[1] <= Limits.current().max_pixels else (width, height)


def over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (H, W, 4), colours not multiplied by alpha, over a white page: uint8 (H, W, 3)."""
    alpha = rgba[..., 3:].astype(np.uint16)
    if (alpha == 255).all():
        return rgba[..., :3]
    mixed = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return np.asarray((mixed + 127) // 255, dtype=np.uint8)


def deinterlaced(frame: av.VideoFrame) -> av.VideoFrame:
    """The lines of one field, those between drawn along edges (FFmpeg's estdif).

    A picture whose fields show one moment stays as it is. No other picture is looked at, so that each comes
    out the same wherever decoding began.
    """
    if not _combed(frame):
        return frame
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
    )
    filters = graph.add("estdif", mode="frame", parity="auto", deint="all")
    graph.link_nodes(source, filters, graph.add("buffersink")).configure()
    graph.push(frame)
    graph.push(None)
    done = cast("av.VideoFrame", graph.pull())
    done.colorspace, done.color_range = frame.colorspace, frame.color_range
    done.color_trc, done.color_primaries = frame.color_trc, frame.color_primaries
    return done


def _combed(frame: av.VideoFrame) -> bool:
    """Whether lines differ from both neighbours while these agree, at more than one pixel in ten thousand."""
    grey = frame.reformat(
        format="gray", interpolation=Interpolation.POINT, **_source(frame, _is_hd(frame))
    ).to_ndarray()
    if len(grey) < 3:
        return False
    up, line, down = grey[:-2], grey[1:-1], grey[2:]
    off = cv2.min(cv2.absdiff(line, up), cv2.absdiff(line, down))
    return int(np.count_nonzero(cv2.subtract(off, cv2.absdiff(up, down)) > 12)) * 10_000 > grey.size
