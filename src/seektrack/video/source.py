"""What every source of pictures can do, whatever is behind it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from seektrack.closing import Closing
from seektrack.errors import InputError
from seektrack.types import Frame, VideoInfo
from seektrack.video.damage import Damage

# A start so much before the stated end needs no look at the frames.
_SURE_S = 1.0


class Picture(ABC):
    """A frame whose pixels are converted only when asked for, so that skipping one is cheap.

    Attributes:
        index: 0-based count of decoded frames in the source.
        timestamp: Presentation time in seconds, exact.
    """

    def __init__(self, index: int, timestamp: Fraction) -> None:
        self.index = index
        self.timestamp = timestamp

    @abstractmethod
    def rgb(self) -> NDArray[np.uint8]:
        """The picture as uint8 (H, W, 3)."""

    @abstractmethod
    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]:
        """A small grey copy of size (h, w), for telling change cheaply; not rotated to display."""

    def frame(self) -> Frame:
        """The picture as a `Frame`."""
        return Frame(index=self.index, timestamp=self.timestamp, image=self.rgb())


class VideoSource(Closing):
    """A video: frames in presentation order, each with its index and its exact time.

    Iterating starts anew each time, decodes lazily and holds a bounded number of frames. A source opened
    with ``start_s``/``end_s`` shows only the frames whose time lies in ``[start_s, end_s)``; their index
    and time stay those of the whole video. One source may be iterated from several threads;
    ``frame_at``, ``frame_near`` and ``frames_reversed`` share a decoder and belong to one thread.
    """

    def __init__(self, info: VideoInfo, *, start_s: float | None, end_s: float | None) -> None:
        check_interval(start_s, end_s)
        self._info = info
        self._start_s = start_s
        self._end_s = end_s

    @property
    def info(self) -> VideoInfo:
        """What is known of the whole video, trimmed or not."""
        return self._info

    @property
    def frame_bytes(self) -> int:
        """Memory one frame takes, in bytes."""
        return 3 * self.info.width * self.info.height

    @property
    def live(self) -> bool:
        """Whether it can only be iterated once, from now on."""
        return False

    @property
    def damage(self) -> Damage | None:
        """What is wrong with the video as far as it has been read; None while nothing is."""
        return None

    @abstractmethod
    def _all_times(self) -> Sequence[Fraction]:
        """Time of every frame of the untrimmed video, strictly increasing."""

    @abstractmethod
    def _pictures_from(self, first: int) -> Iterator[Picture]:
        """Pictures from index ``first`` to the end of the untrimmed video."""

    @abstractmethod
    def _picture_at(self, index: int) -> Picture:
        """The picture at an index known to lie in the video."""

    def _key_pictures_all(self) -> Iterator[Picture]:
        return self._pictures_from(0)

    def _pictures_backwards(self, start: int, stop: int) -> Iterator[Picture]:
        """Pictures ``start``, ``start - 1``, … ``stop``."""
        return (self._picture_at(i) for i in range(start, stop - 1, -1))

    def pictures(self, *, start_s: float | None = None, end_s: float | None = None) -> Iterator[Picture]:
        """Like `frames`, with pixels converted only for the pictures that are asked for theirs."""
        check_interval(start_s, end_s)
        low, high = self._interval(start_s, end_s)
        return self._until(self._pictures_from(self._first_from(low) if low > 0 else 0), high)

    def key_pictures(self) -> Iterator[Picture]:
        """Only pictures that decode without another; of images and arrays, all."""
        low, high = self._interval(None, None)
        return (p for p in self._until(self._key_pictures_all(), high) if p.timestamp >= low)

    def frames(self, *, start_s: float | None = None, end_s: float | None = None) -> Iterator[Frame]:
        """Frames whose time lies in ``[start_s, end_s)``, within the interval the source was opened with.

        Raises:
            InputError: The interval is empty or not made of numbers ≥ 0.
        """
        return (p.frame() for p in self.pictures(start_s=start_s, end_s=end_s))

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def times(self) -> list[Fraction]:
        """Time in seconds of every frame iteration gives, without converting pixels.

        The first call may read the file through once (without decoding where the container is enough).
        """
        start, stop = self._range()
        return list(self._all_times()[start:stop])

    def len_frames(self) -> int:
        """How many frames iteration gives."""
        start, stop = self._range()
        return stop - start

    @property
    def first_index(self) -> int:
        """Index of the first frame iteration gives; 0 unless the source was opened with ``start_s``."""
        return self._range()[0]

    def frame_at(self, index: int) -> Frame:
        """The frame with an index of the whole video.

        Raises:
            InputError: There is no such frame, or it lies outside the interval the source was opened with.
        """
        start, stop = self._range()
        if not start <= index < stop:
            self._refuse_index(index, start, stop)
        return self._picture_at(index).frame()

    def frame_near(self, time_s: float) -> Frame:
        """The frame whose time is nearest, the earlier of two equally near.

        Raises:
            InputError: ``time_s`` is not a finite number, or the source has no frames.
        """
        if not math.isfinite(time_s):
            raise InputError(f"time_s must be a finite number of seconds, got {time_s}")
        start, stop = self._range()
        if start == stop:
            self._refuse_index(start, start, stop)
        times, wanted = self._all_times(), exact_seconds(time_s)
        after = min(max(bisect_left(times, wanted), start), stop - 1)
        before = max(after - 1, start)
        index = before if abs(times[before] - wanted) <= abs(times[after] - wanted) else after
        return self.frame_at(index)

    def frames_reversed(self, start_index: int | None = None) -> Iterator[Frame]:
        """Frames from ``start_index`` (by default the last) back to the first, in bounded memory.

        Raises:
            InputError: There is no frame ``start_index``.
        """
        start, stop = self._range()
        last = stop - 1 if start_index is None else start_index
        if start_index is not None and not start <= last < stop:
            self._refuse_index(last, start, stop)
        return (p.frame() for p in self._pictures_backwards(last, start)) if stop > start else iter(())

    def close(self) -> None:
        """Release what is open; the source may be used again and then reopens."""
        return

    def __repr__(self) -> str:
        i = self.info
        return f"{type(self).__name__}({i.path!r}, {i.height}x{i.width}, fps={float(i.fps):.3f})"

    def require_start(self) -> None:
        """Refuse a source opened with a start at or behind the end of its video.

        The end is where the last picture ends: a frame's length after its time. A start between the last
        frame's time and the end shows no frame, as the picture shown then began before.

        Raises:
            InputError: There is nothing to show from that start on.
        """
        stated = self.info.duration_s
        if self._start_s is None or (stated is not None and self._start_s + _SURE_S < stated):
            return  # the container's word is enough where it leaves room
        times = self._all_times()
        end = max(times[-1] + 1 / self.info.fps if times else Fraction(0), exact_seconds(stated or 0))
        if not times or (exact_seconds(self._start_s) >= end > 0):
            raise InputError(
                f"start_s={self._start_s:g} lies behind the end of {self.info.path} ({float(end):.3f} s)",
                hint="choose a start before the end of the video",
            )

    def _first_from(self, low: Fraction) -> int:
        """Index of the first frame at or after a time; the number of frames when there is none."""
        return bisect_left(self._all_times(), low)

    def _interval(self, start_s: float | None, end_s: float | None) -> tuple[Fraction, Fraction | None]:
        starts = [exact_seconds(s) for s in (start_s, self._start_s) if s is not None]
        ends = [exact_seconds(s) for s in (end_s, self._end_s) if s is not None]
        return max(starts, default=Fraction(0)), min(ends, default=None)

    def _range(self) -> tuple[int, int]:
        times = self._all_times()
        low, high = self._interval(None, None)
        start = self._first_from(low) if low > 0 else 0
        return start, max(start, len(times) if high is None else bisect_left(times, high))

    @staticmethod
    def _until(pictures: Iterator[Picture], high: Fraction | None) -> Iterator[Picture]:
        for picture in pictures:
            if high is not None and picture.timestamp >= high:
                return
            yield picture

    def _refuse_index(self, index: int, start: int, stop: int) -> None:
        allowed = f"frames {start} to {stop - 1} exist" if stop > start else "it has no frames here"
        raise InputError(f"no frame {index} in {self.info.path}: {allowed}")


def check_interval(start_s: float | None, end_s: float | None) -> None:
    """Raise InputError unless the interval ``[start_s, end_s)`` is made of times ≥ 0 and not empty."""
    for name, value in (("start_s", start_s), ("end_s", end_s)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise InputError(f"{name} must be seconds ≥ 0, got {value}")
    if end_s is not None and end_s <= (start_s or 0):
        raise InputError(f"end_s={end_s:g} must lie after start_s={start_s or 0:g}")


def exact_seconds(seconds: float) -> Fraction:
    """The time a float stands for: 0.1 becomes 1/10, and ``float(frame.timestamp)`` that timestamp again."""
    return Fraction(seconds).limit_denominator(1_000_000)


def exact_fps(fps: float | Fraction) -> Fraction:
    """Frames per second as an exact fraction: 29.97 given as float becomes 2997/100.

    Raises:
        InputError: Not a finite number > 0.
    """
    exact = Fraction(fps).limit_denominator(100_000) if math.isfinite(fps) else Fraction(0)
    if exact <= 0:
        raise InputError(f"fps must be a number > 0, got {fps}", hint="the least is one frame in a day")
    return fps if isinstance(fps, Fraction) else exact


def describe(value: object) -> str:
    """Type and shape of an array, or the type's name, for messages."""
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
