"""Pictures that are not in a video file: a folder of images, the pages of one, arrays in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import accumulate, islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, VideoError
from seektrack.limits import Limits
from seektrack.types import VideoInfo
from seektrack.video.source import Picture, VideoSource, describe
from seektrack.video.stills import IMAGE_SUFFIXES, first_white, page_seconds, read_image, read_pages
from seektrack.video.wall import wall

_DIGITS = re.compile(r"(\d+)")
_JPEG = (".jpg", ".jpeg")

ReadImage = Callable[[int], NDArray[np.uint8]]


class ImagePicture(Picture):
    """A picture read by a function when it is first needed."""

    def __init__(self, index: int, timestamp: Fraction, read: ReadImage) -> None:
        super().__init__(index, timestamp)
        self._read = read
        self._image: NDArray[np.uint8] | None = None

    def rgb(self) -> NDArray[np.uint8]:
        """The picture as uint8 (H, W, 3)."""
        if self._image is None:
            self._image = self._read(self.index)
        return self._image

    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]:
        """A small grey copy of size (h, w)."""
        small = cv2.resize(self.rgb(), (hw[1], hw[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


class EvenSource(VideoSource):
    """``n`` pictures at an even rate, each readable by its number."""

    def __init__(
        self, path: str, n: int, read: ReadImage, *, fps: Fraction, start_s: float | None, end_s: float | None
    ) -> None:
        self._path, self._unguarded = path, read
        height, width = self._read(0).shape[:2]
        duration = float(n / fps)
        info = VideoInfo(path=path, width=width, height=height, fps=fps, duration_s=duration, n_frames=n)
        super().__init__(info, start_s=start_s, end_s=end_s)
        self._times = [i / fps for i in range(n)]

    def _all_times(self) -> Sequence[Fraction]:
        return self._times

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        return (self._picture_at(i) for i in range(first, len(self._times)))

    def _picture_at(self, index: int) -> Picture:
        return ImagePicture(index, self._times[index], self._read)

    def _read(self, index: int) -> NDArray[np.uint8]:
        with wall(self._path):
            return self._unguarded(index)


class FolderSource(EvenSource):
    """The images of one folder in natural order of their names (``2.png`` before ``10.png``).

    Of pictures of more than 8 bits, the first one's white is that of all, so that equal values look equal.

    Args:
        folder: Holds at least one image; other files and sub-folders are passed over, and so is a picture
            beside a JPEG of its name, as masks lie beside frames in some data sets.
        fps: Frames per second the images stand for.
        start_s, end_s: Interval to show, in seconds.

    Raises:
        VideoError: No image in the folder, or one that cannot be read or has another size than the first.
    """

    def __init__(
        self, folder: Path, *, fps: Fraction, start_s: float | None = None, end_s: float | None = None
    ) -> None:
        with wall(folder):
            self._files = frame_files(folder)
        if not self._files:
            raise VideoError(
                f"no images in the folder {folder}",
                hint=f"images end in {', '.join(sorted(IMAGE_SUFFIXES))}; for videos in it use find_videos",
            )
        self._size: tuple[int, ...] | None = None
        self._white = first_white(self._files[0])
        super().__init__(str(folder), len(self._files), self._load, fps=fps, start_s=start_s, end_s=end_s)

    def _load(self, index: int) -> NDArray[np.uint8]:
        file = self._files[index]
        image = read_image(file, white=self._white)
        if self._size is None:
            self._size = image.shape
        if image.shape != self._size:
            raise VideoError(
                f"{file} is {image.shape[1]}x{image.shape[0]}, the first image of the folder is "
                f"{self._size[1]}x{self._size[0]}",
                hint="a folder read as a video holds images of one size",
            )
        return image


class PagesSource(VideoSource):
    """The pages of one picture file: an animation (WebP, APNG, AVIF), a TIFF's pages, or one still.

    Animations have the times they tell, a page told to be shown for at most 10 ms is shown for 100, as
    browsers do. Pages of another size than the first are scaled to it.

    Args:
        file: Any picture file `read_image` reads.
        fps: Pages per second of what tells no times, 25 when None.
        start_s, end_s: Interval to show, in seconds.

    Raises:
        VideoError: As `read_image`.
        InputError: ``fps`` given for an animation.
    """

    def __init__(
        self,
        file: Path,
        *,
        fps: Fraction | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> None:
        self._file = file
        told = page_seconds(file)
        timed = [s for s in told if s is not None]
        if timed and fps is not None:
            raise InputError(f"fps={fps} given for {file}", hint="an animation carries its own times")
        lengths = timed or [1 / (fps or Fraction(25))] * len(told)
        self._times = list(accumulate(lengths, initial=Fraction(0)))
        duration = self._times.pop()
        height, width = next(read_pages(file)).shape[:2]
        info = VideoInfo(
            path=str(file),
            width=width,
            height=height,
            fps=len(lengths) / duration,
            duration_s=float(duration),
            n_frames=len(lengths),
        )
        super().__init__(info, start_s=start_s, end_s=end_s)

    def _all_times(self) -> Sequence[Fraction]:
        return self._times

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        for index, page in enumerate(read_pages(self._file, first=first), first):
            if index >= len(self._times):
                return
            yield ImagePicture(index, self._times[index], partial(self._fitted, page))

    def _picture_at(self, index: int) -> Picture:
        return next(self._pictures_from(index))

    def _pictures_backwards(self, start: int, stop: int) -> Iterator[Picture]:
        """Some pages at a time: a page of an animation needs those before it."""
        hold = max(1, Limits.current().backward_bytes // (3 * self.info.width * self.info.height))
        for high in range(start, stop - 1, -hold):
            low = max(stop, high - hold + 1)
            held = list(islice(self._pictures_from(low), high - low + 1))
            yield from reversed(held)

    def _fitted(self, page: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
        if page.shape[:2] == self.info.hw:
            return page
        size = (self.info.width, self.info.height)
        return np.asarray(cv2.resize(page, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


class ArraySource(EvenSource):
    """Pictures already in memory; frames are views of what was given, not copies.

    Args:
        images: uint8 (T, H, W, 3), or T arrays uint8 (H, W, 3) of one size; RGB.
        fps: Frames per second they stand for.
        start_s, end_s: Interval to show, in seconds.

    Raises:
        VideoError: No picture, or one of another type or size.
    """

    def __init__(
        self,
        images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
        *,
        fps: Fraction,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> None:
        if len(images) == 0:
            raise VideoError("no pictures: got an empty array or list")
        first = images[0]
        for i, image in enumerate(images):
            fits = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3
            if not fits or image.shape[2] != 3 or image.shape != first.shape or 0 in image.shape:
                raise VideoError(
                    f"picture {i} must be uint8 (H, W, 3) and as large as the first, got {describe(image)}",
                    hint="grey pictures: np.repeat(grey[..., None], 3, axis=-1)",
                )
        self._images = images
        super().__init__("array", len(images), self._pick, fps=fps, start_s=start_s, end_s=end_s)

    def _pick(self, index: int) -> NDArray[np.uint8]:
        return self._images[index]


def image_files(folder: Path) -> list[Path]:
    """The images directly inside a folder, in natural order of their names; hidden files left out."""
    found = [
        p
        for p in folder.iterdir()
        if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".") and p.is_file()
    ]
    return sorted(found, key=lambda p: natural_key(p.name))


def frame_files(folder: Path) -> list[Path]:
    """The `image_files` but for what lies beside a JPEG of the same name: its mask or depth, not a frame."""
    files = image_files(folder)
    photographed = {p.stem for p in files if p.suffix.lower() in _JPEG}
    return [p for p in files if p.suffix.lower() in _JPEG or p.stem not in photographed]


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key under which numbers inside names count as numbers."""
    parts = _DIGITS.split(name)
    return [(1, int(s), "") if i % 2 else (0, 0, s.lower()) for i, s in enumerate(parts)], name
