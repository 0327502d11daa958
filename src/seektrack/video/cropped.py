"""A rectangle of another source's frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.video.source import Picture, VideoSource
from seektrack.video.wrapped import WrappedSource

Window = tuple[int, int, int, int]


class CroppedPicture(Picture):
    """A rectangle of a picture.

    Attributes:
        received_at: When it arrived, of a live picture; None of others.
    """

    def __init__(self, picture: Picture, window: Window, hw: tuple[int, int]) -> None:
        super().__init__(picture.index, picture.timestamp)
        self.received_at: float | None = getattr(picture, "received_at", None)
        self._picture, self._window, self._hw = picture, window, hw

    def rgb(self) -> NDArray[np.uint8]:
        """The rectangle as uint8 (H, W, 3)."""
        x0, y0, x1, y1 = self._window
        return np.ascontiguousarray(self._picture.rgb()[y0:y1, x0:x1])

    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]:
        """A small grey copy of size (h, w) of the rectangle, cut from one of the whole picture."""
        x0, y0, x1, y1 = self._window
        high, wide = hw[0] / (y1 - y0), hw[1] / (x1 - x0)
        whole = self._picture.luma((round(self._hw[0] * high), round(self._hw[1] * wide)))
        top = min(round(y0 * high), whole.shape[0] - hw[0])
        left = min(round(x0 * wide), whole.shape[1] - hw[1])
        return np.ascontiguousarray(whole[top : top + hw[0], left : left + hw[1]])


class CroppedSource(WrappedSource):
    """A source that shows a rectangle of another's frames; indices and times stay.

    Args:
        source: What is shown, as far as it shows itself; closed with this one.
        window: ``x0, y0, x1, y1`` in whole pixels of the source.

    Raises:
        InputError: The rectangle is empty, or not inside the picture.
    """

    def __init__(self, source: VideoSource, window: Window) -> None:
        x0, y0, x1, y1 = window
        height, width = source.info.hw
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise InputError(f"the rectangle {window} does not lie in a picture of {width}x{height}")
        super().__init__(source, info=replace(source.info, width=x1 - x0, height=y1 - y0))
        self.window, self._hw = window, (height, width)

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        return self._cropped(self._source._pictures_from(first))

    def _picture_at(self, index: int) -> Picture:
        return CroppedPicture(self._source._picture_at(index), self.window, self._hw)

    def _key_pictures_all(self) -> Iterator[Picture]:
        return self._cropped(self._source._key_pictures_all())

    def _pictures_backwards(self, start: int, stop: int) -> Iterator[Picture]:
        return self._cropped(self._source._pictures_backwards(start, stop))

    def _cropped(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        return (CroppedPicture(picture, self.window, self._hw) for picture in pictures)
