"""Decoded once, looked at many times: a video's frames in a file, whatever their number, not in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, VideoError
from seektrack.video.damage import Damage
from seektrack.video.images import ImagePicture
from seektrack.video.source import Picture, VideoSource


class CachedSource(VideoSource):
    """Another source's frames, decoded once into a temporary file and read from there in any order.

    The file has no name, and goes with the source or the process. Raw frames are exact and mapped into memory
    by the system as they are needed; as JPEG they take some twentieth of the room and are near, not exact.

    Args:
        source: What to keep, as far as it is shown; read through when the first frame is asked for. Indices
            and times stay those of the whole video.
        jpeg_quality: 1 to 100 to keep frames as JPEG; None keeps them raw.
        folder: Where the file lies; the system's folder for temporary files by default.

    Raises:
        InputError: A quality out of range.
    """

    def __init__(
        self,
        source: VideoSource,
        *,
        jpeg_quality: int | None = None,
        folder: str | None = None,
    ) -> None:
        if jpeg_quality is not None and not 1 <= jpeg_quality <= 100:
            raise InputError(f"jpeg_quality must lie in 1..100, got {jpeg_quality}")
        super().__init__(source.info, start_s=source._start_s, end_s=source._end_s)
        self._source, self._quality, self._folder = source, jpeg_quality, folder
        self._times: list[Fraction] = []
        self._ends: list[int] = []
        self._first = 0
        self._held: NDArray[np.uint8] | None = None

    @property
    def n_bytes(self) -> int:
        """Size of the file; 0 before it is made."""
        return self._ends[-1] if self._ends else 0

    @property
    def damage(self) -> Damage | None:
        """What is wrong with the source as far as it has been read."""
        return self._source.damage

    def close(self) -> None:
        """Drop the file; it is made again when needed."""
        self._held = None
        self._times, self._ends = [], []
        self._source.close()

    def _all_times(self) -> Sequence[Fraction]:
        self._fill()
        return self._times

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        self._fill()
        kept = range(max(first, self._first), self._first + len(self._ends))
        return (self._picture_at(i) for i in kept)

    def _picture_at(self, index: int) -> Picture:
        self._fill()
        return ImagePicture(index, self._times[index], self._read)

    def _fill(self) -> NDArray[np.uint8]:
        if self._held is not None:
            return self._held
        ends: list[int] = []
        at = first = 0
        try:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                for frame in self._source:
                    first = first if ends else frame.index
                    data = self._encoded(frame.image)
                    file.write(data)
                    at += len(data)
                    ends.append(at)
                file.flush()
                held = np.memmap(file, dtype=np.uint8, mode="r", shape=(at,)) if at else np.empty(0, np.uint8)
        except OSError as error:
            raise VideoError(
                f"cannot keep the frames of {self.info.path}: {error.strerror or error}",
                hint="choose a folder with more space (TMPDIR names it), or keep them as JPEG",
            ) from error
        times = list(self._source._all_times())  # after a pass through the file, which settles them
        self._held, self._times, self._ends, self._first = held, times, ends, first
        return held

    def _encoded(self, image: NDArray[np.uint8]) -> bytes:
        if self._quality is None:
            return np.ascontiguousarray(image).tobytes()
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, self._quality])[1])

    def _read(self, index: int) -> NDArray[np.uint8]:
        held, at = self._fill(), index - self._first
        data = held[self._ends[at - 1] if at else 0 : self._ends[at]]
        if self._quality is None:
            return np.array(data).reshape(*self.info.hw, 3)  # a copy, as others' frames may be drawn on
        bgr = cv2.imdecode(np.asarray(data), cv2.IMREAD_COLOR)
        if bgr is None:
            raise VideoError(f"the kept frame {index} of {self.info.path} cannot be read back")
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
