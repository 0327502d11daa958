"""Another source's frames, each filtered when it is looked at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from seektrack.video.filters import Filter
from seektrack.video.source import Picture, VideoSource
from seektrack.video.wrapped import WrappedSource


class FilteredPicture(Picture):
    """A picture filtered when its pixels are asked for; the small grey copy stays unfiltered, and cheap.

    Attributes:
        received_at: When it arrived, of a live picture; None of others.
    """

    def __init__(self, picture: Picture, how: Filter) -> None:
        super().__init__(picture.index, picture.timestamp)
        self.received_at: float | None = getattr(picture, "received_at", None)
        self._picture, self._how = picture, how

    def rgb(self) -> NDArray[np.uint8]:
        """The filtered picture as uint8 (H, W, 3)."""
        return self._how(self._picture.rgb())

    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]:
        """A small grey copy of size (h, w) of the picture as it came."""
        return self._picture.luma(hw)


class FilteredSource(WrappedSource):
    """A source whose frames go through a filter; indices, times and size stay.

    Args:
        source: What is filtered, as far as it is shown; closed with this one.
        how: Takes and gives uint8 (H, W, 3), as :func:`seektrack.video.filters.parse_filter` makes it.
    """

    def __init__(self, source: VideoSource, how: Filter) -> None:
        super().__init__(source)
        self._how = how

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        return self._filtered(self._source._pictures_from(first))

    def _picture_at(self, index: int) -> Picture:
        return FilteredPicture(self._source._picture_at(index), self._how)

    def _key_pictures_all(self) -> Iterator[Picture]:
        return self._filtered(self._source._key_pictures_all())

    def _pictures_backwards(self, start: int, stop: int) -> Iterator[Picture]:
        return self._filtered(self._source._pictures_backwards(start, stop))

    def _filtered(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        return (FilteredPicture(picture, self._how) for picture in pictures)
