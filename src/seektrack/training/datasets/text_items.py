"""Pictures, videos and moments with texts, to be read when they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, VideoError
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.video import open_video
from seektrack.video.stills import read_image

Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class TextItem:
    """A picture, a video or a moment of one, with its texts.

    Attributes:
        key: Its name in the data set.
        file: Where it lies.
        texts: At least one, trimmed.
        weight: How much it counts beside others of weight 1.
        span: Begin and end in seconds; None for all of it.
        video: Whether the file is a video.
    """

    key: str
    file: Path
    texts: tuple[str, ...]
    weight: float = 1.0
    span: tuple[float, float] | None = None
    video: bool = False

    def pictures(self, count: int) -> list[Picture]:
        """RGB uint8 (H, W, 3): the picture, or ``count`` frames from the middles of equal parts.

        Raises:
            InputError: It cannot be read.
        """
        return [frame.load() for frame in self.frames(count)]

    def frames(self, count: int) -> list[PictureOf]:
        """The same, to be read later."""
        if not self.video:
            return [PictureOf(self.file)]
        return [PictureOf(self.file, (i + 0.5) / count, self.span) for i in range(count)]


@dataclass(frozen=True)
class PictureOf:
    """A picture to be read when it is looked at.

    Attributes:
        file: A picture, or a video where ``share`` is given.
        share: Where in the video, or in the moment, from 0 to 1.
        span: The moment, in seconds.
    """

    file: Path
    share: float | None = None
    span: tuple[float, float] | None = None

    def load(self) -> Picture:
        """RGB uint8 (H, W, 3).

        Raises:
            InputError: It cannot be read.
        """
        try:
            if self.share is None:
                return read_image(self.file)
            with open_video(self.file) as video:
                if self.span is not None:
                    start, end = self.span
                    return video.frame_near(start + self.share * (end - start)).image
                count = video.len_frames()
                at = min(int(self.share * count), count - 1)
                return video.frame_at(video.first_index + at).image
        except VideoError as error:
            raise InputError(
                f"{self.file} cannot be read as a picture: {error.message}",
                hint="remove it from the captions",
            ) from error


class TextSet(Sequence[TextItem]):
    """A data set of things with texts.

    Args:
        layout: What it is laid out as.
        items: What can be used.
        left_out: What cannot.
    """

    def __init__(self, layout: str, items: Sequence[TextItem], left_out: LeftOuts) -> None:
        self.layout, self.items, self.left_out = layout, tuple(items), left_out

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # as a tuple does
        return self.items[index]

    def __iter__(self) -> Iterator[TextItem]:
        return iter(self.items)
