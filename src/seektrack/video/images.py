"""Pictures that are not in a video file: a folder of images, arrays in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import VideoError
from seektrack.types import VideoInfo
from seektrack.video.source import Picture, VideoSource, describe

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_DIGITS = re.compile(r"(\d+)")

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
        height, width = read(0).shape[:2]
        duration = float(n / fps)
        info = VideoInfo(path=path, width=width, height=height, fps=fps, duration_s=duration, n_frames=n)
        super().__init__(info, start_s=start_s, end_s=end_s)
        self._read = read
        self._times = [i / fps for i in range(n)]

    def _all_times(self) -> Sequence[Fraction]:
        return self._times

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        return (self._picture_at(i) for i in range(first, len(self._times)))

    def _picture_at(self, index: int) -> Picture:
        return ImagePicture(index, self._times[index], self._read)


class FolderSource(EvenSource):
    """The images of one folder in natural order of their names (``2.png`` before ``10.png``).

    Args:
        folder: Holds at least one image; other files and sub-folders are passed over.
        fps: Frames per second the images stand for.
        start_s, end_s: Interval to show, in seconds.

    Raises:
        VideoError: No image in the folder, or one that cannot be read or has another size than the first.
    """

    def __init__(
        self, folder: Path, *, fps: Fraction, start_s: float | None = None, end_s: float | None = None
    ) -> None:
        self._files = image_files(folder)
        if not self._files:
            raise VideoError(
                f"no images in the folder {folder}",
                hint=f"images end in {', '.join(sorted(IMAGE_SUFFIXES))}; for videos in it use find_videos",
            )
        self._size: tuple[int, ...] | None = None
        super().__init__(str(folder), len(self._files), self._load, fps=fps, start_s=start_s, end_s=end_s)

    def _load(self, index: int) -> NDArray[np.uint8]:
        file = self._files[index]
        image = read_image(file)
        if self._size is None:
            self._size = image.shape
        if image.shape != self._size:
            raise VideoError(
                f"{file} is {image.shape[1]}x{image.shape[0]}, the first image of the folder is "
                f"{self._size[1]}x{self._size[0]}",
                hint="a folder read as a video holds images of one size",
            )
        return image


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


def read_image(file: Path) -> NDArray[np.uint8]:
    """One image file as uint8 (H, W, 3), RGB, turned as its EXIF says.

    Raises:
        VideoError: Missing, empty or damaged.
    """
    data = np.fromfile(file, dtype=np.uint8) if file.is_file() else np.empty(0, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise VideoError(f"cannot read the image {file}", hint="is it empty, damaged, or gone?")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def image_files(folder: Path) -> list[Path]:
    """The images directly inside a folder, in natural order of their names; hidden files left out."""
    found = [
        p
        for p in folder.iterdir()
        if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".") and p.is_file()
    ]
    return sorted(found, key=lambda p: natural_key(p.name))


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key under which numbers inside names count as numbers."""
    parts = _DIGITS.split(name)
    return [(1, int(s), "") if i % 2 else (0, 0, s.lower()) for i, s in enumerate(parts)], name
